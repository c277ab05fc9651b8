//! Databases, roles, server settings, rights and comments.

use std::rc::Rc;

use sqlparser::ast::{
    CommentObject, Grant, GrantObjects, GranteeName, GranteesType, Privileges, Revoke, Statement,
};

use super::{Answer, notice, tag};
use crate::postgres::backend_row::{Backend, Kind};
use crate::postgres::catalog::database::Database;
use crate::postgres::catalog::relation::Relation;
use crate::postgres::roles::Role;
use crate::postgres::settings::{self, Context};
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::names;
use crate::postgres::state::State;

fn require(may: bool, what: &str) -> Result<(), PgError> {
    if may {
        Ok(())
    } else {
        Err(PgError::new("42501", format!("permission denied to {what}")))
    }
}

/// The number after a word among options.
fn number(options: &[String], word: &str) -> Option<i64> {
    let at = options
        .iter()
        .position(|option| option.eq_ignore_ascii_case(word))?;
    let rest: String = options[at + 1..]
        .iter()
        .filter(|o| *o != "=")
        .take(2)
        .map(String::as_str)
        .collect();
    let end = rest
        .char_indices()
        .find(|(i, c)| !(c.is_ascii_digit() || (*i == 0 && *c == '-')))
        .map_or(rest.len(), |(i, _)| i);
    rest[..end].parse().ok()
}

/// The word after a word among options.
fn word<'a>(options: &'a [String], word: &str) -> Option<&'a str> {
    let at = options
        .iter()
        .position(|option| option.eq_ignore_ascii_case(word))?;
    options[at + 1..]
        .iter()
        .map(String::as_str)
        .find(|option| *option != "=")
}

/// `CREATE DATABASE`.
pub(crate) fn create_database(state: &mut State, pid: i32, name: &str, options: &[String]) -> Answer {
    let role = state.role(pid);
    require(role.superuser || role.create_database, "create database")?;
    let mut owner = role.oid;
    if state.databases.contains_key(name) {
        return Err(PgError::new("42P04", format!("database \"{name}\" already exists")).into());
    }
    if let Some(role) = word(options, "owner") {
        let missing = || PgError::new("42704", format!("role \"{role}\" does not exist"));
        owner = state.roles.get(role).ok_or_else(missing)?.oid;
    }
    let oid = state.new_oid();
    let mut database = Database::new(&state.log, oid, owner, 10);
    database.connection_limit = number(options, "limit").unwrap_or(-1);
    state.databases.insert(name.to_owned(), database);
    tag("CREATE DATABASE")
}

/// `DROP DATABASE` (OB-115): its inactive slots go along silently.
pub(crate) fn drop_database(state: &mut State, pid: i32, name: &str, if_exists: bool, force: bool) -> Answer {
    let Some(database) = state.databases.get(name) else {
        let message = format!("database \"{name}\" does not exist");
        if if_exists {
            notice(state, pid, "00000", format!("{message}, skipping"));
            return tag("DROP DATABASE");
        }
        return Err(PgError::new("3D000", message).into());
    };
    let (oid, role) = (database.oid, state.role(pid));
    if !role.superuser && role.oid != database.owner {
        return Err(PgError::new("42501", format!("must be owner of database {name}")).into());
    }
    if state
        .slots
        .iter()
        .any(|slot| slot.database == oid && slot.active_pid.is_some())
    {
        let message = format!("database \"{name}\" is used by an active logical replication slot");
        return Err(PgError::new("55006", message).into());
    }
    let inside = |b: &&Backend| b.database == name && !matches!(b.kind, Kind::Starting | Kind::OutOfBand);
    let sessions: Vec<i32> = state
        .backends
        .values()
        .filter(inside)
        .map(|backend| backend.pid)
        .collect();
    if !sessions.is_empty() {
        if force {
            sessions
                .iter()
                .for_each(|session| state.signal_terminate(*session));
        }
        if !force || sessions.contains(&pid) {
            let message = format!("database \"{name}\" is being accessed by other users");
            return Err(PgError::new("55006", message).into());
        }
        let at = state.now() + std::time::Duration::from_secs(5);
        return Err(crate::postgres::sql::host::Interrupt::Wait(
            crate::postgres::waits::Wait::BackendExit { at },
        ));
    }
    let slots: Vec<String> = state
        .slots
        .iter()
        .filter(|slot| slot.database == oid)
        .map(|slot| slot.name.clone())
        .collect();
    for slot in &slots {
        state.slots.remove(slot);
    }
    state.databases.remove(name);
    tag("DROP DATABASE")
}

