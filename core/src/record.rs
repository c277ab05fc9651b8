//! The mirror's record on the target: which attempt is current, what it has loaded, which tables are ours.
//!
//! Progress lives in the target, in the transaction that it describes (law 9): the row that says that a
//! partition is loaded commits with the partition's rows, and is read back before anything is repeated.
//!
//! The record is also the fence between attempts. Whoever writes for an attempt first reads the attempt's
//! row, and so holds ACCESS SHARE on the table until its transaction ends; a new attempt takes ACCESS
//! EXCLUSIVE before it replaces the row. So no writer of an earlier attempt can commit after that.

use std::collections::BTreeSet;

use crate::client::Client;
use crate::connection::{Connector, Lsn, Row};
use crate::failure::Failure;
use crate::names::{Attempt, MirrorName, TableName, quote_identifier, quote_literal};
use crate::plan::Partition;
use crate::report::State;

const READING: &str = "reading the record";

/// Where the record's tables are.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    schema: String,
}

/// What the record says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorded {
    /// Whether there is a record at all.
    pub(crate) exists: bool,
    /// The newest attempt.
    pub(crate) newest: Option<(Attempt, State)>,
    /// The tables that earlier attempts may have written, which are ours to empty.
    pub(crate) tables: BTreeSet<TableName>,
}

impl Record {
    pub(crate) fn of(mirror: &MirrorName) -> Record {
        Record {
            schema: quote_identifier(&mirror.schema()),
        }
    }

    /// Reads the record; empty when there is none.
    pub(crate) async fn read<C: Connector>(&self, on: &mut Client<C>) -> Result<Recorded, Failure> {
        if !self.exists(on).await? {
            return Ok(Recorded::default());
        }
        let newest = self.newest_of_existing(on).await?;
        let schema = &self.schema;
        let sql = format!("SELECT schema_name, table_name FROM {schema}.relation ORDER BY 1, 2");
        let tables = on.query(READING, &sql).await?;
        let name = |row: &Row| Some(TableName::new(row.get(0)?, row.get(1)?));
        Ok(Recorded {
            exists: true,
            newest,
            tables: tables.iter().filter_map(name).collect(),
        })
    }

    /// The newest attempt; `None` when there is no record.
    pub(crate) async fn newest<C: Connector>(
        &self,
        on: &mut Client<C>,
    ) -> Result<Option<(Attempt, State)>, Failure> {
        if !self.exists(on).await? {
            return Ok(None);
        }
        self.newest_of_existing(on).await
    }

    async fn newest_of_existing<C: Connector>(
        &self,
        on: &mut Client<C>,
    ) -> Result<Option<(Attempt, State)>, Failure> {
        let sql = format!(
            "SELECT attempt, state, consistent_point FROM {}.attempt ORDER BY attempt DESC LIMIT 1",
            self.schema
        );
        Ok(on.query(READING, &sql).await?.first().and_then(newest))
    }

    /// Whether the target has the record's last table, which is made in one transaction with the others.
    async fn exists<C: Connector>(&self, on: &mut Client<C>) -> Result<bool, Failure> {
        let sql = format!(
            "SELECT to_regclass({}) IS NOT NULL",
            quote_literal(&format!("{}.relation", self.schema))
        );
        let rows = on.query("looking for the record", &sql).await?;
        Ok(rows.first().is_some_and(|row| row.is_true(0)))
    }

    /// The statements that make the record.
    fn creation(&self) -> String {
        let schema = &self.schema;
        format!(
            "CREATE SCHEMA {schema}; \
            CREATE TABLE {schema}.attempt (attempt bigint PRIMARY KEY, state text NOT NULL, \
                consistent_point text); \
            CREATE TABLE {schema}.partition (attempt bigint, schema_name text, table_name text, \
                first_block bigint, PRIMARY KEY (attempt, schema_name, table_name, first_block)); \
            CREATE TABLE {schema}.relation (schema_name text, table_name text, \
                PRIMARY KEY (schema_name, table_name)); "
        )
    }

