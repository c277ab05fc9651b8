//! The fetch-task context: the connections of a reader, which is reused for every split.

use leftover_core::connection::{Connector as _, NewSlot, Session as _, SlotSnapshot, Walsender as _};
use leftover_harness::pipeline::PipelineError;
use leftover_harness::process::Env;
use leftover_wire::session::Session;
use leftover_wire::walsender::Walsender;

use super::job::{BACKFILL_SLOT, Heap};
use crate::partition::{Partition, drop_slot, startup};

/// The `application_name` of the JDBC connections.
pub const JDBC: &str = "flink/jdbc";

/// When connections are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// For each split, whatever there is already.
    PerSplit,
    /// Where there is none.
    Guarded,
}

/// A JDBC connection, as a reference to an object on the heap of a process with garbage collection: an object
/// to which nobody refers any more keeps its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jdbc(pub(super) usize);

/// The replication connection. It connects when it is first needed, and again after a close.
struct Replication {
    /// What its pgoutput decoder looks types up with, and closes.
    decoder: Jdbc,
    walsender: Option<Walsender>,
}

/// The connections of one reader.
pub struct Context<'a> {
    connections: Connections,
    env: &'a Env,
    heap: &'a Heap,
    jdbc: Option<Jdbc>,
    replication: Option<Replication>,
}

impl<'a> Context<'a> {
    /// A context without connections.
    pub fn new(connections: Connections, env: &'a Env, heap: &'a Heap) -> Self {
        Context {
            connections,
            env,
            heap,
            jdbc: None,
            replication: None,
        }
    }

    /// Prepares for a split.
    ///
    /// # Errors
    /// When a connection fails.
    pub async fn configure(&mut self) -> Result<(), PipelineError> {
        let usable = self.jdbc.filter(|jdbc| self.heap.is_open(*jdbc));
        let jdbc = match (self.connections, usable) {
            (Connections::Guarded, Some(jdbc)) => jdbc,
            _ => connect(self.env, self.heap).await?,
        };
        // The last reference to the connection of the split before.
        self.jdbc = Some(jdbc);
        // compareAndSet(null, new …): the new one is made in any case, and kept if there is none.
        let made = Replication {
            decoder: jdbc,
            walsender: None,
        };
        match &mut self.replication {
            None => self.replication = Some(made),
            Some(kept) if self.connections == Connections::Guarded => kept.decoder = jdbc,
            Some(_) => drop(made),
        }
        Ok(())
    }

    /// Reads one split: a backfill slot, then its rows with autocommit off, for the cursor's sake.
    ///
    /// # Errors
    /// When a connection fails.
    pub async fn read(&mut self, split: Partition, sink: &mut Session) -> Result<u64, PipelineError> {
        self.create_backfill_slot().await?;
        let jdbc = self
            .jdbc
            .ok_or_else(|| PipelineError("read before configure".to_owned()))?;
        let mut session = self.heap.borrow(jdbc)?;
        let read = read_rows(&mut session, split, sink).await;
        if self.connections == Connections::Guarded && read.is_ok() {
            session.query("COMMIT").await.map_err(PipelineError::new)?;
        }
        self.heap.give_back(jdbc, session);
        read
    }

    async fn create_backfill_slot(&mut self) -> Result<(), PipelineError> {
        let Some(replication) = &mut self.replication else {
            return Err(PipelineError("read before configure".to_owned()));
        };
        if replication.walsender.is_none() {
            let opened = self
                .env
                .source
                .walsender(&startup("flink/replication", &[]))
                .await;
            replication.walsender = Some(opened.map_err(PipelineError::new)?);
        }
        let slot = NewSlot {
            name: BACKFILL_SLOT.to_owned(),
            temporary: false,
            plugin: "pgoutput".to_owned(),
            snapshot: SlotSnapshot::Nothing,
        };
        if let Some(walsender) = &mut replication.walsender {
            walsender.create_slot(&slot).await.map_err(PipelineError::new)?;
        }
        Ok(())
    }

    /// The end of a split: closes the replication connection with its decoder's JDBC connection, and drops the
    /// backfill slot on a third connection.
    ///
    /// # Errors
    /// When a connection fails.
    pub async fn end_of_split(&mut self) -> Result<(), PipelineError> {
        if let Some(replication) = &mut self.replication {
            self.heap.close(replication.decoder).await;
            if let Some(walsender) = replication.walsender.take() {
                let _end = walsender.close().await;
            }
        }
        let opened = self.env.source.session(&startup("flink/drop-slot", &[])).await;
        let mut session = opened.map_err(PipelineError::new)?;
        drop_slot(&mut session, &*self.env.clock, BACKFILL_SLOT).await?;
        let _end = session.close().await;
        Ok(())
    }

    /// The end of the reader: closes the current JDBC connection; mended, the replication connection too.
    pub async fn close(mut self) {
        if let Some(jdbc) = self.jdbc {
            self.heap.close(jdbc).await;
        }
        let walsender = self
            .replication
            .take()
            .and_then(|replication| replication.walsender);
        if let Some(walsender) = walsender.filter(|_| self.connections == Connections::Guarded) {
            let _end = walsender.close().await;
        }
    }
}

/// A new JDBC connection. Its type registry asks the catalog at once, so a session opens at once.
async fn connect(env: &Env, heap: &Heap) -> Result<Jdbc, PipelineError> {
    let mut session = env
        .source
        .session(&startup(JDBC, &[]))
        .await
        .map_err(PipelineError::new)?;
    session
        .query("SELECT oid, typname FROM pg_type")
        .await
        .map_err(PipelineError::new)?;
    Ok(heap.put(session))
}

async fn read_rows(
    session: &mut Session,
    split: Partition,
    sink: &mut Session,
) -> Result<u64, PipelineError> {
    session.query("BEGIN").await.map_err(PipelineError::new)?;
    split.copy(session, sink).await
}
