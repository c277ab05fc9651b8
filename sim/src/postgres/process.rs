//! One backend process: its client, its timers, and the waits in which it notices what happens to it.
//!
//! Each wait looks, in this order, at: the server's crash, a termination, a cancel, its condition, its timers,
//! and at the socket only where Postgres does (rule 1 of the behaviours' section 4).

use std::cell::RefCell;
use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use leftover_core::clock::Instant;
use leftover_harness::reach::Situation;

use super::activity::WaitEvent;
use super::any_socket::AnySocket;
use super::backend_row::Backend;
use super::locks::{LockMode, LockTag};
use super::protocol::{Connection, Frontend, Phase, ProtocolError, ReadError};
use super::settings::{Id, id};
use super::socket::{Peer, Socket};
use super::sql::error::PgError;
use super::state::State;
use super::timers::Timers;
use super::waits::{Exit, Step, Stop, Wait};
use super::walsender::standby::invalid;
use crate::chooser::Chooser;

/// The server's state, shared by its backends; never borrowed across an await.
pub type Shared = Rc<RefCell<State>>;

/// A backend process.
pub struct Process {
    /// The server.
    pub state: Shared,
    /// Its process id.
    pub pid: i32,
    /// Its client.
    pub client: Connection<AnySocket>,
    /// Its timers.
    pub timers: Timers,
    /// The server's choices.
    pub chooser: Rc<Chooser>,
    /// After a cancelled write found slack in the kernel's buffers: what is unsent does not block (OB-72).
    pub(super) slack: Option<bool>,
    /// Both sides have said CopyDone in a stream: a later one on this connection ends at once (OB-91).
    pub(super) streamed: bool,
    /// It streams: a shutdown waits until its client has acknowledged all.
    pub(super) streaming: bool,
}

/// The errors that interrupts raise.
fn terminated() -> Stop {
    Stop::Exit(Exit::Fatal(PgError::fatal(
        "57P01",
        "terminating connection due to administrator command",
    )))
}

fn cancelled(reason: &str) -> Stop {
    Stop::Error(PgError::new(
        "57014",
        format!("canceling statement due to {reason}"),
    ))
}

/// How a command's wait treats its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attention {
    /// It does not look.
    None,
    /// It reads: EOF and Terminate end the backend (the log waits of CREATE_REPLICATION_SLOT).
    Read,
}

impl Process {
    /// A process for this backend.
    pub fn new(state: Shared, pid: i32, client: Connection<AnySocket>, chooser: Rc<Chooser>) -> Self {
        let timers = Timers::new(state.borrow().clock.clone());
        Self {
            state,
            pid,
            client,
            timers,
            chooser,
            slack: None,
            streamed: false,
            streaming: false,
        }
    }

    /// Something with this backend's row.
    pub fn with<T>(&self, act: impl FnOnce(&mut Backend) -> T) -> T {
        act(self.state.borrow_mut().backend(self.pid))
    }

    /// Notes a situation in which this backend is.
    pub(super) fn note(&self, situation: Situation) {
        self.state.borrow_mut().reached.note(situation);
    }

    /// A setting that is a time.
    pub fn time_setting(&self, id: Id) -> Option<Duration> {
        self.with(|backend| backend.settings.time(id))
    }

    /// Looks at what others want of this backend; `running` while a cancel can hit.
    pub(super) fn signals(&mut self, running: bool) -> Result<(), Stop> {
        let signals = self.with(|backend| {
            let signals = backend.signals;
            if running {
                backend.signals.cancel = false;
            }
            signals
        });
        if signals.crash {
            return Err(Stop::Exit(Exit::Crash));
        }
        if signals.terminate || (signals.shutdown && !self.streaming) {
            return Err(terminated());
        }
        if running && signals.cancel {
            return Err(cancelled("user request"));
        }
        Ok(())
    }

    /// The timers of a running command.
    pub(super) fn due(&mut self) -> Result<(), Stop> {
        self.check_client()?;
        if self.timers.statement.is_some_and(|at| at <= self.timers.now()) {
            self.timers.statement = None;
            return Err(cancelled("statement timeout"));
        }
        Ok(())
    }

    /// `client_connection_check_interval`, when it has come.
    pub(super) fn check_client(&mut self) -> Result<(), Stop> {
        let now = self.timers.now();
        if self.timers.check_client.is_some_and(|at| at <= now) {
            if self.client.socket().peer() != Peer::Open {
                self.note(Situation::EndedByServerLimit);
                return Err(Stop::Exit(Exit::Silent));
            }
            let interval = self.time_setting(const { id("client_connection_check_interval") });
            self.timers.check_client = interval.map(|after| now + after);
        }
        Ok(())
    }

