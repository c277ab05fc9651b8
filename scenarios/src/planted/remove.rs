//! Removing what attempts have left, on connections of its own, by exact names, and looking until it is gone.

use std::time::Duration;

use leftover_core::clock::Clock;
use leftover_core::connection::{Connector as _, Session as _};
use leftover_harness::pipeline::{DropReport, PipelineError};
use leftover_harness::process::Env;
use leftover_wire::Connector;
use leftover_wire::session::Session;

use super::attempt::{ROLES, Sessions, limited, session, slot};
use super::loader::{Loader, Planted, within};
use crate::partition::drop_slot;

/// The longest that the removal of one attempt takes.
const REMOVE: Duration = Duration::from_secs(30);

/// How often the sessions of an attempt are asked to end.
const ROUNDS: usize = 10;

/// Removes attempt `number`, and then forgets it.
pub(super) async fn remove(loader: &Loader, env: &Env, number: u32) -> Result<(), PipelineError> {
    if loader.breaks(Planted::ForgottenFirst) {
        loader.record(|record| record.forget(number));
    }
    within(&*env.clock, REMOVE, async {
        let mut source = connect(loader, &env.source).await?;
        let removed = remove_on_source(loader, &mut source, &*env.clock, number).await;
        let _end = source.close().await;
        removed?;
        let mut target = connect(loader, &env.target).await?;
        let removed = end_sessions(loader, &mut target, number).await;
        let _end = target.close().await;
        removed
    })
    .await?;
    loader.record(|record| record.forget(number));
    Ok(())
}

async fn connect(loader: &Loader, to: &Connector) -> Result<Session, PipelineError> {
    let name = limited(loader, "planted/remove");
    to.session(&name).await.map_err(PipelineError::new)
}

/// Ends the sessions of an attempt on one server, until there are none.
async fn end_sessions(loader: &Loader, on: &mut Session, number: u32) -> Result<(), PipelineError> {
    if loader.breaks(Planted::ClosingIsRelease) || loader.breaks(Planted::ErrorSwallowed) {
        // The run has closed its sockets.
        return Ok(());
    }
    let names = ROLES
        .map(|role| format!("'{}'", session(number, role)))
        .join(", ");
    let sql = format!(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name IN ({names})"
    );
    for _ in 0..ROUNDS {
        if on.query(&sql).await.map_err(PipelineError::new)?.is_empty() {
            return Ok(());
        }
    }
    Err(PipelineError(format!("sessions of attempt {number} do not end")))
}

/// A backend that creates a slot goes before the slot.
async fn remove_on_source(
    loader: &Loader,
    on: &mut Session,
    clock: &dyn Clock,
    number: u32,
) -> Result<(), PipelineError> {
    end_sessions(loader, on, number).await?;
    drop_slot_of(loader, on, clock, number).await
}

async fn drop_slot_of(
    loader: &Loader,
    on: &mut Session,
    clock: &dyn Clock,
    number: u32,
) -> Result<(), PipelineError> {
    let slot = slot(number);
    let interrupted = !loader.record(|record| record.is_complete(number));
    if loader.breaks(Planted::TeardownOnTheBroken) && interrupted {
        // The run has dropped it.
        return Ok(());
    }
    if loader.breaks(Planted::Pattern) && interrupted {
        let sql = format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots \
            WHERE slot_name LIKE '{slot}'"
        );
        on.query(&sql).await.map_err(PipelineError::new)?;
    }
    drop_slot(on, clock, &slot).await
}

/// Stops the run, and removes every attempt that is written down.
pub(super) async fn drop_all(loader: &Loader, env: &Env) -> DropReport {
    loader.stop();
    if loader.breaks(Planted::TeardownOnTheBroken) || loader.breaks(Planted::ClosingIsRelease) {
        while loader.record(|record| record.running) {
            env.clock.sleep(Duration::from_millis(10)).await;
        }
    }
    let mut report = DropReport::default();
    for number in loader.record(|record| record.attempts()) {
        match remove(loader, env, number).await {
            Ok(()) => report.removed.push(format!("slot {}", slot(number))),
            Err(_) if loader.breaks(Planted::ErrorSwallowed) => {}
            Err(error) => {
                let sessions = ROLES.map(|role| format!("session {}: {error}", session(number, role)));
                report.may_be_left.extend(sessions);
                report.may_be_left.push(format!("slot {}: {error}", slot(number)));
            }
        }
    }
    report
}

/// What a run does that breaks law 4: it drops its slot on the session that it was stopped in.
pub(super) async fn remove_on_its_own_session(loader: &Loader, sessions: &mut Sessions) {
    let Some(reader) = &mut sessions.reader else {
        return;
    };
    for number in loader.record(|record| record.interrupted()) {
        let slot = slot(number);
        let sql = format!("ROLLBACK; SELECT pg_drop_replication_slot('{slot}')");
        if reader.query(&sql).await.is_err() {
            // What cannot be cleaned up now never is.
            return;
        }
        loader.record(|record| record.forget(number));
    }
}
