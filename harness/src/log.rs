//! The event log: what happened in a run, in order, with virtual time, and a hash over all of it.
//!
//! It holds kinds and meanings, never raw bytes, sizes, pids or addresses (DESIGN: Determinism). It is on the
//! path of every message, so an event is a few numbers; texts are interned.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use leftover_core::clock::{Instant, SharedClock};
use xxhash_rust::xxh3::xxh3_64;

use crate::world::Server;

mod texts;

pub use texts::Text;
use texts::Texts;

/// One connection, as every run of the same scenario names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    /// The process that opened it: `run`, `drop`, `run 2`, …
    pub process: String,
    /// The server at its other end.
    pub server: Server,
    /// The role part of its `application_name`, or all of that name, or `cancel`.
    pub role: String,
    /// The how-many-eth connection of that process, server and role it is, from 1.
    pub connection: u32,
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}: {} {} #{}",
            self.process, self.server, self.role, self.connection
        )
    }
}

/// An actor of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActorId(u32);

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The client handed this message to the network.
    Sent(Text),
    /// This message was delivered to the client.
    Received(Text),
    /// The server's FIN or RST reached the client.
    ServerClosed,
    /// The client closed its end.
    Closed,
    /// A fault of the plan struck.
    Struck(Text),
    /// Something happened to a whole process or to the run.
    Note(Text),
}

impl Event {
    fn code(self) -> (u8, Option<Text>) {
        match self {
            Event::Sent(text) => (1, Some(text)),
            Event::Received(text) => (2, Some(text)),
            Event::ServerClosed => (3, None),
            Event::Closed => (4, None),
            Event::Struck(text) => (5, Some(text)),
            Event::Note(text) => (6, Some(text)),
        }
    }
}

/// One entry; a run of equal [`Event::Sent`] or [`Event::Received`] of bulk data is one entry.
#[derive(Debug, Clone, Copy)]
struct Entry {
    at: Instant,
    actor: Option<ActorId>,
    event: Event,
    times: u32,
}

/// One entry for people and for comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The time since the run began.
    pub at: Duration,
    /// Which connection, or `None` for the run itself.
    pub actor: Option<Actor>,
    /// Which way the message went, when it was one.
    pub way: Option<Way>,
    /// The message's kind, or what happened.
    pub what: String,
    /// How many times in a row.
    pub times: u32,
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>12.6} ", self.at.as_secs_f64())?;
        if let Some(actor) = &self.actor {
            write!(f, "{actor} ")?;
        }
        match self.way {
            Some(Way::Sent) => f.write_str("> ")?,
            Some(Way::Received) => f.write_str("< ")?,
            None => {}
        }
        f.write_str(&self.what)?;
        if self.times > 1 {
            write!(f, " ×{}", self.times)?;
        }
        Ok(())
    }
}

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// From the client to the server.
    Sent,
    /// From the server to the client.
    Received,
}

/// How many entries a log has room for from the start: most runs have about as many.
const ENTRIES: usize = 1024;

struct Inner {
    texts: Texts,
    actors: Vec<Arc<Actor>>,
    entries: Vec<Entry>,
    /// By the number of the process.
    last: Vec<Option<Last>>,
}

/// The message of a process that passed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Last {
    pub(crate) actor: ActorId,
    pub(crate) way: Way,
    pub(crate) text: Text,
    pub(crate) nth: u32,
    pub(crate) at: Duration,
}

impl Inner {
    fn push(&mut self, at: Duration, actor: Option<ActorId>, event: Event, bulk: bool) {
        if bulk
            && let Some(last) = self.entries.last_mut()
            && last.actor == actor
            && last.event == event
        {
            last.times += 1;
            return;
        }
        self.entries.push(Entry {
            at,
            actor,
            event,
            times: 1,
        });
    }
}

/// The log of one run.
pub struct EventLog {
    clock: SharedClock,
    start: Instant,
    inner: Mutex<Inner>,
}

