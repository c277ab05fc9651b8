//! Drives the run, the drop from another terminal and the pipeline beside, in one future and in a written
//! order; strikes what is placed by time; drops what is cancelled or killed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::errands::Errands;
use crate::fault::{Layer, ProcessId, Signal};
use crate::pipeline::{DropReport, Pipeline, PipelineError, RunReport};
use crate::process::{Env, Process};
use crate::world::WorldError;

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended<T> {
    Returned(Result<T, PipelineError>),
    Cancelled,
    Killed,
    /// It did not return within its bound; its process was killed.
    Hung,
}

/// A call of a pipeline in a process of its own.
pub(crate) struct Running<'a, T> {
    process: Process,
    future: Option<BoxFuture<'a, Result<T, PipelineError>>>,
    bound: Sleep,
    timers: Vec<(usize, Sleep)>,
    ended: Option<Ended<T>>,
    /// When it ended, on the log's clock.
    ended_at: Duration,
    polls: u64,
}

impl<'a, T> Running<'a, T> {
    pub(crate) fn new(
        process: Process,
        bound: Duration,
        call: impl FnOnce(Env) -> BoxFuture<'a, Result<T, PipelineError>>,
    ) -> Self {
        let env = process.env();
        let bound = env.clock.sleep(bound);
        let timed = process.layer().timed(process.id());
        let timers = timed
            .into_iter()
            .map(|(index, after)| (index, env.clock.sleep(after)));
        Running {
            timers: timers.collect(),
            process,
            future: Some(call(env)),
            bound,
            ended: None,
            ended_at: Duration::ZERO,
            polls: 0,
        }
    }

    fn is(&self, process: ProcessId) -> bool {
        self.process.id() == process
    }

    fn end(&mut self, ended: Ended<T>) {
        if self.future.take().is_some() {
            let how = match &ended {
                Ended::Returned(Ok(_)) => "returns",
                Ended::Returned(Err(_)) => "fails",
                Ended::Cancelled => "is cancelled",
                Ended::Killed => "is killed",
                Ended::Hung => "does not return, and is killed",
            };
            let (label, log) = (self.process.label(), self.process.layer().log());
            log.note(&format!("{label} {how}"));
            self.ended_at = log.elapsed();
            self.ended = Some(ended);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        let Some(future) = &mut self.future else {
            return;
        };
        self.polls += 1;
        if let Poll::Ready(result) = future.as_mut().poll(cx) {
            self.end(Ended::Returned(result));
        } else if self.bound.as_mut().poll(cx).is_ready() {
            self.process.kill();
            self.end(Ended::Hung);
        } else {
            self.process.layer().polled(self.process.id());
        }
    }

    /// Strikes what is placed by the time of this process.
    fn strike_by_time(&mut self, cx: &mut Context<'_>) {
        if self.future.is_none() {
            return;
        }
        let process = &self.process;
        self.timers.retain_mut(|(index, timer)| {
            let due = timer.as_mut().poll(cx).is_ready();
            if due {
                process.layer().strike(*index, process.id());
            }
            !due
        });
    }

    fn obey(&mut self, signal: Signal, errands: &Errands) {
        match signal {
            Signal::Errand(errand, ticket) => errands.add(errand, ticket),
            Signal::Cancel(process) if self.is(process) => self.end(Ended::Cancelled),
            Signal::Killed(process) if self.is(process) => self.end(Ended::Killed),
            _ => {}
        }
    }

    /// Waits for the end, with nothing beside it but what is done to the servers. Signals about it are obeyed.
    ///
    /// # Errors
    /// When something could not be done to a server.
    pub(crate) async fn alone(mut self, layer: &Layer, errands: &Errands) -> Result<Ended<T>, WorldError> {
        std::future::poll_fn(|cx| {
            layer.driven_by(cx.waker());
            self.strike_by_time(cx);
            for signal in layer.signals() {
                self.obey(signal, errands);
            }
            self.poll(cx);
            for signal in layer.signals() {
                self.obey(signal, errands);
            }
            ready!(errands.poll(cx))?;
            match self.ended.take() {
                Some(ended) => Poll::Ready(Ok(ended)),
                None => Poll::Pending,
            }
        })
        .await
    }
}

/// What the supervision stops for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Milestone {
    /// The drop beside the run has ended, and the run has not.
    DropEnded,
    /// All calls have ended.
    AllEnded,
}

/// The run and what runs beside it.
pub(crate) struct Supervision<'a> {
    pipeline: &'a dyn Pipeline,
    layer: Arc<Layer>,
    start_drop: Box<dyn Fn() -> Process + 'a>,
    drop_bound: Duration,
    errands: &'a Errands,
    pub(crate) run: Running<'a, RunReport>,
    pub(crate) drop: Option<Running<'a, DropReport>>,
    pub(crate) beside: Option<Running<'a, RunReport>>,
    drop_seen: bool,
}

