//! Whatever a client sends, wherever in the conversation, the server neither panics nor hangs, and it closes at most
//! that client's connection: a witness on the same server keeps its transaction, its locks and its slot, and of the
//! bad connection nothing is left once it has ended.
//!
//! Some thousand inputs by default. `PROPTEST_CASES` says how many: docs/differential.md has the line for a million.

use std::sync::mpsc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::{Either, select};
use leftover_sim::net::ClientEnd;
use leftover_sim::postgres::options::ServerOptions;
use proptest::prelude::*;
use proptest::test_runner::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{Client, Leave, Pg, Said};
use super::malformed_input::{Input, Place, input};

/// How many inputs are tried unless `PROPTEST_CASES` says otherwise.
const CASES: u32 = 3_000;
/// How long a server may have to say something more. Every wait of these inputs ends within its limits.
const QUIET: Duration = Duration::from_secs(7);
/// How long a connection may outlive its client.
const GONE: Duration = Duration::from_secs(10);
/// How much real time one input may take: a loop without an end never comes to a bound of virtual time.
const REAL_TIME: Duration = Duration::from_secs(60);

fn server() -> ServerOptions {
    let limits = [("lock_timeout", "1s"), ("statement_timeout", "5s")];
    ServerOptions {
        settings: limits
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..ServerOptions::default()
    }
}

/// Sessions of somebody else on the same server.
struct Witness {
    session: Client,
    walsender: Client,
    locks: Vec<Vec<Option<String>>>,
}

impl Witness {
    /// `walsender` has a slot already: it could not make one while others have xids.
    async fn new(pg: &Pg, walsender: Client) -> Self {
        let mut session = pg.connect().await;
        session
            .rows("BEGIN; INSERT INTO witness VALUES (1); SELECT pg_advisory_lock(77)")
            .await;
        let of = (session.pid, walsender.pid);
        let locks = locks(pg).into_iter();
        let own = |row: &Vec<Option<String>>| {
            let pid = row[0].as_deref().and_then(|pid| pid.parse().ok());
            pid == Some(of.0) || pid == Some(of.1)
        };
        Self {
            locks: locks.filter(own).collect(),
            session,
            walsender,
        }
    }

    /// The witness goes on as if nothing had been, and nobody else is there.
    async fn goes_on_alone(mut self, pg: &Pg) {
        let mut sessions: Vec<i32> = pg.server.census().sessions.iter().map(|seen| seen.pid).collect();
        sessions.sort_unstable();
        let mut own = vec![self.session.pid, self.walsender.pid];
        own.sort_unstable();
        assert_eq!(sessions, own, "sessions");
        assert_eq!(locks(pg), self.locks, "locks");
        let temporary = pg.slots().into_iter().filter(|(_, temporary, _)| *temporary);
        assert_eq!(temporary.collect::<Vec<_>>(), [("kept".to_owned(), true, true)]);
        assert_eq!(self.session.value("SELECT count(*) FROM witness").await, "1");
        let committed = self.session.query("COMMIT").await;
        assert_eq!(committed, [Said::Done("COMMIT".to_owned()), Said::Ready('I')]);
        assert_eq!(pg.value("SELECT count(*) FROM witness"), "1");
        self.walsender.rows("IDENTIFY_SYSTEM").await;
    }
}

fn locks(pg: &Pg) -> Vec<Vec<Option<String>>> {
    pg.sql("SELECT pid, locktype, mode, granted FROM pg_locks ORDER BY 1, 2, 3")
}

