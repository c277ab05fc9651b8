//! The seam: one Postgres server, simulated or real, and what an operator may do to it.

use std::io;

use futures_util::future::LocalBoxFuture;
use leftover_core::clock::SharedClock;
use leftover_harness::world::{Link, Shutdown};
use leftover_wire::login::Login;

/// A server that rows are checked against. All that a row knows of it besides comes through connections.
pub trait Postgres {
    /// Its major version.
    fn major(&self) -> u32;

    /// Whether it is simulated: then time is exact.
    fn simulated(&self) -> bool;

    /// The clock of its world.
    fn clock(&self) -> SharedClock;

    /// A role that may replicate, owns the database, and is no superuser.
    fn login(&self) -> Login;

    /// A superuser, in the same database.
    fn superuser(&self) -> Login;

    /// A TCP connection on which nothing was said.
    fn dial(&self) -> LocalBoxFuture<'_, io::Result<Box<dyn Link>>>;

    /// Sets what the configuration file sets, and reloads; on return new sessions have it. The row's end takes
    /// it back. For settings that a reload can change.
    ///
    /// # Errors
    /// When the server is not ours to configure, or refuses it.
    fn configure<'a>(&'a self, name: &'a str, value: &'a str) -> LocalBoxFuture<'a, Result<(), String>>;

    /// Asks the server to shut down, and does not wait for it.
    ///
    /// # Errors
    /// When the server is not ours to stop.
    fn shut_down(&self, how: Shutdown) -> LocalBoxFuture<'_, Result<(), String>>;

    /// Whether the server has stopped.
    ///
    /// # Errors
    /// When the server is not ours.
    fn is_down(&self) -> LocalBoxFuture<'_, Result<bool, String>>;

    /// Starts a server that is down; on return it serves, with what was durable.
    ///
    /// # Errors
    /// When the server is not ours, or does not serve.
    fn start(&self) -> LocalBoxFuture<'_, Result<(), String>>;

    /// Ends a backend with SIGKILL.
    ///
    /// # Errors
    /// When the server is not ours.
    fn kill(&self, pid: i32) -> LocalBoxFuture<'_, Result<(), String>>;

    /// What the server has written to its log.
    ///
    /// # Errors
    /// When there is no log, or it is out of reach.
    fn log(&self) -> LocalBoxFuture<'_, Result<String, String>>;
}
