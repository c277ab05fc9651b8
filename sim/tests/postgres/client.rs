//! A raw client: every byte, close, reset and silence is under control.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use fallible_iterator::FallibleIterator;
use futures_util::FutureExt as _;
use leftover_harness::census::SessionSeen;
use leftover_harness::world::Link;
use leftover_sim::net::{ClientEnd, Dialer, Network, PipeOptions};
use leftover_sim::postgres::options::ServerOptions;
use leftover_sim::postgres::server::PgServer;
use leftover_sim::runtime::{Handle, Simulation};
use postgres_protocol::message::{backend, frontend};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::said::fields;
pub use super::said::{Said, code, error};

/// The length of a CopyBothResponse without columns, which `postgres-protocol` does not know.
const COPY_BOTH: usize = 8;

/// One simulated server and the way to it.
#[derive(Clone)]
pub struct Pg {
    pub server: PgServer,
    pub sim: Handle,
    dialer: Dialer,
    /// How many connections the server serves, whether or not any view shows them.
    served: Rc<Cell<usize>>,
}

impl Pg {
    /// Runs a test against a server of this seed with these options.
    pub fn run_with<F: Future>(seed: u64, options: ServerOptions, test: impl FnOnce(Pg) -> F) -> F::Output {
        let simulation = Simulation {
            limit: Duration::from_secs(4000),
            ..Simulation::new(seed)
        };
        simulation
            .run(|sim| {
                let network = Network::new(&sim, &sim.chooser().fork("network"), PipeOptions::default());
                let (listener, dialer) = network.listen("server");
                let server = PgServer::new(options, sim.clock(), sim.chooser().fork("server"));
                let (accepting, handle) = (server.clone(), sim.clone());
                let served = Rc::new(Cell::new(0));
                let counted = Rc::clone(&served);
                sim.spawn(async move {
                    loop {
                        let served = accepting.serve(listener.accept().await);
                        let counted = Rc::clone(&counted);
                        counted.set(counted.get() + 1);
                        handle.spawn(async move {
                            served.await;
                            counted.set(counted.get() - 1);
                        });
                    }
                });
                test(Pg {
                    server,
                    sim,
                    dialer,
                    served,
                })
            })
            .unwrap()
    }

    /// Runs a test against a server as it comes.
    pub fn run<F: Future>(seed: u64, test: impl FnOnce(Pg) -> F) -> F::Output {
        Self::run_with(seed, ServerOptions::default(), test)
    }

    /// The way to the server.
    pub fn dialer(&self) -> Dialer {
        self.dialer.clone()
    }

    /// How many connections the server serves now, from accept to close.
    pub fn served(&self) -> usize {
        self.served.get()
    }

    /// Virtual time passes.
    pub async fn sleep(&self, millis: u64) {
        self.sim.timer().sleep(Duration::from_millis(millis)).await;
    }

    /// The virtual time.
    pub fn now(&self) -> Duration {
        self.sim.timer().now()
    }

    /// A TCP connection on which nothing was said.
    pub async fn dial(&self) -> ClientEnd {
        self.dialer.dial().await.unwrap()
    }

    /// A session with these extra startup parameters; panics when it is refused.
    pub async fn connect_with(&self, parameters: &[(&str, &str)]) -> Client {
        self.try_connect(parameters)
            .await
            .unwrap_or_else(|said| panic!("refused: {said:?}"))
    }

    /// A session, or what the server said instead.
    pub async fn try_connect(&self, parameters: &[(&str, &str)]) -> Result<Client, Vec<Said>> {
        let mut client = Client {
            link: Some(self.dial().await),
            input: BytesMut::new(),
            pid: 0,
            secret: 0,
        };
        let defaults = [("user", "mirror"), ("database", "app")];
        let mut all: Vec<(&str, &str)> = parameters.to_vec();
        for default in defaults {
            if !all.iter().any(|(name, _)| *name == default.0) {
                all.push(default);
            }
        }
        let mut packet = BytesMut::new();
        frontend::startup_message(all, &mut packet).unwrap();
        client.send_raw(&packet).await;
        let said = client.until_ready().await;
        match said.last() {
            Some(Said::Ready(_)) => Ok(client),
            _ => Err(said),
        }
    }

    /// An ordinary session.
    pub async fn connect(&self) -> Client {
        self.connect_with(&[]).await
    }

    /// A session with these settings.
    pub async fn connect_set(&self, options: &str) -> Client {
        self.connect_with(&[("options", options)]).await
    }

    /// A walsender with these settings.
    pub async fn walsender(&self, options: &str) -> Client {
        self.connect_with(&[("replication", "database"), ("options", options)])
            .await
    }

