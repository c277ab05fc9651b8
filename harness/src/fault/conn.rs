//! One connection's state: where the message boundaries are, and what has struck it.

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::ReadBuf;

use super::errand::{Errand, Ticket};
use super::failing::failing;
use super::flow::Flow;
use super::layer::{Deferred, Layer, ProcessId};
use super::plan::{Act, Fault, Scope};
use crate::log::{Actor, ActorId, Event, Way};
use crate::world::{Link, Server};

/// What is left of a connection for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    /// FIN to the server; reading goes on. `sent` is whether the FIN has left.
    HalfClosed {
        sent: bool,
    },
    /// The client reads EOF, and its writes fail.
    Eof,
    /// The client reads "connection reset".
    Reset,
    /// Nothing happens any more: stalled, or of a process that is about to end.
    Held,
}

/// What opens the connection, as far as it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The next packet of the client is untyped.
    Opening,
    /// The server answers an encryption request with one byte.
    EncryptionAsked,
    Open,
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) struct Conn<L> {
    pub(super) link: Option<L>,
    pub(super) gate: Gate,
    pub(super) layer: Arc<Layer>,
    pub(super) process: ProcessId,
    pub(super) server: Server,
    pub(super) deferred: Vec<Deferred>,
    pub(super) wakers: [Option<Waker>; 2],
    /// A strike has changed what the other half waits for.
    pub(super) struck: bool,
    pub(super) name: Option<(ActorId, Arc<Actor>)>,
    pub(super) session: bool,
    pub(super) phase: Phase,
    pub(super) out: Flow,
    pub(super) inward: Flow,
    delay: [Option<Sleep>; 2],
    eof_logged: bool,
    last: Option<Fault>,
    /// The backend's pid, once the server has named it.
    pub(super) backend: Option<i32>,
    /// Nothing passes until this has been done.
    pub(super) waits_for: Option<Ticket>,
}

const READ_AHEAD: usize = 16 * 1024;

impl<L: Link> Conn<L> {
    pub(super) fn new(link: L, layer: Arc<Layer>, process: ProcessId, server: Server, gate: Gate) -> Self {
        Conn {
            link: Some(link),
            gate,
            layer,
            process,
            server,
            deferred: Vec::new(),
            wakers: [None, None],
            struck: false,
            name: None,
            session: false,
            phase: Phase::Opening,
            out: Flow::default(),
            inward: Flow::default(),
            delay: [None, None],
            eof_logged: false,
            last: None,
            backend: None,
            waits_for: None,
        }
    }

    fn id(&self) -> Option<ActorId> {
        self.name.as_ref().map(|(id, _)| *id)
    }

    /// The client's end is gone, by whomever.
    pub(super) fn end(&mut self) {
        self.link = None;
        if std::mem::take(&mut self.session)
            && let Some((_, actor)) = &self.name
        {
            self.layer.closed(self.process, actor);
        }
    }

    pub(super) fn log(&self, event: Event) {
        self.layer.log().push(self.id(), event, false);
    }

    /// A fault strikes this connection, whatever it is doing.
    pub(super) fn apply(&mut self, fault: Fault) {
        // A fault of the host reaches the connection at whose message it struck a second time.
        let again = self.last == Some(fault);
        if self.link.is_none() || self.gate == Gate::Held || again {
            return;
        }
        self.last = Some(fault);
        match fault {
            Fault::Fin => {
                self.end();
                self.gate = Gate::Eof;
            }
            Fault::Reset => {
                if let Some(link) = &mut self.link {
                    link.reset();
                }
                self.end();
                self.gate = Gate::Reset;
            }
            Fault::HalfClose => self.gate = Gate::HalfClosed { sent: false },
            Fault::Silence(which) => {
                if let Some(Err(error)) = self.link.as_mut().map(|link| link.silence(which)) {
                    self.layer
                        .cannot(format!("{fault} on the {} server: {error}", self.server));
                }
            }
            Fault::Stall => self.gate = Gate::Held,
            Fault::Delay(by) => {
                let clock = self.layer.clock();
                self.delay = [Some(clock.sleep(by)), Some(clock.sleep(by))];
            }
        }
        self.layer.sever(self.process, self.server, fault);
    }

    /// An act of the plan strikes at a message of this connection.
    fn act(&mut self, act: Act, way: Way) {
        self.layer.log_strike(self.id(), &act);
        self.struck = true;
        match act {
            Act::Fault {
                fault: Fault::Delay(by),
                scope: Scope::Connection,
                ..
            } => {
                self.delay[way as usize] = Some(self.layer.clock().sleep(by));
            }
            Act::Fault {
                fault,
                scope,
                persistence,
            } => {
                self.apply(fault);
                if scope == Scope::Host {
                    self.deferred
                        .push(Deferred::Host(self.process, self.server, fault, persistence));
                }
            }
            Act::Cancel => {
                self.gate = Gate::Held;
                self.deferred.push(Deferred::Cancel(self.process));
            }
            Act::Kill => {
                self.gate = Gate::Held;
                self.deferred.push(Deferred::Kill(self.process));
            }
            Act::Stop => self.deferred.push(Deferred::Stop(self.process)),
            Act::Drop => self.deferred.push(Deferred::Drop),
            Act::Crash { server } => self.wait_for(Errand::Crash { server }),
            Act::Error { sqlstate } => self.out.replace(|message| failing(message, &sqlstate)),
            Act::Terminate => {
                let (server, pid) = (self.server, self.backend);
                let pid = pid.expect("it strikes only where the backend is known");
                self.layer.severed_by_server(self.process, server, 1);
                self.wait_for(Errand::Terminate { server, pid });
            }
        }
    }

