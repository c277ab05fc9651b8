//! The extended query protocol of ordinary sessions.

use std::rc::Rc;

use bytes::Bytes;

use super::commands::Session;
use super::execute::{Done, Memo, Parameters};
use super::results::{Formats, describe, send_rows};
use super::simple_query::check_not_failed;
use crate::postgres::host::StatementHost;
use crate::postgres::process::Process;
use crate::postgres::protocol::{Format, Target};
use crate::postgres::sql::command::{Command, Parsed};
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::execute::{Description, describe as describe_statement};
use crate::postgres::sql::host::{Column, Interrupt};
use crate::postgres::sql::parse::parse;
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::waits::Step;

/// A prepared statement.
#[derive(Debug)]
pub struct Prepared {
    /// Its text.
    pub sql: String,
    /// The statement; none for an empty text.
    pub parsed: Rc<[Parsed]>,
    /// The types that Parse declared.
    pub declared: Vec<Option<Type>>,
    /// What it wants and gives.
    pub description: Description,
}

/// A prepared statement with its parameters, and what it has not sent yet.
#[derive(Debug)]
pub struct Portal {
    prepared: Rc<Prepared>,
    parameters: Vec<Value>,
    formats: Formats,
    rest: Option<Rest>,
    done: bool,
}

#[derive(Debug)]
struct Rest {
    columns: Rc<[Column]>,
    rows: std::vec::IntoIter<Vec<Value>>,
    tag: String,
}

fn missing(what: &str, name: &str) -> PgError {
    let code = if what == "portal" { "34000" } else { "26000" };
    match (what, name) {
        ("portal", name) => PgError::new(code, format!("portal \"{name}\" does not exist")),
        (_, "") => PgError::new(code, "unnamed prepared statement does not exist"),
        (_, name) => PgError::new(code, format!("prepared statement \"{name}\" does not exist")),
    }
}

impl Session {
    /// Parse.
    ///
    /// # Errors
    /// With the statement's error or the backend's end.
    pub async fn parse(&mut self, process: &mut Process, name: String, sql: &str, types: &[u32]) -> Step<()> {
        process.start_sql(sql);
        if name.is_empty() {
            self.prepared.remove("");
        } else if self.prepared.contains_key(&name) {
            return Err(
                PgError::new("42P05", format!("prepared statement \"{name}\" already exists")).into(),
            );
        }
        let statements = parse(sql)?;
        if statements.len() > 1 {
            let message = "cannot insert multiple commands into a prepared statement";
            return Err(PgError::new("42601", message).into());
        }
        let declared: Vec<Option<Type>> = types.iter().map(|oid| Type::from_oid(*oid, -1)).collect();
        let description = match statements.first() {
            None => Description {
                columns: None,
                parameters: Vec::new(),
            },
            Some(parsed) => {
                check_not_failed(process, &parsed.statement)?;
                process.state.borrow_mut().ensure_transaction(process.pid);
                self.describe_parsed(process, parsed, &declared).await?
            }
        };
        let prepared = Prepared {
            sql: sql.to_owned(),
            parsed: statements,
            declared,
            description,
        };
        self.prepared.insert(name, Rc::new(prepared));
        process.client.replies().parse_complete();
        Ok(())
    }

    async fn describe_parsed(
        &self,
        process: &mut Process,
        parsed: &Parsed,
        declared: &[Option<Type>],
    ) -> Step<Description> {
        if let Command::Show(name) = &parsed.statement {
            let columns = vec![super::utility::text_column(name)];
            return Ok(Description {
                columns: Some(columns),
                parameters: Vec::new(),
            });
        }
        let mut memo = Memo::default();
        loop {
            memo.rewind();
            let described = {
                let mut state = process.state.borrow_mut();
                state.start_statement(process.pid);
                let mut host = StatementHost::new(&mut state, process.pid, &mut memo);
                describe_statement(&mut host, parsed, declared)
            };
            match described {
                Ok(description) => return Ok(description),
                Err(Interrupt::Error(error)) => return Err(error.into()),
                Err(Interrupt::Wait(wait)) => process.wait_for(wait).await?,
            }
        }
    }

