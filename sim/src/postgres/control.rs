//! Beginning and ending transactions.

use std::rc::Rc;

use super::activity::ActivityState;
use super::backend_row::Kind;
use super::locks::{Keep, LockMode, LockTag};
use super::protocol::Status;
use super::settings::id;
use super::snapshot::Snapshot;
use super::sql::error::PgError;
use super::state::State;
use super::transaction::{Block, Isolation, Savepoint, Transaction};
use super::xid::Xid;

impl State {
    /// Makes sure that a transaction is open; answers it.
    pub fn ensure_transaction(&mut self, pid: i32) -> &mut Transaction {
        let now = self.now();
        let backend = self.backend(pid);
        if backend.transaction.is_none() {
            let level = backend
                .settings
                .value(const { id("default_transaction_isolation") });
            let read_only = backend
                .settings
                .value(const { id("default_transaction_read_only") })
                == "on";
            let transaction = Transaction::new(Block::Implicit, now, Isolation::parse(level), read_only);
            backend.transaction = Some(transaction);
            backend.local_xid += 1;
        }
        backend.transaction.as_mut().expect("it was just made sure of")
    }

    /// The open transaction.
    pub fn transaction(&mut self, pid: i32) -> Option<&mut Transaction> {
        self.backend(pid).transaction.as_mut()
    }

    /// The id under which this backend writes now: its own, or that of its innermost savepoint.
    pub fn writing_xid(&mut self, pid: i32) -> Xid {
        self.ensure_transaction(pid);
        let top = match self.transaction(pid).and_then(|t| t.xid) {
            Some(xid) => xid,
            None => {
                let xid = self.log.assign(pid);
                let tag = LockTag::TransactionId(xid);
                self.locks
                    .try_lock(pid, tag, LockMode::Exclusive, Keep::Transaction);
                self.ensure_transaction(pid).xid = Some(xid);
                xid
            }
        };
        let Self {
            backends, log, locks, ..
        } = self;
        let transaction = backends.get_mut(pid).and_then(|b| b.transaction.as_mut());
        let mut parent = top;
        for savepoint in transaction.into_iter().flat_map(|t| &mut t.savepoints) {
            parent = *savepoint.xid.get_or_insert_with(|| {
                let xid = log.assign_within(parent);
                // Held until the savepoint is undone, or to the end: who waits for its rows waits for it.
                let tag = LockTag::TransactionId(xid);
                locks.try_lock(pid, tag, LockMode::Exclusive, Keep::Transaction);
                xid
            });
        }
        parent
    }

    /// The snapshot that the running statement reads through.
    pub fn statement_snapshot(&mut self, pid: i32) -> Rc<Snapshot> {
        let now = Rc::new(Snapshot::take(&self.log));
        let transaction = self.ensure_transaction(pid);
        transaction.queried = true;
        if let Some(snapshot) = &transaction.snapshot {
            return Rc::clone(snapshot);
        }
        if transaction.isolation != Isolation::ReadCommitted {
            transaction.snapshot = Some(Rc::clone(&now));
            return now;
        }
        Rc::clone(transaction.statement.get_or_insert(now))
    }

    /// The statement is executed (again): READ COMMITTED takes a new snapshot.
    pub fn start_statement(&mut self, pid: i32) {
        self.ensure_transaction(pid).statement = None;
    }

    /// A statement has ended well.
    pub fn end_statement(&mut self, pid: i32) {
        if let Some(transaction) = self.transaction(pid) {
            transaction.statement = None;
        }
    }

    /// Ends the transaction; answers whether it committed.
    pub fn end_transaction(&mut self, pid: i32, commit: bool) -> bool {
        let Some(transaction) = self.transaction(pid) else {
            return commit;
        };
        let commit = commit && !transaction.failed;
        if !transaction.undone {
            self.finish(pid, commit);
        }
        if let Some(transaction) = self.backend(pid).transaction.take() {
            for (name, _) in transaction.exported {
                self.exported.remove(&name);
            }
        }
        commit
    }

    /// Decides the transaction and releases what it held.
    fn finish(&mut self, pid: i32, commit: bool) {
        let Some(transaction) = self.transaction(pid) else {
            return;
        };
        transaction.snapshot = None;
        transaction.statement = None;
        let (xid, exported) = (transaction.xid, transaction.exported.clone());
        if let Some(xid) = xid {
            let record = self.wal_end();
            self.log.finish(xid, commit);
            self.write_wal(if commit { 48 } else { 40 });
            self.log_end(pid, xid, commit, record);
        }
        for (name, _) in exported {
            if let Some(exported) = self.exported.get_mut(&name) {
                exported.running = false;
            }
        }
        let before = self.backend_ref(pid).application_name().to_owned();
        self.backend(pid).settings.end_transaction(commit);
        self.name_may_have_changed(pid, &before);
        let woken = self.locks.release(pid, false);
        self.wake(woken);
    }