impl EventLog {
    /// An empty log whose time starts now.
    pub fn new(clock: SharedClock) -> Self {
        let start = clock.now();
        EventLog {
            clock,
            start,
            inner: Mutex::new(Inner {
                texts: Texts::default(),
                actors: Vec::new(),
                entries: Vec::with_capacity(ENTRIES),
                last: Vec::new(),
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no code panics while it holds the log")
    }

    /// The time since the run began.
    pub fn elapsed(&self) -> Duration {
        self.clock.now().saturating_sub(self.start)
    }

    /// Interns a text.
    pub fn text(&self, text: &str) -> Text {
        self.inner().texts.intern(text)
    }

    /// Makes a connection known.
    pub fn actor(&self, actor: Arc<Actor>) -> ActorId {
        let mut inner = self.inner();
        let id = ActorId(u32::try_from(inner.actors.len()).expect("fewer than 2^32 connections"));
        inner.actors.push(actor);
        id
    }

    /// The connection of this id.
    pub fn actor_of(&self, id: ActorId) -> Arc<Actor> {
        Arc::clone(&self.inner().actors[id.0 as usize])
    }

    /// The text of this id.
    pub fn text_of(&self, id: Text) -> Arc<str> {
        Arc::clone(self.inner().texts.get(id))
    }

    /// Adds an event. `bulk` events are merged with an equal one just before.
    pub fn push(&self, actor: Option<ActorId>, event: Event, bulk: bool) {
        let at = self.elapsed();
        self.inner().push(at, actor, event, bulk);
    }

    /// Adds a message of this process, the `nth` of its kind.
    pub(crate) fn pass(
        &self,
        process: usize,
        (actor, way): (Option<ActorId>, Way),
        text: Text,
        nth: u32,
        bulk: bool,
    ) {
        let at = self.elapsed();
        let event = match way {
            Way::Sent => Event::Sent(text),
            Way::Received => Event::Received(text),
        };
        let mut inner = self.inner();
        inner.push(at, actor, event, bulk);
        let Some(actor) = actor else { return };
        if inner.last.len() <= process {
            inner.last.resize(process + 1, None);
        }
        inner.last[process] = Some(Last {
            actor,
            way,
            text,
            nth,
            at,
        });
    }

    /// The message of this process that passed last.
    pub(crate) fn last(&self, process: usize) -> Option<Last> {
        self.inner().last.get(process).copied().flatten()
    }

    /// Adds something that happened to the run itself.
    pub fn note(&self, what: &str) {
        let text = self.text(what);
        self.push(None, Event::Note(text), false);
    }

    /// All entries, in order.
    pub fn records(&self) -> Vec<Record> {
        let inner = self.inner();
        let text = |id: Text| inner.texts.get(id).to_string();
        let record = |entry: &Entry| {
            let (way, what) = match entry.event {
                Event::Sent(id) => (Some(Way::Sent), text(id)),
                Event::Received(id) => (Some(Way::Received), text(id)),
                Event::ServerClosed => (None, "the server closed".to_owned()),
                Event::Closed => (None, "closed".to_owned()),
                Event::Struck(id) => (None, format!("struck: {}", text(id))),
                Event::Note(id) => (None, text(id)),
            };
            let actor = entry.actor.map(|id| Actor::clone(&inner.actors[id.0 as usize]));
            Record {
                at: entry.at,
                actor,
                way,
                what,
                times: entry.times,
            }
        };
        inner.entries.iter().map(record).collect()
    }

    /// Gives `each` every message, in order: its connection, its way, its kind, when it passed, and the
    /// how-many-eth of its kind on that connection in that direction it is, from 1.
    pub fn each_message(&self, mut each: impl FnMut(&Arc<Actor>, Way, &Arc<str>, Duration, u32)) {
        let inner = self.inner();
        let width = inner.texts.texts.len();
        let mut counts = vec![[0; 2]; inner.actors.len() * width];
        for entry in &inner.entries {
            let (way, text) = match entry.event {
                Event::Sent(text) => (Way::Sent, text),
                Event::Received(text) => (Way::Received, text),
                _ => continue,
            };
            let Some(ActorId(actor)) = entry.actor else {
                continue;
            };
            let count = &mut counts[actor as usize * width + text.number()][way as usize];
            for _ in 0..entry.times {
                *count += 1;
                let (actor, text) = (&inner.actors[actor as usize], inner.texts.get(text));
                each(actor, way, text, entry.at, *count);
            }
        }
    }

    /// Whether, on any connection to `server`, the client's last message is of this kind and the server has
    /// sent nothing since.
    pub fn is_last_word(&self, server: Server, message: &str) -> bool {
        let inner = self.inner();
        let Some(wanted) = inner.texts.find(message) else {
            return false;
        };
        let mut waits = vec![false; inner.actors.len()];
        for entry in &inner.entries {
            if let (Some(ActorId(actor)), Event::Sent(_) | Event::Received(_)) = (entry.actor, entry.event) {
                waits[actor as usize] = entry.event == Event::Sent(wanted);
            }
        }
        let mut waiting = inner.actors.iter().zip(waits);
        waiting.any(|(actor, waits)| waits && actor.server == server)
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.inner().entries.len()
    }

    /// Whether nothing has happened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A hash over every event, the end state and the length.
    pub fn hash(&self, end_state: &str) -> u64 {
        let inner = self.inner();
        let mut hashed = Vec::with_capacity(64 * 1024);
        for actor in &inner.actors {
            for part in [actor.process.as_str(), actor.role.as_str()] {
                hashed.extend_from_slice(part.as_bytes());
                hashed.push(0);
            }
            hashed.push(actor.server as u8);
            hashed.extend_from_slice(&actor.connection.to_le_bytes());
        }
        for text in &inner.texts.texts {
            hashed.extend_from_slice(text.as_bytes());
            hashed.push(0);
        }
        for entry in &inner.entries {
            let (code, text) = entry.event.code();
            let nanos = u64::try_from(entry.at.as_nanos()).expect("a run is shorter than 500 years");
            let (actor, text) = (
                entry.actor.map_or(u32::MAX, |a| a.0),
                text.map_or(u32::MAX, |t| t.0),
            );
            let mut bytes = [0; 21];
            bytes[..8].copy_from_slice(&nanos.to_le_bytes());
            bytes[8] = code;
            bytes[9..13].copy_from_slice(&actor.to_le_bytes());
            bytes[13..17].copy_from_slice(&text.to_le_bytes());
            bytes[17..].copy_from_slice(&entry.times.to_le_bytes());
            hashed.extend_from_slice(&bytes);
        }
        hashed.extend_from_slice(end_state.as_bytes());
        hashed.extend_from_slice(&(inner.entries.len() as u64).to_le_bytes());
        xxh3_64(&hashed)
    }
}