    /// A superuser's session.
    pub async fn superuser(&self) -> Client {
        self.connect_with(&[("user", "postgres")]).await
    }

    /// Runs out of band, as the role of the tests.
    pub fn sql(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.try_sql(sql).unwrap()
    }

    /// Runs out of band.
    pub fn try_sql(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, String> {
        let answer = self.server.sql("app", "postgres", sql).now_or_never();
        let rows = answer.expect("a test's SQL out of band takes no time")?;
        Ok(rows.into_iter().map(|row| row.0).collect())
    }

    /// One value, out of band.
    pub fn value(&self, sql: &str) -> String {
        self.sql(sql)
            .first()
            .and_then(|row| row[0].clone())
            .unwrap_or_default()
    }

    /// What the census says of a backend.
    pub fn seen(&self, pid: i32) -> Option<SessionSeen> {
        self.server
            .census()
            .sessions
            .into_iter()
            .find(|session| session.pid == pid)
    }

    /// `state wait` of a backend.
    pub fn doing(&self, pid: i32) -> String {
        match self.seen(pid) {
            None => "gone".to_owned(),
            Some(seen) => format!("{} {}", seen.state, seen.wait.unwrap_or_default())
                .trim_end()
                .to_owned(),
        }
    }

    /// How long until a backend is gone from the view; `None` when it still is there after `cap`.
    pub async fn gone_within(&self, pid: i32, cap: Duration) -> Option<Duration> {
        let start = self.now();
        while self.seen(pid).is_some() {
            if self.now() - start > cap {
                return None;
            }
            self.sim.timer().sleep(Duration::from_micros(500)).await;
        }
        Some(self.now() - start)
    }

    /// Cancels as a client does: on a connection of its own; returns at its EOF.
    pub async fn cancel(&self, pid: i32, secret: i32) {
        let mut link = self.dial().await;
        let mut packet = BytesMut::new();
        frontend::cancel_request(pid, secret, &mut packet);
        link.write_all(&packet).await.unwrap();
        let mut rest = Vec::new();
        link.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    }

    /// The slots, as `name temporary active`.
    pub fn slots(&self) -> Vec<(String, bool, bool)> {
        let slots = self.server.census().slots;
        slots
            .into_iter()
            .map(|slot| (slot.name, slot.temporary, slot.active_pid.is_some()))
            .collect()
    }
}

/// How a client leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    Terminate,
    Fin,
    HalfClose,
    Rst,
}

impl Leave {
    pub const ALL: [Leave; 4] = [Leave::Terminate, Leave::Fin, Leave::HalfClose, Leave::Rst];
}

/// A raw client.
pub struct Client {
    link: Option<ClientEnd>,
    input: BytesMut,
    pub pid: i32,
    pub secret: i32,
}

impl Client {
    pub fn into_link(self) -> ClientEnd {
        self.link.unwrap()
    }

    pub fn link(&mut self) -> &mut ClientEnd {
        self.link.as_mut().unwrap()
    }

    /// What these bytes of a server say; panics when they are no messages.
    pub async fn understand(heard: BytesMut) -> Vec<Said> {
        let mut client = Client {
            link: None,
            input: heard,
            pid: 0,
            secret: 0,
        };
        client.until_eof().await
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) {
        self.link().write_all(bytes).await.unwrap();
    }

    /// Sends a simple query and does not wait.
    pub async fn send(&mut self, sql: &str) {
        let mut out = BytesMut::new();
        frontend::query(sql, &mut out).unwrap();
        self.send_raw(&out).await;
    }

    /// Sends what `build` appends.
    pub async fn send_with(&mut self, build: impl FnOnce(&mut BytesMut)) {
        let mut out = BytesMut::new();
        build(&mut out);
        self.send_raw(&out).await;
    }

    /// Sends COPY data.
    pub async fn copy_data(&mut self, data: &[u8]) {
        let mut out = BytesMut::new();
        frontend::CopyData::new(Bytes::copy_from_slice(data))
            .unwrap()
            .write(&mut out);
        self.send_raw(&out).await;
    }

