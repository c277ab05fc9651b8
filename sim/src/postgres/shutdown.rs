//! The end of a server: the three ways to stop it, the restart after a killed backend, and who may come in meanwhile.

use std::time::Duration;

use leftover_core::clock::Instant;
use leftover_harness::world::Shutdown;

use super::backend_row::Kind;
use super::sql::error::PgError;
use super::state::State;

/// How long the server recovers after a backend was killed (OB-112).
const RECOVERY: Duration = Duration::from_millis(195);

/// The length of the record that a shutdown checkpoint writes.
const CHECKPOINT_BYTES: u64 = 120;

/// What the server as a whole does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It serves.
    Running,
    /// It waits for its sessions, which are told to go or not, and then for its walsenders (OB-109 to 111).
    Stopping {
        /// The shutdown's checkpoint is written: walsenders have heard that they are to end.
        checkpointed: bool,
    },
    /// A backend was killed, the others were sent away, and the log is replayed (OB-112).
    Recovering {
        /// Until then.
        until: Instant,
    },
    /// It is down.
    Down,
}

impl State {
    /// Begins to stop the server.
    pub fn shut_down(&mut self, how: Shutdown) {
        if how == Shutdown::Immediate {
            self.crash();
            return;
        }
        self.phase = Phase::Stopping { checkpointed: false };
        if how == Shutdown::Fast {
            for pid in self.pids(|kind| matches!(kind, Kind::Client | Kind::Starting)) {
                self.signal_terminate(pid);
            }
        }
        self.advance_shutdown();
    }

    /// A backend has gone: a shutdown that waited for it goes on.
    pub fn advance_shutdown(&mut self) {
        let Phase::Stopping { checkpointed } = self.phase else {
            return;
        };
        if !self
            .pids(|kind| matches!(kind, Kind::Client | Kind::Starting))
            .is_empty()
        {
            return;
        }
        let walsenders = self.pids(|kind| kind == Kind::Walsender);
        if walsenders.is_empty() {
            self.slots.crash();
            self.phase = Phase::Down;
        } else if !checkpointed {
            self.phase = Phase::Stopping { checkpointed: true };
            self.write_wal(CHECKPOINT_BYTES);
            for pid in &walsenders {
                self.backend(*pid).signals.shutdown = true;
            }
            self.wake(walsenders);
        }
    }

    /// Ends a backend with SIGKILL. Shared memory may be broken then: all others are ended too, and the server
    /// recovers (OB-112).
    pub fn kill(&mut self, pid: i32) {
        if self.backends.get(pid).is_none() {
            return;
        }
        self.crash();
        self.backend(pid).was_client = false;
        self.phase = Phase::Recovering {
            until: self.now() + RECOVERY,
        };
    }

    /// Why no session is let in now.
    pub fn refusal(&mut self) -> Option<PgError> {
        let fatal = |message: &str| PgError::fatal("57P03", message);
        match self.phase {
            Phase::Running => None,
            Phase::Stopping { .. } | Phase::Down => Some(fatal("the database system is shutting down")),
            Phase::Recovering { until } if self.now() >= until => {
                self.phase = Phase::Running;
                None
            }
            Phase::Recovering { until } if until - self.now() > RECOVERY / 2 => {
                Some(fatal("the database system is in recovery mode"))
            }
            Phase::Recovering { .. } => Some(
                fatal("the database system is not yet accepting connections")
                    .with_detail("Consistent recovery state has not been yet reached."),
            ),
        }
    }

    /// What a session hears when everything is ended at once: a notice (OB-111, 112).
    pub fn crash_notice(&self) -> PgError {
        let notice = match self.phase {
            Phase::Recovering { .. } => PgError::new(
                "57P02",
                "terminating connection because of crash of another server process",
            ),
            _ => PgError::new(
                "57P01",
                "terminating connection due to immediate shutdown command",
            ),
        };
        PgError {
            severity: "WARNING",
            ..notice
        }
    }

    /// The pids of the backends of these kinds.
    pub(super) fn pids(&self, of: impl Fn(Kind) -> bool) -> Vec<i32> {
        let wanted = self.backends.values().filter(|backend| of(backend.kind));
        wanted.map(|backend| backend.pid).collect()
    }
}
