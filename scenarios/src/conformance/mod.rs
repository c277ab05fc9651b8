//! The simulated Postgres behaves like Postgres, row by row.
//!
//! Every row of the observed behaviours (`OB-04`) is a check: steps on a raw client, and what must come of
//! them. The same code asks the simulated server and real ones. Times are bounds (see [`pg::Pg::at_once`]).
//!
//! Reading order: [`row`] (what a row is), [`postgres`] (what a row may ask of a server), [`pg`] and
//! [`client`] (what rows work with), [`states`] (what a backend does when something happens to its client), [`task`]
//! (tokio-postgres in place of the raw client), `rows` (the rows themselves, by theme), [`run`] (asking the servers),
//! [`simulated`] and [`real`] (the two servers).
//!
//! It is not a test of clients: rows about client libraries use the library itself.

pub mod client;
pub mod pg;
pub mod postgres;
pub mod real;
pub mod replication;
pub mod row;
mod rows;
pub mod run;
pub mod said;
pub mod simulated;
pub mod states;
pub mod task;
pub mod watch;

pub use rows::rows;
