//! Replication commands. What is none of them is SQL.
//!
//! Reading order: [`grammar`], [`commands`], [`create_slot`], [`drop_slot`], [`start`] (what a stream is asked for),
//! [`stream`] (its life), [`pgoutput`] (what it says), `standby` (what it hears).

pub mod commands;
pub mod create_slot;
pub mod drop_slot;
pub mod grammar;
pub mod pgoutput;
pub(super) mod standby;
pub mod start;
pub mod stream;

pub use commands::run;
