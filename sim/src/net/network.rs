//! Who can be dialled.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use super::ends::{ClientEnd, ServerEnd, pair};
use super::options::PipeOptions;
use crate::chooser::{Chooser, Seed};
use crate::runtime::{Handle, Timer};

/// The network of one simulation.
#[derive(Debug, Clone)]
pub struct Network {
    timer: Timer,
    seed: Seed,
    options: PipeOptions,
}

impl Network {
    /// A network on the simulation's clock. `chooser` is the network's own.
    pub fn new(handle: &Handle, chooser: &Chooser, options: PipeOptions) -> Self {
        Network {
            timer: handle.timer(),
            seed: chooser.seed(),
            options,
        }
    }

    /// A port that accepts connections. The listener belongs to the server, the dialer to its clients.
    /// `name` tells this port's choices from those of other ports.
    pub fn listen(&self, name: &str) -> (Listener, Dialer) {
        let port = Arc::new(Mutex::new(Port {
            up: true,
            dialled: 0,
            accepted: VecDeque::new(),
            waker: None,
        }));
        let network = Network {
            seed: self.seed.fork(name).seed(),
            ..self.clone()
        };
        let dialer = Dialer {
            network,
            port: Arc::clone(&port),
        };
        (Listener { port }, dialer)
    }
}

#[derive(Debug)]
struct Port {
    up: bool,
    /// How often it was dialled: each connection has choices of its own.
    dialled: u64,
    /// Connections that the kernel has accepted and the server has not taken yet.
    accepted: VecDeque<ServerEnd>,
    waker: Option<Waker>,
}

fn lock(port: &Mutex<Port>) -> std::sync::MutexGuard<'_, Port> {
    port.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server's side of a port.
#[derive(Debug)]
pub struct Listener {
    port: Arc<Mutex<Port>>,
}

impl Listener {
    /// The next connection.
    pub async fn accept(&self) -> ServerEnd {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// Closes the connections that the kernel has accepted and nobody has taken.
    pub fn hang_up_waiting(&self) {
        let waiting = std::mem::take(&mut lock(&self.port).accepted);
        drop(waiting);
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<ServerEnd> {
        let mut port = lock(&self.port);
        match port.accepted.pop_front() {
            Some(end) => Poll::Ready(end),
            None => {
                port.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let (waiting, waker) = {
            let mut port = lock(&self.port);
            port.up = false;
            (std::mem::take(&mut port.accepted), port.waker.take())
        };
        drop((waiting, waker));
    }
}

/// Opens connections to one port.
#[derive(Debug, Clone)]
pub struct Dialer {
    network: Network,
    port: Arc<Mutex<Port>>,
}

impl Dialer {
    /// Opens a connection: the server has it after one way, the client after both. Dropping the future gives
    /// the attempt up, as closing a connecting socket does.
    ///
    /// # Errors
    /// [`io::ErrorKind::ConnectionRefused`] while the port is down.
    pub fn dial(&self) -> impl Future<Output = io::Result<ClientEnd>> + Send + 'static {
        let Dialer {
            network: Network { timer, seed, options },
            port,
        } = self.clone();
        async move {
            let dialled = {
                let mut port = lock(&port);
                port.dialled += 1;
                port.dialled
            };
            let chooser = seed.fork(&format!("connection {dialled}"));
            let there = chooser.duration(options.to_server.latency.clone());
            let back = chooser.duration(options.to_client.latency.clone());
            timer.sleep(there).await;
            let accepted = {
                let mut port = lock(&port);
                port.up.then(|| {
                    let (client, server) = pair(timer.clone(), chooser, options);
                    port.accepted.push_back(server);
                    if let Some(waker) = port.waker.take() {
                        waker.wake();
                    }
                    client
                })
            };
            timer.sleep(back).await;
            accepted.ok_or_else(|| io::ErrorKind::ConnectionRefused.into())
        }
    }

    /// Whether the port accepts connections; while it does not, they are refused.
    pub fn set_up(&self, up: bool) {
        lock(&self.port).up = up;
    }
}
