//! The executor and the virtual clock of a simulation, inside a madsim runtime. madsim is behind this file and
//! nowhere else.

#[cfg(not(madsim))]
compile_error!(
    "leftover-sim needs `--cfg madsim`: build inside the workspace, where .cargo/config.toml sets it, or \
     set RUSTFLAGS=\"--cfg madsim\""
);

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use leftover_core::clock::{Clock, Instant, SharedClock};

use crate::chooser::Chooser;

mod executor;

use executor::{Alarm, Executor, Time};

/// One run on virtual time. The order in which ready tasks run, and all else that could differ, follows from
/// the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Simulation {
    /// What the run is a function of.
    pub seed: u64,
    /// How much virtual time may pass before the run is called stuck. Waiting for ever takes no real time:
    /// when nothing else can happen, the clock goes straight to this limit.
    pub limit: Duration,
}

/// A run that did not end: nothing can ever happen again in it, or it goes round in circles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}: nothing ended this run in {limit:?} of virtual time; everything in it waits for ever")]
pub struct Stuck {
    /// The run's seed.
    pub seed: u64,
    /// The limit that it reached.
    pub limit: Duration,
}

impl Simulation {
    /// A run of this seed that may take a day of virtual time.
    pub fn new(seed: u64) -> Self {
        Simulation {
            seed,
            limit: Duration::from_secs(24 * 60 * 60),
        }
    }

    /// Runs what `start` returns on this thread until it is done; then drops every task that it left.
    ///
    /// # Errors
    /// [`Stuck`] when it does not end within the limit.
    ///
    /// # Panics
    /// When called inside another simulation, and when a task panics.
    pub fn run<F: Future>(self, start: impl FnOnce(Handle) -> F) -> Result<F::Output, Stuck> {
        let runtime = madsim::runtime::Runtime::with_seed_and_config(self.seed, madsim::Config::default());
        // All of it is one poll of madsim's root task: madsim answers whoever asks the system for time or
        // randomness, and sees none of our tasks and timers, of which there are thousands in a run.
        runtime.block_on(async move {
            let executor = Executor::new(Chooser::new(self.seed).fork("executor"));
            let handle = Handle {
                seed: self.seed,
                executor: Rc::clone(&executor),
            };
            let end = executor.run(pin!(start(handle)), self.limit).ok_or(Stuck {
                seed: self.seed,
                limit: self.limit,
            });
            executor.drop_tasks();
            end
        })
    }
}

/// Access to the running simulation, for code on its thread.
#[derive(Clone)]
pub struct Handle {
    seed: u64,
    executor: Rc<Executor>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl Handle {
    /// The run's seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The root of the run's choices; fork it for each use.
    pub fn chooser(&self) -> Chooser {
        Chooser::new(self.seed)
    }

    /// The virtual clock.
    pub fn clock(&self) -> SharedClock {
        Arc::new(self.timer())
    }

    /// The virtual clock, and wake-ups on it.
    pub fn timer(&self) -> Timer {
        Timer(Arc::clone(&self.executor.time))
    }

    /// Starts a task that lives until it is done or the simulation ends. For the simulated servers alone:
    /// the code under test has no detached work.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.executor.spawn(future);
    }
}

/// The virtual clock: it moves when nothing is left to do at its present time.
#[derive(Clone)]
pub struct Timer(Arc<Time>);

impl std::fmt::Debug for Timer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Timer").field(&self.now()).finish()
    }
}

impl Timer {
    /// The virtual time since the start of the run.
    pub fn now(&self) -> Instant {
        self.0.now()
    }

    /// Wakes `waker` at `at`, or now when that has passed. There is no taking it back.
    pub fn wake_at(&self, at: Instant, waker: &Waker) {
        if at <= self.now() {
            waker.wake_by_ref();
        } else {
            self.0.set(at, waker.clone());
        }
    }

    /// Completes at the virtual time `duration` from now.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        Sleep {
            timer: self.clone(),
            deadline: self.now().saturating_add(duration),
            alarm: None,
        }
    }
}

impl Clock for Timer {
    fn now(&self) -> Instant {
        Timer::now(self)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(Timer::sleep(self, duration))
    }
}

/// Waits for a virtual time.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Sleep {
    timer: Timer,
    deadline: Instant,
    /// The wake-up that is set, and for whom.
    alarm: Option<(Alarm, Waker)>,
}

impl Sleep {
    fn unset(&mut self) {
        if let Some((alarm, _)) = self.alarm.take() {
            self.timer.0.unset(alarm);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.timer.now() >= self.deadline {
            return Poll::Ready(());
        }
        let set = self.alarm.as_ref();
        if !set.is_some_and(|(_, waker)| waker.will_wake(cx.waker())) {
            self.unset();
            let alarm = self.timer.0.set(self.deadline, cx.waker().clone());
            self.alarm = Some((alarm, cx.waker().clone()));
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.unset();
    }
}
