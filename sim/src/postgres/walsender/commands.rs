//! Running replication commands.

use std::rc::Rc;

use leftover_harness::reach::Situation;

use super::create_slot::{Creation, Next};
use super::drop_slot;
use super::grammar::{Replication, SnapshotOption, parse};
use super::start;
use crate::postgres::activity::WaitEvent;
use crate::postgres::process::{Attention, Process};
use crate::postgres::session::results::{Formats, send_rows};
use crate::postgres::session::utility;
use crate::postgres::slots::Persistence;
use crate::postgres::snapshot::Snapshot;
use crate::postgres::socket::{Peer, Socket};
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::host::Column;
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::state::State;
use crate::postgres::transaction::{Block, Isolation};
use crate::postgres::waits::{Step, Wait};

/// What identifies this server, as `pg_control` would.
const SYSTEM_IDENTIFIER: &str = "7412345678901234567";

/// Runs a replication command; false when the text is SQL.
///
/// # Errors
/// The command's error or the backend's end.
pub async fn run(process: &mut Process, text: &str) -> Step<bool> {
    // Any message ends an exported snapshot (OB-64).
    process.state.borrow_mut().end_export(process.pid);
    let Some(command) = parse(text)? else {
        return Ok(false);
    };
    process.show_query(text);
    if process.with(|backend| backend.transaction.as_ref().is_some_and(|t| t.failed)) {
        let message = "current transaction is aborted, commands ignored until end of transaction block";
        return Err(PgError::new("25P02", message).into());
    }
    process.timers.start_command();
    let range = process.state.borrow().options.timings.statement.clone();
    process.work(range).await?;
    match command {
        Replication::IdentifySystem => identify_system(process).await?,
        Replication::Show(name) => {
            let shown = utility::shown(&mut process.state.borrow_mut(), process.pid, &name);
            let (value, pid) = (shown?, process.pid);
            process.state.borrow_mut().end_implicit(pid);
            reply(process, &[(&name, Type::Text)], vec![value.into()], "SHOW").await?;
        }
        Replication::CreateSlot {
            name,
            temporary,
            plugin,
            snapshot,
        } => {
            create_slot(process, &name, &plugin, temporary, snapshot).await?;
        }
        Replication::DropSlot { name, wait } => {
            drop_slot::run(process, &name, wait).await?;
            process.client.replies().command_complete("DROP_REPLICATION_SLOT");
        }
        Replication::Start { slot, from, options } => start::run(process, &slot, from, &options).await?,
        Replication::Unsupported(text) => return Err(PgError::unsupported(text).into()),
    }
    Ok(true)
}

async fn reply(process: &mut Process, columns: &[(&str, Type)], row: Vec<Value>, tag: &str) -> Step<()> {
    let columns: Vec<Column> = columns
        .iter()
        .map(|(name, ty)| Column {
            name: (*name).to_owned(),
            ty: ty.clone(),
        })
        .collect();
    send_rows(process, &columns, &[row], &Formats::text(), true).await?;
    process.client.replies().command_complete(tag);
    Ok(())
}

async fn identify_system(process: &mut Process) -> Step<()> {
    let (lsn, database) = {
        let state = process.state.borrow();
        (state.wal_end(), state.backend_ref(process.pid).database.clone())
    };
    let columns = [
        ("systemid", Type::Text),
        ("timeline", Type::Int4),
        ("xlogpos", Type::Text),
        ("dbname", Type::Text),
    ];
    let row = vec![
        SYSTEM_IDENTIFIER.into(),
        Value::Int(1),
        lsn.to_string().into(),
        database.into(),
    ];
    reply(process, &columns, row, "IDENTIFY_SYSTEM").await
}

/// Whether the snapshot option fits the transaction (OB-61).
fn check_place(state: &State, pid: i32, snapshot: SnapshotOption) -> Result<(), PgError> {
    let command = |option: &str| format!("CREATE_REPLICATION_SLOT ... (SNAPSHOT '{option}')");
    let transaction = state
        .backend_ref(pid)
        .transaction
        .as_ref()
        .filter(|t| t.block == Block::Explicit);
    match (snapshot, transaction) {
        (SnapshotOption::Export, Some(_)) => Err(PgError::new(
            "XX000",
            format!("{} must not be called inside a transaction", command("export")),
        )),
        (SnapshotOption::Use, None) => Err(PgError::new(
            "XX000",
            format!("{} must be called inside a transaction", command("use")),
        )),
        (SnapshotOption::Use, Some(t)) if t.isolation != Isolation::RepeatableRead => {
            let message = format!(
                "{} must be called in REPEATABLE READ isolation mode transaction",
                command("use")
            );
            Err(PgError::new("XX000", message))
        }
        (SnapshotOption::Use, Some(t)) if t.queried => Err(PgError::new(
            "XX000",
            format!("{} must be called before any query", command("use")),
        )),
        _ => Ok(()),
    }
}

