//! Building a view: columns by name as the first row names them, rows by value.

use std::rc::Rc;

use leftover_core::clock::Instant;

use crate::postgres::sql::host::{Column, ScanRow};
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::state::State;

/// One system catalog or view.
pub struct View {
    /// Its name.
    pub name: &'static str,
    /// Its oid as a relation.
    pub oid: u32,
    /// Fills it.
    pub make: fn(&State, i32, &mut Table),
}

/// A view that is being built.
#[derive(Debug, Default)]
pub struct Table {
    /// Its columns, from when they are declared.
    pub columns: Option<Rc<[Column]>>,
    /// Its rows.
    pub rows: Vec<ScanRow>,
}

impl Table {
    /// Declares the columns, if they are not known already: they are the same each time.
    pub fn columns(&mut self, columns: &[(&str, Type)]) {
        let column = |(name, ty): &(&str, Type)| Column {
            name: (*name).to_owned(),
            ty: ty.clone(),
        };
        self.columns
            .get_or_insert_with(|| columns.iter().map(column).collect());
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, values: [Value; N]) {
        debug_assert_eq!(
            Some(N),
            self.columns.as_ref().map(|columns| columns.len()),
            "a row has a value for each column"
        );
        self.rows.push(ScanRow {
            ctid: (0, 0),
            values: values.into(),
        });
    }
}

/// A point of the server's time as `timestamptz`: the simulation starts at 2026-01-01 00:00 UTC.
pub fn timestamp(at: Instant) -> Value {
    Value::Timestamp(crate::postgres::functions::time::micros(at))
}

/// A one-byte character.
pub fn character(character: char) -> Value {
    Value::from(character.to_string())
}

/// An oid.
pub fn oid(oid: u32) -> Value {
    Value::from(oid)
}

/// An xid, where there is one.
pub fn xid(xid: Option<u64>) -> Value {
    xid.map_or(Value::Null, |xid| Value::Int(xid as i64))
}

/// A `regproc`-like NULL or an absent array: the simulated server has none.
pub const NULL: Value = Value::Null;
