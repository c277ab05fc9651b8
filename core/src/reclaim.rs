//! Ends sessions and removes slots and publications by name, and looks until they are gone.
//!
//! This is the only code that takes things from a server which it did not itself just put there. It matches
//! names whole (law 5), works on a connection of its own (law 4), and believes only what it sees (law 3).

use std::time::Duration;

use crate::client::{Client, failed};
use crate::connection::{Connector, Row};
use crate::error::ConnectionError;
use crate::failure::Failure;
use crate::names::{Attempt, SessionName, quote_identifier, quote_literal};
use crate::report::{Located, Thing};

/// How long `pg_terminate_backend` waits for the backend to go.
const TERMINATE_MILLIS: u32 = 5000;
/// How often the same thing is asked to go before it is somebody's to look at: a walsender that is stuck
/// sending needs two (OB-86), and a drop that races an exit a few more (OB-82).
const ROUNDS: u32 = 10;

/// A slot of the mirror, as the source has it.
struct SlotRow {
    name: String,
    active_pid: Option<i32>,
}

/// Ends every session of the mirror in this database for which `ours` holds, except our own.
pub(crate) async fn end_sessions<C: Connector>(
    on: &mut Client<C>,
    ours: impl Fn(&SessionName) -> bool + Send + Sync,
    removed: &mut Vec<Located>,
) -> Result<(), Failure> {
    let step = "ending the sessions of the mirror";
    for _ in 0..ROUNDS {
        let sessions = sessions(on, &ours).await?;
        if sessions.is_empty() {
            return Ok(());
        }
        for (pid, name) in &sessions {
            // By pid and name together: the pid may have been given to somebody else by now.
            let sql = format!(
                "SELECT pg_terminate_backend(pid, {TERMINATE_MILLIS}) FROM pg_stat_activity \
                WHERE pid = {pid} AND application_name = {}",
                quote_literal(name)
            );
            on.query(step, &sql).await?;
            let located = Located {
                side: on.side,
                thing: Thing::Session(name.clone()),
            };
            if !removed.contains(&located) {
                removed.push(located);
            }
        }
    }
    Err(still_there(on, step, "the end of terminated sessions"))
}

/// The pid and `application_name` of every other session of the mirror in this database.
pub(crate) async fn sessions<C: Connector>(
    on: &mut Client<C>,
    ours: impl Fn(&SessionName) -> bool + Send + Sync,
) -> Result<Vec<(i32, String)>, Failure> {
    let sql = "SELECT pid, application_name FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY pid";
    let mirror = on.name.mirror.clone();
    let rows = on.query("listing the sessions of the mirror", sql).await?;
    let parsed = rows.iter().filter_map(|row| {
        let name = row.get(1)?;
        let parsed = SessionName::parse(name)?;
        (parsed.mirror == mirror && ours(&parsed)).then_some((row.parse(0)?, name.to_owned()))
    });
    Ok(parsed.collect())
}

/// Drops every slot of the mirror in this database for whose attempt `ours` holds, ending whoever holds it.
pub(crate) async fn drop_slots<C: Connector>(
    on: &mut Client<C>,
    ours: impl Fn(Attempt) -> bool + Send + Sync,
    removed: &mut Vec<Located>,
) -> Result<(), Failure> {
    for _ in 0..ROUNDS {
        let slots = slots(on, &ours).await?;
        if slots.is_empty() {
            return Ok(());
        }
        for slot in slots {
            let step = format!("dropping replication slot {}", slot.name);
            let name = quote_literal(&slot.name);
            if let Some(pid) = slot.active_pid {
                let sql = format!(
                    "SELECT pg_terminate_backend(active_pid, {TERMINATE_MILLIS}) FROM pg_replication_slots \
                    WHERE slot_name = {name} AND active_pid = {pid}"
                );
                on.query(&step, &sql).await?;
            }
            match on
                .query(&step, &format!("SELECT pg_drop_replication_slot({name})"))
                .await
            {
                Ok(_) => {}
                // Gone by itself, or held again: the next look tells (OB-51, 77, 82).
                Err(failure) if failure.has_code("42704") || failure.has_code("55006") => {}
                Err(failure) => return Err(failure),
            }
            let located = Located {
                side: on.side,
                thing: Thing::Slot(slot.name),
            };
            if !removed.contains(&located) {
                removed.push(located);
            }
        }
    }
    Err(still_there(
        on,
        "dropping the replication slots of the mirror",
        "the end of slots that are taken again and again",
    ))
}

