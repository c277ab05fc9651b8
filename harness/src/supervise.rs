//! Drives the run, the drop from another terminal and the pipeline beside, in one future and in a written
//! order; strikes what is placed by poll and by time; drops what is cancelled or killed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::fault::plan::At;
use crate::fault::{Layer, ProcessId, Signal};
use crate::pipeline::{DropReport, Pipeline, PipelineError, RunReport};
use crate::process::{Env, Process};

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
    ended: Option<Ended<T>>,
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
        Running {
            process,
            future: Some(call(env)),
            bound,
            ended: None,
            polls: 0,
        }
    }

    fn is(&self, process: ProcessId) -> bool {
        self.process.id() == process
    }

    fn end(&mut self, ended: Ended<T>) {
        if self.future.take().is_some() {
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
        }
    }

    /// Waits for the end, with nothing beside it. Signals about it are obeyed.
    pub(crate) async fn alone(mut self, layer: &Layer) -> Ended<T> {
        std::future::poll_fn(|cx| {
            layer.driven_by(cx.waker());
            self.poll(cx);
            for signal in layer.signals() {
                match signal {
                    Signal::Cancel(process) if self.is(process) => self.end(Ended::Cancelled),
                    Signal::Killed(process) if self.is(process) => self.end(Ended::Killed),
                    _ => {}
                }
            }
            match self.ended.take() {
                Some(ended) => Poll::Ready(ended),
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
    pub(crate) run: Running<'a, RunReport>,
    pub(crate) drop: Option<Running<'a, DropReport>>,
    pub(crate) beside: Option<Running<'a, RunReport>>,
    polls: Vec<(usize, u64)>,
    timers: Vec<(usize, Sleep)>,
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
    ) -> Self {
        let (mut polls, mut timers) = (Vec::new(), Vec::new());
        for (index, strike) in layer.unplaced() {
            match strike.at {
                At::Poll(count) => polls.push((index, count)),
                At::Time(after) => timers.push((index, layer.clock().sleep(after))),
                At::Message { .. } => {}
            }
        }
        let start_drop = Box::new(start_drop);
        Supervision {
            pipeline,
            layer,
            start_drop,
            drop_bound,
            run,
            drop: None,
            beside,
            polls,
            timers,
            drop_seen: false,
        }
    }

    /// Drives everything up to the next milestone.
    pub(crate) async fn next(&mut self) -> Milestone {
        std::future::poll_fn(|cx| self.poll(cx)).await
    }

    /// How often the run's future has been polled.
    pub(crate) fn run_polls(&self) -> u64 {
        self.run.polls
    }

    /// What the drop beside the run reported, when it returned.
    pub(crate) fn drop_report(&self) -> Option<&DropReport> {
        match self.drop.as_ref()?.ended.as_ref()? {
            Ended::Returned(Ok(report)) => Some(report),
            _ => None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Milestone> {
        self.layer.driven_by(cx.waker());
        self.strike_by_time(cx);
        self.obey();
        self.run.poll(cx);
        self.strike_by_poll();
        self.obey();
        if let Some(drop) = &mut self.drop {
            drop.poll(cx);
        }
        self.obey();
        if let Some(beside) = &mut self.beside {
            beside.poll(cx);
        }
        self.obey();
        let ended = |ended: Option<bool>| ended.unwrap_or(true);
        let run_ended = self.run.ended.is_some();
        let drop_ended = ended(self.drop.as_ref().map(|drop| drop.ended.is_some()));
        let beside_ended = ended(self.beside.as_ref().map(|beside| beside.ended.is_some()));
        if self.drop.is_some() && drop_ended && !run_ended && !self.drop_seen {
            self.drop_seen = true;
            return Poll::Ready(Milestone::DropEnded);
        }
        if run_ended && drop_ended && beside_ended {
            return Poll::Ready(Milestone::AllEnded);
        }
        Poll::Pending
    }

    fn strike_by_time(&mut self, cx: &mut Context<'_>) {
        if self.run.ended.is_some() {
            return;
        }
        let (layer, process) = (&self.layer, self.run.process.id());
        self.timers.retain_mut(|(index, timer)| {
            let due = timer.as_mut().poll(cx).is_ready();
            if due {
                layer.strike(*index, process);
            }
            !due
        });
    }

    fn strike_by_poll(&mut self) {
        if self.run.ended.is_some() {
            return;
        }
        let (layer, process, now) = (&self.layer, self.run.process.id(), self.run.polls);
        self.polls.retain(|(index, count)| {
            let due = now >= *count;
            if due {
                layer.strike(*index, process);
            }
            !due
        });
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
            }
        }
    }

    fn end(&mut self, process: ProcessId, killed: bool) {
        fn how<T>(killed: bool) -> Ended<T> {
            if killed { Ended::Killed } else { Ended::Cancelled }
        }
        if self.run.is(process) {
            self.layer.log().note(if killed {
                "the run is killed"
            } else {
                "the run's future is dropped"
            });
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
