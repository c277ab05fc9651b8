//! A simulated server: each check has one of its own, in a simulation of its own, as a function of the seed.

use std::io;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use leftover_core::clock::SharedClock;
use leftover_harness::world::{Link, Shutdown};
use leftover_sim::net::{Dialer, Network, PipeOptions};
use leftover_sim::postgres::options::ServerOptions;
use leftover_sim::postgres::server::PgServer;
use leftover_sim::runtime::Simulation;
use leftover_wire::login::Login;

use super::pg::Pg;
use super::postgres::Postgres;
use super::row::{Checked, Problem};

/// How much virtual time a check may take.
const LIMIT: Duration = Duration::from_secs(4000);

/// How long a start takes.
const START: Duration = Duration::from_millis(195);

/// The simulated version.
const MAJOR: u32 = 15;

struct Simulated {
    server: PgServer,
    dialer: Dialer,
    clock: SharedClock,
    options: ServerOptions,
}

/// Runs steps on a new simulated server of this seed.
///
/// # Errors
/// As the steps do, and when they never end.
pub fn simulate<T: 'static>(
    seed: u64,
    steps: impl for<'a> Fn(&'a Pg) -> LocalBoxFuture<'a, Checked<T>>,
) -> Checked<T> {
    let simulation = Simulation {
        limit: LIMIT,
        ..Simulation::new(seed)
    };
    let ran = simulation.run(|sim| {
        let network = Network::new(&sim, &sim.chooser().fork("network"), PipeOptions::default());
        let (listener, dialer) = network.listen("server");
        let options = ServerOptions::default();
        let server = PgServer::new(options.clone(), sim.clock(), sim.chooser().fork("server"));
        let (accepting, handle) = (server.clone(), sim.clone());
        sim.spawn(async move {
            loop {
                let socket = listener.accept().await;
                handle.spawn(accepting.serve(socket));
            }
        });
        let simulated = Simulated {
            server,
            dialer,
            clock: sim.clock(),
            options,
        };
        async move {
            let pg = Pg::new(Box::new(simulated)).await?.at_turn(seed);
            steps(&pg).await
        }
    });
    ran.unwrap_or_else(|stuck| Err(Problem::differs(stuck.to_string())))
}

impl Postgres for Simulated {
    fn major(&self) -> u32 {
        MAJOR
    }

    fn simulated(&self) -> bool {
        true
    }

    fn clock(&self) -> SharedClock {
        self.clock.clone()
    }

    fn login(&self) -> Login {
        Login {
            user: self.options.role.clone(),
            password: self.options.password.clone(),
            database: self.options.database.clone(),
        }
    }

    fn superuser(&self) -> Login {
        Login {
            user: "postgres".to_owned(),
            password: None,
            database: self.options.database.clone(),
        }
    }

    fn dial(&self) -> LocalBoxFuture<'_, io::Result<Box<dyn Link>>> {
        // A server that has stopped listens no more.
        self.dialer.set_up(!self.server.is_down());
        let dialling = self.dialer.dial();
        Box::pin(async { Ok(Box::new(dialling.await?) as Box<dyn Link>) })
    }

    fn configure<'a>(&'a self, name: &'a str, value: &'a str) -> LocalBoxFuture<'a, Result<(), String>> {
        Box::pin(async move { self.server.configure(name, value) })
    }

    fn shut_down(&self, how: Shutdown) -> LocalBoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            self.server.shut_down(how);
            Ok(())
        })
    }

    fn is_down(&self) -> LocalBoxFuture<'_, Result<bool, String>> {
        Box::pin(async { Ok(self.server.is_down()) })
    }

    fn start(&self) -> LocalBoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            self.clock.sleep(START).await;
            self.server.restart();
            Ok(())
        })
    }

    fn kill(&self, pid: i32) -> LocalBoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            self.server.kill(pid);
            Ok(())
        })
    }

    fn log(&self) -> LocalBoxFuture<'_, Result<String, String>> {
        Box::pin(async { Err("the simulated server writes no log".to_owned()) })
    }
}
