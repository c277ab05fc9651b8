//! The whole state of one simulated server. Nothing here waits: a wait is a fact in the state
//! and a backend that looks again when it is woken.

use std::collections::BTreeMap;
use std::rc::Rc;

use leftover_core::clock::{Instant, SharedClock};
use leftover_core::connection::Lsn;
use leftover_harness::reach::Situations;

use super::backend_row::{Backend, Kind};
use super::backends::Backends;
use super::catalog::database::Database;
use super::locks::LockTable;
use super::options::ServerOptions;
use super::roles::Role;
use super::settings::{self, Id, Values};
use super::shutdown::Phase;
use super::slots::Slots;
use super::snapshot::{Snapshot, View};
use super::wal::ChangeLog;
use super::xid::{TransactionLog, Xid};
use crate::chooser::Chooser;

/// A snapshot that others may import.
#[derive(Debug, Clone)]
pub struct Exported {
    /// Its exporter.
    pub pid: i32,
    /// The exporter's database.
    pub database: String,
    /// Whether the exporting transaction still stands.
    pub running: bool,
    /// Whether the exporter is serializable.
    pub serializable: bool,
    /// The snapshot.
    pub snapshot: Rc<Snapshot>,
}

/// Sessions that came and went, for exact peaks.
#[derive(Debug, Clone)]
pub struct Passage {
    /// Came (true) or went.
    pub came: bool,
    /// Under this `application_name`.
    pub name: String,
}

/// A simulated server.
pub struct State {
    /// How it was set up.
    pub options: Rc<ServerOptions>,
    /// Its clock.
    pub clock: SharedClock,
    /// Its choices, which its backends make from one stream.
    pub chooser: Rc<Chooser>,
    /// Server-wide settings at rest.
    pub settings: Rc<Values>,
    /// Roles by name.
    pub roles: BTreeMap<String, Role>,
    /// Databases by name.
    pub databases: BTreeMap<String, Database>,
    /// Transactions.
    pub log: TransactionLog,
    /// Locks.
    pub locks: LockTable,
    /// Slots.
    pub slots: Slots,
    /// What slots may need of the log.
    pub changes: ChangeLog,
    /// Backends by pid, from their place to the end of their exit.
    pub backends: Backends,
    /// Exported snapshots by name.
    pub exported: BTreeMap<String, Exported>,
    /// Those who wait for any slot to become free.
    pub slot_waiters: Vec<i32>,
    /// Those who wait for any backend to end.
    pub exit_waiters: Vec<i32>,
    /// What the server as a whole does.
    pub phase: Phase,
    /// Sessions that came and went.
    pub passages: Vec<Passage>,
    /// The rare situations that have come up.
    pub reached: Situations,
    next_oid: u32,
    next_pid: i32,
    wal: u64,
}

impl State {
    /// A new server.
    pub fn new(options: ServerOptions, clock: SharedClock, chooser: Chooser) -> Self {
        let mut state = Self {
            settings: Rc::new(server_settings(&options)),
            options: Rc::new(options),
            clock,
            chooser: Rc::new(chooser),
            roles: BTreeMap::new(),
            databases: BTreeMap::new(),
            log: TransactionLog::default(),
            locks: LockTable::default(),
            slots: Slots::default(),
            changes: ChangeLog::default(),
            backends: Backends::default(),
            exported: BTreeMap::new(),
            slot_waiters: Vec::new(),
            exit_waiters: Vec::new(),
            phase: Phase::Running,
            passages: Vec::new(),
            reached: Situations::default(),
            next_oid: 16_384,
            next_pid: 1_000,
            wal: 0x0150_0000,
        };
        state.populate();
        state
    }

    fn populate(&mut self) {
        let options = Rc::clone(&self.options);
        self.roles.insert("postgres".to_owned(), Role::superuser(10));
        let role = self.new_oid();
        self.roles.insert(
            options.role.clone(),
            Role::replicating(role, options.password.clone()),
        );
        for (name, owner) in [("postgres", 10), (options.database.as_str(), role)] {
            let oid = self.new_oid();
            self.databases
                .insert(name.to_owned(), Database::new(&self.log, oid, owner, 10));
        }
    }

    /// Now.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// A new object id.
    pub fn new_oid(&mut self) -> u32 {
        self.next_oid += 1;
        self.next_oid - 1
    }

