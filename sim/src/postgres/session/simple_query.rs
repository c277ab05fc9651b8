//! The simple query protocol: one message, any number of statements, one implicit transaction.

use std::rc::Rc;

use super::commands::Session;
use super::execute::{Done, Memo, Parameters, execute};
use super::results::{Formats, describe, send_rows};
use crate::postgres::activity::ActivityState;
use crate::postgres::process::Process;
use crate::postgres::settings::id;
use crate::postgres::sql::command::{Command, Parsed};
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::host::Interrupt;
use crate::postgres::sql::parse::parse;
use crate::postgres::transaction::Block;
use crate::postgres::waits::Step;

impl Process {
    /// SQL begins: the view shows it, and the timers of SQL are armed.
    pub fn start_sql(&mut self, sql: &str) {
        self.show_query(sql);
        let (statement, check) = self.with(|backend| {
            let settings = &backend.settings;
            (
                settings.time(const { id("statement_timeout") }),
                settings.time(const { id("client_connection_check_interval") }),
            )
        });
        self.timers.start_sql(statement, check);
    }

    /// The view shows this query as running.
    pub fn show_query(&mut self, sql: &str) {
        let mut state = self.state.borrow_mut();
        let now = state.now();
        state.set_activity(self.pid, ActivityState::Active);
        let activity = &mut state.backend(self.pid).activity;
        sql.clone_into(&mut activity.query);
        activity.query_start = now;
    }

    /// Runs one statement to its end, through its waits.
    ///
    /// # Errors
    /// With the statement's error or the backend's end.
    pub async fn run_statement(&mut self, parsed: &Parsed, parameters: &Parameters) -> Step<Done> {
        let range = self.state.borrow().options.timings.statement.clone();
        self.work(range).await?;
        let mut memo = Memo::default();
        loop {
            memo.rewind();
            let result = {
                let mut state = self.state.borrow_mut();
                state.start_statement(self.pid);
                execute(&mut state, self.pid, parsed, parameters, &mut memo)
            };
            match result {
                Ok(done) => return Ok(done),
                Err(Interrupt::Error(error)) => {
                    self.state.borrow_mut().forsake(self.pid, &memo);
                    return Err(error.into());
                }
                Err(Interrupt::Wait(wait)) => {
                    if let Err(stop) = self.wait_for(wait).await {
                        self.state.borrow_mut().forsake(self.pid, &memo);
                        return Err(stop);
                    }
                }
            }
        }
    }
}

/// `25P02` unless the statement may run in a failed transaction.
pub fn check_not_failed(process: &Process, command: &Command) -> Result<(), PgError> {
    let failed = process.with(|backend| backend.transaction.as_ref().is_some_and(|t| t.failed));
    if failed
        && !matches!(
            command,
            Command::Commit | Command::Rollback | Command::RollbackTo(_)
        )
    {
        let message = "current transaction is aborted, commands ignored until end of transaction block";
        return Err(PgError::new("25P02", message));
    }
    Ok(())
}

impl Session {
    /// Answers a simple query.
    ///
    /// # Errors
    /// With the first statement's error or the backend's end.
    pub async fn simple_query(&mut self, process: &mut Process, sql: &str) -> Step<()> {
        process.start_sql(sql);
        let statements: Rc<[Parsed]> = parse(sql)?;
        if statements.is_empty() {
            process.client.replies().empty_query();
            return self.finish_implicit(process).await;
        }
        let many = statements.len() > 1;
        for (index, parsed) in statements.iter().enumerate() {
            check_not_failed(process, &parsed.statement)?;
            if many {
                super::utility::refuse_in_many(&parsed.statement)?;
            }
            process.state.borrow_mut().ensure_transaction(process.pid);
            self.one(process, parsed).await?;
            process.state.borrow_mut().end_statement(process.pid);
            if index + 1 == statements.len() {
                self.finish_implicit(process).await?;
            }
            process.report_notices();
        }
        Ok(())
    }

    async fn one(&mut self, process: &mut Process, parsed: &Parsed) -> Step<()> {
        let command = &parsed.statement;
        if let Command::Copy(copy) = command {
            let tag = super::copy::run(process, &parsed.text, copy).await?;
            process.client.replies().command_complete(&tag);
            return Ok(());
        }
        match process.run_statement(parsed, &Parameters::default()).await? {
            Done::Rows { columns, rows, tag } => {
                describe(process, &columns, &Formats::text());
                process.send_notices().await?;
                send_rows(process, &columns, &rows, &Formats::text(), false).await?;
                // A query that cancels or terminates its own session says so, and does not end well.
                process.signals(true)?;
                process.client.replies().command_complete(&tag);
            }
            Done::Tag(tag) => {
                process.send_notices().await?;
                self.after_utility(process, command);
                process.client.replies().command_complete(&tag);
            }
        }
        Ok(())
    }

    /// Ends a transaction that no BEGIN opened.
    ///
    /// # Errors
    /// With what interrupted the commit.
    pub async fn finish_implicit(&mut self, process: &mut Process) -> Step<()> {
        let pid = process.pid;
        let implicit = process.with(|backend| {
            backend
                .transaction
                .as_ref()
                .is_some_and(|t| t.block == Block::Implicit)
        });
        if implicit {
            process.state.borrow_mut().end_transaction(pid, true);
        }
        process.timers.statement = None;
        Ok(())
    }

    /// What some statements change outside the state: socket options, prepared statements.
    pub fn after_utility(&mut self, process: &mut Process, command: &Command) {
        match command {
            Command::Set { name, .. } | Command::Reset(Some(name)) if name.starts_with("tcp_") => {
                process.apply_socket_options();
            }
            Command::DeallocateAll => self.prepared.clear(),
            Command::Reset(None) | Command::Discard(_) => {
                process.apply_socket_options();
                if matches!(command, Command::Discard(what) if what == "all") {
                    self.prepared.clear();
                    self.portals.clear();
                }
            }
            _ => {}
        }
    }
}
