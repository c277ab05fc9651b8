//! A fault plan: what strikes, where and when, in words that survive code edits.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::log::Way;
use crate::world::{Server, Silence};

/// A place in the traffic of a run: one message of one connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// The process that opened the connection: `run`, `drop`, `run 2`, …
    pub process: String,
    /// The server at the connection's other end.
    pub server: Server,
    /// The connection's role, as in its `application_name`.
    pub role: String,
    /// The how-many-eth connection of that process, server and role, from 1.
    pub connection: u32,
    /// The message's kind: `Query BEGIN`, `CopyData`, `CommandComplete SELECT`, …
    pub message: String,
    /// The how-many-eth message of that kind on that connection in that direction, from 1.
    pub nth: u32,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Point {
            process,
            server,
            role,
            connection,
            message,
            nth,
        } = self;
        write!(f, "{message} {nth} of {server} {role} #{connection} in {process}")
    }
}

/// On which side of a message something strikes. Which direction the message has follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// The client's message does not leave.
    BeforeSend,
    /// The client's message has left.
    AfterSend,
    /// The server has acted; its message is not delivered to the client.
    BeforeDelivery,
}

/// What happens to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The connection is closed: FIN to the server, EOF to the client.
    Fin,
    /// The connection is reset: RST to the server, "connection reset" to the client.
    Reset,
    /// FIN to the server; the client can still read, and its writes fail.
    HalfClose,
    /// Packets vanish: no FIN, no ACK, not even when the connection is closed.
    Silence(Silence),
    /// The client neither reads nor writes any more; its kernel goes on acknowledging.
    Stall,
    /// This message and all that follows it in its direction waits so long.
    Delay(Duration),
}

/// Which connections a fault hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// The one whose message it was.
    #[default]
    Connection,
    /// Every connection between that process and that server. With [`Persistence::FromThenOn`] new ones too:
    /// they are refused after FIN, RST and half-close, hang after silence, and open but stall after a stall.
    Host,
}

/// How often a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Persistence {
    /// At its point.
    #[default]
    Once,
    /// At its point, and then at the same message of every later connection of the same role.
    FromThenOn,
}

/// What strikes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Act {
    /// A fault of the network.
    Fault {
        /// Which.
        fault: Fault,
        /// Whom it hits.
        #[serde(default)]
        scope: Scope,
        /// How often.
        #[serde(default)]
        persistence: Persistence,
    },
    /// The process's future is dropped: a cancelled task, an exceeded deadline.
    Cancel,
    /// The process is asked to stop (SIGTERM), and goes on until it has returned.
    Stop,
    /// The process is killed: its kernel closes its sockets, and nothing of it runs any more.
    Kill,
    /// Somebody drops the pipeline from another process while the run goes on.
    Drop,
    /// The server answers a statement with this error. True on the server: in the statement's place it gets one
    /// that raises the SQLSTATE, so that it has not run the statement, and its transaction has failed. It
    /// strikes before a simple query is sent, and before the Parse of a COPY, which has no parameters and
    /// gives no rows, as the statement that raises. Another Parse cannot be replaced: its Bind or its
    /// description would not fit.
    Error {
        /// Its SQLSTATE: five digits and capital letters.
        sqlstate: String,
    },
    /// A server crashes, and comes back with what was durable. Until it is down the connection at whose message
    /// it strikes waits; until it is back it refuses connections.
    Crash {
        /// Which server.
        server: Server,
    },
    /// An operator ends the session at whose message it strikes (`pg_terminate_backend`). The session has to
    /// have named its backend, so there is nothing to end before `BackendKeyData` is there.
    Terminate,
}

/// A message that has passed: the last thing that happened before an await.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passed {
    /// Which way it went.
    pub way: Way,
    /// Which message.
    pub point: Point,
}