    /// Holds this connection until `errand` has been done.
    fn wait_for(&mut self, errand: Errand) {
        let ticket = self.layer.ticket();
        self.waits_for = Some(ticket);
        self.deferred.push(Deferred::Errand(errand, ticket));
    }

    fn poll_delay(&mut self, cx: &mut Context<'_>, way: Way) -> Poll<()> {
        let delay = &mut self.delay[way as usize];
        if let Some(sleep) = delay {
            ready!(sleep.as_mut().poll(cx));
            *delay = None;
        }
        Poll::Ready(())
    }

    /// Takes what the client writes.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        if !self.writable() {
            return self.refuse_write();
        }
        self.out.buffer.extend_from_slice(data);
        self.out.gave(data.len());
        match self.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(data.len())),
        }
    }

    fn writable(&self) -> bool {
        self.gate == Gate::Open && self.link.is_some()
    }

    fn refuse_write<T>(&self) -> Poll<io::Result<T>> {
        match self.gate {
            Gate::Held => Poll::Pending,
            Gate::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Hands to the link what may go; `Ready` when nothing more can go before the client writes more.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Gate::HalfClosed { sent: false } = self.gate {
                if let Some(link) = &mut self.link {
                    ready!(Pin::new(link).poll_shutdown(cx)).ok();
                }
                self.gate = Gate::HalfClosed { sent: true };
            }
            if !self.writable() {
                return match self.gate {
                    Gate::Held => Poll::Pending,
                    _ => Poll::Ready(Ok(())),
                };
            }
            if self.waits_for.is_some() {
                return Poll::Pending;
            }
            ready!(self.poll_delay(cx, Way::Sent));
            self.read_ahead(Way::Sent);
            if self.out.ready > 0 {
                let Some(link) = &mut self.link else { continue };
                let sent = ready!(Pin::new(link).poll_write(cx, &self.out.buffer[..self.out.ready]))?;
                self.out.took(sent);
            } else if self.out.drained()
                && let Some(act) = self.out.barrier.take()
            {
                if let Some(link) = &mut self.link {
                    ready!(Pin::new(link).poll_flush(cx)).ok();
                }
                self.act(act, Way::Sent);
            } else {
                return Poll::Ready(Ok(()));
            }
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        match &mut self.link {
            Some(link) if self.gate == Gate::Open => Pin::new(link).poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        match &mut self.link {
            Some(link) if self.gate == Gate::Open => Pin::new(link).poll_shutdown(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Gives the client what has come.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // A kernel goes on sending while its process reads. What fails here fails again when it is flushed,
        // and the server's last words can still be read (OB-22).
        let _ = self.poll_send(cx);
        loop {
            match self.gate {
                Gate::Held => return Poll::Pending,
                Gate::Eof => return Poll::Ready(Ok(())),
                Gate::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Gate::Open | Gate::HalfClosed { .. } => {}
            }
            if self.waits_for.is_some() {
                return Poll::Pending;
            }
            ready!(self.poll_delay(cx, Way::Received));
            self.read_ahead(Way::Received);
            if self.inward.ready > 0 {
                let count = self.inward.ready.min(into.remaining());
                into.put_slice(&self.inward.buffer[..count]);
                self.inward.took(count);
                return Poll::Ready(Ok(()));
            }
            if let Some(act) = self.inward.barrier.take() {
                self.act(act, Way::Received);
                continue;
            }
            if ready!(self.poll_fill(cx))? == 0 {
                if !std::mem::replace(&mut self.eof_logged, true) {
                    self.log(Event::ServerClosed);
                }
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Reads from the link into the buffer; 0 is the server's FIN.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(link) = &mut self.link else {
            return Poll::Ready(Ok(0));
        };
        // On the stack and not zeroed: most polls find nothing, and there are thousands in a run.
        let mut space = [MaybeUninit::uninit(); READ_AHEAD];
        let mut space = ReadBuf::uninit(&mut space);
        let polled = Pin::new(link).poll_read(cx, &mut space);
        let count = space.filled().len();
        self.inward.buffer.extend_from_slice(space.filled());
        self.inward.gave(count);
        if let Poll::Ready(Err(_)) = &polled
            && !std::mem::replace(&mut self.eof_logged, true)
        {
            self.log(Event::ServerClosed);
        }
        ready!(polled)?;
        Poll::Ready(Ok(count))
    }
}
