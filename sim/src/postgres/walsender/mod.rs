//! Replication commands. What is none of them is SQL.
//!
//! Reading order: [`grammar`], [`commands`], [`create_slot`], [`drop_slot`].

pub mod commands;
pub mod create_slot;
pub mod drop_slot;
pub mod grammar;

pub use commands::run;
