//! Tasks and virtual time of one simulation: which task runs next, and when the clock moves.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
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

/// The time of a wake-up that nobody has set.
const NEVER: u64 = u64::MAX;

/// The number of the root, which is no spawned task.
const ROOT: usize = 0;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The virtual clock and who is to be woken by it.
#[derive(Debug)]
pub(super) struct Time {
    now_nanos: AtomicU64,
    /// When the next wake-up is due, so that most moves of the clock need no lock.
    next_nanos: AtomicU64,
    wakers: Mutex<Wakers>,
}

/// Wake-ups in a heap: most of those that are set are taken back, which leaves a hole that is met later.
#[derive(Debug, Default)]
struct Wakers {
    /// By time, and in the order in which they came; the last is the place of the waker.
    due: BinaryHeap<Reverse<(u64, u64, usize)>>,
    /// `None` when it was taken back.
    places: Vec<Option<Waker>>,
    free: Vec<usize>,
    came: u64,
}

/// A wake-up that is set: the place of its waker. Whoever sets it takes it back at most once, and not after it
/// has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alarm {
    at: u64,
    place: usize,
}

fn nanos(at: Instant) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}

impl Default for Time {
    fn default() -> Self {
        Time {
            now_nanos: AtomicU64::new(0),
            next_nanos: AtomicU64::new(NEVER),
            wakers: Mutex::default(),
        }
    }
}

impl Wakers {
    /// When the next wake-up is due that was not taken back.
    fn next(&mut self) -> u64 {
        while let Some(&Reverse((at, _, place))) = self.due.peek() {
            if self.places[place].is_some() {
                return at;
            }
            self.due.pop();
            self.free.push(place);
        }
        NEVER
    }

    /// Takes the first wake-up out that is due by `to`.
    fn pop(&mut self, to: u64) -> Option<Waker> {
        if self.next() > to {
            return None;
        }
        let Reverse((_, _, place)) = self.due.pop()?;
        self.free.push(place);
        self.places[place].take()
    }
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
        let at = nanos(at);
        let mut wakers = self.wakers();
        wakers.came += 1;
        let place = wakers.free.pop().unwrap_or(wakers.places.len());
        if place == wakers.places.len() {
            wakers.places.push(None);
        }
        wakers.places[place] = Some(waker);
        let entry = Reverse((at, wakers.came, place));
        wakers.due.push(entry);
        // Under the lock, like every change of it.
        if at < self.next_nanos.load(Ordering::Relaxed) {
            self.next_nanos.store(at, Ordering::Relaxed);
        }
        Alarm { at, place }
    }

    /// Takes a wake-up back, if it has not come.
    pub(super) fn unset(&self, alarm: Alarm) {
        if alarm.at <= self.now_nanos.load(Ordering::Relaxed) {
            // It has come: its place may be another's.
            return;
        }
        let waker = self.wakers().places[alarm.place].take();
        drop(waker);
    }

    /// Moves the clock and wakes whose time has come.
    fn advance(&self, to: u64) {
        self.now_nanos.store(to, Ordering::Relaxed);
        if self.next_nanos.load(Ordering::Relaxed) <= to {
            self.wake_due(self.wakers(), to);
        }
    }

    /// Moves the clock to the next wake-up and wakes whose time has come then; `false` when there is none until
    /// `limit`.
    fn advance_to_next(&self, limit: u64) -> bool {
        let mut wakers = self.wakers();
        let next = wakers.next();
        if next > limit || next == NEVER {
            return false;
        }
        self.now_nanos.store(next, Ordering::Relaxed);
        self.wake_due(wakers, next);
        true
    }

    /// Wakes whose time has come, none of them under the lock.
    fn wake_due<'a>(&'a self, mut wakers: MutexGuard<'a, Wakers>, to: u64) {
        loop {
            let waker = wakers.pop(to);
            self.next_nanos.store(wakers.next(), Ordering::Relaxed);
            drop(wakers);
            if let Some(waker) = waker {
                waker.wake();
            }
            if self.next_nanos.load(Ordering::Relaxed) > to {
                return;
            }
            wakers = self.wakers();
        }
    }
}

/// The tasks that have become ready and that the executor has not seen yet, in order.
#[derive(Debug, Default)]
struct Woken {
    any: AtomicBool,
    tasks: Mutex<Vec<usize>>,
}

impl Woken {
    fn add(&self, task: usize) {
        self.tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(task);
        self.any.store(true, Ordering::Relaxed);
    }

    /// Moves them behind those that the executor knows.
    fn drain(&self, ready: &mut Vec<usize>) {
        if self.any.load(Ordering::Relaxed) {
            self.any.store(false, Ordering::Relaxed);
            ready.append(&mut self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Wakes one task.
#[derive(Debug)]
struct Alert {
    task: usize,
    queued: AtomicBool,
    woken: Arc<Woken>,
}

impl Wake for Alert {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // One thread runs the simulation: nobody comes between the two.
        if !self.queued.load(Ordering::Relaxed) {
            self.queued.store(true, Ordering::Relaxed);
            self.woken.add(self.task);
        }
    }
}

/// The tasks of one simulation.
pub(super) struct Executor {
    pub(super) time: Arc<Time>,
    woken: Arc<Woken>,
    /// The tasks that are ready, in the order in which they became so, but for those that were just woken.
    ready: RefCell<Vec<usize>>,
    /// Of which ready task runs next, and how long a poll takes.
    choices: Chooser,
    /// By number, from 1; `None` while it runs and when it is done.
    tasks: RefCell<Vec<Option<Task>>>,
    alerts: RefCell<Vec<(Arc<Alert>, Waker)>>,
}

impl Executor {
    pub(super) fn new(chooser: Chooser) -> Rc<Self> {
        let executor = Executor {
            time: Arc::default(),
            woken: Arc::default(),
            ready: RefCell::default(),
            choices: chooser,
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
            woken: Arc::clone(&self.woken),
        });
        alert.wake_by_ref();
        let waker = Waker::from(Arc::clone(&alert));
        self.alerts.borrow_mut().push((alert, waker));
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
                // Taken out while the task runs, which may spawn others; a waker's clone would cost more.
                let waker = {
                    let (alert, waker) = &mut self.alerts.borrow_mut()[task];
                    alert.queued.store(false, Ordering::Relaxed);
                    std::mem::replace(waker, Waker::noop().clone())
                };
                let mut cx = Context::from_waker(&waker);
                if task != ROOT {
                    self.poll(task, &mut cx);
                } else if let Poll::Ready(done) = root.as_mut().poll(&mut cx) {
                    return Some(done);
                }
                self.alerts.borrow_mut()[task].1 = waker;
                let took = POLL_NANOS + bits % POLL_NANOS;
                let now = nanos(self.time.now()) + took;
                if now > limit {
                    return None;
                }
                self.time.advance(now);
            }
            if !self.time.advance_to_next(limit) {
                return None;
            }
        }
    }

    /// Takes one of the ready tasks, as the seed decides; with bits for what else is to be decided.
    fn next_ready(&self) -> Option<(usize, u64)> {
        let mut ready = self.ready.borrow_mut();
        self.woken.drain(&mut ready);
        if ready.is_empty() {
            return None;
        }
        let bits = self.choices.bits();
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
