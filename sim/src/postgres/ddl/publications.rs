//! Publications.

use std::collections::BTreeMap;
use std::rc::Rc;

use sqlparser::ast::ObjectName;

use super::{Answer, notice, tag};
use crate::postgres::catalog::database::Publication;
use crate::postgres::catalog::relation::RelationKind;
use crate::postgres::locks::LockMode;
use crate::postgres::sql::command::{PublicationChange, PublicationTables};
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::host::Interrupt;
use crate::postgres::state::State;
use crate::postgres::waits::Wait;

type Options = [(String, Option<String>)];

fn resolve(
    state: &mut State,
    pid: i32,
    names: &[ObjectName],
) -> Result<BTreeMap<u32, Option<Vec<String>>>, Interrupt<Wait>> {
    let mut tables = BTreeMap::new();
    for name in names {
        let relation = state.locked_table(pid, name, LockMode::ShareUpdateExclusive)?;
        state.require_owner(pid, &relation)?;
        if relation.persistence != 'p'
            || !matches!(relation.kind, RelationKind::Table | RelationKind::Partitioned(_))
        {
            let message = format!("cannot add relation \"{}\" to publication", relation.name);
            let detail = match relation.persistence {
                'p' => "This operation is not supported for sequences.",
                _ => "This operation is not supported for unlogged tables.",
            };
            return Err(PgError::new("22023", message).with_detail(detail).into());
        }
        tables.insert(relation.oid, None);
    }
    Ok(tables)
}

fn apply_options(publication: &mut Publication, options: &Options) -> Result<(), PgError> {
    for (name, value) in options {
        match name.as_str() {
            "publish" => {
                let value = value.as_deref().unwrap_or_default();
                publication.publishes = [false; 4];
                for word in value.split(',').map(str::trim).filter(|word| !word.is_empty()) {
                    let index = ["insert", "update", "delete", "truncate"]
                        .iter()
                        .position(|known| *known == word);
                    let unknown = || {
                        PgError::new(
                            "42601",
                            format!("unrecognized value for publication option \"publish\": \"{word}\""),
                        )
                    };
                    publication.publishes[index.ok_or_else(unknown)?] = true;
                }
            }
            "publish_via_partition_root" => {
                publication.via_root = matches!(value.as_deref(), None | Some("true" | "on" | "1"));
            }
            _ => {
                return Err(PgError::new(
                    "42601",
                    format!("unrecognized publication parameter: \"{name}\""),
                ));
            }
        }
    }
    Ok(())
}

fn find(state: &State, pid: i32, name: &str) -> Result<(u32, Rc<Publication>), PgError> {
    let view = state.catalog_view(pid);
    let found = state
        .database(pid)
        .publications
        .iter(&state.log, view)
        .find(|(_, p)| p.name == name);
    let missing = || PgError::new("42704", format!("publication \"{name}\" does not exist"));
    found
        .map(|(oid, publication)| (*oid, Rc::clone(publication)))
        .ok_or_else(missing)
}

fn wait_for_others(state: &State, pid: i32, name: &str) -> Result<(), Interrupt<Wait>> {
    let own = state.own_xid(pid);
    match state
        .database(pid)
        .publications
        .changing_where(&state.log, own, |p| p.name == name)
    {
        Some(xid) => Err(Interrupt::Wait(Wait::transaction(xid))),
        None => Ok(()),
    }
}

fn require_owner(state: &State, pid: i32, publication: &Publication) -> Result<(), PgError> {
    let role = state.role(pid);
    if role.superuser || role.oid == publication.owner {
        return Ok(());
    }
    Err(PgError::new(
        "42501",
        format!("must be owner of publication {}", publication.name),
    ))
}

fn put(state: &mut State, pid: i32, oid: u32, publication: Publication) {
    let xid = state.writing_xid(pid);
    state.write_wal(96);
    let (database, log) = state.database_mut(pid);
    database.publications.put(log, xid, oid, publication);
}

/// `CREATE PUBLICATION`.
pub(crate) fn create(
    state: &mut State,
    pid: i32,
    name: &str,
    tables: &PublicationTables,
    options: &Options,
) -> Answer {
    let role = state.role(pid);
    let (owner, superuser) = (role.oid, role.superuser);
    if !superuser && owner != state.database(pid).owner {
        let database = &state.backend_ref(pid).database;
        return Err(PgError::new("42501", format!("permission denied for database {database}")).into());
    }
    wait_for_others(state, pid, name)?;
    if find(state, pid, name).is_ok() {
        return Err(PgError::new("42710", format!("publication \"{name}\" already exists")).into());
    }
    let (all_tables, tables) = match tables {
        PublicationTables::All if !superuser => {
            return Err(
                PgError::new("42501", "must be superuser to create FOR ALL TABLES publication").into(),
            );
        }
        PublicationTables::All => (true, BTreeMap::new()),
        PublicationTables::Tables(names) => (false, resolve(state, pid, names)?),
    };
    let mut publication = Publication {
        name: name.to_owned(),
        owner,
        all_tables,
        schemas: Vec::new(),
        tables,
        via_root: false,
        publishes: [true; 4],
    };
    apply_options(&mut publication, options)?;
    let oid = state.new_oid();
    put(state, pid, oid, publication);
    tag("CREATE PUBLICATION")
}

/// `ALTER PUBLICATION`.
pub(crate) fn alter(state: &mut State, pid: i32, name: &str, change: &PublicationChange) -> Answer {
    wait_for_others(state, pid, name)?;
    let (oid, old) = find(state, pid, name)?;
    require_owner(state, pid, &old)?;
    let mut publication = (*old).clone();
    match change {
        PublicationChange::Add(names) => {
            for (table, columns) in resolve(state, pid, names)? {
                if publication.tables.insert(table, columns).is_some() {
                    let relation = state.regclass(pid, table).unwrap_or_default();
                    let message =
                        format!("relation \"{relation}\" is already member of publication \"{name}\"");
                    return Err(PgError::new("42710", message).into());
                }
            }
        }
        PublicationChange::Drop(names) => {
            for table in resolve(state, pid, names)?.keys() {
                if publication.tables.remove(table).is_none() {
                    let relation = state.regclass(pid, *table).unwrap_or_default();
                    let message = format!("relation \"{relation}\" is not part of the publication");
                    return Err(PgError::new("42704", message).into());
                }
            }
        }
        PublicationChange::Set(names) => publication.tables = resolve(state, pid, names)?,
        PublicationChange::Options(options) => apply_options(&mut publication, options)?,
        PublicationChange::Rename(to) => publication.name.clone_from(to),
        PublicationChange::Owner(to) => {
            let missing = || PgError::new("42704", format!("role \"{to}\" does not exist"));
            publication.owner = state.roles.get(to).ok_or_else(missing)?.oid;
        }
    }
    put(state, pid, oid, publication);
    tag("ALTER PUBLICATION")
}

/// `DROP PUBLICATION`.
pub(crate) fn drop(state: &mut State, pid: i32, if_exists: bool, names: &[String]) -> Answer {
    for name in names {
        wait_for_others(state, pid, name)?;
    }
    for name in names {
        match find(state, pid, name) {
            Ok((oid, publication)) => {
                require_owner(state, pid, &publication)?;
                let xid = state.writing_xid(pid);
                let (database, log) = state.database_mut(pid);
                database.publications.remove(log, xid, &oid);
            }
            Err(error) if if_exists => notice(state, pid, "00000", format!("{}, skipping", error.message)),
            Err(error) => return Err(error.into()),
        }
    }
    tag("DROP PUBLICATION")
}
