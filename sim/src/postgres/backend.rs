//! A backend's life: startup packet, place, authentication, commands, exit.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use leftover_core::clock::Instant;
use leftover_harness::reach::Situation;

use super::admission::{admit, take_place};
use super::any_socket::AnySocket;
use super::backend_row::{Backend, Kind};
use super::process::{Process, Shared};
use super::protocol::{
    AuthenticationError, Connection, Method, ProtocolError, ReadError, Replication, SessionStartup, Startup,
    authenticate,
};
use super::session::Session;
use super::settings::{self, id};
use super::shutdown::Phase;
use super::socket::{Keepalive, Socket};
use super::sql::error::PgError;
use super::state::State;
use super::waits::{Exit, Step, Stop};
use crate::chooser::Chooser;

/// Serves one connection from its first byte to the server's FIN.
pub async fn run(shared: Shared, socket: AnySocket) {
    let mut connection = Connection::new(socket);
    let (pid, chooser, limit) = {
        let mut state = shared.borrow_mut();
        if state.phase == Phase::Down {
            return;
        }
        let (pid, now) = (state.new_pid(), state.now());
        let secret = (state.chooser.bits() & 0x7FFF_FFFF) as i32;
        let place = (1..)
            .find(|place| state.backends.values().all(|b| b.place != *place))
            .unwrap_or(1);
        state
            .backends
            .insert(Backend::new(pid, secret, place, Kind::Starting, now));
        let timeout = state.limit(const { id("authentication_timeout") }) as u64;
        (pid, state.chooser.clone(), now + Duration::from_secs(timeout))
    };
    let startup = guarded(&shared, pid, limit, connection.read_startup()).await;
    let session = match startup {
        Some(Ok(Some(Startup::Session(session)))) => session,
        Some(Ok(Some(Startup::Cancel { pid: target, secret }))) => {
            deliver_cancel(&shared, &chooser, target, secret).await;
            shared.borrow_mut().remove(pid);
            return;
        }
        // What is no startup packet at all is only logged.
        Some(Err(ReadError::Protocol(error))) if error != ProtocolError::StartupLength => {
            connection.refuse(&error);
            send_what_fits(&mut connection).await;
            shared.borrow_mut().remove(pid);
            return;
        }
        // EOF without a word, also after authentication_timeout (OB-11, 48).
        _ => {
            shared.borrow_mut().remove(pid);
            return;
        }
    };
    let mut process = Process::new(shared.clone(), pid, connection, chooser);
    let end = live(&mut process, &session, limit).await;
    exit(process, end).await;
}

/// Delivers a cancel request: a signal to the process and another one to its group, which mostly come as one. On a
/// busy machine time passes between them, and one request ends two statements (OB-76).
async fn deliver_cancel(shared: &Shared, chooser: &Chooser, pid: i32, secret: i32) {
    let signals = if chooser.chance(1, 4) { 2 } else { 1 };
    for signal in 1..=signals {
        let delay = { chooser.duration(shared.borrow().options.timings.cancel.clone()) };
        sleep(shared, delay).await;
        let mut state = shared.borrow_mut();
        let Some(backend) = state.backends.get(pid).filter(|b| b.secret == secret) else {
            return;
        };
        if signal == 1 && backend.reading {
            state.reached.note(Situation::CancelMetIdle);
        }
        state.signal_cancel(pid);
    }
}

impl State {
    /// Delivers a cancel: it hits only what runs (OB-74).
    pub fn signal_cancel(&mut self, pid: i32) {
        if let Some(backend) = self.backends.get_mut(pid)
            && !backend.reading
        {
            backend.signals.cancel = true;
            backend.wake();
        }
    }

    /// Delivers a termination.
    pub fn signal_terminate(&mut self, pid: i32) {
        if let Some(backend) = self.backends.get_mut(pid) {
            backend.signals.terminate = true;
            backend.signals.terminations += 1;
            backend.wake();
        }
    }
}

