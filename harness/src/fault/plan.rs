//! A fault plan: what strikes, where and when, in words that survive code edits.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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
    /// The process is killed: its kernel closes its sockets, and nothing of it runs any more.
    Kill,
    /// Somebody drops the pipeline from another process while the run goes on.
    Drop,
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
    /// When the run's future has been polled so many times.
    Poll(u64),
    /// So long after the run began.
    Time(Duration),
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

impl std::fmt::Display for Strike {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.act {
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
            }
            Act::Cancel => f.write_str("cancel")?,
            Act::Kill => f.write_str("kill")?,
            Act::Drop => f.write_str("drop")?,
        }
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
            At::Poll(k) => write!(f, " after poll {k}"),
            At::Time(after) => write!(f, " after {after:?}"),
        }
    }
}
