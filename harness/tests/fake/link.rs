//! A connection whose server answers inside the write; the answer is there at the reader's second look, so that the
//! client waits once for it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use leftover_harness::census::SessionSeen;
use leftover_harness::fault::message::{self, Frame, Opening};
use leftover_harness::world::{Link, Silence};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::State;

/// How a connection ended for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Fin,
    Rst,
    Terminate,
    /// The server ended it.
    Server,
}

/// The server's side of one connection.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    pub name: Option<String>,
    pub walsender: bool,
    /// Kinds of the messages that arrived.
    pub arrived: Vec<String>,
    pub left: Option<Left>,
    pub silent: Option<Silence>,
    pub pid: i32,
    state: &'static str,
    input: Vec<u8>,
    output: Vec<u8>,
    /// Whether what was answered is still on its way.
    away: bool,
    waker: Option<Waker>,
}

impl Peer {
    /// Sends bytes that nobody asked for.
    pub fn says(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    pub fn alive(&self) -> bool {
        self.name.is_some() && self.left.is_none()
    }

    pub fn seen(&self) -> SessionSeen {
        SessionSeen {
            pid: self.pid,
            user: "me".to_owned(),
            database: Some("db".to_owned()),
            application_name: self.name.clone().unwrap_or_default(),
            walsender: self.walsender,
            state: if self.state.is_empty() { "idle" } else { self.state }.to_owned(),
            wait: None,
            query: self.arrived.last().cloned().unwrap_or_default(),
            connected_for: Duration::ZERO,
            transaction_for: None,
            pinned_xmin_age: None,
            waits_for_lock: false,
            blockers: Vec::new(),
        }
    }

    fn reply(&mut self, tag: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len() + 4).expect("short");
        self.output.push(tag);
        self.output.extend_from_slice(&length.to_be_bytes());
        self.output.extend_from_slice(payload);
    }

    /// Ends this backend if it has that pid.
    pub fn terminate(&mut self, pid: i32) {
        if self.pid == pid && self.alive() {
            self.reply(
                b'E',
                b"SFATAL\0C57P01\0Mterminating connection due to administrator command\0\0",
            );
            self.crash();
        }
    }

    /// Ends this backend without a word.
    pub fn crash(&mut self) {
        self.leave(Left::Server);
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    fn leave(&mut self, how: Left) {
        if !matches!(self.silent, Some(Silence::ToServer | Silence::Both)) {
            self.left.get_or_insert(how);
        }
    }

    /// Takes complete messages and returns the statements among them.
    fn take(&mut self) -> Vec<String> {
        let mut statements = Vec::new();
        loop {
            let opening = self.arrived.is_empty();
            let input = std::mem::take(&mut self.input);
            let frame = if opening {
                message::untyped(&input)
            } else {
                message::typed(&input)
            };
            let Frame::Message { tag, payload, length } = frame else {
                self.input = input;
                return statements;
            };
            if length > input.len() {
                self.input = input;
                return statements;
            }
            if opening {
                self.open(payload);
            } else {
                self.arrived.push(message::frontend(tag, payload).into_owned());
                if tag == b'Q' {
                    let sql = String::from_utf8_lossy(&payload[..payload.len() - 1]);
                    statements.push(sql.into_owned());
                }
                if tag == b'X' {
                    self.leave(Left::Terminate);
                }
            }
            self.input = input[length..].to_vec();
        }
    }

    fn open(&mut self, payload: &[u8]) {
        let Opening::Startup { application_name } = message::opening(payload) else {
            self.arrived.push("CancelRequest".to_owned());
            return;
        };
        self.arrived.push("Startup".to_owned());
        self.walsender = payload.windows(11).any(|window| window == b"replication");
        self.name = Some(application_name);
        self.reply(b'R', &0u32.to_be_bytes());
        self.reply(b'S', b"server_version\x0015.0\0");
        let key = [self.pid.to_be_bytes(), 7i32.to_be_bytes()].concat();
        self.reply(b'K', &key);
        self.reply(b'Z', b"I");
    }

    fn answer(&mut self, sql: &str, tag: &str) {
        if let Some((_, raised)) = sql.split_once("RAISE EXCEPTION USING ERRCODE='") {
            self.reply(b'E', format!("SERROR\0C{}\0Mraised\0\0", &raised[..5]).as_bytes());
            self.reply(b'Z', b"I");
            return;
        }
        match tag {
            "BEGIN" => self.state = "idle in transaction",
            "COMMIT" => self.state = "idle",
            _ => {}
        }
        self.reply(b'C', format!("{tag}\0").as_bytes());
        self.reply(
            b'Z',
            if self.state == "idle in transaction" {
                b"T"
            } else {
                b"I"
            },
        );
    }
}

/// The client's end.
pub struct FakeLink {
    peer: Arc<Mutex<Peer>>,
    server: Arc<Mutex<State>>,
    no_silence: bool,
}

impl FakeLink {
    pub fn open(server: &Arc<Mutex<State>>, no_silence: bool) -> Self {
        let mut state = server.lock().expect("no panic");
        let pid = i32::try_from(state.peers.len()).expect("few") + 100;
        let peer = Arc::new(Mutex::new(Peer {
            pid,
            ..Peer::default()
        }));
        state.peers.push(peer.clone());
        FakeLink {
            peer,
            server: server.clone(),
            no_silence,
        }
    }
}

impl AsyncRead for FakeLink {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut peer = self.peer.lock().expect("no panic");
        if matches!(peer.silent, Some(Silence::ToClient | Silence::Both)) {
            return Poll::Pending;
        }
        if std::mem::take(&mut peer.away) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if peer.output.is_empty() && peer.left.is_none() {
            peer.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = peer.output.len().min(into.remaining());
        let rest = peer.output.split_off(count);
        into.put_slice(&peer.output);
        peer.output = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for FakeLink {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut peer = self.peer.lock().expect("no panic");
        let nobody_reads = matches!(peer.silent, Some(Silence::ToServer | Silence::Both));
        if nobody_reads || peer.left == Some(Left::Server) {
            return Poll::Ready(Ok(data.len()));
        }
        peer.input.extend_from_slice(data);
        for sql in peer.take() {
            let mut server = self.server.lock().expect("no panic");
            let tag = server.execute(&sql);
            peer.answer(&sql, &tag);
        }
        peer.away = true;
        if let Some(waker) = peer.waker.take() {
            waker.wake();
        }
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.peer.lock().expect("no panic").leave(Left::Fin);
        Poll::Ready(Ok(()))
    }
}

impl Link for FakeLink {
    fn reset(&mut self) {
        self.peer.lock().expect("no panic").leave(Left::Rst);
    }

    fn silence(&mut self, which: Silence) -> io::Result<()> {
        if self.no_silence {
            return Err(io::ErrorKind::Unsupported.into());
        }
        self.peer.lock().expect("no panic").silent = Some(which);
        Ok(())
    }
}

impl Drop for FakeLink {
    fn drop(&mut self) {
        self.peer.lock().expect("no panic").leave(Left::Fin);
    }
}