    /// The next message, or `None` at EOF or a reset.
    pub async fn next(&mut self) -> Option<Said> {
        loop {
            if self.input.first() == Some(&b'W') && self.input.len() >= COPY_BOTH {
                self.input.advance(COPY_BOTH);
                return Some(Said::CopyBoth);
            }
            if self.input.first() != Some(&b'W')
                && let Some(message) = backend::Message::parse(&mut self.input).unwrap()
            {
                return Some(self.say(message));
            }
            let Client { link, input, .. } = self;
            match link.as_mut()?.read_buf(input).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    fn say(&mut self, message: backend::Message) -> Said {
        use backend::Message::*;
        match message {
            DataRow(row) => {
                let text = |range: Option<std::ops::Range<usize>>| {
                    range.map(|range| String::from_utf8_lossy(&row.buffer()[range]).into_owned())
                };
                Said::Row(row.ranges().map(|range| Ok(text(range))).collect().unwrap())
            }
            RowDescription(body) => Said::Columns(
                body.fields()
                    .map(|field| Ok(field.name().to_owned()))
                    .collect()
                    .unwrap(),
            ),
            CommandComplete(body) => Said::Done(body.tag().unwrap().to_owned()),
            ReadyForQuery(body) => Said::Ready(char::from(body.status())),
            ErrorResponse(body) => fields(body.fields()),
            NoticeResponse(body) => match fields(body.fields()) {
                Said::Error {
                    severity,
                    code,
                    message,
                    ..
                } => Said::Notice(format!("{severity} {code} {message}")),
                other => other,
            },
            BackendKeyData(body) => {
                (self.pid, self.secret) = (body.process_id(), body.secret_key());
                Said::Other("key")
            }
            ParameterStatus(body) => {
                Said::Parameter(body.name().unwrap().to_owned(), body.value().unwrap().to_owned())
            }
            CopyInResponse(_) => Said::CopyIn,
            CopyOutResponse(_) => Said::CopyOut,
            CopyData(body) => Said::Data(body.data().to_vec()),
            CopyDone => Said::CopyDone,
            ParseComplete => Said::Other("parsed"),
            BindComplete => Said::Other("bound"),
            CloseComplete => Said::Other("closed"),
            NoData => Said::Other("no data"),
            ParameterDescription(_) => Said::Other("parameters"),
            PortalSuspended => Said::Other("suspended"),
            EmptyQueryResponse => Said::Other("empty"),
            _ => Said::Other("other"),
        }
    }

    /// Messages up to ReadyForQuery or EOF.
    pub async fn until_ready(&mut self) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some(next) = self.next().await {
            let ready = matches!(next, Said::Ready(_));
            said.push(next);
            if ready {
                break;
            }
        }
        said
    }

    /// Messages up to EOF.
    pub async fn until_eof(&mut self) -> Vec<Said> {
        let mut said = Vec::new();
        while let Some(next) = self.next().await {
            said.push(next);
        }
        said
    }

    /// Runs a simple query and returns all that was said.
    pub async fn query(&mut self, sql: &str) -> Vec<Said> {
        self.send(sql).await;
        self.until_ready().await
    }

    /// Runs a simple query that must succeed, and returns its rows.
    pub async fn rows(&mut self, sql: &str) -> Vec<Vec<Option<String>>> {
        let said = self.query(sql).await;
        assert!(code(&said).is_none(), "{sql}: {said:?}");
        said.into_iter()
            .filter_map(|said| {
                if let Said::Row(row) = said {
                    Some(row)
                } else {
                    None
                }
            })
            .collect()
    }

    /// The first value of a query that must succeed.
    pub async fn value(&mut self, sql: &str) -> String {
        self.rows(sql)
            .await
            .first()
            .and_then(|row| row[0].clone())
            .unwrap_or_default()
    }

    /// Runs a simple query that must fail with this SQLSTATE; returns the message.
    pub async fn fails(&mut self, sql: &str, wanted: &str) -> String {
        let said = self.query(sql).await;
        match error(&said) {
            Some((found, message)) if found == wanted => message,
            other => panic!("{sql}: {other:?} instead of {wanted}"),
        }
    }

    /// Leaves.
    pub async fn leave(&mut self, how: Leave) {
        match how {
            Leave::Terminate => {
                self.send_with(frontend::terminate).await;
                drop(self.link.take());
            }
            Leave::Fin => drop(self.link.take()),
            Leave::HalfClose => self.link().shutdown().await.unwrap(),
            Leave::Rst => self.link().reset(),
        }
    }

    /// Says Terminate and reads to the server's EOF.
    pub async fn close(mut self) {
        self.send_with(frontend::terminate).await;
        assert_eq!(self.until_eof().await, []);
    }
}

/// Appends a message of the extended protocol.
pub fn parse(out: &mut BytesMut, name: &str, sql: &str) {
    frontend::parse(name, sql, [], out).unwrap();
}

/// Bind without parameters, results as text.
pub fn bind(out: &mut BytesMut, portal: &str, statement: &str) {
    let none: [Option<&[u8]>; 0] = [];
    frontend::bind(
        portal,
        statement,
        [],
        none,
        |value, out| {
            out.put_slice(value.unwrap_or_default());
            Ok(postgres_protocol::IsNull::No)
        },
        [],
        out,
    )
    .map_err(|_| ())
    .unwrap();
}
