//! What a smaller run must show to be the same finding.

use std::collections::BTreeSet;

use crate::leftover::Leftover;
use crate::verdict::Verdict;

/// The kinds of what was found.
///
/// The first of them is what people read first. Other sessions beside it may go: often they were just leaving,
/// and were seen because somebody was slow in that run.
pub(super) struct Wanted {
    must: BTreeSet<String>,
    may: BTreeSet<String>,
}

impl Wanted {
    /// What `verdict` shows; `None` when nothing was left.
    pub(super) fn of(verdict: &Verdict) -> Option<Self> {
        let leftovers = verdict.leftovers();
        let first = leftovers.first()?;
        let stays = |left: &&Leftover| !matches!(left, Leftover::Session(_));
        let must = leftovers.iter().filter(stays).chain([first]);
        Some(Wanted {
            must: must.map(Leftover::kind).collect(),
            may: kinds(verdict),
        })
    }

    /// Whether `verdict` shows it, and nothing else. What it does not show any more is not wanted from then on.
    pub(super) fn shown(&mut self, verdict: &Verdict) -> bool {
        let kinds = kinds(verdict);
        let shown = self.must.is_subset(&kinds) && kinds.is_subset(&self.may);
        if shown {
            self.may = kinds;
        }
        shown
    }
}

fn kinds(verdict: &Verdict) -> BTreeSet<String> {
    verdict.leftovers().iter().map(Leftover::kind).collect()
}