    /// A new process id.
    pub fn new_pid(&mut self) -> i32 {
        self.next_pid += 1;
        self.next_pid
    }

    /// The end of the write-ahead log.
    pub fn wal_end(&self) -> Lsn {
        Lsn(self.wal)
    }

    /// Writes to the log.
    pub fn write_wal(&mut self, bytes: u64) -> Lsn {
        self.wal += bytes.next_multiple_of(8);
        Lsn(self.wal)
    }

    /// A server-wide setting, as it rests.
    pub fn setting(&self, id: Id) -> &str {
        self.settings
            .get(id)
            .map_or(id.definition().default, |value| value)
    }

    /// A server-wide number.
    pub fn limit(&self, id: Id) -> usize {
        self.setting(id).parse().unwrap_or(0)
    }

    /// The backend of this pid.
    pub fn backend(&mut self, pid: i32) -> &mut Backend {
        self.backends
            .get_mut(pid)
            .expect("a backend is listed until its exit is over")
    }

    /// The same, to read.
    pub fn backend_ref(&self, pid: i32) -> &Backend {
        self.backends
            .get(pid)
            .expect("a backend is listed until its exit is over")
    }

    /// The database of a backend.
    pub fn database(&self, pid: i32) -> &Database {
        let name = &self.backend_ref(pid).database;
        self.databases
            .get(name)
            .expect("a database with sessions is not dropped")
    }

    /// The same, to change it; with the log that its catalogs need.
    pub fn database_mut(&mut self, pid: i32) -> (&mut Database, &TransactionLog) {
        let backend = self
            .backends
            .get(pid)
            .expect("a backend is listed until its exit is over");
        let database = self
            .databases
            .get_mut(&backend.database)
            .expect("a database with sessions is not dropped");
        (database, &self.log)
    }

    /// How this backend reads the catalogs: what is committed now, and its own.
    pub fn catalog_view(&self, pid: i32) -> View<'static> {
        View::Now(self.own_xid(pid))
    }

    /// The top-level id of this backend's transaction.
    pub fn own_xid(&self, pid: i32) -> Option<Xid> {
        self.backend_ref(pid)
            .transaction
            .as_ref()
            .filter(|t| !t.undone)
            .and_then(|t| t.xid)
    }

    /// The role of a backend.
    pub fn role(&self, pid: i32) -> &Role {
        self.roles
            .get(&self.backend_ref(pid).role)
            .unwrap_or(&super::roles::NOBODY)
    }

    /// Whether the backend's role is a superuser.
    pub fn is_superuser(&self, pid: i32) -> bool {
        self.role(pid).superuser
    }

    /// The name of the role with this oid.
    pub fn role_name(&self, oid: u32) -> Option<&str> {
        self.roles
            .iter()
            .find(|(_, role)| role.oid == oid)
            .map(|(name, _)| name.as_str())
    }

    /// Wakes these backends.
    pub fn wake(&mut self, pids: impl IntoIterator<Item = i32>) {
        for pid in pids {
            if let Some(backend) = self.backends.get_mut(pid) {
                backend.wake();
            }
        }
    }

    /// Wakes those who wait for a slot.
    pub fn slots_changed(&mut self) {
        let waiters = std::mem::take(&mut self.slot_waiters);
        self.wake(waiters);
    }

    /// How many places of a kind are taken.
    pub fn places(&self, kind: Kind) -> usize {
        self.backends
            .values()
            .filter(|backend| backend.kind == kind)
            .count()
    }

    /// Notes that a session came or went under this name.
    pub fn note_passage(&mut self, came: bool, name: &str) {
        self.passages.push(Passage {
            came,
            name: name.to_owned(),
        });
    }

    /// The most sessions at one instant whose name starts with `prefix`.
    pub fn peak_sessions(&self, prefix: &str) -> usize {
        let (mut now, mut peak) = (0_usize, 0);
        for passage in self
            .passages
            .iter()
            .filter(|passage| passage.name.starts_with(prefix))
        {
            now = if passage.came {
                now + 1
            } else {
                now.saturating_sub(1)
            };
            peak = peak.max(now);
        }
        peak
    }
}

/// The values that a session starts with: those of the configuration file.
fn server_settings(options: &ServerOptions) -> Values {
    let mut values = Values::default();
    for (name, value) in &options.settings {
        let (id, value) =
            settings::at_rest(name, value).expect("whoever makes a server has checked its options");
        values.insert(id, value.into());
    }
    values
}