    /// A statement has failed: temporary slots go (OB-62), and the transaction is undone or its block aborted.
    pub fn fail(&mut self, pid: i32) {
        if self.slots.release(pid, true) {
            self.slots_changed();
        }
        let Some(transaction) = self.transaction(pid) else {
            return;
        };
        transaction.statement = None;
        match transaction.block {
            Block::Implicit => {
                self.end_transaction(pid, false);
            }
            Block::Explicit => {
                transaction.failed = true;
                let innermost = transaction.savepoints.last().cloned();
                match innermost {
                    Some(savepoint) => self.undo_since(pid, savepoint.xid, &savepoint),
                    None if transaction.undone => {}
                    None => {
                        transaction.undone = true;
                        self.finish(pid, false);
                    }
                }
            }
        }
    }

    /// `SAVEPOINT`.
    pub fn savepoint(&mut self, pid: i32, name: &str) {
        let savepoint = Savepoint {
            name: name.to_owned(),
            xid: None,
            locks: self.locks.of_transaction(pid),
            settings: self.backend_ref(pid).settings.mark(),
        };
        self.ensure_transaction(pid).savepoints.push(savepoint);
    }

    /// `RELEASE` (with `keep` false: the work stays) and `ROLLBACK TO` (with `keep` true: the savepoint stays).
    ///
    /// # Errors
    /// `3B001` when there is no such savepoint.
    pub fn end_savepoint(&mut self, pid: i32, name: &str, keep: bool) -> Result<(), PgError> {
        let missing = || PgError::new("3B001", format!("savepoint \"{name}\" does not exist"));
        let transaction = self.transaction(pid).ok_or_else(missing)?;
        let index = transaction
            .savepoints
            .iter()
            .rposition(|s| s.name == name)
            .ok_or_else(missing)?;
        if !keep {
            // The work of a released savepoint belongs to the one around it: its ids stay its children.
            transaction.savepoints.truncate(index);
            return Ok(());
        }
        let undone: Vec<Savepoint> = transaction.savepoints.drain(index..).collect();
        transaction.failed = false;
        for savepoint in &undone {
            self.undo_since(pid, savepoint.xid, &undone[0]);
        }
        self.savepoint(pid, name);
        Ok(())
    }

    /// Undoes what was written under `xid`, and what was locked and set since a savepoint.
    fn undo_since(&mut self, pid: i32, xid: Option<Xid>, savepoint: &Savepoint) {
        if let Some(xid) = xid {
            self.log.abort_within(xid);
        }
        let before = self.backend_ref(pid).application_name().to_owned();
        self.backend(pid).settings.restore(&savepoint.settings);
        self.name_may_have_changed(pid, &before);
        let mut kept = savepoint.locks.clone();
        if let Some(top) = self.transaction(pid).and_then(|transaction| transaction.xid) {
            kept.push((LockTag::TransactionId(top), LockMode::Exclusive));
        }
        let woken = self.locks.release_since(pid, &kept);
        self.wake(woken);
    }

    /// What `ReadyForQuery` says.
    pub fn status(&self, pid: i32) -> Status {
        match &self.backend_ref(pid).transaction {
            Some(t) if t.block == Block::Explicit && t.failed => Status::Failed,
            Some(t) if t.block == Block::Explicit => Status::Transaction,
            _ => Status::Idle,
        }
    }

    /// What `pg_stat_activity` says between commands: also a walsender's exported snapshot is a transaction
    /// (OB-63).
    pub fn resting_state(&self, pid: i32) -> ActivityState {
        match &self.backend_ref(pid).transaction {
            None => ActivityState::Idle,
            Some(transaction) if transaction.failed => ActivityState::IdleInTransactionAborted,
            Some(_) => ActivityState::IdleInTransaction,
        }
    }

    /// Sets a backend's state in `pg_stat_activity`.
    pub fn set_activity(&mut self, pid: i32, state: ActivityState) {
        let now = self.now();
        let activity = &mut self.backend(pid).activity;
        if activity.state != state {
            activity.state = state;
            activity.state_change = now;
        }
    }

    /// Keeps the ledger of sessions by name after a change of settings.
    pub fn name_may_have_changed(&mut self, pid: i32, before: &str) {
        let backend = self.backend_ref(pid);
        if backend.listed && backend.application_name() != before {
            let after = backend.application_name().to_owned();
            self.note_passage(false, before);
            self.note_passage(true, &after);
        }
    }

    /// Whether the backend is an ordinary client.
    pub fn is_walsender(&self, pid: i32) -> bool {
        self.backend_ref(pid).kind == Kind::Walsender
    }

    /// Exports a snapshot under a new name.
    pub fn export(&mut self, pid: i32, snapshot: Rc<Snapshot>, serializable: bool) -> String {
        let backend = self.backend(pid);
        backend.exports += 1;
        let name = format!(
            "{:08X}-{:08X}-{}",
            backend.place, backend.local_xid, backend.exports
        );
        let database = backend.database.clone();
        if let Some(transaction) = &mut backend.transaction {
            transaction.exported.push((name.clone(), Rc::clone(&snapshot)));
        }
        let exported = super::state::Exported {
            pid,
            database,
            running: true,
            serializable,
            snapshot,
        };
        self.exported.insert(name.clone(), exported);
        name
    }
}
