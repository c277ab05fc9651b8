//! Tasks and virtual time of one simulation: which task runs next, and when the clock moves.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use leftover_core::clock::Instant;

use crate::chooser::Chooser;

/// What one poll of a task takes, in nanoseconds: between this and twice as much. It keeps what happens at
/// one time apart, and makes a task that only ever wakes itself reach the limit.
const POLL_NANOS: u64 = 50;

/// The number of the root, which is no spawned task.
const ROOT: usize = 0;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The virtual clock and who is to be woken by it.
#[derive(Debug, Default)]
pub(super) struct Time {
    now_nanos: AtomicU64,
    wakers: Mutex<Wakers>,
}

#[derive(Debug, Default)]
struct Wakers {
    /// By time, and in the order in which they came.
    due: BTreeMap<Alarm, Waker>,
    came: u64,
}

/// A wake-up that is set: its time in nanoseconds, and a number that no other has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alarm(u64, u64);

fn nanos(at: Instant) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}

impl Time {
    pub(super) fn now(&self) -> Instant {
        Duration::from_nanos(self.now_nanos.load(Ordering::Relaxed))
    }

    fn wakers(&self) -> MutexGuard<'_, Wakers> {
        self.wakers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a wake-up for a time that has not come.
    pub(super) fn set(&self, at: Instant, waker: Waker) -> Alarm {
        let mut wakers = self.wakers();
        wakers.came += 1;
        let alarm = Alarm(nanos(at), wakers.came);
        wakers.due.insert(alarm, waker);
        alarm
    }

    /// Takes a wake-up back, if it has not come.
    pub(super) fn unset(&self, alarm: Alarm) {
        let waker = self.wakers().due.remove(&alarm);
        drop(waker);
    }

    /// Moves the clock and wakes whose time has come.
    fn advance(&self, to: u64) {
        self.now_nanos.store(to, Ordering::Relaxed);
        loop {
            let next = {
                let mut wakers = self.wakers();
                match wakers.due.first_entry() {
                    Some(entry) if entry.key().0 <= to => entry.remove(),
                    _ => return,
                }
            };
            next.wake();
        }
    }

    fn next(&self) -> Option<u64> {
        self.wakers().due.first_key_value().map(|(alarm, _)| alarm.0)
    }
}

/// The tasks that are ready, in the order in which they became so.
#[derive(Debug, Default)]
struct Ready(Mutex<Vec<usize>>);

impl Ready {
    fn tasks(&self) -> MutexGuard<'_, Vec<usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes one task.
#[derive(Debug)]
struct Alert {
    task: usize,
    queued: AtomicBool,
    ready: Arc<Ready>,
}

impl Wake for Alert {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.tasks().push(self.task);
        }
    }
}

/// The tasks of one simulation.
pub(super) struct Executor {
    pub(super) time: Arc<Time>,
    ready: Arc<Ready>,
    chooser: Chooser,
    /// By number, from 1; `None` while it runs and when it is done.
    tasks: RefCell<Vec<Option<Task>>>,
    alerts: RefCell<Vec<Arc<Alert>>>,
}

impl Executor {
    pub(super) fn new(chooser: Chooser) -> Rc<Self> {
        let executor = Executor {
            time: Arc::default(),
            ready: Arc::default(),
            chooser,
            tasks: RefCell::new(vec![None]),
            alerts: RefCell::default(),
        };
        executor.alert(ROOT);
        Rc::new(executor)
    }

    /// Makes the task's waker, and the task ready for the first time.
    fn alert(&self, task: usize) {
        let alert = Arc::new(Alert {
            task,
            queued: AtomicBool::new(false),
            ready: Arc::clone(&self.ready),
        });
        alert.wake_by_ref();
        self.alerts.borrow_mut().push(alert);
    }

    pub(super) fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        let task = {
            let mut tasks = self.tasks.borrow_mut();
            tasks.push(Some(Box::pin(future)));
            tasks.len() - 1
        };
        self.alert(task);
    }

    /// Runs everything until `root` is done; `None` when that takes longer than `limit`.
    pub(super) fn run<F: Future>(&self, mut root: Pin<&mut F>, limit: Duration) -> Option<F::Output> {
        let limit = nanos(limit);
        loop {
            while let Some((task, bits)) = self.next_ready() {
                let alert = Arc::clone(&self.alerts.borrow()[task]);
                alert.queued.store(false, Ordering::Relaxed);
                let waker = Waker::from(alert);
                let mut cx = Context::from_waker(&waker);
                if task != ROOT {
                    self.poll(task, &mut cx);
                } else if let Poll::Ready(done) = root.as_mut().poll(&mut cx) {
                    return Some(done);
                }
                let took = POLL_NANOS + bits % POLL_NANOS;
                let now = nanos(self.time.now()) + took;
                if now > limit {
                    return None;
                }
                self.time.advance(now);
            }
            let next = self.time.next().filter(|next| *next <= limit)?;
            self.time.advance(next);
        }
    }

    /// Takes one of the ready tasks, as the seed decides; with bits for what else is to be decided.
    fn next_ready(&self) -> Option<(usize, u64)> {
        let mut ready = self.ready.tasks();
        if ready.is_empty() {
            return None;
        }
        let bits = self.chooser.bits();
        // The bias is below one in 2^31 for any number of tasks that there is.
        let place = ((bits >> 32) * ready.len() as u64) >> 32;
        let task = ready.swap_remove(usize::try_from(place).expect("the number of a ready task"));
        Some((task, bits & 0xffff_ffff))
    }

    fn poll(&self, task: usize, cx: &mut Context<'_>) {
        // Out of its place while it runs: it may spawn others.
        let Some(mut future) = self.tasks.borrow_mut()[task].take() else {
            return;
        };
        if future.as_mut().poll(cx).is_pending() {
            self.tasks.borrow_mut()[task] = Some(future);
        }
    }

    /// Drops every task, in the order in which they were started.
    pub(super) fn drop_tasks(&self) {
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        drop(tasks);
    }
}
