//! Real time, without the waits that it is too coarse for.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use leftover_core::clock::{Clock, Instant};
use leftover_wire::tokio_clock::TokioClock;

/// The runtime's timer has no finer grain.
const GRAIN: Duration = Duration::from_millis(1);

/// Real time in which a shorter wait than the timer's grain is over at once: a simulated statement takes some
/// microseconds, and each row of a COPY would take a millisecond.
#[derive(Debug, Clone, Copy, Default)]
pub struct PromptClock(TokioClock);

impl Clock for PromptClock {
    fn now(&self) -> Instant {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        if duration < GRAIN {
            return Box::pin(std::future::ready(()));
        }
        self.0.sleep(duration)
    }
}
