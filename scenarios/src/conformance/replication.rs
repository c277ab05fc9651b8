//! What is said inside a replication stream.

use bytes::{BufMut as _, Bytes};

/// `START_REPLICATION` of the publication `p` from where the slot is.
pub fn start_replication(slot: &str) -> String {
    format!("START_REPLICATION SLOT {slot} LOGICAL 0/0 (proto_version '1', publication_names 'p')")
}

/// A standby status update, as COPY data: all up to this position is written, flushed and applied.
pub fn standby_status(position: u64) -> Vec<u8> {
    let mut data = vec![b'r'];
    for _ in ["written", "flushed", "applied"] {
        data.put_u64(position);
    }
    // The client's clock, of which the server takes no notice, and no wish for a reply.
    data.put_u64(0);
    data.put_u8(0);
    data
}

/// The server's keepalive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// The end of the log, as far as it was decoded.
    pub end: u64,
    /// Whether the server wants a reply.
    pub reply: bool,
}

impl Keepalive {
    /// The keepalive in COPY data; `None` when that is something else.
    pub fn parse(data: &Bytes) -> Option<Keepalive> {
        match data.as_ref() {
            [b'k', end @ .., reply] if end.len() == 16 => Some(Keepalive {
                end: end
                    .iter()
                    .take(8)
                    .fold(0, |end, byte| end << 8 | u64::from(*byte)),
                reply: *reply == 1,
            }),
            _ => None,
        }
    }
}
