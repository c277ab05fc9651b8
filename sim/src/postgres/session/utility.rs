//! Statements about transactions and settings.

use std::rc::Rc;

use super::execute::Done;
use crate::postgres::locks::{Keep, LockMode, LockTag};
use crate::postgres::sql::command::{Command, Isolation as Level, TransactionModes};
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::host::{Column, Interrupt};
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::state::State;
use crate::postgres::transaction::{Block, Isolation, Transaction};
use crate::postgres::waits::Wait;

type Answer = Result<Done, Interrupt<Wait>>;

fn tag(text: &str) -> Answer {
    Ok(Done::Tag(text.to_owned()))
}

fn warn(state: &mut State, pid: i32, code: &'static str, message: &str) {
    let warning = PgError {
        severity: "WARNING",
        ..PgError::new(code, message)
    };
    state.backend(pid).notices.push(warning);
}

/// Statements that cannot be among others in one message.
///
/// # Errors
/// `25001`.
pub fn refuse_in_many(command: &Command) -> Result<(), PgError> {
    let what = match command {
        Command::CreateDatabase { .. } => "CREATE DATABASE",
        Command::DropDatabase { .. } => "DROP DATABASE",
        Command::Vacuum { .. } => "VACUUM",
        Command::AlterSystem { .. } => "ALTER SYSTEM",
        Command::Discard(what) if what == "all" => "DISCARD ALL",
        _ => return Ok(()),
    };
    Err(PgError::new(
        "25001",
        format!("{what} cannot run inside a transaction block"),
    ))
}

/// Runs a statement about transactions; `None` when it is none.
pub fn transaction(state: &mut State, pid: i32, command: &Command) -> Option<Answer> {
    Some(match command {
        Command::Begin { modes, start } => begin(state, pid, *modes, *start),
        Command::Commit => finish(state, pid, true),
        Command::Rollback => finish(state, pid, false),
        Command::Savepoint(name) => {
            if let Err(error) = in_block(state, pid, "SAVEPOINT") {
                return Some(Err(error.into()));
            }
            state.savepoint(pid, name);
            tag("SAVEPOINT")
        }
        Command::Release(name) => {
            let answer = in_block(state, pid, "RELEASE SAVEPOINT")
                .and_then(|()| state.end_savepoint(pid, name, false));
            answer.map_err(Into::into).and_then(|()| tag("RELEASE"))
        }
        Command::RollbackTo(name) => {
            let answer = in_block(state, pid, "ROLLBACK TO SAVEPOINT")
                .and_then(|()| state.end_savepoint(pid, name, true));
            answer.map_err(Into::into).and_then(|()| tag("ROLLBACK"))
        }
        Command::SetTransaction { modes, session } => set_transaction(state, pid, *modes, *session),
        Command::SetTransactionSnapshot(name) => import(state, pid, name),
        Command::LockTable { tables, mode, nowait } => {
            if let Err(error) = in_block(state, pid, "LOCK TABLE") {
                return Some(Err(error.into()));
            }
            let mode = LockMode::from_words(mode).unwrap_or(LockMode::AccessExclusive);
            tables
                .iter()
                .try_for_each(|name| state.lock_table(pid, name, mode, *nowait))
                .and_then(|()| tag("LOCK TABLE"))
        }
        _ => return None,
    })
}

fn in_block(state: &mut State, pid: i32, what: &str) -> Result<(), PgError> {
    if state.ensure_transaction(pid).block == Block::Explicit {
        return Ok(());
    }
    Err(PgError::new(
        "25P01",
        format!("{what} can only be used in transaction blocks"),
    ))
}

fn level(level: Level) -> Isolation {
    match level {
        Level::ReadUncommitted | Level::ReadCommitted => Isolation::ReadCommitted,
        Level::RepeatableRead => Isolation::RepeatableRead,
        Level::Serializable => Isolation::Serializable,
    }
}

fn apply(transaction: &mut Transaction, modes: TransactionModes) -> Result<(), PgError> {
    if let Some(isolation) = modes.isolation.map(level) {
        if transaction.queried && isolation != transaction.isolation {
            return Err(PgError::new(
                "25001",
                "SET TRANSACTION ISOLATION LEVEL must be called before any query",
            ));
        }
        if !transaction.savepoints.is_empty() && isolation != transaction.isolation {
            return Err(PgError::new(
                "25001",
                "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction",
            ));
        }
        transaction.isolation = isolation;
    }
    if let Some(read_only) = modes.read_only {
        if !read_only && transaction.read_only && transaction.queried {
            return Err(PgError::new(
                "25001",
                "transaction read-write mode must be set before any query",
            ));
        }
        transaction.read_only = read_only;
    }
    Ok(())
}

