//! How a connection ends from one of its ends: FIN and RST.

use std::io;

use leftover_core::clock::Instant;

use super::{Pipe, Side};
use crate::net::flow::Fate;

impl Pipe {
    /// A packet of `sender` arrives at `at` where nobody is any more.
    pub(super) fn answer_with_rst(&mut self, sender: Side, at: Instant) {
        let answer = self.flows[sender.other() as usize].signal(at, &self.chooser);
        self.rst_sent(sender, answer);
    }

    fn rst_sent(&mut self, to: Side, fate: Fate) {
        if let Fate::Arrives(at) = fate {
            let end = self.end(to);
            end.rst_arrives = Some(end.rst_arrives.map_or(at, |known| known.min(at)));
            self.set_timers(to);
        }
    }

    /// Closes the sending half: FIN after everything that was written.
    pub(in crate::net) fn shut(&mut self, side: Side, now: Instant) -> io::Result<()> {
        if self.end(side).reset || self.end(side).dead {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.end(side).shut = true;
        self.send_fin_if_due(side, now);
        Ok(())
    }

    pub(super) fn send_fin_if_due(&mut self, side: Side, now: Instant) {
        let due = self.end(side).shut && !self.end(side).fin_sent && self.flow(side).waiting() == 0;
        if !due {
            return;
        }
        self.end(side).fin_sent = true;
        if let Fate::Arrives(at) = self.flows[side as usize].signal(now, &self.chooser) {
            self.end(side.other()).fin_arrives = Some(at);
            self.set_timers(side.other());
        }
    }

    /// Ends the connection with an RST, from this end.
    pub(in crate::net) fn reset(&mut self, side: Side, now: Instant) {
        if !self.end(side).dead {
            self.send_rst(side, now);
        }
        self.end(side).reset = true;
        self.end(side).dead = true;
        self.flow(side.other()).discard();
    }

    fn send_rst(&mut self, side: Side, now: Instant) {
        self.flow(side).forget_waiting();
        let fate = self.flows[side as usize].signal(now, &self.chooser);
        self.rst_sent(side.other(), fate);
    }

    /// The owner drops this end: FIN, or RST when there is unread data (OB-20).
    pub(in crate::net) fn close(&mut self, side: Side, now: Instant) {
        let (reset, dead) = (self.end(side).reset, self.end(side).dead);
        let gave_up = self.end(side).gave_up && !reset;
        if gave_up || (!dead && self.flow(side.other()).readable() > 0) {
            self.send_rst(side, now);
        } else if !dead {
            self.end(side).shut = true;
            self.send_fin_if_due(side, now);
        }
        if let (false, Some(at)) = (dead, self.flow(side.other()).next_arrival()) {
            self.answer_with_rst(side.other(), at);
        }
        self.flow(side.other()).discard();
        let end = self.end(side);
        end.closed = true;
        end.waiters = Default::default();
    }
}