fn role_options(role: &mut Role, options: &[String]) -> Result<(), PgError> {
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match word.to_ascii_uppercase().as_str() {
            "SUPERUSER" => role.superuser = true,
            "NOSUPERUSER" => role.superuser = false,
            "LOGIN" => role.login = true,
            "NOLOGIN" => role.login = false,
            "REPLICATION" => role.replication = true,
            "NOREPLICATION" => role.replication = false,
            "CREATEDB" => role.create_database = true,
            "NOCREATEDB" => role.create_database = false,
            "CREATEROLE" => role.create_role = true,
            "NOCREATEROLE" => role.create_role = false,
            "PASSWORD" => {
                role.password = words
                    .next()
                    .filter(|word| !word.eq_ignore_ascii_case("null"))
                    .cloned()
            }
            "CONNECTION" => {
                role.connection_limit = number(options, "limit").unwrap_or(-1);
                // LIMIT, and a number that may have a sign.
                if words.by_ref().nth(1).is_some_and(|sign| sign == "-") {
                    words.next();
                }
            }
            "IN" => {
                words.next();
                role.member_of.extend(words.next().cloned());
            }
            "WITH" | "ENCRYPTED" | "INHERIT" | "NOINHERIT" | "BYPASSRLS" | "NOBYPASSRLS" => {}
            other => {
                return Err(PgError::new(
                    "42601",
                    format!("unrecognized role option \"{}\"", other.to_lowercase()),
                ));
            }
        }
    }
    Ok(())
}

/// `CREATE ROLE`, `CREATE USER`.
pub(crate) fn create_role(state: &mut State, pid: i32, name: &str, user: bool, options: &[String]) -> Answer {
    require(
        state.role(pid).superuser || state.role(pid).create_role,
        "create role",
    )?;
    if state.roles.contains_key(name) {
        return Err(PgError::new("42710", format!("role \"{name}\" already exists")).into());
    }
    let oid = state.new_oid();
    let mut role = Role {
        login: user,
        ..Role::ordinary(oid)
    };
    role_options(&mut role, options)?;
    state.roles.insert(name.to_owned(), role);
    tag("CREATE ROLE")
}

/// `ALTER ROLE`.
pub(crate) fn alter_role(state: &mut State, pid: i32, name: &str, options: &[String]) -> Answer {
    require(
        state.role(pid).superuser || state.role(pid).create_role,
        "alter role",
    )?;
    let missing = || PgError::new("42704", format!("role \"{name}\" does not exist"));
    role_options(state.roles.get_mut(name).ok_or_else(missing)?, options)?;
    tag("ALTER ROLE")
}

/// `DROP ROLE`. A session of it goes on.
pub(crate) fn drop_role(state: &mut State, pid: i32, names: &[String], if_exists: bool) -> Answer {
    require(
        state.role(pid).superuser || state.role(pid).create_role,
        "drop role",
    )?;
    for name in names {
        if state.roles.remove(name).is_none() {
            let message = format!("role \"{name}\" does not exist");
            if !if_exists {
                return Err(PgError::new("42704", message).into());
            }
            notice(state, pid, "00000", format!("{message}, skipping"));
        }
    }
    tag("DROP ROLE")
}

/// `ALTER SYSTEM`: in force for new sessions at once, except what needs a restart of the server.
pub(crate) fn alter_system(state: &mut State, pid: i32, setting: &str, value: Option<&str>) -> Answer {
    require(state.role(pid).superuser, &format!("set parameter \"{setting}\""))?;
    if setting == "all" && value.is_none() {
        state.settings = Rc::default();
        return tag("ALTER SYSTEM");
    }
    let id = settings::find(setting).ok_or_else(|| settings::unknown(setting))?;
    let definition = id.definition();
    if definition.context == Context::Internal {
        return Err(PgError::new("55P02", format!("parameter \"{setting}\" cannot be changed")).into());
    }
    if definition.context == Context::Postmaster {
        return Err(PgError::unsupported("ALTER SYSTEM of a setting that needs a restart").into());
    }
    let value = value
        .map(|value| settings::parse(definition, value))
        .transpose()?;
    let settings = Rc::make_mut(&mut state.settings);
    match value {
        Some(value) => settings.insert(id, value.into()),
        None => settings.remove(id),
    };
    tag("ALTER SYSTEM")
}

