//! What a parsed statement asks for.

use std::rc::Rc;

use sqlparser::ast::{self, ObjectName};

use super::copy::CopyCommand;

/// One statement with its own source text.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// Its text, without the semicolon.
    pub text: Rc<str>,
    /// What it asks for.
    pub statement: Command,
}

/// An isolation level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// As `READ COMMITTED`.
    ReadUncommitted,
    /// Each statement has its own snapshot.
    ReadCommitted,
    /// One snapshot for the transaction.
    RepeatableRead,
    /// As `REPEATABLE READ`, with conflicts detected.
    Serializable,
}

/// What `BEGIN` and `SET TRANSACTION` say; what they do not say is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TransactionModes {
    /// The isolation level.
    pub isolation: Option<Isolation>,
    /// `READ ONLY` or `READ WRITE`.
    pub read_only: Option<bool>,
    /// `[NOT] DEFERRABLE`.
    pub deferrable: Option<bool>,
}

/// The tables of a publication.
#[derive(Debug, Clone, PartialEq)]
pub enum PublicationTables {
    /// `FOR ALL TABLES`.
    All,
    /// `FOR TABLE …`, or none.
    Tables(Vec<ObjectName>),
}

/// What `ALTER PUBLICATION` does.
#[derive(Debug, Clone, PartialEq)]
pub enum PublicationChange {
    /// `ADD TABLE`.
    Add(Vec<ObjectName>),
    /// `DROP TABLE`.
    Drop(Vec<ObjectName>),
    /// `SET TABLE`.
    Set(Vec<ObjectName>),
    /// `SET (…)`: names and values.
    Options(Vec<(String, Option<String>)>),
    /// `RENAME TO`.
    Rename(String),
    /// `OWNER TO`.
    Owner(String),
}

/// A statement by what it asks for. Names are folded as Postgres folds them, except inside `sqlparser`'s own
/// trees and [`ObjectName`]s: there [`super::names::fold`] does it.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "the variants and fields are the words of the statements themselves"
)]
pub enum Command {
    /// `BEGIN`, or `START TRANSACTION`.
    Begin {
        modes: TransactionModes,
        start: bool,
    },
    Commit,
    Rollback,
    Savepoint(String),
    RollbackTo(String),
    Release(String),
    SetTransactionSnapshot(String),
    /// `SET TRANSACTION …`; `session` for `SET SESSION CHARACTERISTICS AS TRANSACTION`.
    SetTransaction {
        modes: TransactionModes,
        session: bool,
    },
    /// `SET`; `None` is `DEFAULT`. A list of values is joined with commas.
    Set {
        local: bool,
        name: String,
        value: Option<String>,
    },
    /// `RESET`; `None` is `ALL`.
    Reset(Option<String>),
    Show(String),
    /// `LOCK TABLE`; the mode as `ACCESS SHARE`, upper case.
    LockTable {
        tables: Vec<ObjectName>,
        mode: String,
        nowait: bool,
    },
    CreatePublication {
        name: String,
        tables: PublicationTables,
        options: Vec<(String, Option<String>)>,
    },
    AlterPublication {
        name: String,
        change: PublicationChange,
    },
    DropPublication {
        if_exists: bool,
        names: Vec<String>,
    },
    Copy(CopyCommand),
    Truncate {
        tables: Vec<ObjectName>,
        only: bool,
        restart_identity: bool,
        cascade: bool,
    },
    Vacuum {
        tables: Vec<ObjectName>,
        full: bool,
        freeze: bool,
    },
    Checkpoint,
    /// `DO` with a block that raises this, and does nothing else.
    Raise {
        code: &'static str,
        message: String,
    },
    /// `DEALLOCATE ALL`.
    DeallocateAll,
    /// `DISCARD ALL`, or the word after `DISCARD`.
    Discard(String),
    /// SELECT, VALUES, TABLE, WITH.
    Query(Box<ast::Query>),
    Insert(Box<ast::Insert>),
    Update(Box<ast::Update>),
    Delete(Box<ast::Delete>),
    CreateTable(Box<ast::CreateTable>),
    AlterTable(Box<ast::AlterTable>),
    CreateIndex(Box<ast::CreateIndex>),
    /// `DROP TABLE`, `DROP INDEX`, `DROP SCHEMA`, `DROP SEQUENCE`, `DROP VIEW`, ….
    Drop {
        kind: ast::ObjectType,
        if_exists: bool,
        names: Vec<ObjectName>,
        cascade: bool,
    },
    CreateSchema {
        name: String,
        if_not_exists: bool,
    },
    CreateDatabase {
        name: String,
        options: Vec<String>,
    },
    DropDatabase {
        name: String,
        if_exists: bool,
        force: bool,
    },
    /// `CREATE ROLE` or `CREATE USER`; the options as words (`LOGIN`, `CONNECTION`, `LIMIT`, `3`), `user`
    /// for the latter, which may log in.
    CreateRole {
        name: String,
        user: bool,
        options: Vec<String>,
    },
    /// `ALTER ROLE` or `ALTER USER` with options.
    AlterRole {
        name: String,
        options: Vec<String>,
    },
    /// `ALTER ROLE … SET` or `ALTER DATABASE … SET`; `None` is `RESET` or `DEFAULT`.
    AlterSettings {
        database: bool,
        name: String,
        setting: String,
        value: Option<String>,
    },
    /// `ALTER SYSTEM SET`; `None` is `RESET`, and the name `all` every setting.
    AlterSystem {
        setting: String,
        value: Option<String>,
    },
    DropRole {
        names: Vec<String>,
        if_exists: bool,
    },
    /// Any other statement that the parser knows.
    Other(Box<ast::Statement>),
}
