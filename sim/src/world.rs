//! The simulated world: two simulated servers and the network to them.
//!
//! A server and its backends stay on the simulation's thread and are no `Send`; the world is. So each server
//! has an attendant, a task that accepts its connections and does what the world asks of it.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use leftover_core::clock::SharedClock;
use leftover_core::connection::Row;
use leftover_harness::census::Census;
use leftover_harness::reach::Situations;
use leftover_harness::world::{Server, World, WorldError};
use leftover_wire::login::Login;
use tokio::sync::{mpsc, oneshot};

use crate::net::{ClientEnd, Dialer, Listener, Network, PipeOptions, ServerEnd};
use crate::runtime::{Handle, Timer};

/// A server that can stand in a simulated world. Clones are the same server.
pub trait SimServer: Clone + 'static {
    /// The life of one backend, from its connection's accept to its end.
    fn serve(&self, socket: ServerEnd) -> impl Future<Output = ()> + 'static;

    /// Runs SQL out of band. It may take the server's time, but waits for nobody.
    ///
    /// # Errors
    /// With the server's answer.
    fn sql(&self, database: &str, user: &str, sql: &str) -> impl Future<Output = Result<Vec<Row>, String>>;

    /// What the server holds now.
    fn census(&self) -> Census;

    /// The largest number of sessions at one instant whose `application_name` starts with `prefix`.
    fn peak_sessions(&self, prefix: &str) -> usize;

    /// The situations that it has noted.
    fn reached(&self) -> Situations;

    /// Ends every backend at once and forgets what was not durable.
    fn crash(&self);

    /// Comes back with what was durable.
    fn restart(&self);
}

/// How a simulated world is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorldOptions {
    /// How the code under test logs in to the source.
    pub source: Login,
    /// How the code under test logs in to the target.
    pub target: Login,
    /// The connections to both.
    pub connections: PipeOptions,
    /// How long a server that crashed refuses connections.
    pub down_for: Duration,
}

impl WorldOptions {
    /// The same login on both servers, and everything else by default: a restart takes 195 ms (OB-112).
    pub fn new(login: Login) -> Self {
        WorldOptions {
            source: login.clone(),
            target: login,
            connections: PipeOptions::default(),
            down_for: Duration::from_millis(195),
        }
    }
}

/// The simulated world.
#[derive(Debug)]
pub struct SimWorld {
    description: String,
    timer: Timer,
    source: Port,
    target: Port,
}

/// The way to one server and to its attendant.
#[derive(Debug)]
struct Port {
    login: Login,
    dialer: Dialer,
    requests: mpsc::UnboundedSender<Request>,
}

/// What the world asks of an attendant.
#[derive(Debug)]
enum Request {
    Sql {
        sql: String,
        reply: oneshot::Sender<Result<Vec<Row>, String>>,
    },
    Census {
        reply: oneshot::Sender<Census>,
    },
    PeakSessions {
        prefix: String,
        reply: oneshot::Sender<usize>,
    },
    Reached {
        reply: oneshot::Sender<Situations>,
    },
    Reset {
        reply: oneshot::Sender<()>,
    },
    Crash {
        reply: oneshot::Sender<()>,
    },
    Restart {
        reply: oneshot::Sender<()>,
    },
}

impl SimWorld {
    /// A world in the running simulation. `make` makes a server as new; its second argument counts how often
    /// that one was made, so that a reset server does not draw the same choices again. `description` is what
    /// people read.
    pub fn new<S: SimServer>(
        sim: &Handle,
        description: &str,
        options: &WorldOptions,
        make: impl Fn(Server, u32) -> S + Clone + 'static,
    ) -> Self {
        let network = Network::new(sim, &sim.chooser().fork("network"), options.connections.clone());
        let port = |server: Server, login: &Login| {
            let (listener, dialer) = network.listen(&server.to_string());
            let (requests, asked) = mpsc::unbounded_channel();
            let make = make.clone();
            let attendant = Attendant {
                sim: sim.clone(),
                server: make(server, 0),
                make: move |time| make(server, time),
                made: 0,
                listener,
                dialer: dialer.clone(),
                login: login.clone(),
                down_for: options.down_for,
            };
            sim.spawn(attendant.attend(asked));
            Port {
                login: login.clone(),
                dialer,
                requests,
            }
        };
        SimWorld {
            description: description.to_owned(),
            timer: sim.timer(),
            source: port(Server::Source, &options.source),
            target: port(Server::Target, &options.target),
        }
    }

