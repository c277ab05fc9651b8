//! Who owns a mirror: two advisory locks on the source, which die with the sessions that hold them.
//!
//! Whoever sets a mirror up or takes it down holds the control lock; the session that holds the snapshot
//! holds the holder lock, from before it creates the slot until the load is over. So a mirror is owned
//! exactly as long as one of the two is held, and an inactive slot alone says nothing (OB-70).

use std::time::Duration;

use crate::client::Client;
use crate::clock::SharedClock;
use crate::connection::Connector;
use crate::failure::Failure;
use crate::load_error::LoadError;
use crate::names::{OwnerLock, Role, SessionName};

/// How often a lock that another has is tried.
const RETRY: Duration = Duration::from_millis(500);

/// Takes the control lock and makes sure that nobody holds a snapshot, waiting at most `bound` for another
/// owner to go: a vanished host keeps its sessions until the server gives them up.
pub(crate) async fn take<C: Connector>(
    control: &mut Client<C>,
    clock: &SharedClock,
    bound: Duration,
) -> Result<(), LoadError> {
    let deadline = clock.now() + bound;
    loop {
        if try_control(control).await? {
            return Ok(());
        }
        if clock.now() >= deadline {
            let owner = owner(control).await?;
            return Err(LoadError::AlreadyRunning {
                mirror: control.name.mirror.clone(),
                owner,
            });
        }
        clock.sleep(RETRY).await;
    }
}

/// Holds the control lock from here on if nobody owns the mirror.
async fn try_control<C: Connector>(control: &mut Client<C>) -> Result<bool, Failure> {
    let [control_key, holder_key] = keys(control);
    // The holder's lock is only looked at, and without it the control lock is given back.
    let sql = format!(
        "SELECT CASE WHEN NOT pg_try_advisory_lock({control_key}) THEN false \
        WHEN pg_try_advisory_lock({holder_key}) THEN pg_advisory_unlock({holder_key}) \
        ELSE NOT pg_advisory_unlock({control_key}) END"
    );
    ask(control, &sql).await
}

/// Holds both locks from here on, unless another has one of them. Always in this order, so that of two who try
/// one gets both; whoever got only the first has it until its session ends.
pub(crate) async fn try_both<C: Connector>(on: &mut Client<C>) -> Result<bool, Failure> {
    let [control_key, holder_key] = keys(on);
    let sql = format!(
        "SELECT CASE WHEN pg_try_advisory_lock({control_key}) THEN pg_try_advisory_lock({holder_key}) \
        ELSE false END"
    );
    ask(on, &sql).await
}

fn keys<C: Connector>(on: &Client<C>) -> [i64; 2] {
    [OwnerLock::Control, OwnerLock::Holder].map(|lock| on.name.mirror.lock_key(lock))
}

async fn ask<C: Connector>(on: &mut Client<C>, sql: &str) -> Result<bool, Failure> {
    let rows = on.query("taking the owner's locks", sql).await?;
    Ok(rows.first().is_some_and(|row| row.is_true(0)))
}

/// Whether nobody alive needs a session of this name. Its caller owns the mirror; sessions that only wait to own
/// it, look at it or drop it are left alone.
pub(crate) fn is_dead(name: &SessionName) -> bool {
    !matches!(name.role, Role::Control | Role::Drop | Role::Status)
}

/// The session that holds one of the locks, for people.
async fn owner<C: Connector>(on: &mut Client<C>) -> Result<String, Failure> {
    let keys = keys(on).map(|key| {
        let key = key.cast_unsigned();
        format!(
            "(l.classid::bigint = {} AND l.objid::bigint = {})",
            key >> 32,
            key & 0xFFFF_FFFF
        )
    });
    let sql = format!(
        "SELECT a.application_name, a.pid FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid \
        WHERE l.locktype = 'advisory' AND l.granted AND a.pid <> pg_backend_pid() AND ({}) ORDER BY a.pid",
        keys.join(" OR ")
    );
    let rows = on.query("looking for the owner of the mirror", &sql).await?;
    Ok(rows.first().map_or("an unknown session".to_owned(), |row| {
        format!(
            "{} (pid {})",
            row.get(0).unwrap_or_default(),
            row.get(1).unwrap_or("unknown")
        )
    }))
}