    /// Bind.
    ///
    /// # Errors
    /// `26000`, and what is wrong with a parameter.
    pub fn bind(
        &mut self,
        process: &mut Process,
        portal: String,
        statement: &str,
        formats: &[Format],
        values: &[Option<Bytes>],
        result_formats: Vec<Format>,
    ) -> Step<()> {
        let prepared = self
            .prepared
            .get(statement)
            .cloned()
            .ok_or_else(|| missing("statement", statement))?;
        process.start_sql(&prepared.sql);
        if !portal.is_empty() && self.portals.contains_key(&portal) {
            return Err(PgError::new("42P03", format!("cursor \"{portal}\" already exists")).into());
        }
        if formats.len() > 1 && formats.len() != values.len() {
            let (formats, values) = (formats.len(), values.len());
            let message = format!("bind message has {formats} parameter formats but {values} parameters");
            return Err(PgError::new("08P01", message).into());
        }
        let types = &prepared.description.parameters;
        if values.len() != types.len() {
            let message = format!(
                "bind message supplies {} parameters, but prepared statement \"{statement}\" requires {}",
                values.len(),
                types.len()
            );
            return Err(PgError::new("08P01", message).into());
        }
        let formats = Formats(formats.to_vec());
        let read = |(at, (value, ty)): (usize, (&Option<Bytes>, &Type))| match value {
            None => Ok(Value::Null),
            Some(bytes) if formats.of(at) == Format::Binary => ty.parse_binary(bytes).map_err(|mut error| {
                if error == PgError::invalid_binary() {
                    error.message += &format!(" in bind parameter {}", at + 1);
                }
                error
            }),
            Some(bytes) => {
                let text = std::str::from_utf8(bytes)
                    .ok()
                    .filter(|text| !text.contains('\0'));
                ty.parse_text(text.ok_or_else(|| PgError::invalid_utf8(bytes))?)
            }
        };
        let parameters = values
            .iter()
            .zip(types)
            .enumerate()
            .map(read)
            .collect::<Result<_, PgError>>()?;
        if let Some(parsed) = prepared.parsed.first() {
            check_not_failed(process, &parsed.statement)?;
            process.state.borrow_mut().ensure_transaction(process.pid);
        }
        let columns = prepared.description.columns.as_ref().map_or(0, Vec::len);
        let wanted = result_formats.len();
        if wanted > 1 && wanted != columns {
            let message = format!("bind message has {wanted} result formats but query has {columns} columns");
            return Err(PgError::new("08P01", message).into());
        }
        let (formats, rest, done) = (Formats(result_formats), None, false);
        self.portals.insert(
            portal,
            Portal {
                prepared,
                parameters,
                formats,
                rest,
                done,
            },
        );
        process.client.replies().bind_complete();
        Ok(())
    }

    /// Describe.
    ///
    /// # Errors
    /// `26000`, `34000`.
    pub fn describe(&self, process: &mut Process, target: &Target) -> Step<()> {
        let (description, formats) = match target {
            Target::Statement(name) => {
                let prepared = self
                    .prepared
                    .get(name)
                    .ok_or_else(|| missing("statement", name))?;
                let oids: Vec<u32> = prepared.description.parameters.iter().map(Type::oid).collect();
                process.client.replies().parameter_description(&oids);
                (&prepared.description, Formats::text())
            }
            Target::Portal(name) => {
                let portal = self.portals.get(name).ok_or_else(|| missing("portal", name))?;
                (&portal.prepared.description, portal.formats.clone())
            }
        };
        match &description.columns {
            Some(columns) => describe(process, columns, &formats),
            None => {
                process.client.replies().no_data();
            }
        }
        Ok(())
    }

    /// Execute.
    ///
    /// # Errors
    /// With the statement's error or the backend's end.
    pub async fn execute_portal(&mut self, process: &mut Process, name: &str, max_rows: i32) -> Step<()> {
        let mut portal = self.portals.remove(name).ok_or_else(|| missing("portal", name))?;
        process.start_sql(&portal.prepared.sql);
        let prepared = Rc::clone(&portal.prepared);
        let Some(parsed) = prepared.parsed.first() else {
            process.client.replies().empty_query();
            self.portals.insert(name.to_owned(), portal);
            return Ok(());
        };
        check_not_failed(process, &parsed.statement)?;
        if portal.rest.is_none() && !portal.done {
            process.state.borrow_mut().ensure_transaction(process.pid);
            if let Command::Copy(copy) = &parsed.statement {
                let tag = super::copy::run(process, &parsed.text, copy).await?;
                process.report_notices();
                process.client.replies().command_complete(&tag);
                process.state.borrow_mut().end_statement(process.pid);
                return Ok(());
            }
            let parameters = Parameters {
                values: portal.parameters.clone(),
                declared: portal.prepared.declared.clone(),
            };
            let done = process.run_statement(parsed, &parameters).await?;
            process.report_notices();
            match done {
                Done::Rows { columns, rows, tag } => {
                    portal.rest = Some(Rest {
                        columns,
                        rows: rows.into_iter(),
                        tag,
                    });
                }
                Done::Tag(tag) => {
                    self.after_utility(process, &parsed.statement);
                    process.client.replies().command_complete(&tag);
                    process.state.borrow_mut().end_statement(process.pid);
                    portal.done = true;
                    self.portals.insert(name.to_owned(), portal);
                    return Ok(());
                }
            }
        }
        let result = send_rest(process, &mut portal, max_rows).await;
        self.portals.insert(name.to_owned(), portal);
        result
    }
}

async fn send_rest(process: &mut Process, portal: &mut Portal, max_rows: i32) -> Step<()> {
    let Some(rest) = &mut portal.rest else {
        process.client.replies().command_complete("SELECT 0");
        return Ok(());
    };
    let limit = usize::try_from(max_rows)
        .ok()
        .filter(|limit| *limit > 0)
        .unwrap_or(usize::MAX);
    let rows: Vec<Vec<Value>> = rest.rows.by_ref().take(limit).collect();
    send_rows(process, &rest.columns, &rows, &portal.formats, false).await?;
    process.signals(true)?;
    if rows.len() == limit {
        process.client.replies().portal_suspended();
        return Ok(());
    }
    let tag = std::mem::take(&mut rest.tag);
    process.client.replies().command_complete(&tag);
    portal.rest = None;
    portal.done = true;
    process.state.borrow_mut().end_statement(process.pid);
    Ok(())
}