/// An await of a process: its future was polled and was not ready. Named by what had happened until then, so
/// that it means the same after an edit elsewhere in the code.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Await {
    /// The process whose future it is: `run`, `drop`, `last drop`, …
    pub process: String,
    /// The last message of that process before; `None` before its first.
    #[serde(default)]
    pub after: Option<Passed>,
    /// The how-many-eth await since that message, from 1.
    pub nth: u32,
}

/// Where or when it strikes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// At a message.
    Message {
        /// Which message.
        point: Point,
        /// On which side of it.
        when: When,
    },
    /// At an await of a process.
    Await(Await),
    /// When a process has run so long.
    Time {
        /// Which process.
        process: String,
        /// How long.
        after: Duration,
    },
}

impl At {
    /// The process in which it strikes.
    pub fn process(&self) -> &str {
        match self {
            At::Message { point, .. } => &point.process,
            At::Await(at) => &at.process,
            At::Time { process, .. } => process,
        }
    }
}

/// One thing that strikes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// Where or when.
    pub at: At,
    /// What.
    pub act: Act,
}

/// What comes after the run in which the plan strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// A drop from a fresh process.
    #[default]
    Drop,
    /// A second run from a fresh process, without faults, which must complete; then a drop.
    RunThenDrop,
}

/// All that goes wrong in one run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What strikes; each must strike, or the run proves nothing.
    #[serde(default)]
    pub strikes: Vec<Strike>,
    /// What comes afterwards.
    #[serde(default)]
    pub then: Then,
}

impl Plan {
    /// A plan in which nothing goes wrong.
    pub fn calm() -> Self {
        Plan::default()
    }

    /// A plan with one strike.
    pub fn one(at: At, act: Act) -> Self {
        Plan {
            strikes: vec![Strike { at, act }],
            then: Then::Drop,
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Fin => f.write_str("FIN"),
            Fault::Reset => f.write_str("RST"),
            Fault::HalfClose => f.write_str("half-close"),
            Fault::Silence(Silence::ToServer) => f.write_str("silence to the server"),
            Fault::Silence(Silence::ToClient) => f.write_str("silence to the client"),
            Fault::Silence(Silence::Both) => f.write_str("silence both ways"),
            Fault::Stall => f.write_str("stall"),
            Fault::Delay(by) => write!(f, "delay of {by:?}"),
        }
    }
}

impl std::fmt::Display for Await {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Await { process, after, nth } = self;
        write!(f, "await {nth}")?;
        match after {
            Some(Passed {
                way: Way::Sent,
                point,
            }) => write!(f, " after sending {point}"),
            Some(Passed {
                way: Way::Received,
                point,
            }) => write!(f, " after {point} had come"),
            None => write!(f, " of {process}, before any message"),
        }
    }
}

impl std::fmt::Display for Act {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Act::Fault {
                fault,
                scope,
                persistence,
            } => {
                write!(f, "{fault}")?;
                if *scope == Scope::Host {
                    f.write_str(" of the host")?;
                }
                if *persistence == Persistence::FromThenOn {
                    f.write_str(" from then on")?;
                }
                Ok(())
            }
            Act::Cancel => f.write_str("cancel"),
            Act::Stop => f.write_str("stop"),
            Act::Kill => f.write_str("kill"),
            Act::Drop => f.write_str("drop"),
            Act::Error { sqlstate } => write!(f, "error {sqlstate}"),
            Act::Crash { server } => write!(f, "crash of the {server}"),
            Act::Terminate => f.write_str("terminate"),
        }
    }
}

impl std::fmt::Display for Strike {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.act)?;
        match &self.at {
            At::Message {
                point,
                when: When::BeforeSend,
            } => write!(f, " before sending {point}"),
            At::Message {
                point,
                when: When::AfterSend,
            } => write!(f, " after sending {point}"),
            At::Message {
                point,
                when: When::BeforeDelivery,
            } => write!(f, " before the delivery of {point}"),
            At::Await(at) => write!(f, " at {at}"),
            At::Time { process, after } => write!(f, " after {after:?} of {process}"),
        }
    }
}
