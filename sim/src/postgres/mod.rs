//! The simulated Postgres.
pub mod socket;
pub mod sql;
