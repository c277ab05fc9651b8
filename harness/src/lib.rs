//! Worlds, faults, invariants: runs a pipeline under faults and judges what it left behind.
//!
//! Reading order: [`world`], [`census`].

pub mod census;
pub mod world;
