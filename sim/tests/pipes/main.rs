//! The simulated network shows a server what a real kernel would: `postgres-behaviours` sections 1.1, 1.3
//! and 2.1 rest on it. A backend that is not told of a death must not be told here either.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backpressure;
mod determinism;
mod giving_up;
mod leaving;
mod network;

use std::future::poll_fn;
use std::time::Duration;

use leftover_sim::chooser::Chooser;
use leftover_sim::net::{ClientEnd, FlowOptions, PipeOptions, ServerEnd, pair};
use leftover_sim::postgres::socket::{Keepalive, Peer, Socket};
use leftover_sim::runtime::{Handle, Simulation, Timer};

/// Runs `test` with a fresh connection.
fn connected<F: Future>(test: impl FnOnce(Timer, ClientEnd, ServerEnd) -> F) -> F::Output {
    connected_with(PipeOptions::default(), 1, test)
}

fn connected_with<F: Future>(
    options: PipeOptions,
    seed: u64,
    test: impl FnOnce(Timer, ClientEnd, ServerEnd) -> F,
) -> F::Output {
    simulated(seed, |sim| {
        let (client, server) = pair(sim.timer(), Chooser::new(seed), options);
        test(sim.timer(), client, server)
    })
}

fn simulated<F: Future>(seed: u64, test: impl FnOnce(Handle) -> F) -> F::Output {
    Simulation::new(seed).run(test).expect("the test ends")
}

/// Small windows: full after 1,000 bytes to the client and 500 in the server's kernel.
fn narrow() -> PipeOptions {
    let to_client = FlowOptions {
        window_bytes: 1_000,
        send_buffer_bytes: 500,
        ..PipeOptions::default().to_client
    };
    PipeOptions {
        to_client,
        ..PipeOptions::default()
    }
}

/// What the server's kernel sees of its peer within `limit`, and when.
async fn peer_within(timer: &Timer, server: &mut ServerEnd, limit: Duration) -> Option<(Peer, Duration)> {
    let start = timer.now();
    let gone = poll_fn(|cx| server.poll_peer_gone(cx));
    within(timer, limit, gone)
        .await
        .map(|peer| (peer, timer.now() - start))
}

/// What `future` gives, unless it takes longer than `limit`.
async fn within<F: Future>(timer: &Timer, limit: Duration, future: F) -> Option<F::Output> {
    use futures_util::future::{Either, select};
    match select(std::pin::pin!(future), timer.sleep(limit)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const SHORT: Duration = Duration::from_millis(2);
const KEEPALIVE: Keepalive = Keepalive {
    idle: seconds(1),
    interval: seconds(1),
    count: 2,
};
