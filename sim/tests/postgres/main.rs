//! The simulated Postgres shows what the real one was seen to do. Each test is a fact; the number is its row in the
//! table of observed behaviours.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod client;

mod cancel;
mod checkpoint;
mod connector;
mod leaving;
mod limits;
mod malformed;
mod malformed_input;
mod mirror;
mod said;
mod shutdown;
mod slot_rules;
mod slots;
mod snapshots;
mod sql;
mod stream;
mod stream_content;
mod stream_slots;
mod stream_timeouts;
mod streaming;
mod timeouts;
mod unsupported;
