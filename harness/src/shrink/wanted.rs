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

#[cfg(test)]
mod tests {
    use super::Wanted;
    use crate::leftover::Leftover;
    use crate::verdict::Verdict;
    use crate::world::Server;

    fn session(name: &str) -> Leftover {
        let seen = crate::census::SessionSeen {
            pid: 1,
            user: "me".to_owned(),
            database: None,
            application_name: name.to_owned(),
            walsender: false,
            state: "idle".to_owned(),
            wait: None,
            query: String::new(),
            connected_for: std::time::Duration::ZERO,
            transaction_for: None,
            pinned_xmin_age: None,
            waits_for_lock: false,
            blockers: Vec::new(),
        };
        Leftover::Session(crate::leftover::SessionLeft {
            server: Server::Source,
            seen,
            rest_is_gone: false,
        })
    }

    fn publication() -> Leftover {
        Leftover::Publication {
            server: Server::Source,
            name: "p".to_owned(),
        }
    }

    fn left(leftovers: &[Leftover]) -> Verdict {
        Verdict::Left(leftovers.to_vec())
    }

    #[test]
    fn only_a_session_that_is_not_the_first_finding_may_go_and_then_stays_away() {
        let [holder, worker] = [session("holder"), session("worker")];
        let found = left(&[holder.clone(), worker.clone(), publication()]);
        let mut wanted = Wanted::of(&found).expect("something was left");
        assert!(
            !wanted.shown(&left(&[worker.clone(), publication()])),
            "the first"
        );
        assert!(
            !wanted.shown(&left(&[holder.clone(), worker])),
            "the publication is no session"
        );
        let other = session("another");
        assert!(
            !wanted.shown(&left(&[holder.clone(), other, publication()])),
            "more"
        );
        assert!(wanted.shown(&found));
        assert!(wanted.shown(&left(&[holder, publication()])));
        assert!(!wanted.shown(&found), "it is not wanted any more");
    }

    #[test]
    fn a_clean_run_shows_nothing_that_could_be_wanted() {
        assert!(Wanted::of(&Verdict::Clean).is_none());
    }
}
