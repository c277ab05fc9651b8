//! One direction of a connection: what has arrived unread, what is on its way, what waits for the window.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use leftover_core::clock::Instant;

use super::options::FlowOptions;
use crate::chooser::Chooser;

/// Bytes on their way.
#[derive(Debug)]
struct Packet {
    arrives: Instant,
    bytes: usize,
    sent: Instant,
}

/// A packet whose acknowledgement is not back yet.
#[derive(Debug)]
struct Sent {
    at: Instant,
    /// When it arrives at the other end, whose kernel acknowledges it then.
    arrives: Instant,
    /// When the acknowledgement is back.
    acknowledged: Instant,
}

/// What became of a sent packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives then.
    Arrives(Instant),
    /// It never arrives.
    Vanishes,
}

/// The bytes of one direction. Who closed, and who hears of it, is the pipe's business.
#[derive(Debug)]
pub(super) struct Flow {
    options: FlowOptions,
    /// Arrived bytes, then those on their way, then those that wait for the window.
    buffer: BytesMut,
    arrived: usize,
    flying: usize,
    packets: VecDeque<Packet>,
    sent: VecDeque<Sent>,
    /// Bytes that take up the window for ever: lost, or read without the sender hearing of it.
    vanished: usize,
    /// No packet arrives before this.
    last_arrival: Instant,
    /// Packets of this direction vanish.
    pub(super) silent: bool,
    /// Packets of the other direction vanish: no acknowledgement and no open window is heard of.
    pub(super) unheard: bool,
    /// Since when the oldest data that will never be acknowledged is on its way.
    pub(super) unacknowledged_since: Option<Instant>,
    /// Since when bytes wait for the window, or when it last moved.
    pub(super) blocked_since: Option<Instant>,
}

impl Flow {
    pub(super) fn new(options: FlowOptions) -> Self {
        Flow {
            options,
            buffer: BytesMut::new(),
            arrived: 0,
            flying: 0,
            packets: VecDeque::new(),
            sent: VecDeque::new(),
            vanished: 0,
            last_arrival: Duration::ZERO,
            silent: false,
            unheard: false,
            unacknowledged_since: None,
            blocked_since: None,
        }
    }

    /// A packet's time on its way.
    pub(super) fn latency(&self, chooser: &Chooser) -> Duration {
        chooser.duration(self.options.latency.clone())
    }

    /// When a packet without data (FIN, RST) that is sent at `now` arrives: behind everything before it.
    pub(super) fn signal(&mut self, now: Instant, chooser: &Chooser) -> Fate {
        if self.silent {
            return Fate::Vanishes;
        }
        self.last_arrival = self.last_arrival.max(now + self.latency(chooser));
        Fate::Arrives(self.last_arrival)
    }

    /// Bytes that wait for the window.
    pub(super) fn waiting(&self) -> usize {
        self.buffer.len() - self.arrived - self.flying
    }

    /// Bytes that can be read.
    pub(super) fn readable(&self) -> usize {
        self.arrived
    }

