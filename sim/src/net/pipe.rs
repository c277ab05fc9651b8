//! A connection: two ends, two flows, and what each end's kernel knows of the other.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use leftover_core::clock::Instant;
use leftover_harness::world::Silence;

use super::flow::{Fate, Flow};
use super::liveness::Watch;
use super::options::PipeOptions;
use crate::chooser::Chooser;
use crate::postgres::socket::{Keepalive, Peer};
use crate::runtime::Timer;

mod ending;
mod waiting;

pub(super) use waiting::Wait;
use waiting::Waiter;

/// Which end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

impl Side {
    pub(super) fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// A connection, shared by its two ends.
#[derive(Debug)]
pub(super) struct Shared(Mutex<Pipe>);

impl Shared {
    pub(super) fn new(timer: Timer, chooser: Chooser, options: PipeOptions) -> Self {
        Shared(Mutex::new(Pipe::new(timer, chooser, options)))
    }

    /// Brings what both ends know up to date, `side` first, then lets `act` act at this time.
    pub(super) fn at<T>(&self, side: Side, act: impl FnOnce(&mut Pipe, Instant) -> T) -> T {
        // Poisoned means that a task panicked in here, and that panic is already ending the run.
        let mut pipe = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = pipe.timer.now();
        // Both ends: what one kernel gave up in the meantime must not be undone by what the other does now.
        pipe.settle(side, now);
        pipe.settle(side.other(), now);
        act(&mut pipe, now)
    }
}

/// One end, as its kernel sees it.
#[derive(Debug, Default)]
struct End {
    waiters: [Waiter; 3],
    /// When the peer's FIN arrives, if one is on its way.
    fin_arrives: Option<Instant>,
    fin_seen: bool,
    /// When the peer's RST arrives, if one is on its way.
    rst_arrives: Option<Instant>,
    /// The connection is dead; the error that says so is told once.
    dead: bool,
    error: Option<io::ErrorKind>,
    /// It is dead because this kernel gave its peer up, who may live and is then told by RST.
    gave_up: bool,
    /// This end was reset by its owner: it answers nothing but that.
    reset: bool,
    /// The sending half is closed; its FIN goes when nothing waits before it.
    shut: bool,
    fin_sent: bool,
    /// The owner dropped it.
    closed: bool,
    heard: Instant,
    keepalive: Option<(Keepalive, Instant)>,
    user_timeout: Option<Duration>,
}

/// A connection's state. Flow `Client` is what the client sends.
#[derive(Debug)]
pub(super) struct Pipe {
    timer: Timer,
    chooser: Chooser,
    retransmission: Duration,
    silent_since: Option<Instant>,
    ends: [End; 2],
    flows: [Flow; 2],
}

impl Pipe {
    fn new(timer: Timer, chooser: Chooser, options: PipeOptions) -> Self {
        let now = timer.now();
        let end = || End {
            heard: now,
            ..End::default()
        };
        Pipe {
            timer,
            chooser,
            retransmission: options.retransmission,
            silent_since: None,
            ends: [end(), end()],
            flows: [Flow::new(options.to_server), Flow::new(options.to_client)],
        }
    }

