//! The check before anything is created: can the source be read, can the target be written.

use std::collections::BTreeSet;

use crate::catalog::{self, Kind, Table};
use crate::client::Client;
use crate::connection::{Connector, Row};
use crate::failure::Side;
use crate::load_error::LoadError;
use crate::names::{TableName, quote_literal};
use crate::refusal::Refusal;
use crate::report::Skipped;
use crate::settings::{Settings, Tables};

const MINIMUM_VERSION: u32 = 140_000;

/// What the check of the source found.
pub(crate) struct Source {
    /// The tables to make on the target: parents before their partitions.
    pub(crate) tables: Vec<Table>,
    /// Tables that were not asked for by name and cannot be mirrored.
    pub(crate) skipped: Vec<Skipped>,
}

/// Checks the source and lists what there is to load.
pub(crate) async fn source<C: Connector>(
    on: &mut Client<C>,
    settings: &Settings,
) -> Result<Source, LoadError> {
    let needed = i64::try_from(settings.workers).unwrap_or(i64::MAX);
    let rows = on
        .query(
            "reading the server's settings",
            &format!("{SERVER}; {REPLICATION}"),
        )
        .await?;
    let mut rows = rows.into_iter();
    let role = server(on.side, needed, &rows.next().unwrap_or_default())?;
    replication(&role, &rows.next().unwrap_or_default())?;
    let tables = catalog::read(on).await?;
    let (chosen, skipped) = choose(tables, &settings.tables)?;
    for table in &chosen {
        if let Some(refusal) = unpublishable(table, &role) {
            return Err(refusal.into());
        }
    }
    Ok(Source {
        tables: parents_first(chosen),
        skipped,
    })
}

/// What both servers are asked.
const SERVER: &str = "SELECT current_setting('server_version_num'), current_setting('server_version'), \
    current_user, current_database(), has_database_privilege(current_database(), 'CREATE'), \
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int \
        - (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL), \
    pg_is_in_recovery()";

/// What the source is asked besides.
const REPLICATION: &str = "SELECT current_setting('wal_level'), \
    (SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = current_user), \
    current_setting('max_replication_slots')::int, (SELECT count(*) FROM pg_replication_slots), \
    current_setting('max_wal_senders')::int, (SELECT count(*) FROM pg_stat_replication)";

/// Checks what both servers need, in the answer to [`SERVER`]; returns the role.
fn server(side: Side, needed: i64, row: &Row) -> Result<String, Refusal> {
    let text = |index| row.get(index).unwrap_or_default().to_owned();
    if row.parse::<u32>(0).unwrap_or(0) < MINIMUM_VERSION {
        return Err(Refusal::TooOld {
            side,
            version: text(1),
        });
    }
    if side == Side::Source && row.is_true(6) {
        return Err(Refusal::Standby);
    }
    let role = text(2);
    if !row.is_true(4) {
        return Err(Refusal::NoCreate {
            side,
            role,
            database: text(3),
        });
    }
    let free = row.parse::<i64>(5).unwrap_or(0);
    if free < needed {
        return Err(Refusal::NoFreeConnections { side, needed, free });
    }
    Ok(role)
}

/// Checks what the source needs to replicate, in the answer to [`REPLICATION`].
fn replication(role: &str, row: &Row) -> Result<(), Refusal> {
    let number = |index| row.parse::<i64>(index).unwrap_or(0);
    if row.get(0) != Some("logical") {
        return Err(Refusal::WalLevel {
            found: row.get(0).unwrap_or_default().to_owned(),
        });
    }
    if !row.is_true(1) {
        return Err(Refusal::NoReplication {
            role: role.to_owned(),
        });
    }
    if number(3) >= number(2) {
        return Err(Refusal::NoFreeSlot { max: number(2) });
    }
    if number(5) >= number(4) {
        return Err(Refusal::NoFreeWalsender { max: number(4) });
    }
    Ok(())
}

fn only_row(rows: Vec<Row>) -> Row {
    rows.into_iter().next().unwrap_or_default()
}

/// The tables that were asked for. A partitioned table brings its partitions, and a partition its parents.
fn choose(all: Vec<Table>, wanted: &Tables) -> Result<(Vec<Table>, Vec<Skipped>), LoadError> {
    let Tables::Only(names) = wanted else {
        let skip = |t: &Table| match t.kind {
            Kind::Unsupported(reason) => Some(Skipped {
                table: t.name.clone(),
                reason,
            }),
            _ => None,
        };
        let skipped = all.iter().filter_map(skip).collect();
        let chosen = all.into_iter().filter(|t| skip(t).is_none()).collect();
        return Ok((chosen, skipped));
    };
    let mut chosen = BTreeSet::new();
    for name in names {
        let table = all.iter().find(|t| t.name == *name);
        chosen.insert(table.ok_or_else(|| Refusal::NoSuchTable(name.clone()))?.oid);
    }
    let related = |table: &Table, chosen: &BTreeSet<u32>| {
        let of_parent = table
            .partition_of
            .as_ref()
            .is_some_and(|p| chosen.contains(&p.parent));
        let of_child = all.iter().any(|child| {
            chosen.contains(&child.oid) && child.partition_of.as_ref().is_some_and(|p| p.parent == table.oid)
        });
        of_parent || of_child
    };
    loop {
        let more: Vec<u32> = all
            .iter()
            .filter(|t| !chosen.contains(&t.oid) && related(t, &chosen))
            .map(|t| t.oid)
            .collect();
        if more.is_empty() {
            break;
        }
        chosen.extend(more);
    }
    Ok((
        all.into_iter().filter(|t| chosen.contains(&t.oid)).collect(),
        Vec::new(),
    ))
}

