//! The executor's front: queries and the statements that change rows.

use std::rc::Rc;

use sqlparser::ast::Query;

use super::bind::{Binder, Bound};
use super::command::{Command, Parsed};
use super::copy::{CopyCommand, CopySource};
use super::error::PgError;
use super::eval::Exec;
use super::host::{Column, Host};
use super::names;
use super::plans;
use super::value::{Type, Value};

/// What a statement gives.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// The columns; none for a statement that gives no rows.
    pub columns: Rc<[Column]>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
    /// The command tag: `SELECT 3`, `INSERT 0 1`.
    pub tag: String,
}

/// What a statement will give and wants, for the extended protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// The result columns; `None` for a statement that gives no rows.
    pub columns: Option<Vec<Column>>,
    /// The types of its parameters.
    pub parameters: Vec<Type>,
}

/// Runs SELECT, VALUES, INSERT, UPDATE or DELETE; parameters whose types the statement does not tell are
/// taken by their values.
///
/// # Errors
/// What the statement fails with, or what it must wait for.
pub fn execute<H: Host>(host: &mut H, statement: &Parsed, parameters: &[Value]) -> Bound<Rows, H> {
    execute_typed(host, statement, parameters, &[])
}

/// [`execute`] with the types that Parse declared for its parameters.
///
/// # Errors
/// As [`execute`].
pub fn execute_typed<H: Host>(
    host: &mut H,
    statement: &Parsed,
    parameters: &[Value],
    declared: &[Option<Type>],
) -> Bound<Rows, H> {
    match &statement.statement {
        Command::Query(query) => {
            let (columns, rows) = run_query(host, &statement.text, query, parameters, declared)?;
            let tag = format!("SELECT {}", rows.len());
            Ok(Rows { columns, rows, tag })
        }
        Command::Insert(insert) => {
            let insert = plans::prepare_insert(host, &statement.text, insert, declared)?;
            super::dml::insert(host, &insert, parameters)
        }
        Command::Update(update) => super::change::update(host, update, parameters, declared),
        Command::Delete(delete) => super::change::delete(host, delete, parameters, declared),
        _ => Err(PgError::unsupported(&statement.text).into()),
    }
}

/// What a query gives: its columns and its rows.
type Relation = (Rc<[Column]>, Vec<Vec<Value>>);

/// Runs a query that is, or is part of, the statement of this text.
fn run_query<H: Host>(
    host: &mut H,
    text: &Rc<str>,
    query: &Query,
    parameters: &[Value],
    declared: &[Option<Type>],
) -> Bound<Relation, H> {
    let prepared = plans::prepare(host, text, query, declared)?;
    let rows = Exec { host, parameters }.plan(&prepared.plan, None);
    prepared.rest();
    Ok((Rc::clone(&prepared.columns), rows?))
}

/// What a statement will give and wants, without running it; `declared` are the types that Parse named
/// (`None` for oid 0). Statements of other kinds give nothing and want nothing.
///
/// # Errors
/// What is wrong with the statement, or the lock that it must wait for.
pub fn describe<H: Host>(
    host: &mut H,
    statement: &Parsed,
    declared: &[Option<Type>],
) -> Bound<Description, H> {
    let mut binder = Binder::new(host, declared);
    let columns = match &statement.statement {
        Command::Query(query) => Some(binder.query(query)?.columns),
        Command::Insert(insert) => super::dml::bind_insert(&mut binder, insert)?
            .returning
            .map(|(columns, _)| columns.to_vec()),
        Command::Update(update) => super::change::bind_update(&mut binder, update)?.returning_columns(),
        Command::Delete(delete) => super::change::bind_delete(&mut binder, delete)?.returning_columns(),
        _ => None,
    };
    let parameters = binder
        .parameters
        .iter()
        .map(|ty| ty.clone().unwrap_or(Type::Text))
        .collect();
    Ok(Description { columns, parameters })
}

/// The columns and rows that the `COPY … TO STDOUT` of this text sends.
///
/// # Errors
/// `42703` for a column that is not there, and what the query fails with.
pub fn copy_out<H: Host>(host: &mut H, text: &Rc<str>, command: &CopyCommand) -> Bound<Relation, H> {
    match &command.source {
        CopySource::Query(query) => run_query(host, text, query, &[], &[]),
        CopySource::Table { name, columns } => {
            let scan = host.scan(name, true, false)?;
            let places = places(&scan.columns, columns, &names::last(name))?;
            let shown = places.iter().map(|place| scan.columns[*place].clone()).collect();
            let rows = scan
                .rows
                .iter()
                .map(|row| places.iter().map(|place| row.values[*place].clone()).collect())
                .collect();
            Ok((shown, rows))
        }
    }
}

/// Where named columns stand; all of them when none is named.
pub(crate) fn places(columns: &[Column], wanted: &[String], table: &str) -> Result<Vec<usize>, PgError> {
    if wanted.is_empty() {
        return Ok((0..columns.len()).collect());
    }
    let mut places = Vec::new();
    for name in wanted {
        let place = columns
            .iter()
            .position(|column| column.name == *name)
            .ok_or_else(|| PgError::undefined_column(&format!("\"{name}\" of relation \"{table}\"")))?;
        if places.contains(&place) {
            return Err(PgError::new(
                "42701",
                format!("column \"{name}\" specified more than once"),
            ));
        }
        places.push(place);
    }
    Ok(places)
}
