//! The simulated Postgres shows what the real one was seen to do. Each test is a fact; the number is its row in the
//! table of observed behaviours.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

mod cancel;
mod connector;
mod leaving;
mod limits;
mod mirror;
mod slots;
mod snapshots;
mod sql;
mod timeouts;
