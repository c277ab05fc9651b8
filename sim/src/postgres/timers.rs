//! A backend's timers: one sleep for the earliest of its deadlines.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use leftover_core::clock::{Instant, SharedClock};

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The deadlines that outlast one wait, and the sleep that waits for the nearest of all.
pub struct Timers {
    clock: SharedClock,
    /// `statement_timeout`: armed by SQL only.
    pub statement: Option<Instant>,
    /// `client_connection_check_interval`: armed by SQL, and then in force for one interval, whatever runs (OB-59).
    pub check_client: Option<Instant>,
    sleep: Option<(Instant, Sleep)>,
}

impl Timers {
    /// No deadline yet.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            statement: None,
            check_client: None,
            sleep: None,
        }
    }

    /// Now.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Ready once the earliest of these has come; pending for ever when there is none.
    pub fn poll_earliest(&mut self, cx: &mut Context<'_>, deadlines: &[Option<Instant>]) -> Poll<()> {
        let Some(earliest) = deadlines.iter().flatten().min().copied() else {
            return Poll::Pending;
        };
        let now = self.clock.now();
        if now >= earliest {
            return Poll::Ready(());
        }
        if self.sleep.as_ref().is_none_or(|(at, _)| *at != earliest) {
            self.sleep = Some((earliest, self.clock.sleep(earliest - now)));
        }
        let Some((_, sleep)) = &mut self.sleep else {
            return Poll::Pending;
        };
        match sleep.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.sleep = None;
                Poll::Ready(())
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// SQL begins: arms what SQL arms.
    pub fn start_sql(&mut self, statement: Option<Duration>, check_client: Option<Duration>) {
        let now = self.clock.now();
        // A check that came due while the backend was idle found nothing to do and was not armed again.
        self.check_client = self.check_client.filter(|at| *at > now);
        self.statement = self.statement.or_else(|| statement.map(|after| now + after));
        if self.check_client.is_none() {
            self.check_client = check_client.map(|after| now + after);
        }
    }

    /// A replication command begins: a check that came due in the meantime is gone (OB-59).
    pub fn start_command(&mut self) {
        let now = self.clock.now();
        self.statement = None;
        self.check_client = self.check_client.filter(|at| *at > now);
    }
}
