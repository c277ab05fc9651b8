//! The snapshot worker process: it holds, for each flow, the connection that exported the snapshot.

use std::collections::BTreeMap;
use std::sync::Mutex;

use leftover_core::connection::{Connector as _, NewSlot, Session as _, SlotSnapshot, Walsender as _};
use leftover_harness::pipeline::PipelineError;
use leftover_harness::process::Env;
use leftover_wire::session::Session;
use leftover_wire::walsender::Walsender;

use crate::partition::startup;

/// What the worker holds for one flow: the connector, and the connection that keeps the snapshot.
struct SlotSignal {
    connector: Session,
    slot_connection: Walsender,
}

/// The worker process. It outlives every workflow.
#[derive(Default)]
pub struct SnapshotWorker {
    slot_signals: Mutex<BTreeMap<String, SlotSignal>>,
}

/// The names of one flow's objects.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    /// The flow.
    pub name: &'static str,
    /// Its slot.
    pub slot: &'static str,
    /// Its publication.
    pub publication: &'static str,
}

impl SnapshotWorker {
    /// Activity *SetupReplication*: a publication of `tables`, and a slot on a connection of its own, which stays open to
    /// keep the exported snapshot. The map has the only handle. Returns the snapshot's name.
    ///
    /// # Errors
    /// When a connection fails.
    pub async fn setup_replication(
        &self,
        env: &Env,
        flow: Flow,
        tables: &[String],
    ) -> Result<String, PipelineError> {
        let mut connector = env
            .source
            .session(&startup("peerdb/flow/connector", &[]))
            .await
            .map_err(PipelineError::new)?;
        let tables = tables.join(", ");
        let publication = format!("CREATE PUBLICATION {} FOR TABLE {tables}", flow.publication);
        connector.query(&publication).await.map_err(PipelineError::new)?;
        // Nobody must end this connection while partitions import its snapshot.
        let no_limits = [
            ("idle_in_transaction_session_timeout", "0"),
            ("lock_timeout", "0"),
        ];
        let mut slot_connection = env
            .source
            .walsender(&startup("peerdb/flow/slot", &no_limits))
            .await
            .map_err(PipelineError::new)?;
        let slot = NewSlot {
            name: flow.slot.to_owned(),
            temporary: false,
            plugin: "pgoutput".to_owned(),
            snapshot: SlotSnapshot::Export,
        };
        let created = slot_connection
            .create_slot(&slot)
            .await
            .map_err(PipelineError::new)?;
        let held = SlotSignal {
            connector,
            slot_connection,
        };
        self.slot_signals
            .lock()
            .expect("no code panics while it holds the map")
            .insert(flow.name.to_owned(), held);
        created
            .snapshot
            .ok_or_else(|| PipelineError("the slot came without a snapshot".to_owned()))
    }

    /// Activity *CloseSlotKeepAlive*: closes what the map holds. The only releaser.
    pub async fn close_slot_keep_alive(&self, flow: Flow) {
        let held = self
            .slot_signals
            .lock()
            .expect("no code panics while it holds the map")
            .remove(flow.name);
        if let Some(SlotSignal {
            connector,
            slot_connection,
        }) = held
        {
            let _end = slot_connection.close().await;
            let _end = connector.close().await;
        }
    }
}