    /// Makes `attempt` the current one, before anything of it exists on the source (law 1): earlier
    /// attempts are abandoned, their rows removed from the tables of ours, and no writer of theirs can
    /// commit any more. `tables` are ours from here on. Makes the record if there is none.
    pub(crate) async fn begin_attempt<C: Connector>(
        &self,
        on: &mut Client<C>,
        attempt: Attempt,
        recorded: &Recorded,
        tables: &[TableName],
    ) -> Result<(), Failure> {
        let schema = &self.schema;
        let creation = if recorded.exists {
            String::new()
        } else {
            self.creation()
        };
        let recorded = &recorded.tables;
        let mut sql = format!(
            "BEGIN; {creation}LOCK TABLE {schema}.attempt IN ACCESS EXCLUSIVE MODE; \
            UPDATE {schema}.attempt SET state = 'abandoned' WHERE attempt < {attempt}; \
            DELETE FROM {schema}.partition; \
            INSERT INTO {schema}.attempt VALUES ({attempt}, 'loading', NULL);"
        );
        let written: Vec<String> = tables
            .iter()
            .filter(|t| recorded.contains(t))
            .map(TableName::sql)
            .collect();
        if !written.is_empty() {
            sql += &format!(" TRUNCATE {};", written.join(", "));
        }
        for table in tables.iter().filter(|t| !recorded.contains(t)) {
            sql += &format!(
                " INSERT INTO {schema}.relation VALUES ({}, {});",
                quote_literal(&table.schema),
                quote_literal(&table.name)
            );
        }
        sql += " COMMIT";
        on.query(&format!("recording attempt {attempt}"), &sql)
            .await
            .map(drop)
    }

    /// Opens the transaction that writes a partition, and claims the partition in it.
    pub(crate) async fn begin_partition<C: Connector>(
        &self,
        on: &mut Client<C>,
        attempt: Attempt,
        partition: &Partition,
    ) -> Result<Claim, Failure> {
        let schema = &self.schema;
        let step = format!("claiming {partition}");
        // One message: a claim of an attempt that is over is never committed.
        let sql = format!(
            "BEGIN; SELECT 'loading' FROM {schema}.attempt WHERE attempt = {attempt} AND state = 'loading'; \
            INSERT INTO {schema}.partition VALUES ({attempt}, {}, {}, {}) ON CONFLICT DO NOTHING \
            RETURNING 'claimed'",
            quote_literal(&partition.table.schema),
            quote_literal(&partition.table.name),
            partition.first_block
        );
        let rows = match on.query(&step, &sql).await {
            Ok(rows) => rows,
            Err(failure) if is_removed(&failure) => return Ok(Claim::Superseded),
            Err(failure) => return Err(failure),
        };
        let says = |word| rows.iter().any(|row| row.get(0) == Some(word));
        Ok(match (says("loading"), says("claimed")) {
            (false, _) => Claim::Superseded,
            (true, false) => Claim::AlreadyLoaded,
            (true, true) => Claim::Mine,
        })
    }

    /// Marks the load complete as of `point`. `false` when the attempt is no longer the current one.
    pub(crate) async fn complete<C: Connector>(
        &self,
        on: &mut Client<C>,
        attempt: Attempt,
        point: Lsn,
    ) -> Result<bool, Failure> {
        let schema = &self.schema;
        let sql = format!(
            "UPDATE {schema}.attempt SET state = 'loaded', consistent_point = '{point}' \
            WHERE attempt = {attempt} AND state <> 'abandoned' RETURNING 1"
        );
        match on.query("marking the load complete", &sql).await {
            Ok(rows) => Ok(!rows.is_empty()),
            Err(failure) if is_removed(&failure) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Removes the record. `false` when there was none. What others have put into its schema is theirs:
    /// then the server refuses, and says what is there.
    pub(crate) async fn remove<C: Connector>(&self, on: &mut Client<C>) -> Result<bool, Failure> {
        if !self.exists(on).await? {
            return Ok(false);
        }
        let schema = &self.schema;
        let sql = format!(
            "BEGIN; DROP TABLE {schema}.attempt, {schema}.partition, {schema}.relation; \
            DROP SCHEMA {schema}; COMMIT"
        );
        on.query("removing the record", &sql).await?;
        Ok(true)
    }
}

/// Whether the record is gone: a drop has removed it, or its schema with it.
fn is_removed(failure: &Failure) -> bool {
    failure.has_code("42P01") || failure.has_code("3F000")
}

/// What became of a claim on a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The open transaction may write it.
    Mine,
    /// An earlier transaction wrote it, although it looked as if it had failed (OB-25).
    AlreadyLoaded,
    /// The attempt is over.
    Superseded,
}

fn newest(row: &Row) -> Option<(Attempt, State)> {
    let state = match row.get(1)? {
        "loading" => State::Loading,
        "loaded" => State::Loaded(row.parse(2)?),
        _ => State::Abandoned,
    };
    Some((row.parse(0).map(Attempt)?, state))
}
