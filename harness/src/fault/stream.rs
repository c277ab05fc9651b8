//! A link below `wire`, with the fault layer in between.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use leftover_wire::dial::{BoxedStream, Dial};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::conn::{Conn, Gate};
use super::errand::Ticket;
use super::hosts::Admission;
use super::layer::{Layer, ProcessId, Reach};
use super::plan::Fault;
use crate::log::Event;
use crate::world::{Link, Server, World};

/// Opens the connections of one process to one server.
pub struct FaultDial<W> {
    world: Arc<W>,
    server: Server,
    process: ProcessId,
    layer: Arc<Layer>,
}

impl<W: World> FaultDial<W> {
    /// Connections of `process` to `server` in `world`.
    pub fn new(world: Arc<W>, server: Server, process: ProcessId, layer: Arc<Layer>) -> Self {
        FaultDial {
            world,
            server,
            process,
            layer,
        }
    }

    async fn open(&self) -> io::Result<BoxedStream> {
        self.admitted().await?;
        let link = self.world.dial(self.server).await?;
        let gate = self.admitted().await?;
        let conn = Conn::new(link, self.layer.clone(), self.process, self.server, gate);
        let shared = Arc::new(Shared {
            conn: Mutex::new(conn),
        });
        let weak = Arc::downgrade(&shared);
        self.layer.connected(self.process, self.server, weak);
        Ok(Box::new(FaultStream { shared }))
    }

    async fn admitted(&self) -> io::Result<Gate> {
        match self.layer.admission(self.process, self.server) {
            Admission::Open => Ok(Gate::Open),
            Admission::Stalled => Ok(Gate::Held),
            Admission::Refused => Err(io::ErrorKind::ConnectionRefused.into()),
            Admission::Hangs => std::future::pending().await,
        }
    }
}

impl<W: World> Dial for FaultDial<W> {
    fn dial(&self) -> Pin<Box<dyn Future<Output = io::Result<BoxedStream>> + Send + '_>> {
        Box::pin(self.open())
    }
}

struct Shared<L> {
    conn: Mutex<Conn<L>>,
}

impl<L: Link> Shared<L> {
    fn conn(&self) -> MutexGuard<'_, Conn<L>> {
        self.conn
            .lock()
            .expect("no code panics while it holds a connection")
    }

    fn change(&self, change: impl FnOnce(&mut Conn<L>)) {
        let wakers = {
            let mut conn = self.conn();
            change(&mut conn);
            std::mem::take(&mut conn.wakers)
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl<L: Link> Reach for Shared<L> {
    fn strike(&self, fault: Fault) {
        // The connection at whose message the fault struck has been struck already.
        self.change(|conn| conn.apply(fault));
    }

    fn kill(&self) {
        self.change(|conn| {
            conn.gate = Gate::Held;
            conn.end();
        });
    }

    fn resume(&self, ticket: Ticket) {
        self.change(|conn| {
            if conn.waits_for == Some(ticket) {
                conn.waits_for = None;
            }
        });
    }
}

struct FaultStream<L: Link> {
    shared: Arc<Shared<L>>,
}

impl<L: Link> FaultStream<L> {
    fn with<T>(
        &self,
        cx: &mut Context<'_>,
        half: usize,
        poll: impl FnOnce(&mut Conn<L>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let (polled, wakers, deferred, layer) = {
            let mut conn = self.shared.conn();
            if !conn.wakers[half]
                .as_ref()
                .is_some_and(|known| known.will_wake(cx.waker()))
            {
                conn.wakers[half] = Some(cx.waker().clone());
            }
            let polled = poll(&mut conn, cx);
            if !std::mem::take(&mut conn.struck) {
                return polled;
            }
            let wakers = std::mem::take(&mut conn.wakers);
            (
                polled,
                wakers,
                std::mem::take(&mut conn.deferred),
                conn.layer.clone(),
            )
        };
        wakers.into_iter().flatten().for_each(Waker::wake);
        layer.perform(deferred);
        polled
    }
}

impl<L: Link> AsyncRead for FaultStream<L> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(cx, 0, |conn, cx| conn.poll_read(cx, into))
    }
}

impl<L: Link> AsyncWrite for FaultStream<L> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.with(cx, 1, |conn, cx| conn.poll_write(cx, data))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(cx, 1, Conn::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(cx, 1, Conn::poll_shutdown)
    }
}

impl<L: Link> Drop for FaultStream<L> {
    fn drop(&mut self) {
        let mut conn = self.shared.conn();
        if conn.link.is_some() {
            conn.log(Event::Closed);
        }
        conn.end();
    }
}
