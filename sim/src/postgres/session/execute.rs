//! One statement: executed at once, or it says what it waits for and is executed again after that.

use std::rc::Rc;

use super::utility;
use crate::postgres::functions::Pending;
use crate::postgres::host::StatementHost;
use crate::postgres::sql::command::{Command, Parsed};
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::execute::{describe, execute_typed};
use crate::postgres::sql::host::{Column, Interrupt};
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::state::State;
use crate::postgres::waits::Wait;

/// What a statement came to.
#[derive(Debug)]
pub enum Done {
    /// Rows.
    Rows {
        /// Their columns.
        columns: Rc<[Column]>,
        /// The rows.
        rows: Vec<Vec<Value>>,
        /// The command tag.
        tag: String,
    },
    /// Only a command tag.
    Tag(String),
}

/// The parameters of a statement (`$1`, …).
#[derive(Debug, Clone, Default)]
pub struct Parameters {
    /// Their values.
    pub values: Vec<Value>,
    /// The types that Parse declared for them.
    pub declared: Vec<Option<Type>>,
}

/// What the functions that a statement has called have answered so far: when the statement is executed again
/// after a wait, the n-th call answers the same.
#[derive(Debug, Default)]
pub struct Memo {
    answers: Vec<Call>,
    next: usize,
}

/// One call of a function that touches the server.
#[derive(Debug)]
pub enum Call {
    /// It has answered.
    Answered(Value),
    /// It is under way.
    Pending(Pending),
}

impl Memo {
    /// The statement is executed from its start.
    pub fn rewind(&mut self) {
        self.next = 0;
    }

    /// The number of the next call.
    pub fn number(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    /// What call `number` has come to.
    pub fn call(&mut self, number: usize) -> Option<&mut Call> {
        self.answers.get_mut(number)
    }

    /// Keeps what call `number` has come to.
    pub fn keep(&mut self, number: usize, call: Call) {
        match self.answers.get_mut(number) {
            Some(slot) => *slot = call,
            None => self.answers.push(call),
        }
    }

    /// The calls that are under way.
    pub fn pending(&self) -> impl Iterator<Item = &Pending> {
        self.answers.iter().filter_map(|call| match call {
            Call::Pending(pending) => Some(pending),
            Call::Answered(_) => None,
        })
    }
}

/// Statements that write, by the word that an error calls them.
fn writes(command: &Command) -> Option<&'static str> {
    Some(match command {
        Command::Insert(_) => "INSERT",
        Command::Update(_) => "UPDATE",
        Command::Delete(_) => "DELETE",
        Command::Truncate { .. } => "TRUNCATE TABLE",
        Command::CreateTable(_) => "CREATE TABLE",
        Command::AlterTable(_) => "ALTER TABLE",
        Command::CreateIndex(_) => "CREATE INDEX",
        Command::CreateSchema { .. } => "CREATE SCHEMA",
        Command::Drop { .. } => "DROP TABLE",
        Command::CreatePublication { .. } => "CREATE PUBLICATION",
        Command::AlterPublication { .. } => "ALTER PUBLICATION",
        Command::DropPublication { .. } => "DROP PUBLICATION",
        _ => return None,
    })
}

/// Executes a statement.
///
/// # Errors
/// Its error, or what it waits for; in the latter case it has changed nothing but its memo.
pub fn execute(
    state: &mut State,
    pid: i32,
    parsed: &Parsed,
    parameters: &Parameters,
    memo: &mut Memo,
) -> Result<Done, Interrupt<Wait>> {
    let command = &parsed.statement;
    if let Some(answer) = utility::transaction(state, pid, command) {
        return answer;
    }
    if let Some(answer) = utility::settings(state, pid, command) {
        return answer;
    }
    if let Command::Raise { code, message } = command {
        return Err(PgError::new(code, message).into());
    }
    if let Some(what) = writes(command)
        && state.ensure_transaction(pid).read_only
    {
        // What is wrong with the statement itself comes first.
        let mut host = StatementHost::new(state, pid, memo);
        describe(&mut host, parsed, &parameters.declared)?;
        return Err(PgError::new(
            "25006",
            format!("cannot execute {what} in a read-only transaction"),
        )
        .into());
    }
    let rows = matches!(
        command,
        Command::Insert(_) | Command::Update(_) | Command::Delete(_)
    );
    if !rows && writes(command).is_some() {
        // Also what changes the catalog reads through a snapshot, and pins its xmin while it waits.
        state.statement_snapshot(pid);
    }
    if let Some(answer) = crate::postgres::ddl::run(state, pid, command) {
        return answer;
    }
    // Any query takes a snapshot, also one that reads nothing.
    state.statement_snapshot(pid);
    let mut host = StatementHost::new(state, pid, memo);
    let rows = execute_typed(&mut host, parsed, &parameters.values, &parameters.declared)?;
    Ok(
        if rows.columns.is_empty() && !matches!(command, Command::Query(_)) {
            Done::Tag(rows.tag)
        } else {
            Done::Rows {
                columns: rows.columns,
                rows: rows.rows,
                tag: rows.tag,
            }
        },
    )
}

impl State {
    /// A statement is given up: what its functions had begun is undone.
    pub fn forsake(&mut self, pid: i32, memo: &Memo) {
        for pending in memo.pending() {
            pending.forsake(self, pid);
        }
    }
}
