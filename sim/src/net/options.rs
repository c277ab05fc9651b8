//! How the simulated network behaves.

use std::ops::Range;
use std::time::Duration;

/// One direction of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowOptions {
    /// How long a packet takes; each draws its own, and none overtakes another.
    pub latency: Range<Duration>,
    /// How many bytes the receiver's kernel holds unread, those on their way included.
    pub window_bytes: usize,
    /// How many bytes the sender's kernel holds while the window is full. A writer waits beyond that.
    pub send_buffer_bytes: usize,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipeOptions {
    /// From the client to the server.
    pub to_server: FlowOptions,
    /// From the server to the client.
    pub to_client: FlowOptions,
    /// How long a kernel retransmits to a peer that does not acknowledge, without a user timeout (Linux:
    /// `tcp_retries2` of 15 is about 924.6 s).
    pub retransmission: Duration,
}

impl Default for PipeOptions {
    fn default() -> Self {
        let latency = Duration::from_micros(50)..Duration::from_micros(500);
        PipeOptions {
            to_server: FlowOptions {
                latency: latency.clone(),
                window_bytes: 64 * 1024,
                send_buffer_bytes: 16 * 1024,
            },
            to_client: FlowOptions {
                latency,
                window_bytes: 256 * 1024,
                send_buffer_bytes: 64 * 1024,
            },
            retransmission: Duration::from_millis(924_600),
        }
    }
}
