//! Worlds, faults, invariants: runs a pipeline under faults and judges what it left behind.
//!
//! It is generic over the [`world`]: the same plan, the same judgement and the same words serve the simulator
//! and real servers. It knows no runtime: a run is one future.
//!
//! Reading order: [`world`] and [`census`] (what is there), [`pipeline`] and [`process`] (what is tested and
//! what it gets), [`fault`] (what goes wrong), [`log`] (what happened), [`leftover`] and [`invariant`] (what
//! must not be left), [`scenario`], [`run`] and [`verdict`] (one run).

pub mod census;
pub mod fault;
pub mod invariant;
mod judge;
pub mod leftover;
pub mod log;
pub mod neighbour;
pub mod pipeline;
pub mod process;
pub mod run;
pub mod scenario;
mod supervise;
pub mod verdict;
pub mod world;
