//! Who is let in: a place for the backend, and what role, database and settings say of its session.

use super::activity::ActivityState;
use super::backend_row::{Backend, Kind};
use super::protocol::SessionStartup;
use super::settings::{Settings, id};
use super::sql::error::PgError;
use super::state::State;

/// Takes a place among those of its kind (OB-113).
pub(super) fn take_place(state: &mut State, pid: i32, kind: Kind) -> Result<(), PgError> {
    let (setting, taken) = match kind {
        Kind::Walsender => (const { id("max_wal_senders") }, state.places(Kind::Walsender)),
        _ => (const { id("max_connections") }, state.places(Kind::Client)),
    };
    let limit = state.limit(setting);
    if taken >= limit {
        let message = match kind {
            Kind::Walsender => {
                format!("number of requested standby connections exceeds max_wal_senders (currently {limit})")
            }
            _ => "sorry, too many clients already".to_owned(),
        };
        return Err(PgError::fatal("53300", message));
    }
    state.backend(pid).kind = kind;
    Ok(())
}

/// Decides whether this role may have this session, and lists it.
pub(super) fn admit(state: &mut State, pid: i32, startup: &SessionStartup) -> Result<(), PgError> {
    let user = &startup.user;
    let Some(role) = state.roles.get(user).cloned() else {
        return Err(PgError::fatal("28000", format!("role \"{user}\" does not exist")));
    };
    if !role.login {
        return Err(PgError::fatal(
            "28000",
            format!("role \"{user}\" is not permitted to log in"),
        ));
    }
    let walsender = state.is_walsender(pid);
    let of_role = state
        .backends
        .values()
        .filter(|b| b.role == *user && b.kind == Kind::Client)
        .count() as i64;
    if !walsender && role.connection_limit >= 0 && of_role > role.connection_limit && !role.superuser {
        return Err(PgError::fatal(
            "53300",
            format!("too many connections for role \"{user}\""),
        ));
    }
    let free = state
        .limit(const { id("max_connections") })
        .saturating_sub(state.places(Kind::Client));
    if !walsender && !role.superuser && free < state.limit(const { id("superuser_reserved_connections") }) {
        let message = "remaining connection slots are reserved for non-replication superuser connections";
        return Err(PgError::fatal("53300", message));
    }
    if walsender && !role.superuser && !role.replication {
        return Err(PgError::fatal(
            "42501",
            "must be superuser or replication role to start walsender",
        ));
    }
    let Some(database) = state.databases.get(&startup.database) else {
        return Err(PgError::fatal(
            "3D000",
            format!("database \"{}\" does not exist", startup.database),
        ));
    };
    let limit = database.connection_limit;
    let in_database = |b: &&Backend| b.database == startup.database && b.kind == Kind::Client;
    if limit >= 0 && state.backends.values().filter(in_database).count() as i64 > limit && !role.superuser {
        return Err(PgError::fatal(
            "53300",
            format!("too many connections for database \"{}\"", startup.database),
        ));
    }
    let mut settings = Settings::new(&state.settings);
    let superuser = if role.superuser { "on" } else { "off" };
    settings.force(const { id("is_superuser") }, superuser);
    for (name, value) in &startup.settings {
        settings
            .start_with(name, value, role.superuser)
            .map_err(|e| PgError {
                severity: "FATAL",
                ..e
            })?;
    }
    let backend = state.backend(pid);
    backend.settings = settings;
    backend.listed = true;
    let name = backend.application_name().to_owned();
    state.note_passage(true, &name);
    state.set_activity(pid, ActivityState::Idle);
    Ok(())
}
