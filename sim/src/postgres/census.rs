//! The census of a simulated server: what its views would show a superuser, without a look of its own in them.

use std::time::Duration;

use leftover_harness::census::{BlockerSeen, Census, SessionSeen, SlotSeen};

use super::backend_row::{Backend, Kind};
use super::state::State;

impl State {
    /// What the server holds now; publications of the database named in its options.
    pub fn census(&self) -> Census {
        Census {
            sessions: self
                .backends
                .values()
                .filter(|backend| backend.listed)
                .map(|b| self.session_seen(b))
                .collect(),
            slots: self.slots.iter().map(|slot| self.slot_seen(slot)).collect(),
            publications: self.publications_seen(),
        }
    }

    fn session_seen(&self, backend: &Backend) -> SessionSeen {
        let now = self.now();
        let since = |at: Duration| now.saturating_sub(at);
        let transaction = backend.transaction.as_ref();
        SessionSeen {
            pid: backend.pid,
            user: backend.role.clone(),
            database: Some(backend.database.clone()),
            application_name: backend.application_name().to_owned(),
            walsender: backend.kind == Kind::Walsender,
            state: backend.activity.state.name().to_owned(),
            wait: backend
                .activity
                .wait
                .map(|wait| format!("{}/{}", wait.class(), wait.name())),
            query: backend.activity.query.clone(),
            connected_for: since(backend.started),
            transaction_for: backend.transaction_start().map(since),
            pinned_xmin_age: transaction
                .and_then(|t| t.xmin())
                .map(|xmin| self.log.next() - xmin),
            waits_for_lock: self.locks.waits(backend.pid),
            blockers: self.blockers_seen(backend.pid),
        }
    }

    fn blockers_seen(&self, pid: i32) -> Vec<BlockerSeen> {
        let mut pids = self.locks.blockers(pid);
        pids.sort_unstable();
        let blocker = |pid: i32| {
            let name = self.backends.get(pid).map(Backend::application_name);
            BlockerSeen {
                pid,
                application_name: name.unwrap_or_default().to_owned(),
            }
        };
        pids.into_iter().map(blocker).collect()
    }

    fn slot_seen(&self, slot: &super::slots::Slot) -> SlotSeen {
        let database = self
            .databases
            .iter()
            .find(|(_, database)| database.oid == slot.database);
        SlotSeen {
            name: slot.name.clone(),
            plugin: Some(slot.plugin.clone()),
            database: database.map(|(name, _)| name.clone()),
            temporary: slot.temporary,
            active_pid: slot.active_pid,
            confirmed_flush_lsn: slot.confirmed_flush.map(|lsn| lsn.to_string()),
            catalog_xmin_age: slot.catalog_xmin.map(|xmin| self.log.next() - xmin),
            retained_wal_bytes: slot
                .restart_lsn
                .map(|from| self.wal_end().0.saturating_sub(from.0)),
            wal_status: Some(slot.wal_status().to_owned()),
        }
    }

    fn publications_seen(&self) -> Vec<String> {
        let Some(database) = self.databases.get(&self.options.database) else {
            return Vec::new();
        };
        let view = super::snapshot::View::Now(None);
        let mut names: Vec<String> = database
            .publications
            .iter(&self.log, view)
            .map(|(_, publication)| publication.name.clone())
            .collect();
        names.sort();
        names
    }
}
