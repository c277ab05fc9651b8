//! One direction of a connection's traffic: what may pass, and what strikes at the next boundary.

use bytes::{Buf, BytesMut};

use super::plan::Act;
use crate::log::Text;

/// One direction of the traffic.
#[derive(Default)]
pub(super) struct Flow {
    pub(super) buffer: BytesMut,
    /// Bytes at the front of the buffer that may pass.
    pub(super) ready: usize,
    /// Bytes of the current message that are not in the buffer yet and may pass.
    pub(super) rest: usize,
    /// Strikes when nothing is ready any more.
    pub(super) barrier: Option<Act>,
    /// The message at the boundary, whose strikes are known.
    pub(super) met: Option<Met>,
    /// How many of each kind of message have come, by the number of its text.
    counts: Vec<u32>,
}

/// A message that has met the plan and has not passed yet.
pub(super) struct Met {
    pub(super) text: Text,
    pub(super) nth: u32,
    pub(super) bulk: bool,
    pub(super) length: usize,
    pub(super) after: Option<Act>,
}

impl Flow {
    /// One more message of this kind; answers how many that makes.
    pub(super) fn count(&mut self, kind: Text) -> u32 {
        let at = kind.number();
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
        self.counts[at]
    }

    pub(super) fn at_boundary(&self) -> bool {
        self.rest == 0 && self.barrier.is_none()
    }

    pub(super) fn drained(&self) -> bool {
        self.ready == 0 && self.rest == 0
    }

    pub(super) fn took(&mut self, count: usize) {
        self.buffer.advance(count);
        self.ready -= count;
    }

    pub(super) fn gave(&mut self, count: usize) {
        let more = count.min(self.rest);
        self.rest -= more;
        self.ready += more;
    }

    /// Puts another message in the place of the one that has met the plan and is the next to pass.
    pub(super) fn replace(&mut self, by: impl FnOnce(&[u8]) -> Vec<u8>) {
        let met = self.met.as_mut().expect("what strikes has met a message");
        let following = self.buffer.split_off(met.length);
        let other = by(&self.buffer);
        met.length = other.len();
        self.buffer = BytesMut::from(&other[..]);
        self.buffer.unsplit(following);
    }

    /// Lets the message at the boundary pass.
    pub(super) fn pass(&mut self, length: usize) {
        let now = length.min(self.buffer.len() - self.ready);
        self.ready += now;
        self.rest = length - now;
    }
}
