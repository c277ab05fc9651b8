//! Strikes that are placed by await or by time, and the awaits of every process, named by the message before.

use std::sync::Arc;
use std::time::Duration;

use super::layer::{Layer, ProcessId};
use super::plan::{At, Await};
use crate::log::{EventLog, Last};
use crate::scenario::Boundary;

/// The awaits of one process.
#[derive(Default)]
pub(super) struct Awaits {
    /// How many there were after each message, in order.
    seen: Vec<(Option<Last>, u32)>,
}

impl Last {
    pub(super) fn resolve(self, log: &EventLog) -> Boundary {
        Boundary {
            actor: log.actor_of(self.actor),
            message: log.text_of(self.text),
            nth: self.nth,
            way: self.way,
            at: self.at,
        }
    }
}

/// The awaits of a process after one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwaitsAfter {
    /// The process.
    pub process: Arc<str>,
    /// The message; `None` before the first.
    pub after: Option<Boundary>,
    /// How many there were until the next message.
    pub count: u32,
}

impl AwaitsAfter {
    /// The `nth` of them, from 1.
    pub fn nth(&self, nth: u32) -> Await {
        Await {
            process: self.process.to_string(),
            after: self.after.as_ref().map(Boundary::passed),
            nth,
        }
    }
}

impl Layer {
    /// The future of `process` has been polled and is not ready: what is placed at this await strikes.
    pub fn polled(&self, process: ProcessId) {
        let mut due = Vec::new();
        let last = self.log().last(process.0);
        {
            let mut state = self.state();
            let state = &mut *state;
            let known = &mut state.processes[process.0];
            let awaits = &mut known.awaits;
            let since = match awaits.seen.last_mut() {
                Some((after, count)) if *after == last => {
                    *count += 1;
                    *count
                }
                _ => {
                    awaits.seen.push((last, 1));
                    1
                }
            };
            for (index, struck) in state.strikes.iter().enumerate() {
                let At::Await(at) = &struck.strike.at else {
                    continue;
                };
                let here = struck.times == 0 && at.nth == since && at.process == known.label;
                let after = || last.map(|last| last.resolve(self.log()).passed());
                if here && at.after == after() {
                    due.push(index);
                }
            }
        }
        for index in due {
            self.strike(index, process);
        }
    }

    /// The strikes that are placed by time in the process of this label and have not struck, with their index.
    pub fn timed(&self, process: ProcessId) -> Vec<(usize, Duration)> {
        let state = self.state();
        let label = &state.processes[process.0].label;
        let timed = state.strikes.iter().enumerate().filter_map(|(index, struck)| {
            let At::Time { process, after } = &struck.strike.at else {
                return None;
            };
            (struck.times == 0 && process == label).then_some((index, *after))
        });
        timed.collect()
    }

    /// The awaits of every process, in order.
    pub fn awaits(&self) -> Vec<AwaitsAfter> {
        let state = self.state();
        let mut awaits = Vec::new();
        for known in &state.processes {
            let process: Arc<str> = known.label.as_str().into();
            awaits.extend(known.awaits.seen.iter().map(|(after, count)| AwaitsAfter {
                process: Arc::clone(&process),
                after: after.map(|last| last.resolve(self.log())),
                count: *count,
            }));
        }
        awaits
    }
}
