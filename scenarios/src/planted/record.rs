//! What the loader writes down. It outlives every call and every process, as a catalogue's tables do.

use std::collections::{BTreeMap, BTreeSet};

/// What the loader writes down.
#[derive(Default)]
pub(super) struct Record {
    last: u32,
    /// The attempts of which something may be there, and whether they have completed.
    attempts: BTreeMap<u32, bool>,
    /// Tables whose COMMIT was answered. Only [`UnansweredIsUndone`](super::loader::Planted) believes in them.
    pub(super) committed: BTreeSet<String>,
    /// Whether a run is running.
    pub(super) running: bool,
}

impl Record {
    /// The number of a new attempt.
    pub(super) fn next(&mut self) -> u32 {
        self.last += 1;
        self.last
    }

    /// From now on something of this attempt may be there.
    pub(super) fn begin(&mut self, number: u32) {
        self.attempts.insert(number, false);
    }

    /// It has completed.
    pub(super) fn complete(&mut self, number: u32) {
        self.attempts.insert(number, true);
    }

    /// Nothing of it is there any more.
    pub(super) fn forget(&mut self, number: u32) {
        self.attempts.remove(&number);
    }

    /// Whether it has completed.
    pub(super) fn is_complete(&self, number: u32) -> bool {
        self.attempts.get(&number) == Some(&true)
    }

    /// The attempts of which something may be there.
    pub(super) fn attempts(&self) -> Vec<u32> {
        self.attempts.keys().copied().collect()
    }

    /// Those of them that have not completed.
    pub(super) fn interrupted(&self) -> Vec<u32> {
        let mut attempts = self.attempts();
        attempts.retain(|number| !self.is_complete(*number));
        attempts
    }
}
