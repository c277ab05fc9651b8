//! The simulated Postgres: a server behind the wire protocol that takes byte streams, a clock and a seeded
//! chooser, and knows neither madsim nor a runtime.
//!
//! Reading order: [`socket`] (what a backend sees of its connection), [`protocol`] (messages).

pub mod protocol;
pub mod socket;
