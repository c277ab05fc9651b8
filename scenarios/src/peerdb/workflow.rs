//! The workflows: the initial load, and the drop.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select, try_join_all};
use leftover_core::connection::{Connector as _, Session as _};
use leftover_harness::config::Config;
use leftover_harness::pipeline::{Budget, DropReport, Ours, Pipeline, PipelineError, RunReport, TablePair};
use leftover_harness::process::Env;

use super::worker::{Flow, SnapshotWorker};
use crate::cancel_request::CancelRequest;
use crate::fixture;
use crate::partition::{Partition, drop_slot, startup};

/// The `application_name` of partition workers.
pub const CLONE: &str = "peerdb/flow/clone";

const FLOW: Flow = Flow {
    name: "flow",
    slot: "peerflow_slot_flow",
    publication: "peerflow_pub_flow",
};

/// When the slot's connection is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// By a step after the clone, which a cancelled workflow never reaches.
    AfterSuccess,
    /// By a step that is registered right after the acquisition and runs however the workflow ends.
    Deferred,
}

/// PeerDB: the workflow engine, and the snapshot worker process.
pub struct PeerDb {
    config: Config,
    release: Release,
    worker: SnapshotWorker,
    cancel: CancelRequest,
}

impl PeerDb {
    /// A PeerDB that clones the tables of `config` and releases in this way.
    pub fn new(config: &Config, release: Release) -> Self {
        PeerDb {
            config: config.clone(),
            release,
            worker: SnapshotWorker::default(),
            cancel: CancelRequest::default(),
        }
    }

    async fn snapshot_workflow(&self, env: Env) -> Result<RunReport, PipelineError> {
        let tables = fixture::tables(&self.config);
        let snapshot = self.worker.setup_replication(&env, FLOW, &tables).await?;
        let cloned = self.clone_tables(&env, &snapshot).await;
        match self.release {
            Release::AfterSuccess => {
                let report = cloned?;
                self.worker.close_slot_keep_alive(FLOW).await;
                Ok(report)
            }
            Release::Deferred => {
                self.worker.close_slot_keep_alive(FLOW).await;
                cloned
            }
        }
    }

    /// Waits for the partition workers, or for the cancel request: then the children are cancelled too.
    async fn clone_tables(&self, env: &Env, snapshot: &str) -> Result<RunReport, PipelineError> {
        let queue = Mutex::new(Partition::all(&self.config).into());
        let children = (0..self.config.workers).map(|_| clone_partitions(env, snapshot, &queue));
        let children = pin!(try_join_all(children));
        match select(pin!(self.cancel.received()), children).await {
            Either::Left(((), _)) => Err(PipelineError("the workflow was cancelled".to_owned())),
            Either::Right((copied, _)) => Ok(RunReport::loaded(
                fixture::partitions(&self.config),
                copied?.into_iter().sum(),
            )),
        }
    }

    /// DROP MIRROR: asks the workflow to cancel, does not wait for its end, and drops what it knows of.
    async fn drop_mirror(&self, env: Env) -> Result<DropReport, PipelineError> {
        self.cancel.send();
        let mut session = env
            .source
            .session(&startup("peerdb/flow/drop", &[]))
            .await
            .map_err(PipelineError::new)?;
        drop_slot(&mut session, &*env.clock, FLOW.slot).await?;
        let publication = format!("DROP PUBLICATION IF EXISTS {}", FLOW.publication);
        session.query(&publication).await.map_err(PipelineError::new)?;
        let _end = session.close().await;
        let removed = vec![
            format!("slot {}", FLOW.slot),
            format!("publication {}", FLOW.publication),
        ];
        Ok(DropReport {
            removed,
            may_be_left: Vec::new(),
        })
    }
}

/// A partition worker: imports the snapshot and copies partitions until there are no more.
async fn clone_partitions(
    env: &Env,
    snapshot: &str,
    queue: &Mutex<VecDeque<Partition>>,
) -> Result<u64, PipelineError> {
    let next = || {
        queue
            .lock()
            .expect("no code panics while it holds the queue")
            .pop_front()
    };
    let mut rows = 0;
    while let Some(partition) = next() {
        let mut source = env
            .source
            .session(&startup(CLONE, &[]))
            .await
            .map_err(PipelineError::new)?;
        let mut target = env
            .target
            .session(&startup("peerdb/flow/normalize", &[]))
            .await
            .map_err(PipelineError::new)?;
        let begin =
            format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{snapshot}'");
        source.query(&begin).await.map_err(PipelineError::new)?;
        rows += partition.copy(&mut source, &mut target).await?;
        source.query("COMMIT").await.map_err(PipelineError::new)?;
        let _end = source.close().await;
        let _end = target.close().await;
    }
    Ok(rows)
}

impl Pipeline for PeerDb {
    fn name(&self) -> &str {
        "peerdb"
    }

    fn run(&self, env: Env) -> BoxFuture<'_, Result<RunReport, PipelineError>> {
        Box::pin(self.snapshot_workflow(env))
    }

    fn drop_all(&self, env: Env) -> BoxFuture<'_, Result<DropReport, PipelineError>> {
        Box::pin(self.drop_mirror(env))
    }

    fn ours(&self) -> Ours {
        Ours::exactly("peerdb/flow/", &[FLOW.slot], &[FLOW.publication])
    }

    fn budget(&self) -> Budget {
        Budget {
            source_sessions: self.config.workers as usize + 2,
            target_sessions: self.config.workers as usize,
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
