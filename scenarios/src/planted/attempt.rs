//! One attempt at the load: a slot with an exported snapshot, and under it one table after the other.

use futures_util::future::{AbortHandle, try_join};
use leftover_core::connection::{
    Closed, Connector as _, NewSlot, Session as _, SlotSnapshot, Startup, Walsender as _,
};
use leftover_harness::pipeline::PipelineError;
use leftover_harness::process::Env;
use leftover_wire::session::Session;
use leftover_wire::walsender::Walsender;

use super::loader::{Loader, Planted};
use crate::fixture;
use crate::partition::{Partition, startup};

/// Who holds the snapshot, who reads it, who writes.
pub(super) const ROLES: [&str; 3] = ["holder", "reader", "writer"];

/// What the server is told about when to give a connection up. The holder of the snapshot is idle in its
/// transaction for as long as the copy lasts.
const LIMITS: [(&str, &str); 5] = [
    ("client_connection_check_interval", "2000ms"),
    ("tcp_keepalives_idle", "15"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "45000"),
];

/// The scan of a large table that finds its first row late: its backend works, and does not look at its socket
/// (OB-04).
const SCAN: &str = "SELECT pg_sleep(1)";

/// The slot of an attempt.
pub(super) fn slot(number: u32) -> String {
    format!("planted_{number}")
}

/// The attempt of a slot, when it is one of ours.
pub(super) fn number_of(slot: &str) -> Option<u32> {
    slot.strip_prefix("planted_")?.parse().ok()
}

/// The name of an attempt's session.
pub(super) fn session(number: u32, role: &str) -> String {
    format!("planted/{number}/{role}")
}

/// The startup of a session with this name.
pub(super) fn limited(loader: &Loader, name: &str) -> Startup {
    let limits: &[_] = if loader.breaks(Planted::NoLimits) {
        &[]
    } else {
        &LIMITS
    };
    startup(name, limits)
}

/// The sessions of an attempt. Dropping them closes their sockets.
#[derive(Default)]
pub(super) struct Sessions {
    holder: Option<Holder>,
    pub(super) reader: Option<Session>,
    writer: Option<Session>,
}

/// The connection that keeps the exported snapshot.
enum Holder {
    Here(Box<Walsender>),
    InATask(AbortHandle),
}

impl Holder {
    fn new(loader: &Loader, env: &Env, walsender: Walsender) -> Self {
        if !loader.breaks(Planted::Detached) {
            return Holder::Here(Box::new(walsender));
        }
        Holder::InATask(env.spawner.spawn(async move {
            let _kept = walsender;
            std::future::pending::<()>().await;
        }))
    }

    async fn close(self) -> Closed {
        match self {
            Holder::Here(walsender) => walsender.close().await,
            Holder::InATask(task) => {
                task.abort();
                Closed::Released
            }
        }
    }
}

/// Runs attempt `number`. Returns how many rows it copied.
pub(super) async fn run(
    loader: &Loader,
    env: &Env,
    number: u32,
    sessions: &mut Sessions,
) -> Result<u64, PipelineError> {
    if !loader.breaks(Planted::RecordedAfterwards) {
        loader.record(|record| record.begin(number));
    }
    let [holder, reader, writer] = ROLES.map(|role| limited(loader, &session(number, role)));
    let mut holder = env.source.walsender(&holder).await.map_err(PipelineError::new)?;
    // The others connect while the server makes the slot, for which it may have to wait.
    let others = async {
        let reader = env.source.session(&reader).await.map_err(PipelineError::new)?;
        let writer = env.target.session(&writer).await.map_err(PipelineError::new)?;
        Ok((reader, writer))
    };
    let (snapshot, (reader, writer)) = try_join(create_slot(&mut holder, number), others).await?;
    loader.record(|record| record.begin(number));
    sessions.holder = Some(Holder::new(loader, env, holder));
    let reader = sessions.reader.insert(reader);
    let writer = sessions.writer.insert(writer);
    let begin =
        format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{snapshot}'");
    reader.query(&begin).await.map_err(PipelineError::new)?;
    let mut rows = 0;
    for table in fixture::tables(&loader.config) {
        rows += copy_table(loader, &table, reader, writer).await?;
    }
    reader.query("COMMIT").await.map_err(PipelineError::new)?;
    close(sessions).await?;
    loader.record(|record| record.complete(number));
    Ok(rows)
}

/// Creates the slot on a connection that keeps its exported snapshot. Returns the snapshot's name.
async fn create_slot(holder: &mut Walsender, number: u32) -> Result<String, PipelineError> {
    let slot = NewSlot {
        name: slot(number),
        temporary: false,
        plugin: "pgoutput".to_owned(),
        snapshot: SlotSnapshot::Export,
    };
    let created = holder.create_slot(&slot).await.map_err(PipelineError::new)?;
    let snapshot = created.snapshot;
    snapshot.ok_or_else(|| PipelineError("the slot came without a snapshot".to_owned()))
}

/// Copies a table in one transaction of the target, in place of whatever is there.
async fn copy_table(
    loader: &Loader,
    table: &str,
    reader: &mut Session,
    writer: &mut Session,
) -> Result<u64, PipelineError> {
    let appends = loader.breaks(Planted::UnansweredIsUndone);
    if appends && loader.record(|record| record.committed.contains(table)) {
        return Ok(0);
    }
    reader.query(SCAN).await.map_err(PipelineError::new)?;
    let begin = if appends {
        "BEGIN".to_owned()
    } else {
        format!("BEGIN; TRUNCATE {table}")
    };
    writer.query(&begin).await.map_err(PipelineError::new)?;
    let mut rows = 0;
    for partition in Partition::all(&loader.config) {
        if partition.table == table {
            rows += partition.copy(reader, writer).await?;
        }
    }
    writer.query("COMMIT").await.map_err(PipelineError::new)?;
    loader.record(|record| record.committed.insert(table.to_owned()));
    Ok(rows)
}

/// Closes the sessions. Released is what the server has said goodbye to; the rest is removed by name.
async fn close(sessions: &mut Sessions) -> Result<(), PipelineError> {
    let Sessions {
        holder,
        reader,
        writer,
    } = std::mem::take(sessions);
    let mut ends = Vec::new();
    for session in [reader, writer].into_iter().flatten() {
        ends.push(session.close().await);
    }
    if let Some(holder) = holder {
        ends.push(holder.close().await);
    }
    if ends.contains(&Closed::Unknown) {
        return Err(PipelineError("a session did not close".to_owned()));
    }
    Ok(())
}
