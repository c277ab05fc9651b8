//! What belongs to the whole server: roles, databases, settings.

use super::build::{NULL, Table, oid};
use crate::postgres::settings::{Context, DEFINITIONS, Kind, show};
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::state::State;

/// `pg_roles`.
pub fn pg_roles(state: &State, _pid: i32, table: &mut Table) {
    table.columns(&[
        ("oid", Type::Oid),
        ("rolname", Type::Name),
        ("rolsuper", Type::Bool),
        ("rolinherit", Type::Bool),
        ("rolcreaterole", Type::Bool),
        ("rolcreatedb", Type::Bool),
        ("rolcanlogin", Type::Bool),
        ("rolreplication", Type::Bool),
        ("rolconnlimit", Type::Int4),
        ("rolbypassrls", Type::Bool),
    ]);
    for (name, role) in &state.roles {
        table.row([
            oid(role.oid),
            name.clone().into(),
            role.superuser.into(),
            true.into(),
            role.create_role.into(),
            role.create_database.into(),
            role.login.into(),
            role.replication.into(),
            role.connection_limit.into(),
            role.superuser.into(),
        ]);
    }
}

/// `pg_auth_members`.
pub fn pg_auth_members(state: &State, _pid: i32, table: &mut Table) {
    table.columns(&[
        ("roleid", Type::Oid),
        ("member", Type::Oid),
        ("grantor", Type::Oid),
        ("admin_option", Type::Bool),
    ]);
    for role in state.roles.values() {
        for group in role.member_of.iter().filter_map(|name| state.roles.get(name)) {
            table.row([oid(group.oid), oid(role.oid), oid(10), false.into()]);
        }
    }
}

/// `pg_database`.
pub fn pg_database(state: &State, _pid: i32, table: &mut Table) {
    table.columns(&[
        ("oid", Type::Oid),
        ("datname", Type::Name),
        ("datdba", Type::Oid),
        ("encoding", Type::Int4),
        ("datlocprovider", Type::QChar),
        ("datistemplate", Type::Bool),
        ("datallowconn", Type::Bool),
        ("datconnlimit", Type::Int4),
        ("datcollate", Type::Text),
        ("datctype", Type::Text),
    ]);
    for (name, database) in &state.databases {
        table.row([
            oid(database.oid),
            name.clone().into(),
            oid(database.owner),
            Value::Int(6),
            "c".into(),
            false.into(),
            true.into(),
            database.connection_limit.into(),
            "C.UTF-8".into(),
            "C.UTF-8".into(),
        ]);
    }
}

/// `pg_settings`.
pub fn pg_settings(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("name", Type::Text),
        ("setting", Type::Text),
        ("unit", Type::Text),
        ("category", Type::Text),
        ("short_desc", Type::Text),
        ("context", Type::Text),
        ("vartype", Type::Text),
        ("source", Type::Text),
        ("boot_val", Type::Text),
        ("reset_val", Type::Text),
        ("pending_restart", Type::Bool),
    ]);
    let settings = &state.backend_ref(pid).settings;
    for definition in DEFINITIONS {
        let (unit, vartype) = match definition.kind {
            Kind::Milliseconds => (Value::from("ms"), "integer"),
            Kind::Seconds => (Value::from("s"), "integer"),
            Kind::Bool => (NULL, "bool"),
            Kind::Number => (NULL, "integer"),
            Kind::Text => (NULL, "string"),
            Kind::Word(_) => (NULL, "enum"),
        };
        let context = match definition.context {
            Context::User => "user",
            Context::Superuser => "superuser",
            Context::Sighup => "sighup",
            Context::Postmaster => "postmaster",
            Context::Internal => "internal",
        };
        let value = settings.get(definition.name).unwrap_or(definition.default);
        let source = if value == definition.default {
            "default"
        } else {
            "session"
        };
        table.row([
            definition.name.into(),
            value.into(),
            unit,
            "simulated".into(),
            show(definition, definition.default).into(),
            context.into(),
            vartype.into(),
            source.into(),
            definition.default.into(),
            definition.default.into(),
            false.into(),
        ]);
    }
}

/// `pg_description`.
pub fn pg_description(state: &State, pid: i32, table: &mut Table) {
    table.columns(&[
        ("objoid", Type::Oid),
        ("classoid", Type::Oid),
        ("objsubid", Type::Int4),
        ("description", Type::Text),
    ]);
    for ((object, column), text) in &state.database(pid).comments {
        table.row([oid(*object), oid(1259), (*column).into(), text.clone().into()]);
    }
}