/// GRANT, REVOKE and COMMENT; anything else is not supported.
pub(crate) fn other(state: &mut State, pid: i32, statement: &Statement) -> Answer {
    match statement {
        Statement::Grant(Grant {
            privileges,
            objects: Some(objects),
            grantees,
            ..
        }) => {
            let to = grantees.iter().map(grantee).collect::<Result<Vec<_>, _>>()?;
            change_rights(state, pid, privileges, objects, &to, true)?;
            tag("GRANT")
        }
        Statement::Revoke(Revoke {
            privileges,
            objects: Some(objects),
            grantees,
            ..
        }) => {
            let from = grantees.iter().map(grantee).collect::<Result<Vec<_>, _>>()?;
            change_rights(state, pid, privileges, objects, &from, false)?;
            tag("REVOKE")
        }
        Statement::Analyze(_) => tag("ANALYZE"),
        Statement::Comment {
            object_type,
            object_name,
            comment,
            ..
        } => {
            let parts = names::parts(object_name);
            let (table, column) = match object_type {
                CommentObject::Table => (parts.as_slice(), None),
                CommentObject::Column if parts.len() > 1 => (&parts[..parts.len() - 1], parts.last()),
                _ => return Err(PgError::unsupported(statement).into()),
            };
            let relation = state
                .find(pid, table)
                .ok_or_else(|| PgError::undefined_table(&table.join(".")))?;
            state.require_owner(pid, &relation)?;
            let number = match column {
                None => 0,
                Some(name) => {
                    relation
                        .column(name)
                        .ok_or_else(|| PgError::undefined_column(name))? as i32
                        + 1
                }
            };
            let comments = &mut state.database_mut(pid).0.comments;
            match comment {
                Some(text) => comments.insert((relation.oid, number), text.clone()),
                None => comments.remove(&(relation.oid, number)),
            };
            tag("COMMENT")
        }
        other => Err(PgError::unsupported(other).into()),
    }
}

fn grantee(grantee: &sqlparser::ast::Grantee) -> Result<String, PgError> {
    if grantee.grantee_type == GranteesType::Public {
        return Ok("public".to_owned());
    }
    match &grantee.name {
        Some(GranteeName::ObjectName(name)) => Ok(names::last(name)),
        _ => Err(PgError::unsupported(format!("rights for {grantee}"))),
    }
}

const TABLE_RIGHTS: [&str; 7] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "TRUNCATE",
    "REFERENCES",
    "TRIGGER",
];

fn change_rights(
    state: &mut State,
    pid: i32,
    privileges: &Privileges,
    objects: &GrantObjects,
    roles: &[String],
    give: bool,
) -> Result<(), PgError> {
    let GrantObjects::Tables(tables) = objects else {
        return Err(PgError::unsupported(format!("rights on {objects}")));
    };
    let rights: Vec<String> = match privileges {
        Privileges::All { .. } => TABLE_RIGHTS.map(str::to_owned).into(),
        Privileges::Actions(actions) => actions
            .iter()
            .map(|action| action.to_string().to_uppercase())
            .collect(),
    };
    for table in tables {
        let relation = state.table(pid, table)?;
        state.require_owner(pid, &relation)?;
        let mut changed: Relation = (*relation).clone();
        for role in roles {
            for right in &rights {
                changed
                    .grants
                    .retain(|grant| !(grant.0 == *role && grant.1 == *right));
                if give {
                    changed.grants.push((role.clone(), right.clone()));
                }
            }
        }
        let xid = state.writing_xid(pid);
        let (database, log) = state.database_mut(pid);
        database.relations.put(log, xid, changed.oid, changed);
    }
    Ok(())
}
