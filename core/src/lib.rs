//! A Postgres-to-Postgres mirror that leaves nothing behind, whatever stops it.
//!
//! It is written against two traits, a connection ([`connection`]) and a clock ([`clock`]), and knows no
//! runtime, no socket, no wall clock and no random source: one build of it runs in the simulator and on real
//! servers. The laws that it keeps are in `docs/laws.md`.
//!
//! Reading order: [`connection`], [`clock`], [`error`].

pub mod clock;
pub mod connection;
pub mod error;
