//! A world in memory: two servers that log in anybody, answer every statement with its tag, and know
//! sessions, slots and publications by name. Time is virtual; one thread runs everything.

#![expect(dead_code, reason = "each test file uses its own part of it")]

pub mod link;
pub mod time;
pub mod toy;

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use leftover_core::clock::SharedClock;
use leftover_core::connection::Row;
use leftover_harness::census::{Census, SessionSeen, SlotSeen};
use leftover_harness::reach::Situations;
use leftover_harness::world::{Server, World, WorldError};
use leftover_wire::login::Login;

use link::{FakeLink, Peer};
use time::{ManualClock, VirtualTime};

/// What one fake server holds.
#[derive(Default)]
pub struct State {
    pub peers: Vec<Arc<Mutex<Peer>>>,
    pub slots: Vec<SlotSeen>,
    pub publications: Vec<String>,
    pub rows: Vec<Row>,
    pub down: bool,
}

impl State {
    /// Runs a statement as far as this server understands it, and returns its tag.
    pub fn execute(&mut self, sql: &str) -> String {
        let words: Vec<&str> = sql
            .split([' ', '(', ')', '\'', ',', '"', ';'])
            .filter(|w| !w.is_empty())
            .collect();
        match words[..] {
            ["CREATE", "PUBLICATION", name, ..] => self.publications.push(name.to_owned()),
            ["DROP", "PUBLICATION", name, ..] => self.publications.retain(|known| known != name),
            ["CREATE_REPLICATION_SLOT", name, ..]
            | ["SELECT", "pg_create_logical_replication_slot", name, ..] => {
                self.slots.push(slot(name));
            }
            ["SELECT", "pg_terminate_backend", pid] => {
                for peer in &self.peers {
                    peer.lock()
                        .expect("no panic")
                        .terminate(pid.parse().expect("a pid"));
                }
            }
            ["SELECT", "pg_drop_replication_slot", name] => self.slots.retain(|known| known.name != name),
            _ => {}
        }
        words.first().copied().unwrap_or_default().to_owned()
    }

    fn sessions(&self) -> Vec<SessionSeen> {
        let peers = self.peers.iter().map(|peer| peer.lock().expect("no panic"));
        peers
            .filter(|peer| peer.alive())
            .map(|peer| peer.seen())
            .collect()
    }
}

/// A permanent, inactive slot.
pub fn slot(name: &str) -> SlotSeen {
    SlotSeen {
        name: name.to_owned(),
        plugin: Some("pgoutput".to_owned()),
        database: Some("db".to_owned()),
        temporary: false,
        active_pid: None,
        confirmed_flush_lsn: Some("0/1".to_owned()),
        catalog_xmin_age: Some(1),
        retained_wal_bytes: Some(0),
        wal_status: Some("reserved".to_owned()),
    }
}

/// The world.
pub struct FakeWorld {
    pub time: VirtualTime,
    /// What the source says that it has noted.
    pub noted: Mutex<Situations>,
    servers: [Arc<Mutex<State>>; 2],
    no_silence: Arc<AtomicBool>,
}

impl FakeWorld {
    pub fn new() -> Arc<Self> {
        Arc::new(FakeWorld {
            time: VirtualTime::default(),
            noted: Mutex::default(),
            servers: Default::default(),
            no_silence: Arc::default(),
        })
    }

    /// Runs a future to its end in virtual time.
    pub fn block_on<T>(self: &Arc<Self>, future: impl Future<Output = T>) -> T {
        self.time.block_on(future)
    }

    /// From now on links cannot drop packets.
    pub fn cannot_silence(&self) {
        self.no_silence.store(true, Ordering::SeqCst);
    }

    pub fn clock_sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        self.clock().sleep(duration)
    }

    pub fn server(&self, server: Server) -> MutexGuard<'_, State> {
        self.servers[server as usize].lock().expect("no panic")
    }

    /// The how-many-eth connection (from 0) that was opened to `server`.
    pub fn peer(&self, server: Server, index: usize) -> Peer {
        self.server(server).peers[index].lock().expect("no panic").clone()
    }
}

impl World for FakeWorld {
    type Link = FakeLink;

    fn describe(&self) -> String {
        "a world in memory".to_owned()
    }

    fn clock(&self) -> SharedClock {
        Arc::new(ManualClock(self.time.clone()))
    }

    fn login(&self, _: Server) -> Login {
        Login {
            user: "me".to_owned(),
            password: None,
            database: "db".to_owned(),
        }
    }

    fn dial(&self, server: Server) -> impl Future<Output = io::Result<FakeLink>> + Send + 'static {
        let server = self.servers[server as usize].clone();
        let no_silence = self.no_silence.clone();
        async move {
            if server.lock().expect("no panic").down {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            Ok(FakeLink::open(&server, no_silence.load(Ordering::SeqCst)))
        }
    }

    async fn reset(&self) -> Result<(), WorldError> {
        for server in Server::BOTH {
            *self.server(server) = State::default();
        }
        Ok(())
    }

    async fn sql(&self, server: Server, sql: &str) -> Result<Vec<Row>, WorldError> {
        let mut state = self.server(server);
        if sql.starts_with("SELECT * FROM") {
            return Ok(state.rows.clone());
        }
        state.execute(sql);
        Ok(Vec::new())
    }

    async fn census(&self, server: Server) -> Result<Census, WorldError> {
        let state = self.server(server);
        let publications = state.publications.clone();
        Ok(Census {
            sessions: state.sessions(),
            slots: state.slots.clone(),
            publications,
        })
    }

    async fn peak_sessions(&self, server: Server, prefix: &str) -> Result<usize, WorldError> {
        let sessions = self.server(server).sessions();
        Ok(sessions
            .iter()
            .filter(|seen| seen.application_name.starts_with(prefix))
            .count())
    }

    async fn reached(&self, server: Server) -> Result<Situations, WorldError> {
        Ok(match server {
            Server::Source => *self.noted.lock().expect("no panic"),
            Server::Target => Situations::default(),
        })
    }

    async fn crash(&self, server: Server) -> Result<(), WorldError> {
        let mut state = self.server(server);
        state.down = true;
        for peer in &state.peers {
            peer.lock().expect("no panic").crash();
        }
        Ok(())
    }

    async fn restart(&self, server: Server) -> Result<(), WorldError> {
        self.clock_sleep(SECOND / 5).await;
        self.server(server).down = false;
        Ok(())
    }
}

pub const SECOND: Duration = Duration::from_secs(1);