fn unpublishable(table: &Table, role: &str) -> Option<Refusal> {
    let (role, name) = (role.to_owned(), table.name.clone());
    if let Kind::Unsupported(reason) = table.kind {
        return Some(Refusal::Unsupported { table: name, reason });
    }
    if !table.owned {
        return Some(Refusal::NotOwner { role, table: name });
    }
    (!table.readable).then_some(Refusal::NotReadable { role, table: name })
}

fn parents_first(tables: Vec<Table>) -> Vec<Table> {
    let mut ordered: Vec<Table> = Vec::with_capacity(tables.len());
    let mut rest = tables;
    loop {
        let is_waiting = |t: &Table, rest: &[Table]| {
            t.partition_of
                .as_ref()
                .is_some_and(|p| rest.iter().any(|other| other.oid == p.parent))
        };
        let (waiting, ready): (Vec<Table>, Vec<Table>) =
            rest.iter().cloned().partition(|t| is_waiting(t, &rest));
        if ready.is_empty() {
            // No table is its own ancestor, so nothing is left here but an empty list.
            ordered.extend(waiting);
            return ordered;
        }
        ordered.extend(ready);
        rest = waiting;
    }
}

/// Checks that the target can take `tables`; returns those that are missing there. Rows are allowed only in
/// the tables in `ours`, which this mirror has recorded as its own.
pub(crate) async fn target<C: Connector>(
    on: &mut Client<C>,
    settings: &Settings,
    tables: &[Table],
    ours: &BTreeSet<TableName>,
) -> Result<Vec<Table>, LoadError> {
    let needed = i64::try_from(settings.workers).unwrap_or(i64::MAX);
    let rows = on.query("reading the server's settings", SERVER).await?;
    let role = server(on.side, needed, &only_row(rows))?;
    let existing = catalog::read(on).await?;
    let mut missing = Vec::new();
    for table in tables {
        let Some(there) = existing.iter().find(|t| t.name == table.name) else {
            missing.push(table.clone());
            continue;
        };
        if let Some(difference) = difference(table, there) {
            return Err(Refusal::ColumnsDiffer {
                table: table.name.clone(),
                difference,
            }
            .into());
        }
        if !there.insertable {
            return Err(Refusal::NotWritable {
                role,
                table: table.name.clone(),
            }
            .into());
        }
        if table.kind == Kind::Ordinary && !ours.contains(&table.name) && has_rows(on, &table.name).await? {
            return Err(Refusal::NotEmpty(table.name.clone()).into());
        }
    }
    schemas(on, &role, &missing).await?;
    types(on, &missing).await?;
    Ok(missing)
}

fn difference(source: &Table, target: &Table) -> Option<String> {
    for column in &source.columns {
        let Some(there) = target.columns.iter().find(|c| c.name == column.name) else {
            return Some(format!("no column {}", column.name));
        };
        if there.ty != column.ty {
            return Some(format!(
                "column {} is {} there and {} here",
                column.name, there.ty, column.ty
            ));
        }
    }
    None
}

async fn has_rows<C: Connector>(on: &mut Client<C>, table: &TableName) -> Result<bool, LoadError> {
    let sql = format!("SELECT EXISTS (SELECT 1 FROM ONLY {})", table.sql());
    Ok(only_row(on.query(&format!("looking for rows in {table}"), &sql).await?).is_true(0))
}

/// The schemas of missing tables that exist must let us in.
async fn schemas<C: Connector>(on: &mut Client<C>, role: &str, missing: &[Table]) -> Result<(), LoadError> {
    let names: BTreeSet<&str> = missing.iter().map(|t| t.name.schema.as_str()).collect();
    if names.is_empty() {
        return Ok(());
    }
    let list = names
        .iter()
        .map(|n| quote_literal(n))
        .collect::<Vec<_>>()
        .join(", ");
    let sql = format!(
        "SELECT nspname FROM pg_namespace \
        WHERE nspname IN ({list}) AND NOT has_schema_privilege(oid, 'CREATE') ORDER BY 1"
    );
    match on
        .query("checking the schemas", &sql)
        .await?
        .first()
        .and_then(|row| row.get(0))
    {
        Some(schema) => Err(Refusal::NoCreateInSchema {
            role: role.to_owned(),
            schema: schema.to_owned(),
        }
        .into()),
        None => Ok(()),
    }
}

/// The types of missing tables must exist. The system's own do, and are not qualified.
async fn types<C: Connector>(on: &mut Client<C>, missing: &[Table]) -> Result<(), LoadError> {
    let columns = missing.iter().flat_map(|t| &t.columns);
    let types: BTreeSet<&str> = columns
        .map(|c| c.ty.as_str())
        .filter(|ty| ty.contains('.'))
        .collect();
    for ty in types {
        let sql = format!("SELECT to_regtype({}) IS NULL", quote_literal(ty));
        if only_row(on.query(&format!("looking for type {ty}"), &sql).await?).is_true(0) {
            return Err(Refusal::NoSuchType { ty: ty.to_owned() }.into());
        }
    }
    Ok(())
}
