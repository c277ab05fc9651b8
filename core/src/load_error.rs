//! How a load fails.

use crate::failure::{Failure, Remedy};
use crate::names::MirrorName;
use crate::refusal::Refusal;

/// How a load failed. Except after [`LoadError::Refused`] and [`LoadError::AlreadyRunning`], a slot, a
/// publication and the record may remain; `drop` or the next run takes them over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Something must be changed first. Nothing was created.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// Another process has the mirror.
    #[error("mirror {mirror} is already running: session {owner} has it; end it, or drop the mirror")]
    AlreadyRunning {
        /// The mirror.
        mirror: MirrorName,
        /// The owner's `application_name` and pid.
        owner: String,
    },
    /// The mirror was dropped, or taken over by another process, while it ran.
    #[error("mirror {mirror} was dropped or taken over while it ran")]
    Dropped {
        /// The mirror.
        mirror: MirrorName,
    },
    /// Tables of the source were changed, rewritten or truncated while the slot was being created.
    #[error("tables of the source changed while the replication slot was being created")]
    TablesChanged,
    /// A step failed.
    #[error("{0}")]
    Failed(#[from] Failure),
    /// Every attempt at the load, or at one partition of it, failed for a passing reason.
    #[error("gave up after {attempts} attempts; the last one failed: {last}")]
    GaveUp {
        /// How many.
        attempts: u32,
        /// Why the last one failed.
        last: Box<LoadError>,
    },
}

impl From<Refusal> for LoadError {
    fn from(refusal: Refusal) -> Self {
        LoadError::Refused(Box::new(refusal))
    }
}

impl LoadError {
    /// Whether a new attempt can help.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            LoadError::TablesChanged => true,
            LoadError::Failed(failure) => failure.remedy() != Remedy::GiveUp,
            _ => false,
        }
    }
}