fn begin(state: &mut State, pid: i32, modes: TransactionModes, start: bool) -> Answer {
    if state.ensure_transaction(pid).block == Block::Explicit {
        // Its modes hold for the open one (measured on 15).
        warn(state, pid, "25001", "there is already a transaction in progress");
    }
    let transaction = state.ensure_transaction(pid);
    transaction.block = Block::Explicit;
    apply(transaction, modes)?;
    tag(if start { "START TRANSACTION" } else { "BEGIN" })
}

fn finish(state: &mut State, pid: i32, commit: bool) -> Answer {
    if state.ensure_transaction(pid).block == Block::Implicit {
        // What stood before it in the same message is a transaction all the same, and ends here (measured on 15).
        warn(state, pid, "25P01", "there is no transaction in progress");
    }
    let committed = state.end_transaction(pid, commit);
    tag(if committed { "COMMIT" } else { "ROLLBACK" })
}

fn set_transaction(state: &mut State, pid: i32, modes: TransactionModes, session: bool) -> Answer {
    if session {
        let settings = &mut state.backend(pid).settings;
        if let Some(isolation) = modes.isolation {
            settings.set(
                "default_transaction_isolation",
                Some(level(isolation).name()),
                false,
                false,
            )?;
        }
        if let Some(read_only) = modes.read_only {
            let value = if read_only { "on" } else { "off" };
            settings.set("default_transaction_read_only", Some(value), false, false)?;
        }
        return tag("SET");
    }
    if state.ensure_transaction(pid).block == Block::Implicit {
        warn(
            state,
            pid,
            "25P01",
            "SET TRANSACTION can only be used in transaction blocks",
        );
        return tag("SET");
    }
    apply(state.ensure_transaction(pid), modes)?;
    tag("SET")
}

/// `SET TRANSACTION SNAPSHOT` (OB-64 to 67).
fn import(state: &mut State, pid: i32, name: &str) -> Answer {
    if state.ensure_transaction(pid).block == Block::Implicit {
        let message = "SET TRANSACTION can only be used in transaction blocks";
        warn(state, pid, "25P01", message);
    }
    let database = state.backend_ref(pid).database.clone();
    let transaction = state.ensure_transaction(pid);
    if transaction.queried || transaction.snapshot.is_some() || !transaction.savepoints.is_empty() {
        return Err(PgError::new(
            "25001",
            "SET TRANSACTION SNAPSHOT must be called before any query",
        )
        .into());
    }
    let isolation = transaction.isolation;
    if isolation == Isolation::ReadCommitted {
        let message =
            "a snapshot-importing transaction must have isolation level SERIALIZABLE or REPEATABLE READ";
        return Err(PgError::new("0A000", message).into());
    }
    let Some(exported) = state.exported.get(name) else {
        return Err(PgError::new("22023", format!("invalid snapshot identifier: \"{name}\"")).into());
    };
    if isolation == Isolation::Serializable && !exported.serializable {
        let message =
            "a serializable transaction cannot import a snapshot from a non-serializable transaction";
        return Err(PgError::new("0A000", message).into());
    }
    if exported.database != database {
        return Err(PgError::new("0A000", "cannot import a snapshot from a different database").into());
    }
    if !exported.running {
        let detail = format!(
            "The source process with PID {} is not running anymore.",
            exported.pid
        );
        return Err(PgError::new("55000", "could not import the requested snapshot")
            .with_detail(detail)
            .into());
    }
    let snapshot = Rc::clone(&exported.snapshot);
    let transaction = state.ensure_transaction(pid);
    transaction.snapshot = Some(snapshot);
    transaction.queried = true;
    tag("SET")
}

/// Runs a statement about settings; `None` when it is none.
pub fn settings(state: &mut State, pid: i32, command: &Command) -> Option<Answer> {
    let superuser = state.is_superuser(pid);
    Some(match command {
        Command::Set { local, name, value } => set(state, pid, name, value.as_deref(), *local, superuser)
            .map_err(Into::into)
            .and_then(|()| tag("SET")),
        Command::Reset(Some(name)) => set(state, pid, name, None, false, superuser)
            .map_err(Into::into)
            .and_then(|()| tag("RESET")),
        Command::Reset(None) => {
            reset_all(state, pid);
            tag("RESET")
        }
        Command::Discard(what) => {
            if what == "all" {
                if state.ensure_transaction(pid).block == Block::Explicit {
                    let message = "DISCARD ALL cannot run inside a transaction block";
                    return Some(Err(PgError::new("25001", message).into()));
                }
                reset_all(state, pid);
                let woken = state.locks.release_advisory(pid);
                state.wake(woken);
                tag("DISCARD ALL")
            } else {
                tag(&format!("DISCARD {}", what.to_uppercase()))
            }
        }
        // The session forgets them itself.
        Command::DeallocateAll => tag("DEALLOCATE ALL"),
        Command::Show(name) => show(state, pid, name),
        _ => return None,
    })
}