    /// When the next packet arrives that has not yet.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.packets.front().map(|packet| packet.arrives)
    }

    /// When the next acknowledgement will be back.
    pub(super) fn next_acknowledgement(&self) -> Option<Instant> {
        self.sent.front().map(|sent| sent.acknowledged)
    }

    /// When the last packet arrives that has not yet.
    pub(super) fn final_arrival(&self) -> Option<Instant> {
        self.packets.back().map(|packet| packet.arrives)
    }

    /// When the last acknowledgement will be back that is not lost.
    pub(super) fn final_acknowledgement(&self) -> Option<Instant> {
        self.sent.back().map(|sent| sent.acknowledged)
    }

    /// Lets what has arrived by `now` arrive; returns when the last of it did.
    pub(super) fn arrive(&mut self, now: Instant) -> Option<Instant> {
        let mut last = None;
        while let Some(packet) = self.packets.pop_front_if(|packet| packet.arrives <= now) {
            self.arrived += packet.bytes;
            self.flying -= packet.bytes;
            last = Some(packet.arrives);
        }
        last
    }

    /// Forgets what is acknowledged by `now`; returns when the sender heard the last of it.
    pub(super) fn acknowledge(&mut self, now: Instant) -> Option<Instant> {
        let mut last = None;
        while let Some(sent) = self.sent.pop_front_if(|sent| sent.acknowledged <= now) {
            last = Some(sent.acknowledged);
        }
        last
    }

    /// Takes as much of `data` as window and send buffer have room for, and says when what was sent of it
    /// arrives.
    pub(super) fn write(&mut self, data: &[u8], now: Instant, back: Duration, chooser: &Chooser) -> Written {
        let open = if self.waiting() > 0 { 0 } else { self.window() };
        let direct = open.min(data.len());
        let room = self.options.send_buffer_bytes.saturating_sub(self.waiting());
        let taken = direct + room.min(data.len() - direct);
        let fate = (direct > 0).then(|| {
            self.buffer.extend_from_slice(&data[..direct]);
            self.send(direct, now, back, chooser)
        });
        self.buffer.extend_from_slice(&data[direct..taken]);
        if self.waiting() > 0 && self.blocked_since.is_none() {
            self.blocked_since = Some(now);
        }
        Written { taken, fate }
    }

    /// Gives `count` arrived bytes to `take`; the window opens by as much, and what waited for it is sent
    /// once the sender hears of it, `back` from now.
    pub(super) fn read(
        &mut self,
        count: usize,
        now: Instant,
        back: Duration,
        chooser: &Chooser,
        take: impl FnOnce(&[u8]),
    ) -> Option<Fate> {
        take(&self.buffer[..count]);
        self.buffer.advance(count);
        self.arrived -= count;
        if self.silent || self.unheard {
            self.vanished += count;
            return None;
        }
        let sent = self.waiting().min(self.window());
        if sent == 0 {
            return None;
        }
        let fate = self.send(sent, now + back, back, chooser);
        self.blocked_since = (self.waiting() > 0).then_some(now + back);
        Some(fate)
    }

    /// As [`Flow::read`], when the connection is dead: the sender hears nothing of it.
    pub(super) fn read_dead(&mut self, count: usize, take: impl FnOnce(&[u8])) {
        take(&self.buffer[..count]);
        self.buffer.advance(count);
        self.arrived -= count;
    }

    /// Puts the first `bytes` of those that wait on their way.
    fn send(&mut self, bytes: usize, now: Instant, back: Duration, chooser: &Chooser) -> Fate {
        if self.silent {
            let end = self.buffer.split_off(self.arrived + self.flying + bytes);
            self.buffer.truncate(self.arrived + self.flying);
            self.buffer.unsplit(end);
            self.vanished += bytes;
            self.unacknowledged_since.get_or_insert(now);
            return Fate::Vanishes;
        }
        let arrives = self.last_arrival.max(now + self.latency(chooser));
        self.last_arrival = arrives;
        self.flying += bytes;
        self.packets.push_back(Packet {
            arrives,
            bytes,
            sent: now,
        });
        if self.unheard {
            self.unacknowledged_since.get_or_insert(now);
        } else {
            self.sent.push_back(Sent {
                at: now,
                arrives,
                acknowledged: arrives + back,
            });
        }
        Fate::Arrives(arrives)
    }

    fn window(&self) -> usize {
        self.options
            .window_bytes
            .saturating_sub(self.arrived + self.flying + self.vanished)
    }

    /// From `now` on packets of this direction vanish. Of those on their way the first few arrive, as the
    /// chooser decides; returns whether all of them do (a FIN or RST behind them may then arrive too).
    pub(super) fn fall_silent(&mut self, chooser: &Chooser) -> bool {
        self.silent = true;
        let kept = chooser.pick(self.packets.len() + 1);
        let all = kept == self.packets.len();
        let Some(lost_since) = self.packets.get(kept).map(|packet| packet.sent) else {
            return all;
        };
        self.sent
            .truncate(self.sent.len().saturating_sub(self.packets.len() - kept));
        let lost: usize = self.packets.drain(kept..).map(|packet| packet.bytes).sum();
        let rest = self.buffer.split_off(self.arrived + self.flying);
        self.flying -= lost;
        self.buffer.truncate(self.arrived + self.flying);
        self.buffer.unsplit(rest);
        self.vanished += lost;
        self.unacknowledged(lost_since);
        all
    }

    /// From `now` on acknowledgements of this direction vanish; of those on their way the first few are
    /// heard, as the chooser decides.
    pub(super) fn fall_unheard(&mut self, now: Instant, chooser: &Chooser) {
        self.unheard = true;
        let on_their_way = self.sent.iter().take_while(|sent| sent.arrives <= now).count();
        let kept = chooser.pick(on_their_way + 1);
        if let Some(lost) = self.sent.get(kept) {
            let since = lost.at;
            self.sent.truncate(kept);
            self.unacknowledged(since);
        }
    }

    fn unacknowledged(&mut self, since: Instant) {
        let earlier = self.unacknowledged_since.map_or(since, |known| known.min(since));
        self.unacknowledged_since = Some(earlier);
    }

    /// Drops what the sender's kernel still has: it will never send it.
    pub(super) fn forget_waiting(&mut self) {
        self.buffer.truncate(self.arrived + self.flying);
        self.blocked_since = None;
    }

    /// Drops everything that has arrived or is on its way: there is nobody to read it. The sender does not
    /// know, so its window stays as full as it was.
    pub(super) fn discard(&mut self) {
        let unread = self.arrived + self.flying;
        self.buffer.advance(unread);
        self.vanished += unread;
        self.packets.clear();
        (self.arrived, self.flying) = (0, 0);
    }
}

/// What a write did.
#[derive(Debug)]
pub(super) struct Written {
    /// How many bytes were taken; none when everything is full.
    pub taken: usize,
    /// What becomes of those that were sent at once.
    pub fate: Option<Fate>,
}