async fn sleep(shared: &Shared, duration: Duration) {
    let clock = shared.borrow().clock.clone();
    clock.sleep(duration).await;
}

/// Polls `work` until it is done, its time is up, or the backend is told to end: then `None`.
async fn guarded<T>(shared: &Shared, pid: i32, until: Instant, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let clock = shared.borrow().clock.clone();
    let mut timeout = clock.sleep(until.saturating_sub(clock.now()));
    poll_fn(|cx| {
        {
            let mut state = shared.borrow_mut();
            let backend = state.backend(pid);
            if backend.signals.crash || backend.signals.terminate {
                return Poll::Ready(None);
            }
            backend.waker = Some(cx.waker().clone());
        }
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        timeout.as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// One attempt to send what is buffered: whoever exits does not wait for its client.
async fn send_what_fits(connection: &mut Connection<AnySocket>) {
    poll_fn(|cx| {
        let _ = connection.poll_flush(cx);
        Poll::Ready(())
    })
    .await;
}

async fn live(process: &mut Process, startup: &SessionStartup, limit: Instant) -> Exit {
    match start(process, startup, limit).await {
        Ok(()) => {}
        Err(Stop::Exit(exit)) => return exit,
        Err(Stop::Error(error)) => {
            return Exit::Fatal(PgError {
                severity: "FATAL",
                ..error
            });
        }
    }
    let mut session = Session::new();
    loop {
        match session.serve_one(process).await {
            Ok(()) => {}
            Err(Stop::Exit(exit)) => return exit,
            Err(Stop::Error(error)) => {
                return Exit::Fatal(PgError {
                    severity: "FATAL",
                    ..error
                });
            }
        }
    }
}

async fn start(process: &mut Process, startup: &SessionStartup, limit: Instant) -> Step<()> {
    let pid = process.pid;
    let kind = match startup.replication {
        Replication::Off => Kind::Client,
        Replication::Database => Kind::Walsender,
        Replication::Physical => {
            return Err(PgError::unsupported("physical replication connections (replication=true)").into());
        }
    };
    negotiate(process, startup);
    let method = {
        let mut state = process.state.borrow_mut();
        if let Some(refusal) = state.refusal() {
            return Err(refusal.into());
        }
        take_place(&mut state, pid, kind)?;
        let backend = state.backend(pid);
        backend.role.clone_from(&startup.user);
        backend.database.clone_from(&startup.database);
        match state
            .roles
            .get(&startup.user)
            .and_then(|role| role.password.clone())
        {
            Some(password) => Method::Cleartext(password),
            None => Method::Trust,
        }
    };
    let shared = process.state.clone();
    let work = authenticate(&mut process.client, &method, &startup.user, &process.chooser);
    match guarded(&shared, pid, limit, work).await {
        Some(Ok(())) => {}
        Some(Err(AuthenticationError::Refused { code, message })) => {
            return Err(PgError::fatal(code, message).into());
        }
        Some(Err(AuthenticationError::Read(ReadError::Protocol(error)))) => {
            return Err(PgError::fatal(error.code(), error.to_string()).into());
        }
        _ => return Err(Stop::Exit(Exit::Silent)),
    }
    let range = process.state.borrow().options.timings.start.clone();
    let delay = process.chooser.duration(range);
    sleep(&process.state, delay).await;
    process.startup_signals()?;
    admit(&mut process.state.borrow_mut(), pid, startup)?;
    process.apply_socket_options();
    greet(process);
    Ok(())
}

/// Tells a client that asks for more of the protocol than there is what there is.
fn negotiate(process: &mut Process, startup: &SessionStartup) {
    if startup.minor_version > 0 || !startup.extensions.is_empty() {
        let unknown: Vec<&str> = startup.extensions.iter().map(String::as_str).collect();
        process.client.replies().negotiate_protocol_version(&unknown);
    }
}

fn greet(process: &mut Process) {
    let mut replies = process.client.replies();
    let state = process.state.borrow();
    let backend = state.backend_ref(process.pid);
    for (id, told) in settings::REPORTED {
        // None of them is a time, so that each is shown as it rests.
        replies.parameter_status(told, backend.settings.value(*id));
    }
    replies.parameter_status("session_authorization", &backend.role);
    replies.backend_key_data(process.pid, backend.secret);
}

impl Process {
    fn startup_signals(&mut self) -> Step<()> {
        let signals = self.with(|backend| backend.signals);
        if signals.crash {
            return Err(Stop::Exit(Exit::Crash));
        }
        if signals.terminate {
            let message = "terminating connection due to administrator command";
            return Err(PgError::fatal("57P01", message).into());
        }
        Ok(())
    }

    /// Gives the socket the options that the session's settings ask for.
    pub fn apply_socket_options(&mut self) {
        let (idle, interval, count, user_timeout) = self.with(|backend| {
            let s = &backend.settings;
            let (idle, interval) = (
                s.time(const { id("tcp_keepalives_idle") }),
                s.time(const { id("tcp_keepalives_interval") }),
            );
            (
                idle,
                interval,
                s.number(const { id("tcp_keepalives_count") }),
                s.time(const { id("tcp_user_timeout") }),
            )
        });
        let keepalive = (idle.is_some() || interval.is_some() || count > 0).then(|| Keepalive {
            idle: idle.unwrap_or(Duration::from_secs(7200)),
            interval: interval.unwrap_or(Duration::from_secs(75)),
            count: if count > 0 { count as u32 } else { 9 },
        });
        self.client.socket().set_keepalive(keepalive);
        self.client.socket().set_user_timeout(user_timeout);
    }
}

/// Leaves, in Postgres's order: abort, release locks and slots, leave the view, free the place, FIN.
async fn exit(mut process: Process, end: Exit) {
    let (shared, pid) = (process.state.clone(), process.pid);
    let client = process.with(|backend| !backend.signals.crash || backend.was_client);
    match &end {
        Exit::Fatal(error) => process.report(error),
        Exit::Crash if client => {
            let notice = shared.borrow().crash_notice();
            process.report(&notice);
        }
        Exit::Crash | Exit::Silent => process.client.forget_unsent(),
    }
    send_what_fits(&mut process.client).await;
    if end == Exit::Crash {
        shared.borrow_mut().remove(pid);
        return;
    }
    let timings = shared.borrow().options.clone();
    let timings = &timings.timings;
    let alive = |state: &State| {
        state
            .backends
            .get(pid)
            .is_some_and(|backend| !backend.signals.crash)
    };
    sleep(&shared, process.chooser.duration(timings.notice.clone())).await;
    if alive(&shared.borrow()) {
        shared.borrow_mut().release_all(pid);
    }
    sleep(&shared, process.chooser.duration(timings.exit.clone())).await;
    if alive(&shared.borrow()) {
        shared.borrow_mut().unlist(pid);
    }
    sleep(&shared, process.chooser.duration(timings.exit.clone())).await;
    let mut state = shared.borrow_mut();
    state.remove(pid);
    let waiters = std::mem::take(&mut state.exit_waiters);
    state.wake(waiters);
}

impl State {
    /// Forgets a backend, whose place is free then.
    fn remove(&mut self, pid: i32) {
        self.backends.remove(pid);
        self.advance_shutdown();
    }

    /// Undoes a backend's transaction and releases all that it holds.
    pub fn release_all(&mut self, pid: i32) {
        self.end_transaction(pid, false);
        let mut woken = self.locks.give_up(pid);
        woken.extend(self.locks.release(pid, true));
        self.wake(woken);
        if self.slots.release(pid, true) {
            self.slots_changed();
        }
    }

    /// Takes a backend out of `pg_stat_activity`.
    pub fn unlist(&mut self, pid: i32) {
        let backend = self.backend(pid);
        if std::mem::take(&mut backend.listed) {
            let name = backend.application_name().to_owned();
            self.note_passage(false, &name);
        }
        let waiters = std::mem::take(&mut self.exit_waiters);
        self.wake(waiters);
    }
}
