//! An expression over one row: a CHECK constraint.

use sqlparser::ast::Expr;

use super::bind::{Binder, Bound, Scope, Visible};
use super::eval::{Exec, Frame, Row};
use super::host::{Column, Host, ScanRow};
use super::value::Value;

/// Whether a row satisfies a condition; NULL does.
///
/// # Errors
/// What is wrong with the expression, or what it fails with.
pub fn holds<H: Host>(host: &mut H, columns: &[Column], row: &[Value], condition: &Expr) -> Bound<bool, H> {
    let mut binder = Binder::new(host, &[]);
    let sources = vec![Visible {
        alias: String::new(),
        columns: columns.to_vec().into(),
        oid: 0,
        merged: Vec::new(),
    }];
    binder.scopes.push(Scope {
        sources,
        ..Scope::default()
    });
    let typed = binder.expr(condition)?;
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
    .eval(&typed.node, &frame)?;
    Ok(value.as_bool() != Some(false))
}
