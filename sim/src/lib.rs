//! The simulated world: a deterministic Postgres and a deterministic network.
//!
//! Reading order: [`chooser`] (seeded choice), [`postgres`] (the server).

pub mod chooser;
pub mod postgres;
