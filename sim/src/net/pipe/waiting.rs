//! Who waits at an end of a connection, and the one timer that wakes them.

use std::task::{Context, Poll, Waker};

use leftover_core::clock::Instant;

use super::{Pipe, Side};

/// What a task waits for at one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net) enum Wait {
    /// Data, EOF or an error.
    Readable,
    /// Room in the send buffer, or an error.
    Writable,
    /// The peer going.
    PeerGone,
}

/// A task that waits, and the event that its timer is set for.
#[derive(Debug, Default)]
pub(super) struct Waiter {
    pub(super) waker: Option<Waker>,
    set_for: Option<Instant>,
}

impl Pipe {
    /// Passes a result on, or leaves the task's waker for when there may be one.
    pub(in crate::net) fn or_wait<T>(
        &mut self,
        side: Side,
        wait: Wait,
        cx: &mut Context<'_>,
        result: Option<T>,
    ) -> Poll<T> {
        if let Some(result) = result {
            self.end(side).waiters[wait as usize].waker = None;
            return Poll::Ready(result);
        }
        let waiter = &mut self.end(side).waiters[wait as usize];
        if !waiter
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()))
        {
            *waiter = Waiter {
                waker: Some(cx.waker().clone()),
                set_for: None,
            };
        }
        self.set_timer(side, wait);
        Poll::Pending
    }

    /// Sees to it that whoever waits at `side` is woken for the next event there.
    pub(super) fn set_timers(&mut self, side: Side) {
        for wait in [Wait::Readable, Wait::Writable, Wait::PeerGone] {
            self.set_timer(side, wait);
        }
    }

    fn set_timer(&mut self, side: Side, wait: Wait) {
        let end = &self.ends[side as usize];
        if end.waiters[wait as usize].waker.is_none() {
            return;
        }
        let data = match wait {
            Wait::Readable => self.flows[side.other() as usize].next_arrival(),
            Wait::Writable | Wait::PeerGone => None,
        };
        let fin = end.fin_arrives.filter(|_| wait != Wait::Writable);
        let next = [data, fin, end.rst_arrives, self.death(side)]
            .into_iter()
            .flatten()
            .min();
        if let Some(at) = next {
            self.wake_at(side, wait, at);
        }
    }

    /// Wakes whoever waits for this, then.
    pub(super) fn wake_at(&mut self, side: Side, wait: Wait, at: Instant) {
        let waiter = &mut self.ends[side as usize].waiters[wait as usize];
        if let Some(waker) = &waiter.waker
            && waiter.set_for != Some(at)
        {
            waiter.set_for = Some(at);
            self.timer.wake_at(at, waker);
        }
    }
}
