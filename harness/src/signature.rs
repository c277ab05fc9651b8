//! What makes two verdicts the same finding: the same invariants, broken in the same way.
//!
//! A kind has no count, pid, ordinal or number in it, so that it survives another seed, a smaller world and
//! the other world.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::leftover::Leftover;
use crate::verdict::Verdict;

/// The kinds of what was left; empty when nothing was.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signature(BTreeSet<String>);

impl Signature {
    /// The kinds of a verdict. A run whose plan met nothing has no signature: it proves nothing.
    pub fn of(verdict: &Verdict) -> Option<Signature> {
        match verdict {
            Verdict::Clean => Some(Signature::default()),
            Verdict::Left(leftovers) => Some(leftovers.iter().map(Leftover::kind).collect()),
            Verdict::NotStruck(_) => None,
        }
    }

    /// Whether nothing was left.
    pub fn is_clean(&self) -> bool {
        self.0.is_empty()
    }

    /// The kinds, in a fixed order.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl FromIterator<String> for Signature {
    fn from_iter<I: IntoIterator<Item = String>>(kinds: I) -> Self {
        Signature(kinds.into_iter().collect())
    }
}

impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_clean() {
            return f.write_str("clean");
        }
        let kinds: Vec<&str> = self.kinds().collect();
        f.write_str(&kinds.join("\n"))
    }
}
