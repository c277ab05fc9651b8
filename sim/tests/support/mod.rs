//! A server of a few tables in memory, for the executor alone.

use std::collections::BTreeMap;
use std::rc::Rc;

use leftover_sim::postgres::sql::command::{Command, Parsed};
use leftover_sim::postgres::sql::error::PgError;
use leftover_sim::postgres::sql::execute::{Rows, execute};
use leftover_sim::postgres::sql::host::{
    Column, ColumnDefault, Host, InsertOutcome, Interrupt, OnConflict, Scan, ScanRow,
};
use leftover_sim::postgres::sql::names;
use leftover_sim::postgres::sql::parse::parse;
use leftover_sim::postgres::sql::value::{Type, Value};
use sqlparser::ast::{ColumnOption, ObjectName};

/// This host never waits.
#[derive(Debug, PartialEq, Eq)]
pub enum Never {}

struct Table {
    oid: u32,
    columns: Rc<[Column]>,
    defaults: Vec<ColumnDefault>,
    key: Option<usize>,
    rows: Vec<ScanRow>,
}

#[derive(Default)]
pub struct Memory {
    tables: BTreeMap<String, Table>,
    next_item: u16,
    sequence: i64,
}

impl Memory {
    /// Runs a script and gives the last statement's rows.
    pub fn run(&mut self, sql: &str) -> Result<Rows, PgError> {
        let mut last = Rows::default();
        for statement in parse(sql)?.iter() {
            last = self.statement(statement)?;
        }
        Ok(last)
    }

    fn statement(&mut self, statement: &Parsed) -> Result<Rows, PgError> {
        if let Command::CreateTable(create) = &statement.statement {
            let mut columns = Vec::new();
            let mut defaults = Vec::new();
            let mut key = None;
            for (index, column) in create.columns.iter().enumerate() {
                columns.push(Column {
                    name: names::fold(&column.name),
                    ty: Type::from_ast(&column.data_type)?,
                });
                let mut default = ColumnDefault::None;
                for option in &column.options {
                    match &option.option {
                        ColumnOption::Default(expr) => {
                            default = ColumnDefault::Expression(Rc::new(expr.clone()))
                        }
                        ColumnOption::PrimaryKey(_) => key = Some(index),
                        ColumnOption::Generated {
                            generation_expr: Some(expr),
                            ..
                        } => {
                            default = ColumnDefault::Generated(Rc::new(expr.clone()));
                        }
                        ColumnOption::Generated { .. } => {
                            default = ColumnDefault::Identity {
                                sequence: 1,
                                always: true,
                            };
                        }
                        _ => {}
                    }
                }
                defaults.push(default);
            }
            let oid = 16_384 + self.tables.len() as u32;
            let table = Table {
                oid,
                columns: columns.into(),
                defaults,
                key,
                rows: Vec::new(),
            };
            self.tables.insert(names::last(&create.name), table);
            return Ok(Rows::default());
        }
        execute(self, statement, &[]).map_err(|interrupt| match interrupt {
            Interrupt::Error(error) => error,
            Interrupt::Wait(never) => match never {},
        })
    }

    fn table(&mut self, name: &ObjectName) -> Result<&mut Table, Interrupt<Never>> {
        let last = names::last(name);
        self.tables
            .get_mut(&last)
            .ok_or_else(|| PgError::undefined_table(&last).into())
    }
}

impl Host for Memory {
    type Wait = Never;

    fn scan(&mut self, name: &ObjectName, _: bool, _: bool) -> Result<Scan, Interrupt<Never>> {
        let table = self.table(name)?;
        Ok(Scan {
            columns: table.columns.clone(),
            rows: table.rows.clone(),
            oid: table.oid,
        })
    }

