//! Real servers, through `leftover-testcontainers`: one world for each version, reset before each row.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::LocalBoxFuture;
use leftover_core::clock::SharedClock;
use leftover_harness::world::{Link, Server, Shutdown, World as _, WorldError};
use leftover_testcontainers::{Options, Provider, RealWorld};
use leftover_wire::login::Login;

use super::pg::Pg;
use super::postgres::Postgres;
use super::row::{Checked, Problem};

/// How long one try of a row may take.
const LIMIT: Duration = Duration::from_secs(60);

/// How long a reload may take until new sessions see it.
const RELOAD: Duration = Duration::from_secs(10);

/// The server of the world that is asked; the other one idles.
const ASKED: Server = Server::Source;

/// Real servers of one version, and the runtime that drives rows against them.
#[derive(Debug)]
pub struct Real {
    world: Arc<RealWorld>,
    major: u32,
    runtime: tokio::runtime::Runtime,
}

impl Real {
    /// Starts servers of this version: containers, or private clusters. Rows configure, stop and kill their servers,
    /// so one that was given by its URL is left alone.
    ///
    /// # Errors
    /// Says what was tried and what to do.
    pub fn start(major: u32) -> Result<Real, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("cannot start: {error}"))?;
        let start = |provider| RealWorld::start(Options { provider, major });
        let world = start(Provider::Container)
            .or_else(|container| start(Provider::Local).map_err(|local| format!("{container}\n{local}")))?;
        Ok(Real {
            world: Arc::new(world),
            major,
            runtime,
        })
    }

    /// What it is, for people.
    pub fn describe(&self) -> String {
        self.world.describe()
    }

    /// Runs steps `tries` times on a server as new; stops at the first that does not pass.
    ///
    /// # Errors
    /// As the steps do, and when they do not end.
    pub fn run<T>(
        &self,
        tries: u64,
        steps: impl for<'a> Fn(&'a Pg) -> LocalBoxFuture<'a, Checked<T>>,
    ) -> Checked<Vec<T>> {
        self.runtime.block_on(async {
            self.as_new()
                .await
                .map_err(|error| Problem::CannotRun(error.to_string()))?;
            let server = Served {
                world: Arc::clone(&self.world),
                major: self.major,
            };
            let mut pg = Pg::new(Box::new(server)).await?;
            let mut answers = Vec::new();
            for turn in 0..tries {
                pg = pg.at_turn(turn);
                let answer = tokio::time::timeout(LIMIT, steps(&pg)).await;
                let late = |_| Problem::differs(format!("nothing ended this row in {LIMIT:?}"));
                answers.push(answer.map_err(late)??);
            }
            Ok(answers)
        })
    }

    /// Makes the servers as new, also when a row has left the one that it was about stopped or stopping.
    async fn as_new(&self) -> Result<(), WorldError> {
        let Err(problem) = self.refresh().await else {
            return Ok(());
        };
        if self.world.stop(ASKED, Shutdown::Immediate).await.is_err() {
            return Err(problem);
        }
        self.world.start_again(ASKED).await?;
        self.refresh().await
    }

    /// Makes servers that serve as new, their configuration too.
    async fn refresh(&self) -> Result<(), WorldError> {
        let changed = "SELECT name FROM pg_settings WHERE sourcefile LIKE '%postgresql.auto.conf'";
        if !self.world.admin_sql(ASKED, changed).await?.is_empty() {
            self.world.admin_sql(ASKED, "ALTER SYSTEM RESET ALL").await?;
            reload(&self.world).await?;
        }
        self.world.reset().await
    }
}

/// Reloads the configuration; returns when new sessions have it.
async fn reload(world: &RealWorld) -> Result<(), WorldError> {
    let loaded = "SELECT pg_conf_load_time()";
    let before = world.admin_sql(ASKED, loaded).await?;
    world.admin_sql(ASKED, "SELECT pg_reload_conf()").await?;
    let reloaded = async {
        while world.admin_sql(ASKED, loaded).await? == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    };
    let late = |_| WorldError::Server {
        server: ASKED,
        problem: format!("it did not reload its configuration within {RELOAD:?}"),
    };
    tokio::time::timeout(RELOAD, reloaded).await.map_err(late)?
}

fn words<T>(result: Result<T, WorldError>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

struct Served {
    world: Arc<RealWorld>,
    major: u32,
}

impl Postgres for Served {
    fn major(&self) -> u32 {
        self.major
    }

    fn simulated(&self) -> bool {
        false
    }

    fn clock(&self) -> SharedClock {
        self.world.clock()
    }

    fn login(&self) -> Login {
        self.world.login(ASKED)
    }

    fn superuser(&self) -> Login {
        self.world.superuser(ASKED)
    }

    fn dial(&self) -> LocalBoxFuture<'_, io::Result<Box<dyn Link>>> {
        let dialling = self.world.dial(ASKED);
        Box::pin(async { Ok(Box::new(dialling.await?) as Box<dyn Link>) })
    }

    fn configure<'a>(&'a self, name: &'a str, value: &'a str) -> LocalBoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let set = format!("ALTER SYSTEM SET {name} = '{value}'");
            let configured = async {
                self.world.admin_sql(ASKED, &set).await?;
                reload(&self.world).await
            };
            words(configured.await)
        })
    }

    fn shut_down(&self, how: Shutdown) -> LocalBoxFuture<'_, Result<(), String>> {
        Box::pin(async move { words(self.world.shut_down(ASKED, how).await) })
    }

    fn is_down(&self) -> LocalBoxFuture<'_, Result<bool, String>> {
        Box::pin(async { words(self.world.is_down(ASKED).await) })
    }

    fn start(&self) -> LocalBoxFuture<'_, Result<(), String>> {
        Box::pin(async { words(self.world.start_again(ASKED).await) })
    }

    fn kill(&self, pid: i32) -> LocalBoxFuture<'_, Result<(), String>> {
        Box::pin(async move { words(self.world.kill_backend(ASKED, pid).await) })
    }

    fn log(&self) -> LocalBoxFuture<'_, Result<String, String>> {
        Box::pin(async { words(self.world.log(ASKED).await) })
    }
}
