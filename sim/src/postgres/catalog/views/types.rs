//! Types, collations and access methods.

use std::cell::OnceCell;

use super::build::{NULL, Table, oid};
use crate::postgres::catalog::database::PG_CATALOG;
use crate::postgres::catalog::relation::ColumnDefinition;
use crate::postgres::sql::host::ScanRow;
use crate::postgres::sql::value::Type;
use crate::postgres::state::State;

/// Collations: oid, name, provider, encoding.
const COLLATIONS: [(u32, &str, &str, i32); 5] = [
    (100, "default", "d", -1),
    (950, "C", "c", -1),
    (951, "POSIX", "c", -1),
    (12_547, "C.utf8", "c", 6),
    (12_548, "en_US.utf8", "c", 6),
];

/// The oid of a collation.
pub fn collation_oid(name: &str) -> Option<u32> {
    COLLATIONS
        .iter()
        .find(|(_, known, ..)| *known == name)
        .map(|(oid, ..)| *oid)
}

/// `attcollation`: of strings the column's own or the default.
pub fn collation_of(column: &ColumnDefinition) -> u32 {
    match (&column.collation, &column.ty) {
        (Some(name), _) => collation_oid(name).unwrap_or(100),
        (None, Type::Name) => 950,
        (None, ty) if ty.is_string() && *ty != Type::QChar => 100,
        _ => 0,
    }
}

/// `pg_collation`.
pub fn pg_collation(_state: &State, _pid: i32, table: &mut Table) {
    table.columns(&[
        ("oid", Type::Oid),
        ("collname", Type::Name),
        ("collnamespace", Type::Oid),
        ("collprovider", Type::QChar),
        ("collisdeterministic", Type::Bool),
        ("collencoding", Type::Int4),
    ]);
    for (id, name, provider, encoding) in COLLATIONS {
        table.row([
            oid(id),
            name.into(),
            oid(PG_CATALOG),
            provider.into(),
            true.into(),
            encoding.into(),
        ]);
    }
}

/// `pg_am`.
pub fn pg_am(_state: &State, _pid: i32, table: &mut Table) {
    table.columns(&[
        ("oid", Type::Oid),
        ("amname", Type::Name),
        ("amtype", Type::QChar),
    ]);
    table.row([oid(2), "heap".into(), "t".into()]);
    table.row([oid(403), "btree".into(), "i".into()]);
}

const TYPE_COLUMNS: &[(&str, Type)] = &[
    ("oid", Type::Oid),
    ("typname", Type::Name),
    ("typnamespace", Type::Oid),
    ("typowner", Type::Oid),
    ("typlen", Type::Int2),
    ("typtype", Type::QChar),
    ("typcategory", Type::QChar),
    ("typisdefined", Type::Bool),
    ("typdelim", Type::QChar),
    ("typrelid", Type::Oid),
    ("typelem", Type::Oid),
    ("typarray", Type::Oid),
    ("typbasetype", Type::Oid),
    ("typtypmod", Type::Int4),
    ("typcollation", Type::Oid),
];

thread_local! {
    /// The rows of the built-in types: the same on every server.
    static BUILT_IN: OnceCell<Vec<ScanRow>> = const { OnceCell::new() };
}

fn built_in() -> Vec<ScanRow> {
    let mut table = Table::default();
    table.columns(TYPE_COLUMNS);
    for number in 16..=5069 {
        if let Some(ty) = Type::from_oid(number, -1).filter(|ty| ty.oid() == number) {
            add_built_in(&mut table, &ty);
        }
    }
    table.rows
}

fn add_built_in(table: &mut Table, ty: &Type) {
    let element = match ty {
        Type::Array(element) => element.oid(),
        _ => 0,
    };
    let category = match ty {
        Type::Array(_) => "A",
        Type::Bool => "B",
        ty if ty.is_string() => "S",
        ty if ty.is_number() || ty.is_oid() => "N",
        Type::Timestamp(_) | Type::Timestamptz(_) | Type::Date => "D",
        _ => "U",
    };
    table.row([
        oid(ty.oid()),
        ty.typname().into(),
        oid(PG_CATALOG),
        oid(10),
        i64::from(ty.typlen()).into(),
        "b".into(),
        category.into(),
        true.into(),
        ",".into(),
        oid(0),
        oid(element),
        oid(ty.array_oid()),
        oid(0),
        (-1).into(),
        oid(if ty.is_string() { 100 } else { 0 }),
    ]);
}

/// `pg_type`.
pub fn pg_type(state: &State, pid: i32, table: &mut Table) {
    table.columns(TYPE_COLUMNS);
    table
        .rows
        .extend(BUILT_IN.with(|rows| rows.get_or_init(built_in).clone()));
    let database = state.database(pid);
    for (id, definition) in database.enums.iter(&state.log, state.catalog_view(pid)) {
        let (name, _, schema) = &**definition;
        table.row([
            oid(*id),
            name.clone().into(),
            oid(*schema),
            oid(database.owner),
            4.into(),
            "e".into(),
            "E".into(),
            true.into(),
            ",".into(),
            oid(0),
            oid(0),
            oid(0),
            oid(0),
            (-1).into(),
            NULL,
        ]);
    }
}
