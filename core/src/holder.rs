//! The session that creates the slot and holds its snapshot.
//!
//! It is a walsender in a REPEATABLE READ transaction: `CREATE_REPLICATION_SLOT … USE_SNAPSHOT` gives the
//! transaction the slot's snapshot, `pg_export_snapshot()` shares it with the readers. Unlike the command's
//! own export it survives further commands, and so can be fed, and so can have a time limit on the server
//! that ends it soon after we do (OB-59, 71). `BEGIN` immediately before the command is what makes the
//! server look after the client while the command waits (OB-59).

use std::sync::Arc;

use crate::catalog::{self, Query, Table};
use crate::client::{Context, bounded, close_walsender, failed};
use crate::clock::SharedClock;
use crate::connection::{Closed, Connector, Lsn, NewSlot, Row, SlotSnapshot, Walsender};
use crate::error::ConnectionError;
use crate::failure::{Failure, Side};
use crate::load_error::LoadError;
use crate::names::{Attempt, OwnerLock, Role, quote_literal};
use crate::settings::Bounds;

/// The slot's holder. Dropping it closes its socket, which ends the transaction and the snapshot.
pub(crate) struct Holder<C: Connector> {
    walsender: C::Walsender,
    clock: SharedClock,
    bounds: Bounds,
    /// What commits after this point comes from the slot.
    pub(crate) consistent_point: Lsn,
}

/// The snapshot, as the readers share it.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The name under which they import it.
    pub(crate) snapshot: String,
    /// The size of a block of the source in bytes.
    pub(crate) block_bytes: u64,
    /// The tables, with the sizes that they have in it.
    pub(crate) tables: Vec<Table>,
}

impl<C: Connector> Query for Holder<C> {
    async fn rows(&mut self, step: &str, sql: &str) -> Result<Vec<Row>, Failure> {
        query(&mut self.walsender, &self.clock, &self.bounds, step, sql).await
    }
}

async fn query<W: Walsender>(
    walsender: &mut W,
    clock: &SharedClock,
    bounds: &Bounds,
    step: &str,
    sql: &str,
) -> Result<Vec<Row>, Failure> {
    bounded(clock, "a query of the holder", bounds.query, walsender.query(sql))
        .await
        .map_err(|error| failed(Side::Source, step, error))
}

impl<C: Connector> Holder<C> {
    /// Creates the slot of `attempt` and holds its snapshot. The publication must exist: it is what says
    /// that the attempt has not been dropped meanwhile.
    ///
    /// # Errors
    /// Whatever happens, the slot may exist afterwards (OB-52 to 54): whoever called this removes it by name.
    pub(crate) async fn create(context: &Arc<Context<C>>, attempt: Attempt) -> Result<Self, LoadError> {
        let name = context.session_name(attempt, Role::Holder);
        let mut walsender = context.connect_walsender(&name).await?;
        let (clock, bounds) = (context.clock.clone(), context.settings.bounds.clone());
        let key = context.name.lock_key(OwnerLock::Holder);
        let publication = quote_literal(&context.name.object(attempt));
        let sql = format!(
            "SELECT pg_try_advisory_lock({key}), \
            EXISTS (SELECT 1 FROM pg_publication WHERE pubname = {publication})"
        );
        let rows = query(&mut walsender, &clock, &bounds, "taking the holder's lock", &sql).await?;
        if !rows.first().is_some_and(|row| row.is_true(0) && row.is_true(1)) {
            return Err(LoadError::Dropped {
                mirror: context.name.clone(),
            });
        }
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        query(
            &mut walsender,
            &clock,
            &bounds,
            "opening the snapshot's transaction",
            begin,
        )
        .await?;
        let slot = NewSlot {
            name: context.name.object(attempt),
            temporary: false,
            plugin: "pgoutput".to_owned(),
            snapshot: SlotSnapshot::Use,
        };
        let creating = walsender.create_slot(&slot);
        // The server's own lock_timeout comes first; this bound is for a server that has gone silent.
        let bound = bounds.create_slot + bounds.query;
        let created = bounded(&clock, "creating the replication slot", bound, creating)
            .await
            .map_err(|error| {
                failed(
                    Side::Source,
                    format!("creating replication slot {}", slot.name),
                    error,
                )
            })?;
        Ok(Holder {
            walsender,
            clock,
            bounds,
            consistent_point: created.consistent_point,
        })
    }

    /// Exports the snapshot, and locks the tables against being truncated, rewritten or dropped while it is held.
    /// `None` when they are no longer what `planned` says: a table that was rewritten between the snapshot and
    /// the lock reads as empty, without any error (OB-105).
    pub(crate) async fn share(&mut self, planned: &[Table]) -> Result<Option<Shared>, Failure> {
        if planned.is_empty() {
            // Nobody reads it.
            return Ok(Some(Shared::default()));
        }
        let tables = planned
            .iter()
            .map(|t| t.name.sql())
            .collect::<Vec<_>>()
            .join(", ");
        let oids = planned
            .iter()
            .map(|t| t.oid.to_string())
            .collect::<Vec<_>>()
            .join(", ");
        let sql = format!(
            "SELECT pg_export_snapshot(), current_setting('block_size'); \
            LOCK TABLE {tables} IN ACCESS SHARE MODE; \
            SELECT count(*) FROM pg_class WHERE oid IN ({oids}) AND relkind = 'r' \
            AND relfilenode <> pg_relation_filenode(oid)"
        );
        let step = "exporting the snapshot and locking the tables against truncation";
        let rows = self.rows(step, &sql).await?;
        let [exported, rewritten] = rows.as_slice() else {
            let error = ConnectionError::Protocol(format!("{} rows instead of two", rows.len()));
            return Err(failed(Side::Source, step, error));
        };
        if rewritten.parse::<u64>(0) != Some(0) {
            return Ok(None);
        }
        let mut now = catalog::read(self).await?;
        now.retain(|table| planned.iter().any(|p| p.oid == table.oid));
        let as_planned = now.len() == planned.len()
            && planned
                .iter()
                .all(|p| now.iter().any(|table| table.same_shape(p)));
        Ok(as_planned.then(|| Shared {
            snapshot: exported.get(0).unwrap_or_default().to_owned(),
            block_bytes: exported.parse(1).unwrap_or(8192),
            tables: now,
        }))
    }

    /// Keeps the transaction alive, and shows that it is.
    pub(crate) async fn feed(&mut self) -> Result<(), Failure> {
        self.rows("keeping the snapshot", "SELECT 1").await.map(drop)
    }

    /// Ends the transaction and closes the connection.
    pub(crate) async fn release(mut self) -> Closed {
        // A failed COMMIT of a transaction that wrote nothing changes nothing: closing ends it either way.
        if self
            .rows("ending the snapshot's transaction", "COMMIT")
            .await
            .is_err()
        {
            return Closed::Unknown;
        }
        close_walsender(&self.clock, self.bounds.close, self.walsender).await
    }
}
