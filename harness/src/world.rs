//! A world: two Postgres servers, a network to them, a clock, and the truth about what the servers hold.

use std::future::Future;
use std::io;

use leftover_core::clock::SharedClock;
use leftover_wire::login::Login;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::census::Census;
use crate::reach::Situations;

/// One of the two servers of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// The server that is read.
    Source,
    /// The server that is written.
    Target,
}

impl Server {
    /// Both servers, source first.
    pub const BOTH: [Server; 2] = [Server::Source, Server::Target];
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Server::Source => "source",
            Server::Target => "target",
        })
    }
}

/// How a server is stopped: Postgres's shutdown modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// New connections are refused; the server stops when the last session has left by itself.
    Smart,
    /// As an operator does it (`pg_ctl stop -m fast`): sessions are told, and their transactions rolled back.
    Fast,
    /// As a crash does it (`pg_ctl stop -m immediate`): what was not durable is gone, and the next start
    /// recovers.
    Immediate,
}

/// One way of the traffic between a client and a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Silence {
    /// Packets from the client to the server vanish.
    ToServer,
    /// Packets from the server to the client vanish.
    ToClient,
    /// Packets vanish both ways.
    Both,
}

/// A client's end of a connection in a world: a byte stream that can be ended in every way that a network
/// knows. `poll_shutdown` half-closes (FIN, and still reading); dropping the link closes it as the kernel
/// does: FIN, or RST when there is unread data (OB-20).
pub trait Link: AsyncRead + AsyncWrite + Unpin + Send {
    /// Ends the connection with a RST, now. Reading and writing fail from here on.
    fn reset(&mut self);

    /// From now on packets vanish: no FIN, no ACK, not even when the link is dropped.
    ///
    /// # Errors
    /// When this world has no means to drop packets; the connection is then untouched.
    fn silence(&mut self, which: Silence) -> io::Result<()>;
}

/// What a world could not do.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The world itself failed: a container did not start, a server did not answer.
    #[error("the {server} server of this world: {problem}")]
    Server {
        /// Which server.
        server: Server,
        /// What happened and what to do about it.
        problem: String,
    },
    /// The fixture's SQL failed.
    #[error("the {server} server refused {sql:?}: {problem}")]
    Sql {
        /// Which server.
        server: Server,
        /// The statement.
        sql: String,
        /// The server's answer.
        problem: String,
    },
}

/// Two Postgres servers and the way to them.
///
/// [`World::sql`] and [`World::census`] are out of band: no fault touches them, and what they themselves
/// hold is not in any census.
pub trait World: Send + Sync + 'static {
    /// The client's end of a connection.
    type Link: Link + 'static;

    /// What this world is, for people: `simulated Postgres 15`, `Postgres 17.5 (container)`.
    fn describe(&self) -> String;

    /// The clock of this world.
    fn clock(&self) -> SharedClock;

    /// How the code under test logs in to `server`. The role is no superuser; it may replicate and it owns
    /// the database.
    fn login(&self, server: Server) -> Login;

    /// Opens a connection to `server`. Dropping the future gives the attempt up.
    fn dial(&self, server: Server) -> impl Future<Output = io::Result<Self::Link>> + Send + 'static;

    /// Makes both servers as new: no sessions but the world's own, no slots, empty databases.
    fn reset(&self) -> impl Future<Output = Result<(), WorldError>>;

    /// Runs `sql` (one or more statements) in the database of [`World::login`] as that role, and returns all
    /// rows as text.
    fn sql(
        &self,
        server: Server,
        sql: &str,
    ) -> impl Future<Output = Result<Vec<leftover_core::connection::Row>, WorldError>>;

    /// What `server` holds now: all of it, whoever it belongs to, but not the world's own connections.
    fn census(&self, server: Server) -> impl Future<Output = Result<Census, WorldError>>;

    /// The largest number of sessions that `server` had at one instant since [`World::reset`] whose
    /// `application_name` starts with `prefix`. Exact in the simulator, sampled on a real server.
    fn peak_sessions(&self, server: Server, prefix: &str) -> impl Future<Output = Result<usize, WorldError>>;

    /// Which situations `server` has noted since [`World::reset`]. A world that cannot know notes none.
    fn reached(&self, server: Server) -> impl Future<Output = Result<Situations, WorldError>> {
        let _unknown = server;
        std::future::ready(Ok(Situations::default()))
    }

    /// Stops `server` at once, as a crash does (`immediate`). On return it refuses connections.
    fn crash(&self, server: Server) -> impl Future<Output = Result<(), WorldError>>;

    /// Brings a server that has crashed back with what was durable. On return it serves.
    fn restart(&self, server: Server) -> impl Future<Output = Result<(), WorldError>>;
}