async fn create_slot(
    process: &mut Process,
    name: &str,
    plugin: &str,
    temporary: bool,
    option: SnapshotOption,
) -> Step<()> {
    let pid = process.pid;
    let mut creation = {
        let mut state = process.state.borrow_mut();
        let creation = Creation::begin(&mut state, pid, name, plugin, temporary)?;
        // Only now: a name that is taken is the first thing that is wrong. An error takes the slot away again.
        check_place(&state, pid, option)?;
        if state.own_xid(pid).is_some() {
            let message = "cannot create logical replication slot in transaction that has performed writes";
            return Err(PgError::new("25001", message).into());
        }
        creation
    };
    loop {
        let next = creation.advance(&mut process.state.borrow_mut(), pid);
        let waited = match next {
            // The only places inside this command where its client's end is seen (OB-52, 53).
            Next::Log(at) => {
                let event = Some(WaitEvent::WalSenderWaitForWal);
                process
                    .wait(event, Some(at), Attention::Read, |_, now| {
                        (now >= at).then_some(Ok(()))
                    })
                    .await
            }
            Next::Transaction(xid) => process.wait_for(Wait::transaction(xid)).await,
            Next::Persist(at) => {
                process
                    .wait(None, Some(at), Attention::None, |_, now| {
                        (now >= at).then_some(Ok(()))
                    })
                    .await
            }
            Next::Done => break,
        };
        note_if_client_is_gone(process, &creation.name, next);
        waited?;
    }
    let exported = creation.snapshot().and_then(|snapshot| {
        let mut state = process.state.borrow_mut();
        match option {
            SnapshotOption::Nothing => None,
            SnapshotOption::Use => {
                let transaction = state.ensure_transaction(pid);
                transaction.snapshot = Some(snapshot);
                transaction.queried = true;
                None
            }
            SnapshotOption::Export => Some(state.export_from_walsender(pid, snapshot)),
        }
    });
    let columns = [
        ("slot_name", Type::Text),
        ("consistent_point", Type::Text),
        ("snapshot_name", Type::Text),
        ("output_plugin", Type::Text),
    ];
    let point = creation.consistent_point().to_string();
    let row = vec![
        creation.name.as_str().into(),
        point.into(),
        exported.into(),
        plugin.into(),
    ];
    reply(process, &columns, row, "CREATE_REPLICATION_SLOT").await
}

/// Notes that the client of a creation has left while this was waited for.
fn note_if_client_is_gone(process: &mut Process, slot: &str, waited: Next) {
    if process.client.socket().peer() == Peer::Open {
        return;
    }
    let mut state = process.state.borrow_mut();
    let slot = state.slots.get(slot);
    if slot.is_ok_and(|slot| slot.persistence == Persistence::Ephemeral) {
        state.reached.note(Situation::EphemeralSlotWithoutClient);
    }
    if let Next::Transaction(_) = waited {
        state.reached.note(Situation::SlotCreationWithoutClient);
    }
}

impl State {
    /// Opens the transaction that holds a walsender's exported snapshot (OB-63).
    fn export_from_walsender(&mut self, pid: i32, snapshot: Rc<Snapshot>) -> String {
        let transaction = self.ensure_transaction(pid);
        transaction.isolation = Isolation::RepeatableRead;
        transaction.read_only = true;
        transaction.snapshot = Some(Rc::clone(&snapshot));
        transaction.queried = true;
        self.export(pid, snapshot, false)
    }

    /// Ends the transaction that holds a walsender's exported snapshot.
    fn end_export(&mut self, pid: i32) {
        let holds = |t: &crate::postgres::transaction::Transaction| {
            t.block == Block::Implicit && !t.exported.is_empty()
        };
        if self.backend_ref(pid).transaction.as_ref().is_some_and(holds) {
            self.end_transaction(pid, false);
        }
    }

    /// Ends a transaction that only a command opened.
    fn end_implicit(&mut self, pid: i32) {
        if self
            .backend_ref(pid)
            .transaction
            .as_ref()
            .is_some_and(|t| t.block == Block::Implicit)
        {
            self.end_transaction(pid, true);
        }
    }
}
