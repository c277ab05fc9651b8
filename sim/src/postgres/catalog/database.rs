//! One database: its schemas, relations, publications and storage.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::relation::Relation;
use crate::postgres::heap::Heap;
use crate::postgres::snapshot::View;
use crate::postgres::versioned::Versioned;
use crate::postgres::xid::{FROZEN_XID, TransactionLog};

/// The oid of `pg_catalog`.
pub const PG_CATALOG: u32 = 11;
/// The oid of `public`.
pub const PUBLIC: u32 = 2200;
/// The oid of `information_schema`.
pub const INFORMATION_SCHEMA: u32 = 13_000;

/// One schema.
#[derive(Debug, Clone)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// Its owner's oid.
    pub owner: u32,
}

/// One publication.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Its name.
    pub name: String,
    /// Its owner's oid.
    pub owner: u32,
    /// `FOR ALL TABLES`.
    pub all_tables: bool,
    /// `FOR TABLES IN SCHEMA`.
    pub schemas: Vec<u32>,
    /// Its tables, and which of their columns when not all.
    pub tables: BTreeMap<u32, Option<Vec<String>>>,
    /// `publish_via_partition_root`.
    pub via_root: bool,
    /// insert, update, delete, truncate.
    pub publishes: [bool; 4],
}

/// A sequence's state; it is not transactional.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// The last value given out.
    pub last: i64,
    /// Whether it was given out.
    pub called: bool,
    /// The step.
    pub increment: i64,
}

/// One database.
#[derive(Debug, Default)]
pub struct Database {
    /// Its oid.
    pub oid: u32,
    /// Its owner's oid.
    pub owner: u32,
    /// Its schemas by oid.
    pub schemas: Versioned<u32, Schema>,
    /// Its relations by oid.
    pub relations: Versioned<u32, Relation>,
    /// Its publications by oid.
    pub publications: Versioned<u32, Publication>,
    /// Its enum types by oid: name, labels and schema.
    pub enums: Versioned<u32, (String, Vec<String>, u32)>,
    /// The rows of its tables by filenode.
    pub heaps: BTreeMap<u32, Heap>,
    /// Its sequences by relation oid.
    pub sequences: BTreeMap<u32, Sequence>,
    /// Comments: object oid and column number.
    pub comments: BTreeMap<(u32, i32), String>,
    /// `datconnlimit`; -1 is no limit.
    pub connection_limit: i64,
}

impl Database {
    /// A new database with the schemas that every database has.
    pub fn new(log: &TransactionLog, oid: u32, owner: u32, superuser: u32) -> Self {
        let mut database = Self {
            oid,
            owner,
            connection_limit: -1,
            ..Self::default()
        };
        for (oid, name, owner) in [
            (PG_CATALOG, "pg_catalog", superuser),
            (PUBLIC, "public", owner),
            (INFORMATION_SCHEMA, "information_schema", superuser),
        ] {
            database.schemas.put(
                log,
                FROZEN_XID,
                oid,
                Schema {
                    name: name.to_owned(),
                    owner,
                },
            );
        }
        database
    }

    /// The schema of this name.
    pub fn schema(&self, log: &TransactionLog, view: View<'_>, name: &str) -> Option<u32> {
        let found = self.schemas.find(log, view, |schema| schema.name == name);
        found.map(|(&oid, _)| oid)
    }

    /// The relation of this name in a schema.
    pub fn relation(
        &self,
        log: &TransactionLog,
        view: View<'_>,
        schema: u32,
        name: &str,
    ) -> Option<Rc<Relation>> {
        let found = self
            .relations
            .find(log, view, |r| r.schema == schema && r.name == name);
        found.map(|(_, relation)| Rc::clone(relation))
    }

    /// The partitions directly below a partitioned table.
    pub fn children(&self, log: &TransactionLog, view: View<'_>, parent: u32) -> Vec<Rc<Relation>> {
        let below = |r: &Rc<Relation>| r.parent.as_ref().is_some_and(|(oid, _)| *oid == parent);
        self.relations
            .iter(log, view)
            .map(|(_, r)| r)
            .filter(|r| below(r))
            .cloned()
            .collect()
    }

    /// The indexes of a table.
    pub fn indexes(&self, log: &TransactionLog, view: View<'_>, table: u32) -> Vec<Rc<Relation>> {
        let of = |r: &Rc<Relation>| r.index().is_some_and(|index| index.table == table);
        self.relations
            .iter(log, view)
            .map(|(_, r)| r)
            .filter(|r| of(r))
            .cloned()
            .collect()
    }
}
