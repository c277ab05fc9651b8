//! The clock trait: the only way in which the mirror knows time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A point in time, as the time since the clock's own start. Only differences mean anything.
pub type Instant = Duration;

/// Now and sleep. Implemented by virtual time in the simulator and by tokio's timer elsewhere.
pub trait Clock: Send + Sync {
    /// The time since the clock's start; it never goes back.
    fn now(&self) -> Instant;

    /// Completes once `duration` has passed.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// A clock that is shared by everything in one process.
pub type SharedClock = Arc<dyn Clock>;