    fn end(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    fn flow(&mut self, sender: Side) -> &mut Flow {
        &mut self.flows[sender as usize]
    }

    /// How long something that `side` sends now would take.
    fn latency(&self, side: Side) -> Duration {
        self.flows[side as usize].latency(&self.chooser)
    }

    /// Lets happen at `side` what time has brought until now.
    fn settle(&mut self, side: Side, now: Instant) {
        if self.ends[side as usize].dead || self.ends[side as usize].closed || !self.is_due(side, now) {
            return;
        }
        let data = self.flow(side.other()).arrive(now);
        let acknowledged = self.flow(side).acknowledge(now);
        let end = self.end(side);
        let fin = end.fin_arrives.take_if(|at| *at <= now);
        end.fin_seen |= fin.is_some();
        if let Some(heard) = [data, acknowledged, fin].into_iter().flatten().max() {
            end.heard = end.heard.max(heard);
        }
        if end.rst_arrives.take_if(|at| *at <= now).is_some() {
            let kind = if end.fin_seen {
                io::ErrorKind::BrokenPipe
            } else {
                io::ErrorKind::ConnectionReset
            };
            self.die(side, kind);
        } else if self.death(side).is_some_and(|at| at <= now) {
            self.end(side).gave_up = true;
            self.die(side, io::ErrorKind::TimedOut);
        }
    }

    /// Whether time may have brought anything to `side`: it is asked for at every act of either end.
    fn is_due(&self, side: Side, now: Instant) -> bool {
        let (end, sent) = (&self.ends[side as usize], &self.flows[side as usize]);
        let coming = &self.flows[side.other() as usize];
        let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        passed(coming.next_arrival())
            || passed(sent.next_acknowledgement())
            || passed(end.fin_arrives)
            || passed(end.rst_arrives)
            || self.silent_since.is_some()
            || sent.blocked_since.is_some()
    }

    fn die(&mut self, side: Side, kind: io::ErrorKind) {
        self.flow(side).forget_waiting();
        let end = self.end(side);
        end.dead = true;
        end.error = Some(kind);
        for waiter in &mut end.waiters {
            if let Some(waker) = waiter.waker.take() {
                waker.wake();
            }
        }
    }

    /// When this end's kernel gives its peer up, unless something changes.
    fn death(&self, side: Side) -> Option<Instant> {
        let flow = &self.flows[side as usize];
        if self.silent_since.is_none() && flow.blocked_since.is_none() {
            return None;
        }
        self.watch(side).death()
    }

    fn watch(&self, side: Side) -> Watch {
        let (end, sent) = (&self.ends[side as usize], &self.flows[side as usize]);
        let coming = &self.flows[side.other() as usize];
        let last = [
            coming.final_arrival(),
            sent.final_acknowledgement(),
            end.fin_arrives,
        ];
        Watch {
            heard: last.into_iter().flatten().fold(end.heard, Instant::max),
            unacknowledged_since: sent.unacknowledged_since,
            blocked_since: sent.blocked_since,
            silent_since: self.silent_since,
            keepalive: end.keepalive,
            user_timeout: end.user_timeout,
            retransmission: self.retransmission,
        }
    }

    /// Reads at most `room` bytes. `Ok(0)` is EOF; `None` means that it must wait.
    pub(super) fn read(
        &mut self,
        side: Side,
        now: Instant,
        room: usize,
        take: impl FnOnce(&[u8]),
    ) -> Option<io::Result<usize>> {
        if self.end(side).reset {
            return Some(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let from = side.other();
        let count = self.flow(from).readable().min(room);
        if count > 0 {
            self.take(side, now, count, take);
            return Some(Ok(count));
        }
        let end = self.end(side);
        if end.fin_seen || room == 0 {
            return Some(Ok(0));
        }
        if let Some(kind) = end.error.take() {
            return Some(Err(kind.into()));
        }
        end.dead.then_some(Ok(0))
    }

    fn take(&mut self, side: Side, now: Instant, count: usize, take: impl FnOnce(&[u8])) {
        let from = side.other();
        if self.ends[side as usize].dead {
            // What had arrived before the RST stays readable; nobody hears of it.
            self.flows[from as usize].read_dead(count, take);
            return;
        }
        let back = self.latency(side);
        let waited = self.flows[from as usize].waiting() > 0;
        let fate = self.flows[from as usize].read(count, now, back, &self.chooser, take);
        if let Some(fate) = fate {
            self.packet_sent(from, fate);
        }
        if waited {
            self.send_fin_if_due(from, now + back);
            self.wake_at(from, Wait::Writable, now + back);
        }
    }

    /// Writes what there is room for; `None` means that it must wait.
    pub(super) fn write(&mut self, side: Side, now: Instant, data: &[u8]) -> Option<io::Result<usize>> {
        let end = self.end(side);
        if end.reset {
            return Some(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if let Some(kind) = end.error.take() {
            return Some(Err(kind.into()));
        }
        if end.dead || end.shut {
            return Some(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if data.is_empty() {
            return Some(Ok(0));
        }
        let back = self.latency(side.other());
        let written = self.flows[side as usize].write(data, now, back, &self.chooser);
        if let Some(fate) = written.fate {
            self.packet_sent(side, fate);
        }
        self.set_timers(side);
        (written.taken > 0).then_some(Ok(written.taken))
    }

    /// A data packet of `sender` is on its way: wakes its reader in time, or gets an RST for an answer.
    fn packet_sent(&mut self, sender: Side, fate: Fate) {
        let Fate::Arrives(at) = fate else {
            return;
        };
        if self.end(sender.other()).closed {
            self.flow(sender).discard();
            self.answer_with_rst(sender, at);
        } else {
            self.wake_at(sender.other(), Wait::Readable, at);
        }
    }

    /// From now on packets vanish.
    pub(super) fn silence(&mut self, which: Silence, now: Instant) {
        let (to_server, to_client) = match which {
            Silence::ToServer => (true, false),
            Silence::ToClient => (false, true),
            Silence::Both => (true, true),
        };
        if self.silent_since.is_none() {
            for side in [Side::Client, Side::Server] {
                let heard = self.watch(side).heard_by_probes(now);
                self.end(side).heard = heard;
            }
            self.silent_since = Some(now);
        }
        for (sender, falls) in [(Side::Client, to_server), (Side::Server, to_client)] {
            if falls && !self.flow(sender).silent {
                self.silence_flow(sender, now);
            }
        }
        self.set_timers(Side::Client);
        self.set_timers(Side::Server);
    }

    fn silence_flow(&mut self, sender: Side, now: Instant) {
        let all_arrive = self.flows[sender as usize].fall_silent(&self.chooser);
        self.flows[sender.other() as usize].fall_unheard(now, &self.chooser);
        let signals_arrive = all_arrive && self.chooser.chance(1, 2);
        if !signals_arrive {
            let end = self.end(sender.other());
            (end.fin_arrives, end.rst_arrives) = (None, None);
        }
    }

    /// What a look at the socket finds.
    pub(super) fn peer(&self, side: Side) -> Peer {
        let end = &self.ends[side as usize];
        if end.dead {
            Peer::Dead
        } else if end.fin_seen {
            Peer::Fin
        } else {
            Peer::Open
        }
    }

    pub(super) fn set_keepalive(&mut self, side: Side, now: Instant, keepalive: Option<Keepalive>) {
        let end = self.end(side);
        if end.keepalive.map(|(known, _)| known) != keepalive {
            end.keepalive = keepalive.map(|keepalive| (keepalive, now));
            self.set_timers(side);
        }
    }

    pub(super) fn set_user_timeout(&mut self, side: Side, timeout: Option<Duration>) {
        self.end(side).user_timeout = timeout;
        self.set_timers(side);
    }
}
