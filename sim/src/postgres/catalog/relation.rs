//! A relation's definition: what `pg_class`, `pg_attribute`, `pg_constraint` and `pg_index` say of it.

use std::rc::Rc;

use crate::postgres::sql::host;
use crate::postgres::sql::value::{Type, Value};
use sqlparser::ast::Expr;

/// What kind of relation it is.
#[derive(Debug, Clone)]
pub enum RelationKind {
    /// An ordinary table.
    Table,
    /// A partitioned table: its leaves hold the rows.
    Partitioned(PartitionKey),
    /// An index.
    Index(IndexDefinition),
    /// A sequence.
    Sequence,
}

/// How a partitioned table is divided.
#[derive(Debug, Clone)]
pub struct PartitionKey {
    /// By what rule.
    pub strategy: Strategy,
    /// The key's columns, by position.
    pub columns: Vec<usize>,
}

/// The rule that divides a partitioned table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// By ranges.
    Range,
    /// By lists of values.
    List,
    /// By hash.
    Hash,
}

/// Which rows a partition holds.
#[derive(Debug, Clone)]
pub enum Bound {
    /// From these (inclusive) to those (exclusive) values.
    Range(Vec<Limit>, Vec<Limit>),
    /// Exactly these values.
    List(Vec<Value>),
    /// The rest of a division by hash.
    Hash(u64, u64),
    /// What no other partition holds.
    Default,
}

/// One end of a range.
#[derive(Debug, Clone)]
pub enum Limit {
    /// Below everything.
    MinValue,
    /// A value.
    Value(Value),
    /// Above everything.
    MaxValue,
}

/// What an index is over.
#[derive(Debug, Clone)]
pub struct IndexDefinition {
    /// The table's oid.
    pub table: u32,
    /// Its columns' positions.
    pub columns: Vec<usize>,
    /// Whether its keys are unique.
    pub unique: bool,
    /// Whether it is the primary key's.
    pub primary: bool,
    /// Whether a constraint of the same name owns it.
    pub constraint: bool,
}

/// How a column gets its value by itself.
#[derive(Debug, Clone)]
pub enum ColumnSource {
    /// It does not.
    Nothing,
    /// `DEFAULT expr`.
    Default(Rc<Expr>),
    /// An identity: its sequence, and whether ALWAYS.
    Identity {
        /// The sequence's oid.
        sequence: u32,
        /// GENERATED ALWAYS.
        always: bool,
    },
    /// `serial`: a default that is the sequence's next value.
    Serial {
        /// The sequence's oid.
        sequence: u32,
    },
    /// `GENERATED ALWAYS AS (…) STORED`.
    Generated(Rc<Expr>),
}

impl ColumnSource {
    /// What the executor needs to know of it.
    pub fn as_default(&self) -> host::ColumnDefault {
        match self {
            ColumnSource::Nothing => host::ColumnDefault::None,
            ColumnSource::Default(expr) => host::ColumnDefault::Expression(Rc::clone(expr)),
            ColumnSource::Identity { sequence, always } => host::ColumnDefault::Identity {
                sequence: *sequence,
                always: *always,
            },
            ColumnSource::Serial { sequence } => host::ColumnDefault::Identity {
                sequence: *sequence,
                always: false,
            },
            ColumnSource::Generated(expr) => host::ColumnDefault::Generated(Rc::clone(expr)),
        }
    }
}

/// One column of a relation.
#[derive(Debug, Clone)]
pub struct ColumnDefinition {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// The type's modifier (`varchar(10)`), or -1.
    pub modifier: i32,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// How it gets a value by itself.
    pub source: ColumnSource,
    /// Its collation, when it has one of its own.
    pub collation: Option<String>,
    /// Whether it was dropped; its place stays.
    pub dropped: bool,
    /// What rows have here that were stored before the column was added.
    pub missing: Option<Value>,
}

/// A CHECK constraint.
#[derive(Debug, Clone)]
pub struct Constraint {
    /// Its oid.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// What it demands.
    pub expr: Rc<Expr>,
}

/// Which old values UPDATE and DELETE put in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplicaIdentity {
    /// Those of the primary key.
    Default,
    /// All.
    Full,
    /// None.
    Nothing,
    /// Those of an index.
    Index(u32),
}

/// One relation.
#[derive(Debug, Clone)]
pub struct Relation {
    /// Its oid.
    pub oid: u32,
    /// Its name.
    pub name: String,
    /// Its schema's oid.
    pub schema: u32,
    /// Its owner's oid.
    pub owner: u32,
    /// What it is.
    pub kind: RelationKind,
    /// Its columns, dropped ones too.
    pub columns: Vec<ColumnDefinition>,
    /// The columns that are there, as a scan gives them.
    pub scan_columns: Rc<[host::Column]>,
    /// Its CHECK constraints.
    pub checks: Vec<Constraint>,
    /// Its storage; TRUNCATE gives it a new one.
    pub filenode: u32,
    /// The partitioned table that it is a part of, and which part.
    pub parent: Option<(u32, Bound)>,
    /// Which old values go to the log.
    pub replica_identity: ReplicaIdentity,
    /// `p`ermanent, `u`nlogged or `t`emporary.
    pub persistence: char,
    /// Rights given to roles (`public` is everyone): role, privilege.
    pub grants: Vec<(String, String)>,
    /// For a sequence: the table and column position that own it.
    pub owned_by: Option<(u32, usize)>,
}

impl Relation {
    /// Recomputes what a scan gives, after a change of columns.
    pub fn refresh(&mut self) {
        let live = self.columns.iter().filter(|c| !c.dropped);
        self.scan_columns = live
            .map(|c| host::Column {
                name: c.name.clone(),
                ty: c.ty.clone(),
            })
            .collect();
    }

    /// The columns that are there, with their positions.
    pub fn live(&self) -> impl Iterator<Item = (usize, &ColumnDefinition)> {
        self.columns
            .iter()
            .enumerate()
            .filter(|(_, column)| !column.dropped)
    }

    /// The position of the column of this name.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.live()
            .find(|(_, column)| column.name == name)
            .map(|(position, _)| position)
    }

    /// Whether every place holds a column that is there.
    pub fn whole(&self) -> bool {
        self.scan_columns.len() == self.columns.len()
    }

    /// The index definition, when it is an index.
    pub fn index(&self) -> Option<&IndexDefinition> {
        match &self.kind {
            RelationKind::Index(index) => Some(index),
            _ => None,
        }
    }

    /// `relkind`.
    pub fn relkind(&self) -> char {
        match self.kind {
            RelationKind::Table => 'r',
            RelationKind::Partitioned(_) => 'p',
            RelationKind::Index(_) => 'i',
            RelationKind::Sequence => 'S',
        }
    }
}
