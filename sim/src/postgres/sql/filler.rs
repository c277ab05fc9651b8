//! What a statement does not give: defaults, identities and generated columns, shared by INSERT and COPY.

use std::rc::Rc;

use sqlparser::ast::ObjectName;

use super::assign::assignable;
use super::bind::{Binder, Bound, Scope, Visible};
use super::cast::{CastKind, cast};
use super::error::PgError;
use super::eval::{Exec, Frame, Row};
use super::host::{Column, ColumnDefault, Host, ScanRow};
use super::value::{Type, Value};

/// A value as a column stores it.
pub(crate) fn store(value: Value, from: &Type, column: &Column) -> Result<Value, PgError> {
    if value.is_null() {
        return Ok(value);
    }
    cast(value, from, &column.ty, CastKind::Assignment)
}

/// Fills in what a statement does not give.
pub(crate) struct Filler {
    pub(crate) columns: Rc<[Column]>,
    defaults: Vec<ColumnDefault>,
}

impl Filler {
    pub(crate) fn new<H: Host>(host: &mut H, name: &ObjectName, columns: Rc<[Column]>) -> Bound<Self, H> {
        let mut defaults = host.defaults(name)?;
        defaults.resize(columns.len(), ColumnDefault::None);
        Ok(Self { columns, defaults })
    }

    /// A complete row; `copy` lets explicit values into identity columns.
    pub(crate) fn fill<H: Host>(
        &mut self,
        host: &mut H,
        cells: Vec<Option<Value>>,
        copy: bool,
    ) -> Bound<Vec<Value>, H> {
        let mut row = Vec::with_capacity(cells.len());
        for (place, cell) in cells.into_iter().enumerate() {
            row.push(match cell {
                Some(value) => {
                    self.refuse_generated(place)?;
                    if let (false, ColumnDefault::Identity { always: true, .. }) =
                        (copy, &self.defaults[place])
                    {
                        return Err(
                            explicit(&self.columns[place].name, "insert a non-DEFAULT value into").into(),
                        );
                    }
                    value
                }
                None => self.default(host, place)?.unwrap_or_default(),
            });
        }
        self.generate(host, &mut row)?;
        Ok(row)
    }

    /// Generated columns take no values.
    pub(crate) fn refuse_generated(&self, place: usize) -> Result<(), PgError> {
        match self.defaults[place] {
            ColumnDefault::Generated(_) => {
                let name = &self.columns[place].name;
                Err(PgError::new(
                    "428C9",
                    format!("cannot insert a non-DEFAULT value into column \"{name}\""),
                )
                .with_detail(format!("Column \"{name}\" is a generated column.")))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn is_generated(&self, place: usize) -> bool {
        matches!(self.defaults[place], ColumnDefault::Generated(_))
    }

    /// A column's default; `None` when the row itself generates it.
    pub(crate) fn default<H: Host>(&self, host: &mut H, place: usize) -> Bound<Option<Value>, H> {
        let column = &self.columns[place];
        match &self.defaults[place] {
            ColumnDefault::None => Ok(Some(Value::Null)),
            ColumnDefault::Generated(_) => Ok(None),
            ColumnDefault::Identity { sequence, .. } => {
                match host.call("nextval", &[Value::from(*sequence)]) {
                    Some(value) => Ok(Some(store(value?, &Type::Int8, column)?)),
                    None => Err(PgError::undefined_function("nextval(regclass)").into()),
                }
            }
            ColumnDefault::Expression(expr) => {
                let expr = expr.clone();
                let mut binder = Binder::new(host, &[]);
                binder.scopes.push(Scope::default());
                let typed = binder.expr(&expr)?;
                let (node, ty) = assignable(&mut binder, typed, column)?;
                let frame = Frame {
                    row: &[],
                    aggregates: &[],
                    outer: None,
                };
                let value = Exec {
                    host,
                    parameters: &[],
                }
                .eval(&node, &frame)?;
                Ok(Some(store(value, &ty, column)?))
            }
        }
    }

    /// Computes the generated columns of a row.
    pub(crate) fn generate<H: Host>(&self, host: &mut H, row: &mut [Value]) -> Bound<(), H> {
        for (place, default) in self.defaults.iter().enumerate() {
            let ColumnDefault::Generated(expr) = default else {
                continue;
            };
            let mut binder = Binder::new(host, &[]);
            let columns = Rc::clone(&self.columns);
            let sources = vec![Visible {
                alias: String::new(),
                columns,
                oid: 0,
                merged: Vec::new(),
            }];
            binder.scopes.push(Scope {
                sources,
                ..Scope::default()
            });
            let typed = binder.expr(expr)?;
            let (node, ty) = assignable(&mut binder, typed, &self.columns[place])?;
            let current: Row = vec![Some(ScanRow {
                ctid: (0, 0),
                values: row.to_vec().into(),
            })];
            let frame = Frame {
                row: &current,
                aggregates: &[],
                outer: None,
            };
            let value = Exec {
                host,
                parameters: &[],
            }
            .eval(&node, &frame)?;
            row[place] = store(value, &ty, &self.columns[place])?;
        }
        Ok(())
    }
}

fn explicit(name: &str, what: &str) -> PgError {
    PgError::new("428C9", format!("cannot {what} column \"{name}\""))
        .with_detail(format!(
            "Column \"{name}\" is an identity column defined as GENERATED ALWAYS."
        ))
        .with_hint("Use OVERRIDING SYSTEM VALUE to override.")
}