/// Brings a connection to where the input is to strike.
async fn reach(pg: &Pg, place: Place) -> ClientEnd {
    let mut client = match place {
        Place::FirstPacket => return pg.dial().await,
        Place::Walsender | Place::CopyBoth => pg.walsender("").await,
        _ => pg.connect().await,
    };
    match place {
        Place::FirstPacket | Place::Session | Place::Walsender => {}
        Place::Transaction => drop(client.rows("BEGIN; INSERT INTO u VALUES (1); LOCK TABLE u").await),
        Place::Failed => {
            client.rows("BEGIN; INSERT INTO u VALUES (1)").await;
            client.fails("SELECT 1/0", "22012").await;
        }
        Place::CopyIn => {
            client.send("COPY u FROM STDIN").await;
            assert_eq!(client.next().await, Some(Said::CopyIn));
        }
        Place::CopyBoth => {
            let slot = "CREATE_REPLICATION_SLOT bad TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT";
            client.rows(slot).await;
            let stream = "START_REPLICATION SLOT bad LOGICAL 0/0 (proto_version '1', publication_names 'p')";
            client.send(stream).await;
            assert_eq!(client.next().await, Some(Said::CopyBoth));
        }
    }
    client.into_link()
}

/// Reads what comes until nothing comes any more; true at the server's end of the connection.
async fn listen(pg: &Pg, link: &mut ClientEnd, heard: &mut BytesMut) -> bool {
    loop {
        let quiet = pg.sim.timer().sleep(QUIET);
        match select(Box::pin(link.read_buf(heard)), quiet).await {
            Either::Left((Ok(0) | Err(_), _)) => return true,
            Either::Left((Ok(_), _)) => {}
            Either::Right(_) => return false,
        }
    }
}

async fn strike(pg: Pg, input: &Input) {
    let tables = "CREATE TABLE u (id int); CREATE TABLE witness (id int)";
    pg.server.sql("app", "mirror", tables).await.unwrap();
    let mut walsender = pg.walsender("").await;
    let slot = "CREATE_REPLICATION_SLOT kept TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT";
    walsender.rows(slot).await;
    let mut link = reach(&pg, input.place).await;
    let witness = Witness::new(&pg, walsender).await;
    for piece in &input.pieces {
        // A server that has had enough has closed: what is sent then is lost.
        let _ = link.write_all(piece).await;
        pg.sleep(1).await;
    }
    let mut heard = BytesMut::new();
    let mut ended = listen(&pg, &mut link, &mut heard).await;
    if input.leave == Leave::HalfClose && !ended {
        let _ = link.shutdown().await;
        ended = listen(&pg, &mut link, &mut heard).await;
        assert!(ended, "a half-closed connection ends");
    }
    if input.place != Place::FirstPacket {
        let said = Client::understand(heard).await;
        let fatal = |said: &Said| matches!(said, Said::Error { severity, .. } if severity == "FATAL");
        assert!(ended || !said.iter().any(fatal), "open after {said:?}");
    }
    match input.leave {
        Leave::Terminate => drop(link.write_all(b"X\0\0\0\x04").await),
        Leave::Rst => leftover_harness::world::Link::reset(&mut link),
        Leave::Fin | Leave::HalfClose => {}
    }
    drop(link);
    let left = pg.now();
    while pg.served() > 2 {
        assert!(pg.now() - left < GONE, "the server still serves {}", pg.served());
        pg.sleep(5).await;
    }
    witness.goes_on_alone(&pg).await;
}

/// Aborts the process when one input takes longer than [`REAL_TIME`], and says which.
fn watchdog() -> mpsc::Sender<String> {
    let (begun, beginnings) = mpsc::channel();
    std::thread::spawn(move || {
        let mut last = String::new();
        loop {
            match beginnings.recv_timeout(REAL_TIME) {
                Ok(input) => last = input,
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    eprintln!("this input has not ended after {REAL_TIME:?}: {last}");
                    std::process::abort();
                }
            }
        }
    });
    begun
}

#[test]
fn whatever_a_client_sends_nothing_but_its_own_connection_ends() {
    let asked = std::env::var_os("PROPTEST_CASES").map(|_| Config::default().cases);
    let config = Config {
        cases: asked.unwrap_or(CASES),
        failure_persistence: None,
        ..Config::default()
    };
    let begun = watchdog();
    proptest!(config, |(input in input())| {
        begun.send(format!("{input:?}")).unwrap();
        Pg::run_with(input.seed, server(), |pg| strike(pg, &input));
    });
}
