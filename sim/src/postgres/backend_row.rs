//! What the server knows of one backend.

use std::collections::BTreeMap;
use std::task::Waker;

use leftover_core::clock::Instant;

use super::activity::{Activity, ActivityState};
use super::settings::{Settings, id};
use super::transaction::Transaction;

/// What kind of backend it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A connection whose startup packet has not come: it has no place yet.
    Starting,
    /// An ordinary session.
    Client,
    /// A walsender of a database.
    Walsender,
    /// The simulation's own look at the server: in no view and in no count.
    OutOfBand,
}

/// What others want of a backend.
#[derive(Debug, Clone, Copy, Default)]
pub struct Signals {
    /// `pg_terminate_backend`.
    pub terminate: bool,
    /// How often it was asked to terminate since it began to.
    pub terminations: u32,
    /// A cancel request, taken at the next look of a running command.
    pub cancel: bool,
    /// The server has crashed.
    pub crash: bool,
    /// The server shuts down, which only waits for walsenders now.
    pub shutdown: bool,
}

/// One backend.
#[derive(Debug)]
pub struct Backend {
    /// Its process id.
    pub pid: i32,
    /// What a cancel request must carry.
    pub secret: i32,
    /// Its number among the server's places, for virtual transaction ids.
    pub place: u32,
    /// What it is.
    pub kind: Kind,
    /// The role that logged in.
    pub role: String,
    /// The database's name.
    pub database: String,
    /// When it started.
    pub started: Instant,
    /// Whether `pg_stat_activity` lists it.
    pub listed: bool,
    /// What it does.
    pub activity: Activity,
    /// Its settings.
    pub settings: Settings,
    /// Its transaction.
    pub transaction: Option<Transaction>,
    /// The number of its transaction among its own.
    pub local_xid: u32,
    /// Snapshots that it has exported in its life.
    pub exports: u32,
    /// Whether it was an ordinary session when the server crashed.
    pub was_client: bool,
    /// Whether it reads its client's next command: a cancel does nothing then.
    pub reading: bool,
    /// What others want of it.
    pub signals: Signals,
    /// How it is woken.
    pub waker: Option<Waker>,
    /// The last value of each sequence in this session (`currval`).
    pub sequences: BTreeMap<u32, i64>,
    /// Notices for the client, to go out before the next reply.
    pub notices: Vec<super::sql::error::PgError>,
}

impl Backend {
    /// `xact_start`. The view never tells it of a walsender, and not of a transaction that has failed.
    pub fn transaction_start(&self) -> Option<Instant> {
        let transaction = self.transaction.as_ref().filter(|t| !t.undone)?;
        (self.kind != Kind::Walsender).then_some(transaction.started)
    }

    /// A backend that is starting.
    pub fn new(pid: i32, secret: i32, place: u32, kind: Kind, now: Instant) -> Self {
        Self {
            pid,
            secret,
            place,
            kind,
            role: String::new(),
            database: String::new(),
            started: now,
            listed: false,
            activity: Activity::starting(now),
            settings: Settings::default(),
            transaction: None,
            local_xid: 0,
            exports: 0,
            was_client: false,
            reading: false,
            signals: Signals::default(),
            waker: None,
            sequences: BTreeMap::new(),
            notices: Vec::new(),
        }
    }

    /// `application_name`.
    pub fn application_name(&self) -> &str {
        self.settings.value(const { id("application_name") })
    }

    /// Whether a command runs that a cancel can hit.
    pub fn is_active(&self) -> bool {
        self.activity.state == ActivityState::Active
    }

    /// Wakes it.
    pub fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
