//! Column definitions from CREATE TABLE and ALTER TABLE.

use std::rc::Rc;

use sqlparser::ast::{ColumnDef, ColumnOption, DataType, Expr, GeneratedAs, UnaryOperator, Value as Literal};

use super::indexes::NewIndex;
use crate::postgres::catalog::database::Sequence;
use crate::postgres::catalog::relation::{
    ColumnDefinition, ColumnSource, Relation, RelationKind, ReplicaIdentity,
};
use crate::postgres::sql::error::PgError;
use crate::postgres::sql::names;
use crate::postgres::sql::value::{Type, Value};
use crate::postgres::state::State;

/// Constraints that a column definition carries along.
#[derive(Debug, Default)]
pub(crate) struct Carried {
    /// PRIMARY KEY.
    pub primary: bool,
    /// UNIQUE.
    pub unique: bool,
    /// CHECK expressions.
    pub checks: Vec<Expr>,
}

impl Carried {
    /// The index that a column at this position needs.
    pub(crate) fn index(&self, position: usize) -> Option<NewIndex> {
        (self.primary || self.unique).then(|| NewIndex {
            name: None,
            columns: vec![position],
            unique: true,
            primary: self.primary,
            constraint: true,
        })
    }
}

/// A new, empty relation.
pub(crate) fn blank(state: &mut State, pid: i32, schema: u32, name: &str, kind: RelationKind) -> Relation {
    let oid = state.new_oid();
    Relation {
        oid,
        name: name.to_owned(),
        schema,
        owner: state.role(pid).oid,
        kind,
        columns: Vec::new(),
        scan_columns: Rc::from([]),
        checks: Vec::new(),
        filenode: oid,
        parent: None,
        replica_identity: ReplicaIdentity::Default,
        persistence: 'p',
        grants: Vec::new(),
        owned_by: None,
    }
}

/// The integer type behind `serial` and its kin.
fn serial(ty: &DataType) -> Option<Type> {
    let DataType::Custom(name, _) = ty else {
        return None;
    };
    Some(match names::last(name).as_str() {
        "serial" | "serial4" => Type::Int4,
        "bigserial" | "serial8" => Type::Int8,
        "smallserial" | "serial2" => Type::Int2,
        _ => return None,
    })
}

/// Makes a column of `relation`, with its sequence when it needs one.
pub(crate) fn define(
    state: &mut State,
    pid: i32,
    relation: &Relation,
    position: usize,
    definition: &ColumnDef,
) -> Result<(ColumnDefinition, Carried), PgError> {
    let name = names::fold(&definition.name);
    let (ty, is_serial) = match serial(&definition.data_type) {
        Some(ty) => (ty, true),
        None => (Type::from_ast(&definition.data_type)?, false),
    };
    let mut column = ColumnDefinition {
        name,
        modifier: ty.typmod(),
        ty,
        not_null: is_serial,
        source: ColumnSource::Nothing,
        collation: None,
        dropped: false,
        missing: None,
    };
    if is_serial {
        let sequence = add_sequence(state, pid, relation, position, &column.name);
        column.source = ColumnSource::Serial { sequence };
    }
    let mut carried = Carried::default();
    for option in &definition.options {
        match &option.option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => column.not_null = true,
            ColumnOption::Default(expr) => column.source = ColumnSource::Default(Rc::new(expr.clone())),
            ColumnOption::PrimaryKey(_) => {
                column.not_null = true;
                carried.primary = true;
            }
            ColumnOption::Unique(_) => carried.unique = true,
            ColumnOption::Check(check) => carried.checks.push((*check.expr).clone()),
            ColumnOption::Collation(name) => column.collation = Some(names::last(name)),
            ColumnOption::Generated {
                generated_as,
                generation_expr,
                ..
            } => match (generated_as, generation_expr) {
                (_, Some(expr)) => column.source = ColumnSource::Generated(Rc::new(expr.clone())),
                (kind, None) => {
                    column.not_null = true;
                    let sequence = add_sequence(state, pid, relation, position, &column.name);
                    let always = matches!(kind, GeneratedAs::Always);
                    column.source = ColumnSource::Identity { sequence, always };
                }
            },
            other => return Err(PgError::unsupported(format!("the column option {other}"))),
        }
    }
    Ok((column, carried))
}

fn add_sequence(state: &mut State, pid: i32, relation: &Relation, position: usize, column: &str) -> u32 {
    let base = format!("{}_{column}_seq", relation.name);
    let name = free_name(state, pid, relation.schema, &base);
    let mut sequence = blank(state, pid, relation.schema, &name, RelationKind::Sequence);
    sequence.owned_by = Some((relation.oid, position));
    let oid = sequence.oid;
    let xid = state.writing_xid(pid);
    let (database, log) = state.database_mut(pid);
    database.sequences.insert(
        oid,
        Sequence {
            last: 1,
            called: false,
            increment: 1,
        },
    );
    database.relations.put(log, xid, oid, sequence);
    oid
}

/// A name in the schema that nobody has: the base, or the base with a number.
pub(crate) fn free_name(state: &State, pid: i32, schema: u32, base: &str) -> String {
    let taken = |name: &str| {
        let view = state.catalog_view(pid);
        state
            .database(pid)
            .relation(&state.log, view, schema, name)
            .is_some()
    };
    if !taken(base) {
        return base.to_owned();
    }
    (1..)
        .map(|n| format!("{base}{n}"))
        .find(|name| !taken(name))
        .unwrap_or_else(|| base.to_owned())
}

/// The value of a literal, read as this type.
///
/// # Errors
/// `0A000` for anything but a literal.
pub(crate) fn literal(expr: &Expr, ty: &Type) -> Result<Value, PgError> {
    match expr {
        Expr::Value(value) => match &value.value {
            Literal::Number(text, _) => ty.parse_text(text),
            Literal::SingleQuotedString(text) | Literal::EscapedStringLiteral(text) => ty.parse_text(text),
            Literal::Boolean(value) => ty.parse_text(if *value { "t" } else { "f" }),
            Literal::Null => Ok(Value::Null),
            _ => Err(PgError::unsupported(format!("the partition bound {expr}"))),
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: inner,
        } => match &**inner {
            Expr::Value(value) => ty.parse_text(&format!("-{}", value.value)),
            _ => Err(PgError::unsupported(format!("the partition bound {expr}"))),
        },
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => literal(inner, ty),
        _ => Err(PgError::unsupported(format!("the partition bound {expr}"))),
    }
}
