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
use crate::names::OwnerLock;

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
        if try_both(control).await? {
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
async fn try_both<C: Connector>(control: &mut Client<C>) -> Result<bool, Failure> {
    if !try_lock(control, OwnerLock::Control).await? {
        return Ok(false);
    }
    let holder_is_free = try_lock(control, OwnerLock::Holder).await?;
    let release = if holder_is_free {
        OwnerLock::Holder
    } else {
        OwnerLock::Control
    };
    let sql = format!(
        "SELECT pg_advisory_unlock({})",
        control.name.mirror.lock_key(release)
    );
    control.query("releasing an owner's lock", &sql).await?;
    Ok(holder_is_free)
}

/// Takes one of the locks if it is free.
pub(crate) async fn try_lock<C: Connector>(on: &mut Client<C>, lock: OwnerLock) -> Result<bool, Failure> {
    let rows = on
        .query("taking the owner's lock", &try_lock_sql(on, lock))
        .await?;
    Ok(rows.first().is_some_and(|row| row.is_true(0)))
}

fn try_lock_sql<C: Connector>(on: &Client<C>, lock: OwnerLock) -> String {
    format!("SELECT pg_try_advisory_lock({})", on.name.mirror.lock_key(lock))
}

/// The session that holds one of the locks, for people.
async fn owner<C: Connector>(on: &mut Client<C>) -> Result<String, Failure> {
    let keys = [OwnerLock::Control, OwnerLock::Holder].map(|lock| {
        let key = on.name.mirror.lock_key(lock).cast_unsigned();
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