impl<'a> Supervision<'a> {
    /// `start_drop` starts the process of a drop when the plan asks for one.
    pub(crate) fn new(
        pipeline: &'a dyn Pipeline,
        layer: Arc<Layer>,
        run: Running<'a, RunReport>,
        beside: Option<Running<'a, RunReport>>,
        start_drop: impl Fn() -> Process + 'a,
        drop_bound: Duration,
        errands: &'a Errands,
    ) -> Self {
        let start_drop = Box::new(start_drop);
        Supervision {
            pipeline,
            layer,
            start_drop,
            drop_bound,
            errands,
            run,
            drop: None,
            beside,
            drop_seen: false,
        }
    }

    /// Drives everything up to the next milestone.
    ///
    /// # Errors
    /// When something could not be done to a server.
    pub(crate) async fn next(&mut self) -> Result<Milestone, WorldError> {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// How often the run's future has been polled.
    pub(crate) fn run_polls(&self) -> u64 {
        self.run.polls
    }

    /// When the run ended, on the log's clock.
    pub(crate) fn run_ended(&self) -> Duration {
        self.run.ended_at
    }

    /// The drop beside the run.
    pub(crate) fn drop_id(&self) -> Option<ProcessId> {
        self.drop.as_ref().map(|drop| drop.process.id())
    }

    /// What the drop beside the run reported, when it returned.
    pub(crate) fn drop_report(&self) -> Option<&DropReport> {
        match self.drop.as_ref()?.ended.as_ref()? {
            Ended::Returned(Ok(report)) => Some(report),
            _ => None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Milestone, WorldError>> {
        self.layer.driven_by(cx.waker());
        self.run.strike_by_time(cx);
        if let Some(drop) = &mut self.drop {
            drop.strike_by_time(cx);
        }
        self.obey();
        self.run.poll(cx);
        self.obey();
        if let Some(drop) = &mut self.drop {
            drop.poll(cx);
        }
        self.obey();
        if let Some(beside) = &mut self.beside {
            beside.poll(cx);
        }
        self.obey();
        // No milestone while something is being done to a server: nobody could look at it.
        ready!(self.errands.poll(cx))?;
        let ended = |ended: Option<bool>| ended.unwrap_or(true);
        let run_ended = self.run.ended.is_some();
        let drop_ended = ended(self.drop.as_ref().map(|drop| drop.ended.is_some()));
        let beside_ended = ended(self.beside.as_ref().map(|beside| beside.ended.is_some()));
        if self.drop.is_some() && drop_ended && !run_ended && !self.drop_seen {
            self.drop_seen = true;
            return Poll::Ready(Ok(Milestone::DropEnded));
        }
        if run_ended && drop_ended && beside_ended {
            return Poll::Ready(Ok(Milestone::AllEnded));
        }
        Poll::Pending
    }

    fn obey(&mut self) {
        for signal in self.layer.signals() {
            match signal {
                Signal::Cancel(process) => self.end(process, false),
                Signal::Killed(process) => self.end(process, true),
                Signal::Drop if self.drop.is_none() => {
                    let process = (self.start_drop)();
                    let pipeline = self.pipeline;
                    let call = |env| pipeline.drop_all(env);
                    self.drop = Some(Running::new(process, self.drop_bound, call));
                }
                Signal::Drop => {}
                Signal::Errand(errand, ticket) => self.errands.add(errand, ticket),
            }
        }
    }

    fn end(&mut self, process: ProcessId, killed: bool) {
        fn how<T>(killed: bool) -> Ended<T> {
            if killed { Ended::Killed } else { Ended::Cancelled }
        }
        if self.run.is(process) {
            self.run.end(how(killed));
        }
        if let Some(drop) = self.drop.as_mut().filter(|drop| drop.is(process)) {
            drop.end(how(killed));
        }
        if let Some(beside) = self.beside.as_mut().filter(|beside| beside.is(process)) {
            beside.end(how(killed));
        }
    }

    /// The ends of the run, the drop and the pipeline beside, once all have ended.
    pub(crate) fn ends(
        self,
    ) -> (
        Ended<RunReport>,
        Option<Ended<DropReport>>,
        Option<Ended<RunReport>>,
    ) {
        let run = self.run.ended.expect("asked after the run has ended");
        let drop = self
            .drop
            .map(|drop| drop.ended.expect("asked after the drop has ended"));
        let beside = self
            .beside
            .map(|beside| beside.ended.expect("asked after the neighbour has ended"));
        (run, drop, beside)
    }
}
