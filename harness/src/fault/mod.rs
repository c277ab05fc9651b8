//! Faults on the byte stream, placed by protocol message.
//!
//! The layer sits between `wire` and a world's links. It reads message boundaries both ways, labels each
//! connection from its startup packet, logs every message by its meaning, and strikes where the plan says:
//! here and only here. It does not know SQL, it keeps no copy of what passes, and it holds back no bytes but
//! those of a message whose kind it cannot tell yet.
//!
//! Reading order: [`plan`] (what can strike and where), [`message`] (kinds), `layer` (what all connections of
//! a run share), `conn` (one connection's state), `stream` (its `AsyncRead + AsyncWrite`).

mod conn;
mod flow;
mod layer;
pub mod message;
pub mod plan;
mod stream;

pub use layer::{Layer, ProcessId, Severed, Signal, Struck, Traffic};
pub use stream::FaultDial;
