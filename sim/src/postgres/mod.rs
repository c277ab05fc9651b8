//! The simulated Postgres: a server behind the wire protocol that takes byte streams, a clock and a seeded
//! chooser, and knows neither madsim nor a runtime.
//!
//! Reading order: [`server`] (what a world holds), [`options`], [`state`] (all that the server knows), [`process`]
//! (one backend: what it waits for and what it notices), [`backend`] (its life), `admission` (who
//! is let in), `session` (the protocol's two
//! ways to run statements), `walsender`, [`sql`] (parser and executor), [`socket`] (what a backend sees of its
//! connection), [`protocol`] (messages).

pub mod activity;
mod admission;
pub mod any_socket;
pub mod backend;
pub mod backend_row;
pub mod backends;
pub mod catalog;
pub mod census;
pub mod checkpoint;
pub mod control;
pub mod ddl;
pub mod functions;
pub mod heap;
pub mod host;
mod lock_modes;
pub mod locks;
pub mod options;
pub mod process;
mod process_io;
pub mod protocol;
mod remembered;
pub mod roles;
pub mod server;
pub mod session;
mod setting_definitions;
mod setting_values;
pub mod settings;
pub mod shutdown;
pub mod slots;
pub mod snapshot;
pub mod socket;
pub mod sql;
pub mod state;
mod storing;
pub mod timers;
pub mod transaction;
mod tuples;
mod utf8;
pub mod values;
pub mod versioned;
pub mod waits;
pub mod wal;
pub mod walsender;
pub mod xid;
