//! Virtual time and the executor that advances it when nothing else can happen.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use leftover_core::clock::Clock;

#[derive(Default)]
struct Timers {
    now: Duration,
    waiting: BTreeMap<(Duration, u64), Waker>,
    next: u64,
}

#[derive(Clone, Default)]
pub struct VirtualTime(Arc<Mutex<Timers>>);

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl VirtualTime {
    pub fn now(&self) -> Duration {
        self.0.lock().expect("no panic").now
    }

    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(flag.clone());
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return value;
            }
            while !flag.0.swap(false, Ordering::SeqCst) {
                let mut timers = self.0.lock().expect("no panic");
                let ((at, _), waker) = timers.waiting.pop_first().expect("something to wait for");
                timers.now = timers.now.max(at);
                waker.wake();
            }
        }
    }
}

pub struct ManualClock(pub VirtualTime);

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let time = self.0.clone();
        let until = time.now() + duration;
        let mut key = None;
        Box::pin(std::future::poll_fn(move |cx| {
            let mut timers = time.0.lock().expect("no panic");
            if timers.now >= until {
                return Poll::Ready(());
            }
            // One timer for each sleep, however often it is polled.
            let key = *key.get_or_insert_with(|| {
                timers.next += 1;
                (until, timers.next)
            });
            timers.waiting.insert(key, cx.waker().clone());
            Poll::Pending
        }))
    }
}
