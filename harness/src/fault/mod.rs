//! Faults on the byte stream, placed by protocol message.
//!
//! The layer sits between `wire` and a world's links. It reads message boundaries both ways, labels each
//! connection from its startup packet, logs every message by its meaning, and strikes where the plan says:
//! here and only here. It does not know SQL, it keeps no copy of what passes, and it holds back no bytes but
//! those of a message whose kind it cannot tell yet.
//!
//! Reading order: [`plan`] (what can strike and where), [`message`] (kinds), `layer` (what all connections of
//! a run share), `struck` (the strikes of the plan), `hosts` (faults of all connections to a server), `awaits`
//! (the awaits of its processes), `tasks` (what they have spawned), `stop` (the request to stop), `errand` (what
//! is done to the servers out of band), `failing` (statements that fail), `conn` (one connection's state),
//! `boundary` (which of its messages may pass), `stream` (its `AsyncRead + AsyncWrite`).

mod awaits;
mod boundary;
mod conn;
mod errand;
pub(crate) mod failing;
mod flow;
mod hosts;
mod layer;
pub mod message;
pub mod plan;
mod stop;
mod stream;
mod struck;
mod tasks;

pub use awaits::AwaitsAfter;
pub use errand::{Errand, Ticket};
pub use hosts::Severed;
pub use layer::{Layer, ProcessId, Signal, Traffic};
pub use stop::Stop;
pub use stream::FaultDial;
pub use struck::Struck;
pub use tasks::Spawner;