    pub(super) fn listen(&self, cx: &mut Context<'_>) {
        self.with(|backend| match &backend.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => backend.waker = Some(cx.waker().clone()),
        });
    }

    /// Waits until `ready` answers, looking again at `until` and whenever this backend is woken.
    ///
    /// # Errors
    /// With what interrupted the wait.
    pub async fn wait<T>(
        &mut self,
        event: Option<WaitEvent>,
        until: Option<Instant>,
        attention: Attention,
        mut ready: impl FnMut(&mut State, Instant) -> Option<Result<T, Stop>>,
    ) -> Step<T> {
        self.with(|backend| backend.activity.wait = event);
        let result = poll_fn(|cx| {
            self.listen(cx);
            loop {
                if let Err(stop) = self.signals(true) {
                    return Poll::Ready(Err(stop));
                }
                let now = self.timers.now();
                let answer = ready(&mut self.state.borrow_mut(), now);
                if let Some(answer) = answer {
                    return Poll::Ready(answer);
                }
                if let Err(stop) = self.due() {
                    return Poll::Ready(Err(stop));
                }
                if attention == Attention::Read
                    && let Poll::Ready(stop) = self.poll_gone(cx)
                {
                    return Poll::Ready(Err(stop));
                }
                let deadlines = [
                    until.filter(|at| *at > now),
                    self.timers.check_client,
                    self.timers.statement,
                ];
                if self.timers.poll_earliest(cx, &deadlines).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
        self.with(|backend| backend.activity.wait = None);
        result
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        self.client
            .poll_message(cx, Phase::Stream)
            .map(|message| match message {
                Err(ReadError::Protocol(ProtocolError::MessageType(kind))) => invalid(kind),
                Ok(Some(Frontend::CopyData(_) | Frontend::CopyDone)) => {
                    PgError::unsupported("COPY messages while a replication command runs").into()
                }
                _ => Stop::Exit(Exit::Silent),
            })
    }

    /// Spends a drawn time at work.
    ///
    /// # Errors
    /// With what interrupted it.
    pub async fn work(&mut self, range: Range<Duration>) -> Step<()> {
        let until = self.timers.now() + self.chooser.duration(range);
        self.wait(None, Some(until), Attention::None, |_, now| {
            (now >= until).then_some(Ok(()))
        })
        .await
    }

    /// Waits for what a statement asked for.
    ///
    /// # Errors
    /// With what interrupted it.
    pub async fn wait_for(&mut self, wait: Wait) -> Step<()> {
        match wait {
            Wait::Lock { tag, mode, keep } => {
                self.state.borrow_mut().locks.enqueue(self.pid, tag, mode, keep);
                let result = self.wait_for_lock(wait, tag).await;
                let pid = self.pid;
                let mut state = self.state.borrow_mut();
                let woken = match (&result, tag) {
                    (Ok(()), LockTag::TransactionId(_)) => state.locks.release_one(pid, tag, LockMode::Share),
                    (Ok(()), _) => Vec::new(),
                    (Err(_), _) => state.locks.give_up(pid),
                };
                state.wake(woken);
                result
            }
            Wait::Until { at, event } => {
                self.wait(event, Some(at), Attention::None, |_, now| {
                    (now >= at).then_some(Ok(()))
                })
                .await
            }
            Wait::Slots => {
                let pid = self.pid;
                self.state.borrow_mut().slot_waiters.push(pid);
                let woken = |state: &mut State| !state.slot_waiters.contains(&pid);
                let result = self
                    .wait(wait.event(), None, Attention::None, |state, _| {
                        woken(state).then_some(Ok(()))
                    })
                    .await;
                self.state
                    .borrow_mut()
                    .slot_waiters
                    .retain(|waiter| *waiter != pid);
                result
            }
            Wait::BackendExit { at } => {
                let pid = self.pid;
                self.state.borrow_mut().exit_waiters.push(pid);
                let woken = |state: &mut State, now| now >= at || !state.exit_waiters.contains(&pid);
                let result = self
                    .wait(wait.event(), Some(at), Attention::None, |s, now| {
                        woken(s, now).then_some(Ok(()))
                    })
                    .await;
                self.state
                    .borrow_mut()
                    .exit_waiters
                    .retain(|waiter| *waiter != pid);
                result
            }
        }
    }

    async fn wait_for_lock(&mut self, wait: Wait, tag: LockTag) -> Step<()> {
        let pid = self.pid;
        let start = self.timers.now();
        let timeout = self.time_setting(const { id("lock_timeout") });
        let timeout = timeout.map(|after| start + after);
        let deadlock = self.time_setting(const { id("deadlock_timeout") });
        let mut deadlock = deadlock.map(|after| start + after);
        loop {
            let until = [timeout, deadlock].into_iter().flatten().min();
            let mut deadlock_due = false;
            let result = self
                .wait(wait.event(), until, Attention::None, |state, now| {
                    if !state.locks.waits(pid) {
                        return Some(Ok(()));
                    }
                    if timeout.is_some_and(|at| at <= now) {
                        let error = PgError::new("55P03", "canceling statement due to lock timeout");
                        return Some(Err(Stop::Error(error)));
                    }
                    if deadlock.is_some_and(|at| at <= now) {
                        deadlock_due = true;
                        if state.locks.deadlocked(pid) {
                            return Some(Err(Stop::Error(deadlock_detected(state, pid, tag))));
                        }
                        return Some(Ok(()));
                    }
                    None
                })
                .await;
            if !deadlock_due || result.is_err() {
                return result;
            }
            deadlock = None;
        }
    }
}

fn deadlock_detected(state: &State, pid: i32, tag: LockTag) -> PgError {
    let blocker = state.locks.blockers(pid).first().copied().unwrap_or(0);
    let what = match tag {
        LockTag::TransactionId(xid) => format!("transaction {xid}"),
        LockTag::Relation { database, relation } => format!("relation {relation} of database {database}"),
        LockTag::Advisory {
            database,
            class,
            object,
            sub,
        } => {
            format!("advisory lock [{database},{class},{object},{sub}]")
        }
    };
    let detail = format!("Process {pid} waits on {what}; blocked by process {blocker}.");
    PgError::new("40P01", "deadlock detected").with_detail(detail)
}
