//! Shrinking: the same finding with everything taken away that it does not need.
//!
//! Greedy and in a written order: what shrinks a run most is tried first, each candidate is run, and one that
//! shows the same is kept. It ends when nothing can be taken away, or at its limit.
//!
//! Reading order: `search` (the order), `simpler` (a smaller configuration, a simpler fault, an earlier place),
//! `place` (the same place by meaning in another run), `wanted` (what is the same).

mod place;
mod search;
mod simpler;
mod wanted;

pub use search::{Limits, Shrunk, shrink};
