//! The server's end of a connection, as a backend's kernel shows it.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

/// What a look at a socket finds without reading from it (`poll` with `POLLRDHUP`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// As far as this kernel knows, the peer is there. A silent peer looks like this.
    Open,
    /// The peer has sent FIN: it closed, or closed its sending half.
    Fin,
    /// The connection is dead: RST came, or keepalive or the user timeout gave up.
    Dead,
}

/// TCP keepalive as `tcp_keepalives_idle`, `tcp_keepalives_interval` and `tcp_keepalives_count` set it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Time without traffic before the first probe.
    pub idle: Duration,
    /// Time between probes.
    pub interval: Duration,
    /// Unanswered probes before the connection is dead.
    pub count: u32,
}

/// The server's end of a connection. Reading gives EOF after FIN and an error once the connection is dead;
/// writing to a peer that is gone succeeds once, then fails (OB-22). Dropping it sends FIN, or RST when
/// there is unread data.
pub trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// What `poll` would say now. It never consumes data.
    fn peer(&self) -> Peer;

    /// Completes (`Ready`) once [`Socket::peer`] is no longer [`Peer::Open`]. This is how a backend that
    /// only watches for death waits; `client_connection_check_interval` looks at [`Socket::peer`] instead.
    fn poll_peer_gone(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Peer>;

    /// Sets `SO_KEEPALIVE`; `None` is the kernel's default (two hours: never, here).
    fn set_keepalive(&self, keepalive: Option<Keepalive>);

    /// Sets `TCP_USER_TIMEOUT`; `None` is the kernel's default (about 15 minutes of retransmission).
    fn set_user_timeout(&self, timeout: Option<Duration>);
}
