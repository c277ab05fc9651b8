//! The job: a reader takes one split after the other.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::BoxFuture;
use leftover_core::connection::{Connector as _, Session as _};
use leftover_harness::config::Config;
use leftover_harness::pipeline::{Budget, DropReport, Ours, Pipeline, PipelineError, RunReport, TablePair};
use leftover_harness::process::Env;
use leftover_wire::session::Session;

use super::context::{Connections, Context, Jdbc};
use crate::fixture;
use crate::partition::{Partition, drop_slot, startup};

/// The slot of the stream that follows.
pub const SLOT: &str = "flink";
/// The slot of a split's backfill.
pub const BACKFILL_SLOT: &str = "flink_0";
const PUBLICATION: &str = "dbz_publication";

/// The heap of the task manager's process, in which nothing is collected while we look.
#[derive(Default)]
pub struct Heap(Mutex<Vec<Option<Session>>>);

impl Heap {
    fn with<T>(&self, change: impl FnOnce(&mut Vec<Option<Session>>) -> T) -> T {
        change(&mut self.0.lock().expect("no code panics while it holds the heap"))
    }

    pub(super) fn put(&self, session: Session) -> Jdbc {
        self.with(|objects| {
            objects.push(Some(session));
            Jdbc(objects.len() - 1)
        })
    }

    pub(super) fn is_open(&self, jdbc: Jdbc) -> bool {
        self.with(|objects| objects[jdbc.0].is_some())
    }

    pub(super) fn borrow(&self, jdbc: Jdbc) -> Result<Session, PipelineError> {
        let session = self.with(|objects| objects[jdbc.0].take());
        session.ok_or_else(|| PipelineError("this connection has been closed".to_owned()))
    }

    pub(super) fn give_back(&self, jdbc: Jdbc, session: Session) {
        self.with(|objects| objects[jdbc.0] = Some(session));
    }

    /// Closes a connection; again is nothing.
    pub(super) async fn close(&self, jdbc: Jdbc) {
        let session = self.with(|objects| objects[jdbc.0].take());
        if let Some(session) = session {
            let _end = session.close().await;
        }
    }
}

/// Flink: the job, and the process that runs it.
pub struct Flink {
    config: Config,
    connections: Connections,
    heap: Heap,
}

impl Flink {
    /// A Flink that reads the tables of `config` and makes connections in this way.
    pub fn new(config: &Config, connections: Connections) -> Self {
        Flink {
            config: config.clone(),
            connections,
            heap: Heap::default(),
        }
    }

    async fn job(&self, env: Env) -> Result<RunReport, PipelineError> {
        self.prepare(&env).await?;
        let opened = env.target.session(&startup("flink/sink", &[])).await;
        let mut sink = opened.map_err(PipelineError::new)?;
        let mut context = Context::new(self.connections, &env, &self.heap);
        let mut rows = 0;
        for split in Partition::all(&self.config) {
            context.configure().await?;
            rows += context.read(split, &mut sink).await?;
            context.end_of_split().await?;
        }
        context.close().await;
        let _end = sink.close().await;
        Ok(RunReport::loaded(fixture::partitions(&self.config), rows))
    }

    /// The enumerator: publication and slot of the stream that follows.
    async fn prepare(&self, env: &Env) -> Result<(), PipelineError> {
        let opened = env.source.session(&startup("flink/enumerator", &[])).await;
        let mut session = opened.map_err(PipelineError::new)?;
        let tables = fixture::tables(&self.config).join(", ");
        let publication = format!("CREATE PUBLICATION {PUBLICATION} FOR TABLE {tables}");
        session.query(&publication).await.map_err(PipelineError::new)?;
        let slot = format!("SELECT pg_create_logical_replication_slot('{SLOT}', 'pgoutput')");
        session.query(&slot).await.map_err(PipelineError::new)?;
        let _end = session.close().await;
        Ok(())
    }

    /// What one does to get rid of a finished job.
    async fn remove(&self, env: Env) -> Result<DropReport, PipelineError> {
        let opened = env.source.session(&startup("flink/cleanup", &[])).await;
        let mut session = opened.map_err(PipelineError::new)?;
        for slot in [SLOT, BACKFILL_SLOT] {
            drop_slot(&mut session, &*env.clock, slot).await?;
        }
        let publication = format!("DROP PUBLICATION IF EXISTS {PUBLICATION}");
        session.query(&publication).await.map_err(PipelineError::new)?;
        let _end = session.close().await;
        let removed = vec![format!("slot {SLOT}"), format!("publication {PUBLICATION}")];
        Ok(DropReport {
            removed,
            may_be_left: Vec::new(),
        })
    }
}

impl Pipeline for Flink {
    fn name(&self) -> &str {
        "flink"
    }

    fn run(&self, env: Env) -> BoxFuture<'_, Result<RunReport, PipelineError>> {
        Box::pin(self.job(env))
    }

    fn drop_all(&self, env: Env) -> BoxFuture<'_, Result<DropReport, PipelineError>> {
        Box::pin(self.remove(env))
    }

    fn ours(&self) -> Ours {
        Ours::exactly("flink/", &[SLOT, BACKFILL_SLOT], &[PUBLICATION])
    }

    fn budget(&self) -> Budget {
        // One reader: a JDBC connection, a replication connection, and one that drops the backfill slot.
        Budget {
            source_sessions: 3,
            target_sessions: 1,
            drop_sessions: 1,
            slot_creation: Duration::from_secs(60),
            closing: Duration::ZERO,
        }
    }

    fn tables(&self) -> Vec<TablePair> {
        let pair = |table: String| TablePair {
            source: table.clone(),
            target: table,
        };
        fixture::tables(&self.config).into_iter().map(pair).collect()
    }
}
