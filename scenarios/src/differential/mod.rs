//! The simulated Postgres against the real one: random programs over a few connections, run on both, and every
//! answer compared.
//!
//! A program is a list of steps, one at a time, so that it has one outcome: after each step every session has
//! either answered or waits for another one, which is known by looking at the server. Where a real server has a
//! choice all the same (whom a lock goes to first), the simulated one makes it by its seed: what the real server
//! did must be what some seed does.
//!
//! Reading order: [`program`] (steps), [`written`] (as text), [`generate`] (random ones), [`session`] (one connection of a run), [`run`]
//! (a program on a server), [`look`] (what a server holds), [`normalise`] (what differs from run to run),
//! [`fuzz`] (many programs on both servers, and a difference made small).

pub mod fuzz;
pub mod generate;
pub mod look;
pub mod normalise;
pub mod program;
pub mod run;
pub mod session;
pub mod written;
