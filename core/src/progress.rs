//! How far a load is: written by the mirror, read by whoever wants to show it.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// What a mirror is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Not started.
    Waiting,
    /// Connecting, taking ownership and checking both servers.
    Checking,
    /// Making the record, the target's tables and the publication.
    Preparing,
    /// Creating the slot and its snapshot.
    CreatingSlot,
    /// Copying partitions.
    Copying,
    /// Marking the load complete and giving everything back.
    Finishing,
    /// Removing what a failed or stopped attempt left.
    Cleaning,
    /// Over.
    Done,
}

impl Phase {
    const ALL: [Phase; 8] = [
        Phase::Waiting,
        Phase::Checking,
        Phase::Preparing,
        Phase::CreatingSlot,
        Phase::Copying,
        Phase::Finishing,
        Phase::Cleaning,
        Phase::Done,
    ];

    /// The phase in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Checking => "checking",
            Phase::Preparing => "preparing",
            Phase::CreatingSlot => "creating the slot",
            Phase::Copying => "copying",
            Phase::Finishing => "finishing",
            Phase::Cleaning => "cleaning up",
            Phase::Done => "done",
        }
    }
}

/// How far a load is. Numbers are of the current attempt.
#[derive(Debug, Default)]
pub struct Progress {
    phase: AtomicU8,
    attempt: AtomicU32,
    partitions: AtomicU64,
    partitions_loaded: AtomicU64,
    rows: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    /// What the mirror is doing.
    pub fn phase(&self) -> Phase {
        Phase::ALL[usize::from(self.phase.load(Ordering::Relaxed)).min(Phase::ALL.len() - 1)]
    }

    /// The current attempt's number; 0 before there is one.
    pub fn attempt(&self) -> u32 {
        self.attempt.load(Ordering::Relaxed)
    }

    /// How many partitions there are to copy.
    pub fn partitions(&self) -> u64 {
        self.partitions.load(Ordering::Relaxed)
    }

    /// How many partitions are committed on the target.
    pub fn partitions_loaded(&self) -> u64 {
        self.partitions_loaded.load(Ordering::Relaxed)
    }

    /// How many rows are committed on the target.
    pub fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// How many bytes of COPY data have been passed on, including those of partitions that failed.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn enter(&self, phase: Phase) {
        let index = Phase::ALL.iter().position(|p| *p == phase).unwrap_or_default();
        self.phase
            .store(u8::try_from(index).unwrap_or_default(), Ordering::Relaxed);
        tracing::debug!(phase = phase.as_str(), "mirror");
    }

    pub(crate) fn begin(&self, attempt: u32) {
        self.attempt.store(attempt, Ordering::Relaxed);
        for counter in [&self.partitions, &self.partitions_loaded, &self.rows] {
            counter.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn planned(&self, partitions: usize) {
        self.partitions.store(partitions as u64, Ordering::Relaxed);
    }

    pub(crate) fn moved(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn loaded(&self, rows: u64) {
        self.partitions_loaded.fetch_add(1, Ordering::Relaxed);
        self.rows.fetch_add(rows, Ordering::Relaxed);
    }
}