    fn call(&mut self, name: &str, arguments: &[Value]) -> Option<Result<Value, Interrupt<Never>>> {
        Some(Ok(match name {
            "nextval" => {
                self.sequence += 1;
                Value::Int(self.sequence)
            }
            "current_database" | "current_user" => "postgres".into(),
            "now" | "clock_timestamp" => Value::Timestamp(0),
            "pg_backend_pid" => Value::Int(1),
            "current_setting" => "10".into(),
            "pg_relation_size" | "pg_relation_filenode" => Value::Int(8192),
            "has_table_privilege" => Value::Bool(true),
            "pg_get_expr" | "pg_get_constraintdef" => Value::Null,
            "pg_terminate_backend" => Value::Bool(arguments.len() == 2),
            "pg_create_logical_replication_slot" => Value::Record(
                vec![
                    (Type::Name, arguments[0].clone()),
                    (Type::Lsn, Value::Lsn(0x16_B374_D848)),
                ]
                .into(),
            ),
            _ => return None,
        }))
    }

    fn relation_oid(&mut self, name: &[String]) -> Option<u32> {
        Some(self.tables.get(name.last()?)?.oid)
    }

    fn relation_name(&mut self, oid: u32) -> Option<String> {
        self.tables
            .iter()
            .find(|(_, table)| table.oid == oid)
            .map(|(name, _)| names::quote_ident(name))
    }

    fn admit(&mut self, _name: &ObjectName, _rows: &[Vec<Value>]) -> Result<(), Interrupt<Self::Wait>> {
        Ok(())
    }

    fn insert(
        &mut self,
        name: &ObjectName,
        rows: Vec<Vec<Value>>,
        on_conflict: OnConflict,
    ) -> Result<Vec<InsertOutcome>, Interrupt<Never>> {
        let mut next = self.next_item;
        let table = self.table(name)?;
        let mut outcomes = Vec::new();
        for row in rows {
            let conflict = table
                .key
                .and_then(|key| table.rows.iter().find(|other| other.values[key] == row[key]));
            match (conflict, on_conflict) {
                (Some(_), OnConflict::Fail) => {
                    return Err(
                        PgError::new("23505", "duplicate key value violates unique constraint").into(),
                    );
                }
                (Some(conflict), OnConflict::Report) => {
                    outcomes.push(InsertOutcome::Conflict(conflict.clone()))
                }
                (None, _) => {
                    next += 1;
                    table.rows.push(ScanRow {
                        ctid: (0, next),
                        values: row.into(),
                    });
                    outcomes.push(InsertOutcome::Inserted);
                }
            }
        }
        self.next_item = next;
        Ok(outcomes)
    }

    fn update(
        &mut self,
        name: &ObjectName,
        rows: Vec<((u32, u16), Vec<Value>)>,
    ) -> Result<(), Interrupt<Never>> {
        let table = self.table(name)?;
        for (ctid, values) in rows {
            table.rows.retain(|row| row.ctid != ctid);
            table.rows.push(ScanRow {
                ctid,
                values: values.into(),
            });
        }
        Ok(())
    }

    fn delete(&mut self, name: &ObjectName, rows: Vec<(u32, u16)>) -> Result<(), Interrupt<Never>> {
        self.table(name)?.rows.retain(|row| !rows.contains(&row.ctid));
        Ok(())
    }

    fn defaults(&mut self, name: &ObjectName) -> Result<Vec<ColumnDefault>, Interrupt<Never>> {
        Ok(self.table(name)?.defaults.clone())
    }
}

/// Rows as `psql -At` prints them; an error as its SQLSTATE.
pub fn as_psql(result: Result<Rows, PgError>) -> String {
    match result {
        Err(error) => format!("ERROR {}", error.code),
        Ok(rows) => {
            let line = |row: &Vec<Value>| {
                let cells: Vec<String> = row
                    .iter()
                    .zip(rows.columns.iter())
                    .map(|(value, column)| value.to_text(&column.ty))
                    .collect();
                cells.join("|")
            };
            rows.rows.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    }
}
