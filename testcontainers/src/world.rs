//! The real world itself.

use std::future::Future;
use std::io;
use std::sync::Arc;

use futures_util::future::join;
use leftover_core::clock::SharedClock;
use leftover_core::connection::Row;
use leftover_harness::census::Census;
use leftover_harness::world::{Server, Shutdown, World, WorldError};
use leftover_wire::login::Login;
use leftover_wire::tokio_clock::TokioClock;

use crate::admin::Endpoint;
use crate::link::TcpLink;
use crate::options::{Options, Provider, StartError};
use crate::reaper::Reaper;
use crate::sampler::Sampler;
use crate::servers::{Pair, Running, wait_for};
use crate::silence::Chain;
use crate::{census, reset};

/// Two real servers. Started once and reset for each run; dropping it removes all that it made.
///
/// It may be started, used and dropped in different runtimes, or outside of any.
#[derive(Debug)]
pub struct RealWorld {
    // Fields are dropped in this order: samplers, then servers, then whatever else carries the world's id.
    samplers: [Sampler; 2],
    servers: Pair,
    chain: Arc<Chain>,
    clock: Arc<TokioClock>,
    _reaper: Reaper,
}

impl RealWorld {
    /// Starts two servers and resets them. Waits, for seconds: the caller's thread does nothing else.
    ///
    /// # Errors
    /// When no way of getting servers worked; the error says what was tried and what to do.
    pub fn start(options: Options) -> Result<RealWorld, StartError> {
        let reaper = Reaper::start().map_err(StartError::Reaper)?;
        wait_for(Pair::start(options, reaper.id()))
            .map_err(StartError::Reaper)?
            .and_then(|servers| {
                let provider = servers.provider;
                let unusable = |problem: String| StartError::Unusable { provider, problem };
                let [source, target] = servers.endpoints.clone().map(Sampler::start);
                let samplers = [
                    source.map_err(|error| unusable(error.to_string()))?,
                    target.map_err(|error| unusable(error.to_string()))?,
                ];
                let world = RealWorld {
                    samplers,
                    servers,
                    chain: Arc::new(Chain::new(reaper.id().name())),
                    clock: Arc::new(TokioClock::new()),
                    _reaper: reaper,
                };
                let fresh = wait_for(world.reset_both()).map_err(|error| unusable(error.to_string()))?;
                fresh.map_err(|error| unusable(error.to_string()))?;
                Ok(world)
            })
    }

    /// Where the servers came from; never [`Provider::Auto`].
    pub fn provider(&self) -> Provider {
        self.servers.provider
    }

    /// The servers' version, such as `17.5`.
    pub fn version(&self) -> &str {
        &self.servers.version
    }

    /// Where `server` is, as host and port.
    pub fn address(&self, server: Server) -> (&str, u16) {
        let endpoint = self.endpoint(server);
        (&endpoint.host, endpoint.port)
    }

    /// The login of a superuser of `server`, in the database of [`World::login`].
    pub fn superuser(&self, server: Server) -> Login {
        self.endpoint(server).admin_inside()
    }

    /// Runs `sql` as [`RealWorld::superuser`].
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn admin_sql(&self, server: Server, sql: &str) -> Result<Vec<Row>, WorldError> {
        self.run(server, &self.superuser(server), sql).await
    }

    /// What `server` has written to its log.
    ///
    /// # Errors
    /// When the log is out of reach, as that of a given server is.
    pub async fn log(&self, server: Server) -> Result<String, WorldError> {
        self.running(server)
            .log()
            .await
            .map_err(|problem| WorldError::Server { server, problem })
    }

    /// Stops `server` and returns when it is down.
    ///
    /// # Errors
    /// When the server is not this world's own.
    pub async fn stop(&self, server: Server, how: Shutdown) -> Result<(), WorldError> {
        let stopped = self.running(server).stop(how).await;
        stopped.map_err(|problem| WorldError::Server { server, problem })
    }

    /// Asks `server` to shut down, and does not wait for it.
    ///
    /// # Errors
    /// When the server is not this world's own.
    pub async fn shut_down(&self, server: Server, how: Shutdown) -> Result<(), WorldError> {
        let told = self.running(server).shut_down(how).await;
        told.map_err(|problem| WorldError::Server { server, problem })
    }

