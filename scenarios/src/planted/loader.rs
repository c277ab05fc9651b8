//! A small loader that keeps the laws of the core, or breaks one of them.
//!
//! A run makes a few attempts. Each has a number, and everything it creates carries that number: its slot, its
//! sessions. What it has of a number is written down before it creates anything, and removed by name.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::{BoxFuture, Either, select};
use leftover_core::clock::Clock;
use leftover_harness::config::Config;
use leftover_harness::pipeline::{
    Budget, DropReport, Lookalikes, Ours, Pipeline, PipelineError, RunReport, TablePair,
};
use leftover_harness::process::Env;

use super::attempt::{self, Sessions};
use super::record::Record;
use super::remove::{drop_all, remove, remove_on_its_own_session};
use crate::cancel_request::CancelRequest;
use crate::fixture;

/// How many attempts a run makes.
const ATTEMPTS: usize = 2;

/// The longest that one attempt takes.
const ATTEMPT: Duration = Duration::from_secs(60);

/// The law that a loader breaks, by how it does so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Planted {
    /// Law 1: a slot is written down when the server has answered.
    RecordedAfterwards,
    /// Law 2: the snapshot's connection is kept by a task of its own.
    Detached,
    /// Law 3: a drop has the run close its sockets, and takes that for the end of its backends.
    ClosingIsRelease,
    /// Law 4: a run that is dropped cleans up on the session that it was reading from.
    TeardownOnTheBroken,
    /// Law 5: what an interrupted attempt has left is matched with LIKE.
    Pattern,
    /// Law 6: connections set no limits of the server.
    NoLimits,
    /// Law 7: a failed attempt's sessions are held until the end of the run.
    HeldUntilTheEnd,
    /// Law 8: a drop that fails says that nothing is left.
    ErrorSwallowed,
    /// Law 8 too: a drop forgets an attempt before it has removed it.
    ForgottenFirst,
    /// Law 9: a COMMIT that was not answered is taken for one that did not happen.
    UnansweredIsUndone,
}

/// The loader, and what outlives its calls.
pub(super) struct Loader {
    pub(super) config: Config,
    pub(super) planted: Option<Planted>,
    pub(super) record: Mutex<Record>,
    cancel: CancelRequest,
}

impl Loader {
    pub(super) fn new(config: &Config, planted: Option<Planted>) -> Self {
        Loader {
            config: config.clone(),
            planted,
            record: Mutex::default(),
            cancel: CancelRequest::default(),
        }
    }

    pub(super) fn breaks(&self, planted: Planted) -> bool {
        self.planted == Some(planted)
    }

    /// Looks something up in the record, or writes it down.
    pub(super) fn record<T>(&self, with: impl FnOnce(&mut Record) -> T) -> T {
        with(
            &mut self
                .record
                .lock()
                .expect("no code panics while it holds the record"),
        )
    }

    /// Asks the run to stop.
    pub(super) fn stop(&self) {
        self.cancel.send();
    }

    async fn run_until_stopped(&self, env: Env) -> Result<RunReport, PipelineError> {
        self.cancel.withdraw();
        let _running = Running::of(self);
        let mut sessions = Sessions::default();
        let loaded = {
            let load = std::pin::pin!(self.load(&env, &mut sessions));
            match select(std::pin::pin!(self.cancel.received()), load).await {
                Either::Left(_) => None,
                Either::Right((loaded, _)) => Some(loaded),
            }
        };
        if loaded.is_none() && self.breaks(Planted::TeardownOnTheBroken) {
            remove_on_its_own_session(self, &mut sessions).await;
        }
        loaded.unwrap_or_else(|| Err(PipelineError("the load was dropped".to_owned())))
    }

    async fn load(&self, env: &Env, sessions: &mut Sessions) -> Result<RunReport, PipelineError> {
        for number in self.record(|record| record.interrupted()) {
            remove(self, env, number).await?;
        }
        let mut failed = Vec::new();
        let mut result = Err(PipelineError("no attempt was made".to_owned()));
        for _ in 0..ATTEMPTS {
            let number = self.record(Record::next);
            result = within(&*env.clock, ATTEMPT, attempt::run(self, env, number, sessions)).await;
            if result.is_ok() {
                break;
            }
            failed.push((number, std::mem::take(sessions)));
            if !self.breaks(Planted::HeldUntilTheEnd) {
                self.give_up(env, &mut failed).await?;
            }
        }
        self.give_up(env, &mut failed).await?;
        result.map(|rows| RunReport::loaded(fixture::partitions(&self.config), rows))
    }

    /// Closes the sockets of failed attempts, and removes what that does not.
    async fn give_up(&self, env: &Env, failed: &mut Vec<(u32, Sessions)>) -> Result<(), PipelineError> {
        for (number, sessions) in failed.drain(..) {
            drop(sessions);
            remove(self, env, number).await?;
        }
        Ok(())
    }
}

/// The run is running, until this is dropped.
struct Running<'a>(&'a Loader);

impl<'a> Running<'a> {
    fn of(loader: &'a Loader) -> Self {
        loader.record(|record| record.running = true);
        Running(loader)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.record(|record| record.running = false);
    }
}

/// Waits so long and no longer; the future is then dropped.
pub(super) async fn within<T>(
    clock: &dyn Clock,
    bound: Duration,
    future: impl Future<Output = Result<T, PipelineError>>,
) -> Result<T, PipelineError> {
    match select(std::pin::pin!(future), clock.sleep(bound)).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(PipelineError(format!("it did not end within {bound:?}"))),
    }
}

impl Pipeline for Loader {
    fn name(&self) -> &str {
        "planted"
    }

    fn run(&self, env: Env) -> BoxFuture<'_, Result<RunReport, PipelineError>> {
        Box::pin(self.run_until_stopped(env))
    }

    fn drop_all(&self, env: Env) -> BoxFuture<'_, Result<DropReport, PipelineError>> {
        Box::pin(async move { Ok(drop_all(self, &env).await) })
    }

    fn ours(&self) -> Ours {
        Ours {
            slot: std::sync::Arc::new(|name| attempt::number_of(name).is_some()),
            lookalikes: Lookalikes {
                session: Some("planted-1/reader".to_owned()),
                slot: Some("plantedx1".to_owned()),
                publication: None,
            },
            ..Ours::exactly("planted/", &[], &[])
        }
    }

    fn budget(&self) -> Budget {
        // An attempt has a holder and a reader on the source and a writer on the target; and one session
        // removes an attempt that failed.
        Budget {
            source_sessions: 3,
            target_sessions: 2,
            drop_sessions: 1,
            slot_creation: Duration::ZERO,
            // A task of its own is not waited for.
            closing: Duration::from_secs(u64::from(self.breaks(Planted::Detached))),
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
