//! Statements that change what exists. They are transactional: each change is a version of a catalog entry.

mod alter_table;
mod columns;
mod create_table;
mod drop;
mod indexes;
mod partitions;
mod publications;
mod rewrite;
mod server;
mod vacuum;

use super::session::execute::Done;
use super::sql::command::Command;
use super::sql::error::PgError;
use super::sql::host::Interrupt;
use super::state::State;
use super::waits::Wait;

pub(crate) type Answer = Result<Done, Interrupt<Wait>>;

pub(crate) fn tag(text: &str) -> Answer {
    Ok(Done::Tag(text.to_owned()))
}

/// A NOTICE for the client.
pub(crate) fn notice(state: &mut State, pid: i32, code: &'static str, message: String) {
    let notice = PgError {
        severity: "NOTICE",
        ..PgError::new(code, message)
    };
    state.backend(pid).notices.push(notice);
}

/// Runs a statement that changes what exists; `None` when it is none.
pub fn run(state: &mut State, pid: i32, command: &Command) -> Option<Answer> {
    Some(match command {
        Command::CreateTable(create) => create_table::run(state, pid, create),
        Command::AlterTable(alter) => alter_table::run(state, pid, alter),
        Command::CreateIndex(create) => indexes::create(state, pid, create),
        Command::CreateSchema { name, if_not_exists } => {
            create_table::schema(state, pid, name, *if_not_exists)
        }
        Command::Drop {
            kind,
            if_exists,
            names,
            cascade,
        } => drop::run(state, pid, *kind, *if_exists, names, *cascade),
        Command::Truncate {
            tables,
            restart_identity,
            cascade,
            ..
        } => drop::truncate(state, pid, tables, *cascade, *restart_identity),
        Command::CreatePublication {
            name,
            tables,
            options,
        } => publications::create(state, pid, name, tables, options),
        Command::AlterPublication { name, change } => publications::alter(state, pid, name, change),
        Command::DropPublication { if_exists, names } => publications::drop(state, pid, *if_exists, names),
        Command::Vacuum { tables, .. } => vacuum::run(state, pid, tables),
        Command::Checkpoint => {
            state.checkpoint();
            tag("CHECKPOINT")
        }
        Command::CreateDatabase { name, options } => server::create_database(state, pid, name, options),
        Command::DropDatabase {
            name,
            if_exists,
            force,
        } => server::drop_database(state, pid, name, *if_exists, *force),
        Command::CreateRole { name, user, options } => server::create_role(state, pid, name, *user, options),
        Command::AlterRole { name, options } => server::alter_role(state, pid, name, options),
        Command::DropRole { names, if_exists } => server::drop_role(state, pid, names, *if_exists),
        Command::AlterSystem { setting, value } => {
            server::alter_system(state, pid, setting, value.as_deref())
        }
        Command::AlterSettings { .. } => Err(PgError::unsupported("ALTER ROLE or DATABASE … SET").into()),
        Command::Other(statement) => server::other(state, pid, statement),
        _ => return None,
    })
}