    /// Whether `server` has stopped.
    ///
    /// # Errors
    /// When the server is not this world's own.
    pub async fn is_down(&self, server: Server) -> Result<bool, WorldError> {
        let down = self.running(server).is_down().await;
        down.map_err(|problem| WorldError::Server { server, problem })
    }

    /// Ends one backend of `server` with SIGKILL, after which Postgres restarts all of them.
    ///
    /// # Errors
    /// When the server is not this world's own, or has no such process.
    pub async fn kill_backend(&self, server: Server, pid: i32) -> Result<(), WorldError> {
        let killed = self.running(server).kill(pid).await;
        killed.map_err(|problem| WorldError::Server { server, problem })
    }

    /// Starts `server` again, where and as it was, and returns when it serves.
    ///
    /// # Errors
    /// When the server is not this world's own, or does not serve.
    pub async fn start_again(&self, server: Server) -> Result<(), WorldError> {
        let started = self.running(server).start().await;
        started.map_err(|problem| WorldError::Server { server, problem })
    }

    async fn run(&self, server: Server, login: &Login, sql: &str) -> Result<Vec<Row>, WorldError> {
        self.endpoint(server)
            .query(login, sql)
            .await
            .map_err(|error| WorldError::Sql {
                server,
                sql: sql.to_owned(),
                problem: error.to_string(),
            })
    }

    async fn reset_both(&self) -> Result<(), WorldError> {
        let reset = async |server| {
            let problem = |problem| WorldError::Server { server, problem };
            reset::reset(self.endpoint(server)).await.map_err(problem)
        };
        let (source, target) = join(reset(Server::Source), reset(Server::Target)).await;
        source.and(target)?;
        // Only now: with packets flowing again, the clients of the last run could have gone on.
        self.chain.flush().map_err(|error| WorldError::Server {
            server: Server::Source,
            problem: format!("packets are still dropped: {error}"),
        })?;
        self.samplers.iter().for_each(Sampler::clear);
        Ok(())
    }

    fn endpoint(&self, server: Server) -> &Endpoint {
        &self.servers.endpoints[server as usize]
    }

    fn running(&self, server: Server) -> &Running {
        &self.servers.running[server as usize]
    }
}

impl World for RealWorld {
    type Link = TcpLink;

    fn describe(&self) -> String {
        let version = self.version();
        match self.provider() {
            Provider::Container => format!("Postgres {version} (containers)"),
            Provider::Local => format!("Postgres {version} (private clusters)"),
            Provider::Url | Provider::Auto => format!("Postgres {version} (given)"),
        }
    }

    fn clock(&self) -> SharedClock {
        Arc::clone(&self.clock) as SharedClock
    }

    fn login(&self, server: Server) -> Login {
        self.endpoint(server).login.clone()
    }

    fn dial(&self, server: Server) -> impl Future<Output = io::Result<TcpLink>> + Send + 'static {
        let endpoint = self.endpoint(server);
        TcpLink::connect(endpoint.host.clone(), endpoint.port, Arc::clone(&self.chain))
    }

    async fn reset(&self) -> Result<(), WorldError> {
        self.reset_both().await
    }

    async fn sql(&self, server: Server, sql: &str) -> Result<Vec<Row>, WorldError> {
        self.run(server, &self.login(server), sql).await
    }

    async fn census(&self, server: Server) -> Result<Census, WorldError> {
        let problem = |error: leftover_core::error::ConnectionError| WorldError::Server {
            server,
            problem: format!("no census: {error}"),
        };
        census::take(self.endpoint(server)).await.map_err(problem)
    }

    async fn peak_sessions(&self, server: Server, prefix: &str) -> Result<usize, WorldError> {
        Ok(self.samplers[server as usize].peak(prefix))
    }

    async fn crash(&self, server: Server) -> Result<(), WorldError> {
        self.stop(server, Shutdown::Immediate).await
    }

    async fn restart(&self, server: Server) -> Result<(), WorldError> {
        self.start_again(server).await
    }
}
