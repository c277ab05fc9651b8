//! What is run: the scenarios of the mirror and models of published bugs.
//!
//! A scenario says what runs, on what, and what can go wrong; it knows no world. [`catalogue`] lists them all.
//! The models are pipelines on the same connection trait as the mirror, written from the public record of the
//! bug: the same objects, the same sequence of events, the same words for them; none of the original's code.
//!
//! Reading order: [`mirror`] (the mirror as a pipeline), [`fixture`], `load` and `stops` (its scenarios),
//! [`peerdb`] and [`flink`] (the models), [`planted()`] (bugs that test the tool; a name alone finds them).
//!
//! [`conformance`] is apart: not what a pipeline leaves behind, but whether the simulated Postgres is one.

mod cancel_request;
mod catalogue;
pub mod conformance;
pub mod differential;
pub mod fixture;
pub mod flink;
mod load;
pub mod mirror;
pub mod partition;
pub mod peerdb;
mod planted;
mod stops;

pub use catalogue::{catalogue, everything, find, meant_by, of_mirror};
pub use planted::planted;
