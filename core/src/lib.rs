//! A Postgres-to-Postgres mirror that leaves nothing behind, whatever stops it.
//!
//! It is written against two traits, a connection ([`connection`]) and a clock ([`clock`]), and knows no
//! runtime, no socket, no wall clock and no random source: one build of it runs in the simulator and on real
//! servers.
//!
//! Reading order:
//! - the seams: [`connection`], [`clock`], [`error`];
//! - what users call: [`mirror`], with [`settings`], [`report`], [`refusal`], [`load_error`], [`progress`];
//! - who owns what: [`names`], `owner`, `record`;
//! - the load: `load` (attempts) → `attempt` (phases) → `check`, `holder`, `plan`, `worker`, `copy`;
//! - the cleaning: `clean` → `reclaim`, `janitor`.

mod attempt;
mod catalog;
mod check;
mod clean;
mod client;
pub mod clock;
pub mod connection;
mod copy;
mod ddl;
pub mod error;
pub mod failure;
mod holder;
mod janitor;
mod load;
pub mod load_error;
pub mod mirror;
pub mod names;
mod owner;
mod plan;
pub mod progress;
mod reclaim;
mod record;
pub mod refusal;
pub mod report;
pub mod settings;
mod worker;
