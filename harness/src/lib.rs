//! Worlds, faults, invariants: runs a pipeline under faults and judges what it left behind.
//!
//! It is generic over the [`world`]: the same plan, the same judgement and the same words serve the simulator
//! and real servers. It knows no runtime: a run is one future.
//!
//! Reading order: [`world`] and [`census`] (what is there), [`pipeline`] and [`process`] (what is tested and
//! what it gets), [`fault`] (what goes wrong), [`log`] (what happened), [`leftover`] and [`invariant`] (what
//! must not be left), [`scenario`], [`config`] and [`space`] (what runs, on what, and all that can go wrong),
//! [`run`], [`verdict`], [`signature`] and [`reach`] (one run), [`lab`] and [`explore`] (many), [`shrink`] and [`story`]
//! (what matters of one), [`case`] and [`near`] (one that is kept in a file); [`glue`] (other people's code).

mod aftermath;
pub mod case;
pub mod census;
pub mod config;
mod errands;
pub mod explore;
pub mod fault;
pub mod glue;
pub mod invariant;
mod judge;
pub mod lab;
pub mod leftover;
pub mod log;
pub mod near;
pub mod neighbour;
pub mod pipeline;
pub mod process;
pub mod reach;
pub mod run;
pub mod scenario;
pub mod shrink;
pub mod signature;
pub mod space;
pub mod story;
mod supervise;
pub mod verdict;
pub mod world;
