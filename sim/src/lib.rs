//! The simulated world: a deterministic Postgres and a deterministic network on virtual time.
//!
//! Reading order: [`runtime`] (executor and clock), [`chooser`] (seeded choice), [`net`] (connections),
//! [`postgres`] (the server), [`world`] (two of them, for the harness), [`scenario`] (a run in such a world).
//!
//! ```
//! use leftover_sim::runtime::Simulation;
//! use std::time::Duration;
//!
//! let slept = Simulation::new(7).run(|sim| async move {
//!     sim.timer().sleep(Duration::from_secs(3600)).await;
//!     sim.timer().now()
//! });
//! assert!(slept.unwrap() >= Duration::from_secs(3600));
//! ```

pub mod chooser;
pub mod net;
pub mod postgres;
pub mod runtime;
pub mod scenario;
pub mod world;
