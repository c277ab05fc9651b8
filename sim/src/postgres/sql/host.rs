//! What the SQL executor asks of the server that runs it: relations, functions that touch the server, and
//! waits. The executor itself holds no state between statements.

use std::rc::Rc;

use sqlparser::ast::ObjectName;

use super::error::PgError;
use super::value::{Type, Value};

/// Why a statement did not finish.
#[derive(Debug, Clone, PartialEq)]
pub enum Interrupt<W> {
    /// It failed.
    Error(PgError),
    /// It must wait, and is then **executed again from its start**. The host remembers what the finished
    /// host calls of this statement answered (the n-th call answers the same again), and a statement that
    /// waits has changed nothing yet.
    Wait(W),
}

impl<W> From<PgError> for Interrupt<W> {
    fn from(error: PgError) -> Self {
        Interrupt::Error(error)
    }
}

/// One column of a relation or of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
}

/// One visible row of a relation.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanRow {
    /// `ctid` as (block, item); (0, 0) for views.
    pub ctid: (u32, u16),
    /// The values, one for each column.
    pub values: Rc<[Value]>,
}

/// A relation as the running statement sees it.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Its columns in order.
    pub columns: Rc<[Column]>,
    /// Its visible rows in physical order.
    pub rows: Vec<ScanRow>,
    /// `tableoid`; 0 for views.
    pub oid: u32,
}

/// The server, as the executor of one statement of one session sees it.
pub trait Host {
    /// What a statement of this host can wait for.
    type Wait;

    /// The rows of a table or a system view that the statement's snapshot sees. `only` leaves out the
    /// children. Takes the ACCESS SHARE lock (ROW EXCLUSIVE when `for_write`).
    ///
    /// # Errors
    /// `42P01` when there is no such relation, `42501` without the right to read it.
    fn scan(&mut self, name: &ObjectName, only: bool, for_write: bool)
    -> Result<Scan, Interrupt<Self::Wait>>;

    /// The columns of a table that rows are about to be put into: a scan for writing without its rows.
    ///
    /// # Errors
    /// As [`Host::scan`].
    fn target(&mut self, name: &ObjectName) -> Result<Scan, Interrupt<Self::Wait>> {
        self.scan(name, true, true)
    }

    /// Calls a function that reads or changes the server (`pg_terminate_backend`, `pg_sleep`,
    /// `current_setting`, `pg_relation_size`, …). `None` when the server has no such function. Functions of
    /// their arguments alone (`upper`, `coalesce`, `quote_ident`) are the executor's own.
    fn call(&mut self, name: &str, arguments: &[Value]) -> Option<Result<Value, Interrupt<Self::Wait>>>;

    /// Resolves a relation's name, in parts, to its oid (`'t'::regclass`, `to_regclass`), or `None`.
    fn relation_oid(&mut self, name: &[String]) -> Option<u32>;

    /// The name of a relation as `regclass` prints it (qualified when not on the search path), or `None`.
    fn relation_name(&mut self, oid: u32) -> Option<String>;

    /// Whether complete rows may be inserted, as far as each can tell of itself: it has a place, and its columns
    /// and checks hold.
    fn admit(&mut self, name: &ObjectName, rows: &[Vec<Value>]) -> Result<(), Interrupt<Self::Wait>>;

    /// Inserts complete rows (defaults filled in by the executor through [`Host::defaults`]); returns the
    /// rows as stored. `on_conflict` says what a unique violation does.
    fn insert(
        &mut self,
        name: &ObjectName,
        rows: Vec<Vec<Value>>,
        on_conflict: OnConflict,
    ) -> Result<Vec<InsertOutcome>, Interrupt<Self::Wait>>;

    /// Replaces the rows at these ctids, which [`Host::scan`] gave with `for_write`.
    fn update(
        &mut self,
        name: &ObjectName,
        rows: Vec<((u32, u16), Vec<Value>)>,
    ) -> Result<(), Interrupt<Self::Wait>>;

    /// Deletes the rows at these ctids, which [`Host::scan`] gave with `for_write`.
    fn delete(&mut self, name: &ObjectName, rows: Vec<(u32, u16)>) -> Result<(), Interrupt<Self::Wait>>;

    /// The SQL text of each column's default, identity or generation expression, for INSERT and COPY FROM.
    fn defaults(&mut self, name: &ObjectName) -> Result<Vec<ColumnDefault>, Interrupt<Self::Wait>>;
}

/// How a column gets a value that a statement does not give.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnDefault {
    /// NULL.
    None,
    /// An expression.
    Expression(Rc<sqlparser::ast::Expr>),
    /// `GENERATED … AS IDENTITY` or serial: the next value of the sequence with this oid, which
    /// [`Host::call`] gives as `nextval(oid)`. `always` refuses explicit values outside COPY (428C9).
    Identity {
        /// The sequence's oid.
        sequence: u32,
        /// GENERATED ALWAYS.
        always: bool,
    },
    /// `GENERATED ALWAYS AS (…) STORED`: explicit values are refused (428C9; in COPY 42P10).
    Generated(Rc<sqlparser::ast::Expr>),
}

/// What INSERT does on a unique violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// 23505.
    Fail,
    /// `ON CONFLICT DO NOTHING`, and `DO UPDATE`, whose update the executor makes from the outcome.
    Report,
}

/// What became of one row of an INSERT.
#[derive(Debug, Clone, PartialEq)]
pub enum InsertOutcome {
    /// It is in.
    Inserted,
    /// It conflicts with the visible row at this ctid.
    Conflict(ScanRow),
}