fn reset_all(state: &mut State, pid: i32) {
    let before = state.backend_ref(pid).application_name().to_owned();
    state.backend(pid).settings.reset_all();
    state.name_may_have_changed(pid, &before);
}

/// Sets a setting, those of the transaction too.
///
/// # Errors
/// When it cannot be set so.
pub fn set(
    state: &mut State,
    pid: i32,
    name: &str,
    value: Option<&str>,
    local: bool,
    superuser: bool,
) -> Result<(), PgError> {
    match (name, value) {
        ("transaction_isolation", Some(value)) => {
            let transaction = state.ensure_transaction(pid);
            transaction.isolation = Isolation::parse(&value.to_ascii_lowercase());
            return Ok(());
        }
        ("transaction_read_only", Some(value)) => {
            state.ensure_transaction(pid).read_only = matches!(value, "on" | "true" | "1");
            return Ok(());
        }
        ("role" | "session_authorization", _) => return Err(PgError::unsupported(format!("SET {name}"))),
        _ => {}
    }
    if local && state.ensure_transaction(pid).block == Block::Implicit {
        warn(
            state,
            pid,
            "25P01",
            "SET LOCAL can only be used in transaction blocks",
        );
    }
    let backend = state.backend(pid);
    let before = backend.application_name().to_owned();
    backend.settings.set(name, value, local, superuser)?;
    state.name_may_have_changed(pid, &before);
    Ok(())
}

/// The value of a setting as `SHOW` prints it.
///
/// # Errors
/// `42704`.
pub fn shown(state: &mut State, pid: i32, name: &str) -> Result<String, PgError> {
    match name {
        "transaction_isolation" => Ok(state.ensure_transaction(pid).isolation.name().to_owned()),
        "transaction_read_only" => Ok(if state.ensure_transaction(pid).read_only {
            "on"
        } else {
            "off"
        }
        .to_owned()),
        "session_authorization" | "role" => Ok(state.backend_ref(pid).role.clone()),
        _ => state.backend_ref(pid).settings.show(name),
    }
}

fn show(state: &mut State, pid: i32, name: &str) -> Answer {
    if name == "all" {
        let columns = ["name", "setting", "description"].map(text_column).into();
        let row = |d: &super::super::settings::Definition| {
            let value = state.backend_ref(pid).settings.show(d.name).unwrap_or_default();
            vec![Value::from(d.name), Value::from(value), Value::from("")]
        };
        let rows = super::super::settings::DEFINITIONS.iter().map(row).collect();
        return Ok(Done::Rows {
            columns,
            rows,
            tag: "SHOW".to_owned(),
        });
    }
    let value = shown(state, pid, name)?;
    let known = super::super::settings::REPORTED
        .iter()
        .find(|(known, _)| known.definition().name == name);
    let column = text_column(known.map_or(name, |(_, told)| told));
    Ok(Done::Rows {
        columns: [column].into(),
        rows: vec![vec![value.into()]],
        tag: "SHOW".to_owned(),
    })
}

/// A column of type text.
pub fn text_column(name: &str) -> Column {
    Column {
        name: name.to_owned(),
        ty: Type::Text,
    }
}

impl State {
    /// Standbys must know of an ACCESS EXCLUSIVE lock on a table: it is logged, and that takes an xid before the lock
    /// is even asked for (`LogAccessExclusiveLockPrepare`). So whoever waits for one holds up the creation of a slot.
    pub fn log_lock(&mut self, pid: i32, tag: LockTag, mode: LockMode) {
        if matches!(tag, LockTag::Relation { .. }) && mode == LockMode::AccessExclusive {
            self.writing_xid(pid);
        }
    }

    /// Takes a lock, or says that it must be waited for.
    ///
    /// # Errors
    /// The wait.
    pub fn lock(&mut self, pid: i32, tag: LockTag, mode: LockMode) -> Result<(), Interrupt<Wait>> {
        let keep = Keep::Transaction;
        if self.locks.holds(pid, tag, mode) {
            return Ok(());
        }
        self.log_lock(pid, tag, mode);
        if self.locks.try_lock(pid, tag, mode, keep) {
            return Ok(());
        }
        Err(Interrupt::Wait(Wait::Lock { tag, mode, keep }))
    }
}
