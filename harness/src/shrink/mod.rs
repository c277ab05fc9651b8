//! Shrinking: the same finding with everything taken away that it does not need.
//!
//! Greedy and in a written order: what shrinks a run most is tried first, each candidate is run, and one that
//! shows the same kinds is kept. It ends when nothing can be taken away, or at its limit.
//!
//! Reading order: `search` (the order), `simpler` (a smaller configuration, a simpler fault, an earlier place),
//! `place` (the same place by meaning in another run).

mod place;
mod search;
mod simpler;

pub use search::{Limits, Shrunk, shrink};
