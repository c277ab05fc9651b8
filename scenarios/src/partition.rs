//! What the models have in common: a partition of a table, and its copy from a session to another.

use leftover_core::connection::{Session as _, Startup};
use leftover_harness::config::Config;
use leftover_harness::pipeline::PipelineError;
use leftover_wire::session::Session;

use crate::fixture;

/// A block of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The table, as SQL names it.
    pub table: String,
    /// The block.
    pub block: u64,
}

impl Partition {
    /// All partitions of the fixture's tables.
    pub fn all(config: &Config) -> Vec<Partition> {
        let of_table = |table: String| {
            let block = move |block| Partition {
                table: table.clone(),
                block,
            };
            (0..config.blocks.into()).map(block)
        };
        fixture::tables(config).into_iter().flat_map(of_table).collect()
    }

    /// The condition that chooses its rows.
    pub fn condition(&self) -> String {
        format!(
            "ctid >= '({},0)'::tid AND ctid < '({},0)'::tid",
            self.block,
            self.block + 1
        )
    }

    /// Copies it from `source`, whose transaction is open, into `target`. Returns the number of rows.
    ///
    /// # Errors
    /// When a connection fails.
    pub async fn copy(&self, source: &mut Session, target: &mut Session) -> Result<u64, PipelineError> {
        let out = format!(
            "COPY (SELECT * FROM {} WHERE {}) TO STDOUT",
            self.table,
            self.condition()
        );
        source.copy_out(&out).await.map_err(PipelineError::new)?;
        let into = format!("COPY {} FROM STDIN", self.table);
        target.copy_in(&into).await.map_err(PipelineError::new)?;
        while let Some(data) = source.copy_out_next().await.map_err(PipelineError::new)? {
            target.copy_in_send(data).await.map_err(PipelineError::new)?;
        }
        target.copy_in_finish().await.map_err(PipelineError::new)
    }
}

/// A startup with this `application_name` and these settings.
pub(crate) fn startup(application_name: &str, settings: &[(&str, &str)]) -> Startup {
    let settings = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Startup {
        application_name: application_name.to_owned(),
        settings: settings.collect(),
    }
}

/// Drops a slot, waiting while it is active, as a workflow engine repeats a failed step.
///
/// # Errors
/// When the connection fails.
pub(crate) async fn drop_slot(
    session: &mut Session,
    clock: &dyn leftover_core::clock::Clock,
    name: &str,
) -> Result<(), PipelineError> {
    let sql = format!(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{name}'"
    );
    for _ in 0..100 {
        match session.query(&sql).await {
            Err(error) if error.code() == Some("55006") => {
                clock.sleep(std::time::Duration::from_millis(200)).await;
            }
            other => return other.map(drop).map_err(PipelineError::new),
        }
    }
    Err(PipelineError(format!("slot {name} stays active")))
}
