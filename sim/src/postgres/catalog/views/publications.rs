//! Publications and what they publish.

use std::rc::Rc;

use super::build::{NULL, Table, oid};
use crate::postgres::catalog::database::{PG_CATALOG, Publication};
use crate::postgres::catalog::relation::{Relation, RelationKind};
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::state::State;

/// `pg_publication`.
pub fn pg_publication(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("oid", Type::Oid),
        ("pubname", Type::Name),
        ("pubowner", Type::Oid),
        ("puballtables", Type::Bool),
        ("pubinsert", Type::Bool),
        ("pubupdate", Type::Bool),
        ("pubdelete", Type::Bool),
        ("pubtruncate", Type::Bool),
        ("pubviaroot", Type::Bool),
    ]);
    for (id, publication) in state
        .database(pid)
        .publications
        .iter(&state.log, state.catalog_view(pid))
    {
        let [insert, update, delete, truncate] = publication.publishes;
        table.row([
            oid(*id),
            publication.name.clone().into(),
            oid(publication.owner),
            publication.all_tables.into(),
            insert.into(),
            update.into(),
            delete.into(),
            truncate.into(),
            publication.via_root.into(),
        ]);
    }
}

/// `pg_publication_rel`.
pub fn pg_publication_rel(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("oid", Type::Oid),
        ("prpubid", Type::Oid),
        ("prrelid", Type::Oid),
        ("prqual", Type::Text),
        ("prattrs", Type::Text),
    ]);
    for (id, publication) in state
        .database(pid)
        .publications
        .iter(&state.log, state.catalog_view(pid))
    {
        for relation in publication.tables.keys() {
            table.row([
                oid(id.wrapping_mul(31).wrapping_add(*relation)),
                oid(*id),
                oid(*relation),
                NULL,
                NULL,
            ]);
        }
    }
}

/// `pg_publication_namespace`.
pub fn pg_publication_namespace(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[("oid", Type::Oid), ("pnpubid", Type::Oid), ("pnnspid", Type::Oid)]);
    for (id, publication) in state
        .database(pid)
        .publications
        .iter(&state.log, state.catalog_view(pid))
    {
        for schema in &publication.schemas {
            table.row([
                oid(id.wrapping_mul(31).wrapping_add(*schema)),
                oid(*id),
                oid(*schema),
            ]);
        }
    }
}

/// `pg_publication_tables`.
pub fn pg_publication_tables(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("pubname", Type::Name),
        ("schemaname", Type::Name),
        ("tablename", Type::Name),
        ("attnames", Type::Array(std::sync::Arc::new(Type::Name))),
        ("rowfilter", Type::Text),
    ]);
    for (_, publication) in state
        .database(pid)
        .publications
        .iter(&state.log, state.catalog_view(pid))
    {
        for relation in published(state, pid, publication) {
            let names: Vec<Value> = relation
                .live()
                .map(|(_, column)| column.name.as_str().into())
                .collect();
            table.row([
                publication.name.clone().into(),
                state.schema_name(pid, relation.schema).into(),
                relation.name.clone().into(),
                Value::Array(names.into()),
                NULL,
            ]);
        }
    }
}

/// The tables that a publication publishes: the leaves of partitioned ones, or with
/// `publish_via_partition_root` the roots.
fn published(state: &State, pid: i32, publication: &Publication) -> Vec<Rc<Relation>> {
    let database = state.database(pid);
    let named = |relation: &Relation| {
        publication.tables.contains_key(&relation.oid)
            || publication.schemas.contains(&relation.schema)
            || (publication.all_tables && relation.schema != PG_CATALOG)
    };
    let mut published: Vec<Rc<Relation>> = Vec::new();
    for (_, relation) in database.relations.iter(&state.log, state.catalog_view(pid)) {
        let tables = match relation.kind {
            RelationKind::Table => vec![Rc::clone(relation)],
            RelationKind::Partitioned(_) if publication.via_root => vec![Rc::clone(relation)],
            RelationKind::Partitioned(_) => state.leaves(pid, relation),
            _ => continue,
        };
        let below_root = publication.via_root && relation.parent.is_some() && publication.all_tables;
        if named(relation) && relation.persistence == 'p' && !below_root {
            for table in tables {
                if !published.iter().any(|known| known.oid == table.oid) {
                    published.push(table);
                }
            }
        }
    }
    published
}
