//! The server's side of the protocol against the client's side that everyone uses: postgres-protocol's
//! encoders, and whole sessions through leftover-wire.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod hostile;
mod messages;
mod sessions;
mod startup;

use leftover_sim::chooser::Chooser;
use leftover_sim::net::{ClientEnd, PipeOptions, ServerEnd, pair};
use leftover_sim::postgres::protocol::Connection;
use leftover_sim::runtime::{Handle, Simulation};

/// Runs `test` with a client's byte stream and the server's connection on it.
fn connected<F: Future>(test: impl FnOnce(Handle, ClientEnd, Connection<ServerEnd>) -> F) -> F::Output {
    Simulation::new(1)
        .run(|sim| {
            let (client, server) = pair(sim.timer(), Chooser::new(1), PipeOptions::default());
            test(sim, client, Connection::new(server))
        })
        .expect("the test ends")
}
