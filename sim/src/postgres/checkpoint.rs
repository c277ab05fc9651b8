//! What a checkpoint does to replication slots: it logs the running transactions, and gives up the slots that keep too
//! much of the log.

use leftover_core::connection::Lsn;

use super::settings::id;
use super::sql::error::PgError;
use super::state::State;

/// The length of a file of the log.
const SEGMENT_BYTES: u64 = 16 << 20;

/// The length of a record of the running transactions.
const RUNNING_TRANSACTIONS_BYTES: u64 = 56;

impl State {
    /// `CHECKPOINT`. It saves only slots that have changed otherwise than by a confirmation (OB-103); but what is
    /// confirmed behind its record of the running transactions is saved at once.
    pub fn checkpoint(&mut self) {
        self.give_up_slots();
        let record = self.write_wal(RUNNING_TRANSACTIONS_BYTES);
        for slot in self.slots.iter_mut() {
            slot.running_transactions = Some(record);
        }
    }

    /// `pg_switch_wal`: the log goes on in a new file.
    pub fn switch_wal(&mut self) -> Lsn {
        let end = self.wal_end().0;
        self.write_wal(end.next_multiple_of(SEGMENT_BYTES) - end);
        self.wal_end()
    }

    /// A slot that keeps more than `max_slot_wal_keep_size` is lost; who holds it is terminated (OB-114).
    fn give_up_slots(&mut self) {
        let Some(megabytes) = self
            .setting(const { id("max_slot_wal_keep_size") })
            .parse::<u64>()
            .ok()
        else {
            return;
        };
        let kept = (megabytes << 20) / SEGMENT_BYTES;
        let oldest = (self.wal_end().0 / SEGMENT_BYTES).saturating_sub(kept) * SEGMENT_BYTES;
        let mut holders = Vec::new();
        for slot in self.slots.iter_mut() {
            if slot.restart_lsn.is_some_and(|from| from.0 < oldest) {
                slot.restart_lsn = None;
                holders.extend(slot.active_pid);
            }
        }
        for holder in holders {
            self.signal_terminate(holder);
        }
    }
}

/// `55000` for a slot whose log is gone.
pub fn lost(name: &str) -> PgError {
    PgError::new(
        "55000",
        format!("cannot read from logical replication slot \"{name}\""),
    )
    .with_detail("This slot has been invalidated because it exceeded the maximum reserved size.")
}