    fn port(&self, server: Server) -> &Port {
        match server {
            Server::Source => &self.source,
            Server::Target => &self.target,
        }
    }

    async fn ask<T>(
        &self,
        server: Server,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, WorldError> {
        let gone = || WorldError::Server {
            server,
            problem: "its simulation has ended".to_owned(),
        };
        let (reply, answer) = oneshot::channel();
        self.port(server)
            .requests
            .send(request(reply))
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

impl World for SimWorld {
    type Link = ClientEnd;

    fn describe(&self) -> String {
        self.description.clone()
    }

    fn clock(&self) -> SharedClock {
        Arc::new(self.timer.clone())
    }

    fn login(&self, server: Server) -> Login {
        self.port(server).login.clone()
    }

    fn dial(&self, server: Server) -> impl Future<Output = io::Result<ClientEnd>> + Send + 'static {
        self.port(server).dialer.dial()
    }

    async fn reset(&self) -> Result<(), WorldError> {
        for server in Server::BOTH {
            self.ask(server, |reply| Request::Reset { reply }).await?;
        }
        Ok(())
    }

    async fn sql(&self, server: Server, sql: &str) -> Result<Vec<Row>, WorldError> {
        self.ask(server, |reply| Request::Sql {
            sql: sql.to_owned(),
            reply,
        })
        .await?
        .map_err(|problem| WorldError::Sql {
            server,
            sql: sql.to_owned(),
            problem,
        })
    }

    async fn census(&self, server: Server) -> Result<Census, WorldError> {
        self.ask(server, |reply| Request::Census { reply }).await
    }

    async fn peak_sessions(&self, server: Server, prefix: &str) -> Result<usize, WorldError> {
        self.ask(server, |reply| Request::PeakSessions {
            prefix: prefix.to_owned(),
            reply,
        })
        .await
    }

    async fn reached(&self, server: Server) -> Result<Situations, WorldError> {
        self.ask(server, |reply| Request::Reached { reply }).await
    }

    async fn crash(&self, server: Server) -> Result<(), WorldError> {
        self.ask(server, |reply| Request::Crash { reply }).await
    }

    async fn restart(&self, server: Server) -> Result<(), WorldError> {
        self.ask(server, |reply| Request::Restart { reply }).await
    }
}

/// Accepts a server's connections and does what the world asks of it.
struct Attendant<S, M> {
    sim: Handle,
    server: S,
    make: M,
    made: u32,
    listener: Listener,
    dialer: Dialer,
    login: Login,
    down_for: Duration,
}

impl<S: SimServer, M: Fn(u32) -> S> Attendant<S, M> {
    async fn attend(mut self, mut asked: mpsc::UnboundedReceiver<Request>) {
        loop {
            let next = {
                let (request, socket) = (pin!(asked.recv()), pin!(self.listener.accept()));
                match select(request, socket).await {
                    Either::Left((request, _)) => Either::Left(request),
                    Either::Right((socket, _)) => Either::Right(socket),
                }
            };
            match next {
                Either::Left(Some(request)) => self.answer(request).await,
                Either::Left(None) => return,
                Either::Right(socket) => self.sim.spawn(self.server.serve(socket)),
            }
        }
    }

    /// An answer that nobody waits for any more is dropped.
    async fn answer(&mut self, request: Request) {
        match request {
            Request::Sql { sql, reply } => {
                let _ = reply.send(
                    self.server
                        .sql(&self.login.database, &self.login.user, &sql)
                        .await,
                );
            }
            Request::Census { reply } => {
                let _ = reply.send(self.server.census());
            }
            Request::PeakSessions { prefix, reply } => {
                let _ = reply.send(self.server.peak_sessions(&prefix));
            }
            Request::Reached { reply } => {
                let _ = reply.send(self.server.reached());
            }
            Request::Reset { reply } => {
                self.server.crash();
                self.listener.hang_up_waiting();
                self.made += 1;
                self.server = (self.make)(self.made);
                let _ = reply.send(());
            }
            Request::Crash { reply } => {
                self.dialer.set_up(false);
                self.server.crash();
                self.listener.hang_up_waiting();
                let _ = reply.send(());
            }
            Request::Restart { reply } => {
                self.sim.timer().sleep(self.down_for).await;
                self.server.restart();
                self.dialer.set_up(true);
                let _ = reply.send(());
            }
        }
    }
}