async fn slots<C: Connector>(
    on: &mut Client<C>,
    ours: impl Fn(Attempt) -> bool + Send + Sync,
) -> Result<Vec<SlotRow>, Failure> {
    let sql = "SELECT slot_name, active_pid FROM pg_replication_slots \
        WHERE database = current_database() ORDER BY slot_name";
    let mirror = on.name.mirror.clone();
    let rows = on
        .query("listing the replication slots of the mirror", sql)
        .await?;
    let parsed = rows.iter().filter_map(|row| {
        let attempt = mirror.attempt_of(row.get(0)?)?;
        ours(attempt).then_some(SlotRow {
            name: row.get(0)?.to_owned(),
            active_pid: row.parse(1),
        })
    });
    Ok(parsed.collect())
}

/// Drops every publication of the mirror for whose attempt `ours` holds.
pub(crate) async fn drop_publications<C: Connector>(
    on: &mut Client<C>,
    ours: impl Fn(Attempt) -> bool + Send + Sync,
    removed: &mut Vec<Located>,
) -> Result<(), Failure> {
    for (attempt, name) in publications(on).await? {
        if !ours(attempt) {
            continue;
        }
        let sql = format!("DROP PUBLICATION IF EXISTS {}", quote_identifier(&name));
        on.query(&format!("dropping publication {name}"), &sql).await?;
        removed.push(Located {
            side: on.side,
            thing: Thing::Publication(name),
        });
    }
    Ok(())
}

/// The mirror's publications with their attempts.
pub(crate) async fn publications<C: Connector>(
    on: &mut Client<C>,
) -> Result<Vec<(Attempt, String)>, Failure> {
    let mirror = on.name.mirror.clone();
    let sql = "SELECT pubname FROM pg_publication ORDER BY pubname";
    let rows = on.query("listing the publications of the mirror", sql).await?;
    let parsed = rows.iter().filter_map(|row| {
        let name = row.get(0)?;
        Some((mirror.attempt_of(name)?, name.to_owned()))
    });
    Ok(parsed.collect())
}

/// Every attempt of which the source has a slot, in this database or, as an error, in another one.
pub(crate) async fn slot_attempts<C: Connector>(
    on: &mut Client<C>,
) -> Result<Result<Vec<Attempt>, (String, String)>, Failure> {
    let mirror = on.name.mirror.clone();
    let sql = "SELECT slot_name, coalesce(database, ''), database = current_database() \
        FROM pg_replication_slots ORDER BY slot_name";
    let rows: Vec<Row> = on
        .query("listing the replication slots of the mirror", sql)
        .await?;
    let mut attempts = Vec::new();
    for row in &rows {
        let Some(name) = row.get(0) else { continue };
        let Some(attempt) = mirror.attempt_of(name) else {
            continue;
        };
        if !row.is_true(2) {
            return Ok(Err((row.get(1).unwrap_or_default().to_owned(), name.to_owned())));
        }
        attempts.push(attempt);
    }
    Ok(Ok(attempts))
}

/// What is still there after everything was tried.
fn still_there<C: Connector>(on: &Client<C>, step: &str, wait: &'static str) -> Failure {
    let bound = Duration::from_millis(u64::from(TERMINATE_MILLIS)) * ROUNDS;
    failed(on.side, step, ConnectionError::TimedOut { wait, bound })
}

/// The names of the mirror's slots in this database.
pub(crate) async fn slot_names<C: Connector>(on: &mut Client<C>) -> Result<Vec<String>, Failure> {
    Ok(slots(on, |_| true)
        .await?
        .into_iter()
        .map(|slot| slot.name)
        .collect())
}
