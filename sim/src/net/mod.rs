//! The simulated network: kernel TCP in virtual time, as far as it decides who notices what, and when.
//!
//! Reading order: [`options`], [`network`] (who can be dialled), [`ends`] (the two ends of a connection),
//! then the model: `pipe` (both ends and both flows), `flow` (one direction: window, send buffer, packets
//! on their way), `liveness` (when a kernel gives a silent peer up).
//!
//! What it has: latency, order, windows and back-pressure, FIN, half-close, RST, silence, keepalive, user
//! timeout, giving up retransmission. What it has not: addresses, congestion, lost packets that are sent
//! again (silence is for good), TLS.
//!
//! Nothing polls here. Time is looked at when an end is used, and a task that waits is woken by one timer
//! for one event.

pub mod ends;
pub mod network;
pub mod options;

mod flow;
mod liveness;
mod pipe;

pub use ends::{ClientEnd, ServerEnd, pair};
pub use network::{Dialer, Listener, Network};
pub use options::{FlowOptions, PipeOptions};
