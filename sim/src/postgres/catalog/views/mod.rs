//! The system catalogs and views as relations: name, columns and rows.

mod activity;
mod build;
mod classes;
mod publications;
mod server;
mod types;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::relation::Relation;
use crate::postgres::sql::host::{Column, Scan, ScanRow};
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::state::State;

use build::Table;

pub use build::View;

pub use types::collation_oid;

/// Every view, with the oid that it has as a relation.
const VIEWS: &[View] = &[
    View {
        name: "pg_class",
        oid: 1259,
        make: classes::pg_class,
    },
    View {
        name: "pg_attribute",
        oid: 1249,
        make: classes::pg_attribute,
    },
    View {
        name: "pg_attrdef",
        oid: 2604,
        make: classes::pg_attrdef,
    },
    View {
        name: "pg_constraint",
        oid: 2606,
        make: classes::pg_constraint,
    },
    View {
        name: "pg_index",
        oid: 2610,
        make: classes::pg_index,
    },
    View {
        name: "pg_inherits",
        oid: 2611,
        make: classes::pg_inherits,
    },
    View {
        name: "pg_partitioned_table",
        oid: 3350,
        make: classes::pg_partitioned_table,
    },
    View {
        name: "pg_namespace",
        oid: 2615,
        make: classes::pg_namespace,
    },
    View {
        name: "pg_sequence",
        oid: 2224,
        make: classes::pg_sequence,
    },
    View {
        name: "pg_tables",
        oid: 12001,
        make: classes::pg_tables,
    },
    View {
        name: "pg_type",
        oid: 1247,
        make: types::pg_type,
    },
    View {
        name: "pg_collation",
        oid: 3456,
        make: types::pg_collation,
    },
    View {
        name: "pg_am",
        oid: 2601,
        make: types::pg_am,
    },
    View {
        name: "pg_roles",
        oid: 12002,
        make: server::pg_roles,
    },
    View {
        name: "pg_authid",
        oid: 1260,
        make: server::pg_roles,
    },
    View {
        name: "pg_auth_members",
        oid: 1261,
        make: server::pg_auth_members,
    },
    View {
        name: "pg_database",
        oid: 1262,
        make: server::pg_database,
    },
    View {
        name: "pg_settings",
        oid: 12003,
        make: server::pg_settings,
    },
    View {
        name: "pg_description",
        oid: 2609,
        make: server::pg_description,
    },
    View {
        name: "pg_publication",
        oid: 6104,
        make: publications::pg_publication,
    },
    View {
        name: "pg_publication_rel",
        oid: 6106,
        make: publications::pg_publication_rel,
    },
    View {
        name: "pg_publication_namespace",
        oid: 6237,
        make: publications::pg_publication_namespace,
    },
    View {
        name: "pg_publication_tables",
        oid: 12004,
        make: publications::pg_publication_tables,
    },
    View {
        name: "pg_stat_activity",
        oid: 12005,
        make: activity::pg_stat_activity,
    },
    View {
        name: "pg_stat_replication",
        oid: 12006,
        make: activity::pg_stat_replication,
    },
    View {
        name: "pg_replication_slots",
        oid: 12007,
        make: activity::pg_replication_slots,
    },
    View {
        name: "pg_locks",
        oid: 12008,
        make: activity::pg_locks,
    },
    View {
        name: "pg_prepared_xacts",
        oid: 12009,
        make: activity::pg_prepared_xacts,
    },
    View {
        name: "pg_replication_origin",
        oid: 6000,
        make: activity::pg_replication_origin,
    },
    View {
        name: "pg_subscription",
        oid: 6100,
        make: activity::pg_subscription,
    },
];

/// The system catalog or view of this name, with `pg_catalog` or without.
pub fn lookup(parts: &[impl AsRef<str>]) -> Option<&'static View> {
    let name = match parts {
        [name] => name,
        [.., schema, name] if schema.as_ref() == "pg_catalog" => name,
        _ => return None,
    };
    VIEWS.iter().find(|view| view.name == name.as_ref())
}

/// A view as it is now.
pub fn scan(view: &View, state: &State, pid: i32) -> Scan {
    let mut table = Table {
        columns: COLUMNS.with_borrow(|known| known.get(&view.oid).cloned()),
        rows: Vec::new(),
    };
    let known = table.columns.is_some();
    (view.make)(state, pid, &mut table);
    let columns = table.columns.unwrap_or_default();
    if !known {
        COLUMNS.with_borrow_mut(|known| known.insert(view.oid, Rc::clone(&columns)));
    }
    Scan {
        columns,
        rows: table.rows,
        oid: view.oid,
    }
}

thread_local! {
    /// The columns of the views that have been read, by oid. A view's columns are constants of this code, so
    /// what was made once is right for every server.
    static COLUMNS: RefCell<BTreeMap<u32, Rc<[Column]>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The name of a system catalog or view.
pub fn name_of(oid: u32) -> Option<&'static str> {
    VIEWS.iter().find(|view| view.oid == oid).map(|view| view.name)
}

/// A sequence, read as a relation.
pub fn sequence(state: &State, pid: i32, relation: &Relation) -> Scan {
    let columns: Rc<[Column]> = [
        ("last_value", Type::Int8),
        ("log_cnt", Type::Int8),
        ("is_called", Type::Bool),
    ]
    .map(|(name, ty)| Column {
        name: name.to_owned(),
        ty,
    })
    .into();
    let values = state.database(pid).sequences.get(&relation.oid);
    let rows = values.map(|s| ScanRow {
        ctid: (0, 1),
        values: [s.last.into(), Value::Int(0), s.called.into()].into(),
    });
    Scan {
        columns,
        rows: rows.into_iter().collect(),
        oid: relation.oid,
    }
}
