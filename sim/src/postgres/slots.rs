//! Logical replication slots.

use std::collections::BTreeMap;

use leftover_core::clock::Instant;
use leftover_core::connection::Lsn;

use super::sql::error::PgError;
use super::xid::Xid;

/// How long a slot lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// Being created: it goes with its creator.
    Ephemeral,
    /// It goes with its session, and on any error in it (OB-62).
    Temporary,
    /// It stays until it is dropped.
    Permanent,
}

/// One replication slot.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Its output plugin.
    pub plugin: String,
    /// Its database's oid.
    pub database: u32,
    /// How long it lives.
    pub persistence: Persistence,
    /// What `pg_replication_slots.temporary` says: also while it is ephemeral, what was asked for.
    pub temporary: bool,
    /// The backend that holds it.
    pub active_pid: Option<i32>,
    /// The oldest transaction whose catalog rows it needs.
    pub catalog_xmin: Option<Xid>,
    /// From where the log is kept; none once that was too much: the slot is lost (OB-114).
    pub restart_lsn: Option<Lsn>,
    /// Where the log has a record of running transactions that no confirmation has passed yet.
    pub running_transactions: Option<Lsn>,
    /// Up to where its client has confirmed; none while it is being created.
    pub confirmed_flush: Option<Lsn>,
    /// What of that is on disk: a crash goes back to it (OB-101).
    pub saved: Option<Lsn>,
    /// When it was last saved.
    pub saved_at: Instant,
}

impl Slot {
    /// `pg_replication_slots.wal_status`.
    pub fn wal_status(&self) -> &'static str {
        match self.restart_lsn {
            Some(_) => "reserved",
            None => "lost",
        }
    }
}

/// All slots, by name.
#[derive(Debug, Default)]
pub struct Slots {
    slots: BTreeMap<String, Slot>,
}

impl Slots {
    /// Checks a name and cuts it to 63 bytes, as Postgres does.
    ///
    /// # Errors
    /// `42602` for characters other than lower-case letters, digits and `_`.
    pub fn check_name(name: &str) -> Result<String, PgError> {
        if name.is_empty() {
            return Err(PgError::new(
                "42602",
                format!("replication slot name \"{name}\" is too short"),
            ));
        }
        let mut cut = 63.min(name.len());
        while !name.is_char_boundary(cut) {
            cut -= 1;
        }
        let name = &name[..cut];
        if !name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        {
            let message = format!("replication slot name \"{name}\" contains invalid character");
            let hint = "Replication slot names may only contain lower case letters, numbers, and the underscore character.";
            return Err(PgError::new("42602", message).with_hint(hint));
        }
        Ok(name.to_owned())
    }

    /// Adds a slot.
    ///
    /// # Errors
    /// `42710` when the name is taken, `53400` when there are already `limit` slots.
    pub fn create(&mut self, slot: Slot, limit: usize) -> Result<(), PgError> {
        if self.slots.contains_key(&slot.name) {
            let message = format!("replication slot \"{}\" already exists", slot.name);
            return Err(PgError::new("42710", message));
        }
        if self.slots.len() >= limit {
            let error = PgError::new("53400", "all replication slots are in use");
            return Err(error.with_hint("Free one or increase max_replication_slots."));
        }
        self.slots.insert(slot.name.clone(), slot);
        Ok(())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The slot of this name.
    ///
    /// # Errors
    /// `42704` when there is none.
    pub fn get(&self, name: &str) -> Result<&Slot, PgError> {
        self.slots.get(name).ok_or_else(|| missing(name))
    }

    /// The slot of this name, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Slot> {
        self.slots.get_mut(name)
    }

    /// Drops a slot whatever its state; true when it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        self.slots.remove(name).is_some()
    }

    /// All slots by name.
    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values()
    }

    /// The same, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.values_mut()
    }

    /// Takes the slot from `pid`: ephemeral and, with `temporary`, temporary ones vanish, others become
    /// inactive. Answers whether anything changed.
    pub fn release(&mut self, pid: i32, temporary: bool) -> bool {
        let before = self.slots.len();
        let goes = |slot: &Slot| match slot.persistence {
            Persistence::Ephemeral => true,
            Persistence::Temporary => temporary,
            Persistence::Permanent => false,
        };
        self.slots
            .retain(|_, slot| slot.active_pid != Some(pid) || !goes(slot));
        let mut changed = self.slots.len() != before;
        for slot in self.slots.values_mut() {
            if slot.active_pid == Some(pid) && slot.persistence == Persistence::Permanent {
                slot.active_pid = None;
                changed = true;
            }
        }
        changed
    }

    /// After a crash: permanent slots stay, inactive, as they were last saved.
    pub fn crash(&mut self) {
        self.slots
            .retain(|_, slot| slot.persistence == Persistence::Permanent);
        for slot in self.slots.values_mut() {
            slot.active_pid = None;
            slot.confirmed_flush = slot.saved;
        }
    }
}

/// `42704` for a slot.
pub fn missing(name: &str) -> PgError {
    PgError::new("42704", format!("replication slot \"{name}\" does not exist"))
}

/// `55006` for a slot.
pub fn active(name: &str, pid: i32) -> PgError {
    PgError::new(
        "55006",
        format!("replication slot \"{name}\" is active for PID {pid}"),
    )
}
