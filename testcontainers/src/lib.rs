//! The real world: two real Postgres servers and the kernel's own network between them and the code under test.
//!
//! [`RealWorld`] is a [`leftover_harness::world::World`]. Where its servers come from is [`Options::provider`]:
//! a server that is there already (`LEFTOVER_POSTGRES_URL`), containers through the testcontainers crate, or
//! private clusters made from the Postgres binaries on the machine. Faults are the kernel's: a reset is
//! `SO_LINGER 0`, silence is a packet filter rule for one connection, so a server meets what it would meet.
//!
//! It knows nothing of the simulator, of scenarios or of the mirror, and it judges nothing.
//!
//! Nothing outlives a world: dropping it removes servers, rules and files, a reaper process does so when the
//! test process is killed, and the next world sweeps what a killed reaper left (`src/cleanup.sh`).
//!
//! Reading order: [`options`], [`world`], [`link`], `silence`, `servers`, `reset`, `sampler`, `reaper`.
//!
//! ```no_run
//! use leftover_harness::world::{Server, World};
//! use leftover_testcontainers::{Options, RealWorld};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let world = RealWorld::start(Options { major: 15, ..Options::default() })?;
//! world.reset().await?;
//! world.sql(Server::Source, "CREATE TABLE t (id int PRIMARY KEY)").await?;
//! assert!(world.census(Server::Source).await?.sessions.is_empty());
//! # Ok(())
//! # }
//! ```

mod admin;
mod census;
pub mod link;
pub mod options;
mod reaper;
mod reset;
mod sampler;
mod servers;
mod silence;
pub mod world;

pub use options::{Options, Provider, StartError};
pub use servers::installed_majors;
pub use world::RealWorld;
