//! Creating a logical slot (OB-49 to 60): the row is there at once and goes with its creator; two generations of
//! running transactions, of any database, are waited for; then the slot is persisted, and only then answered.

use std::rc::Rc;

use leftover_core::clock::Instant;
use leftover_core::connection::Lsn;

use crate::postgres::settings::id;
use crate::postgres::slots::{Persistence, Slot, Slots};
use crate::postgres::snapshot::Snapshot;
use crate::postgres::sql::error::PgError;
use crate::postgres::state::State;
use crate::postgres::xid::Xid;

/// A record of running transactions, on its way to the disk.
#[derive(Debug)]
struct Record {
    snapshot: Snapshot,
    lsn: Lsn,
    flushed: Instant,
}

#[derive(Debug)]
enum Phase {
    /// Until the record is flushed and can be read.
    Log(Record),
    /// Until these transactions have ended.
    Transactions(Vec<Xid>),
    /// Until the slot is on disk.
    Persist(Instant),
    /// Until the reply.
    Reply(Instant),
}

/// What a creation waits for next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The log: the replication command looks at its client meanwhile.
    Log(Instant),
    /// A transaction's end.
    Transaction(Xid),
    /// The slot's own file: nothing is looked at.
    Persist(Instant),
    /// Nothing.
    Done,
}

/// A slot that is being created.
#[derive(Debug)]
pub struct Creation {
    /// Its name.
    pub name: String,
    temporary: bool,
    generation: u32,
    phase: Phase,
    consistent: Option<(Rc<Snapshot>, Lsn)>,
}

impl Creation {
    /// Adds the ephemeral slot.
    ///
    /// # Errors
    /// `55000`, `42602`, `42710`, `53400`, `58P01`.
    pub fn begin(
        state: &mut State,
        pid: i32,
        name: &str,
        plugin: &str,
        temporary: bool,
    ) -> Result<Self, PgError> {
        if state.backend_ref(pid).settings.value(const { id("wal_level") }) != "logical" {
            return Err(PgError::new(
                "55000",
                "logical decoding requires wal_level >= logical",
            ));
        }
        let name = Slots::check_name(name)?;
        let slot = Slot {
            name: name.clone(),
            plugin: plugin.to_owned(),
            database: state.database(pid).oid,
            persistence: Persistence::Ephemeral,
            temporary,
            active_pid: Some(pid),
            catalog_xmin: Some(state.log.oldest_running()),
            restart_lsn: Some(state.wal_end()),
            running_transactions: None,
            confirmed_flush: None,
            saved: None,
            saved_at: state.now(),
        };
        let limit = state.limit(const { id("max_replication_slots") });
        state.slots.create(slot, limit)?;
        if !matches!(plugin, "pgoutput" | "test_decoding") {
            state.slots.remove(&name);
            return Err(PgError::new(
                "58P01",
                format!("could not access file \"{plugin}\": No such file or directory"),
            ));
        }
        let phase = Phase::Log(Record::write(state));
        Ok(Self {
            name,
            temporary,
            generation: 1,
            phase,
            consistent: None,
        })
    }

    /// Goes as far as possible without waiting.
    pub fn advance(&mut self, state: &mut State, pid: i32) -> Next {
        let now = state.now();
        loop {
            match &mut self.phase {
                Phase::Log(record) if now < record.flushed => return Next::Log(record.flushed),
                Phase::Log(record) => {
                    let running = record.snapshot.running.clone();
                    if running.is_empty() || self.generation > 2 {
                        self.consistent = Some((Rc::new(record.snapshot.clone()), record.lsn));
                        self.phase = Phase::Persist(now + draw(state));
                    } else {
                        self.phase = Phase::Transactions(running);
                    }
                }
                Phase::Transactions(running) => {
                    running.retain(|xid| state.log.running_top(*xid).is_some());
                    if let Some(xid) = running.first() {
                        return Next::Transaction(*xid);
                    }
                    self.generation += 1;
                    self.phase = Phase::Log(Record::write(state));
                }
                Phase::Persist(at) if now < *at => return Next::Persist(*at),
                Phase::Persist(_) => {
                    self.persist(state, pid);
                    self.phase = Phase::Reply(now + draw(state));
                }
                Phase::Reply(at) if now < *at => return Next::Persist(*at),
                Phase::Reply(_) => return Next::Done,
            }
        }
    }

    /// From here on a permanent slot stays, and belongs to nobody (OB-70).
    fn persist(&self, state: &mut State, pid: i32) {
        let (lsn, now) = (self.consistent_point(), state.now());
        if let Some(slot) = state
            .slots
            .get_mut(&self.name)
            .filter(|slot| slot.active_pid == Some(pid))
        {
            slot.confirmed_flush = Some(lsn);
            (slot.saved, slot.saved_at) = (Some(lsn), now);
            if self.temporary {
                slot.persistence = Persistence::Temporary;
            } else {
                slot.persistence = Persistence::Permanent;
                slot.active_pid = None;
            }
        }
        state.slots_changed();
    }

    /// Where the stream begins: what committed before is in the snapshot.
    pub fn consistent_point(&self) -> Lsn {
        self.consistent.as_ref().map(|(_, lsn)| *lsn).unwrap_or_default()
    }

    /// The snapshot at that point.
    pub fn snapshot(&self) -> Option<Rc<Snapshot>> {
        self.consistent.as_ref().map(|(snapshot, _)| Rc::clone(snapshot))
    }
}

impl Record {
    fn write(state: &mut State) -> Self {
        let snapshot = Snapshot::take(&state.log);
        let lsn = state.write_wal(56);
        let delay = state
            .chooser
            .duration(state.options.timings.slot_wal_wait.clone());
        Self {
            snapshot,
            lsn,
            flushed: state.now() + delay,
        }
    }
}

fn draw(state: &State) -> std::time::Duration {
    state.chooser.duration(state.options.timings.slot_persist.clone())
}
