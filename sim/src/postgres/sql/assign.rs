//! What is assigned to columns: which types may be, and the SET lists of UPDATE and of ON CONFLICT.

use sqlparser::ast::{Assignment, AssignmentTarget, Expr, ObjectName};

use super::bind::{Binder, Bound};
use super::error::PgError;
use super::eval::{Exec, Frame, Row};
use super::execute::places;
use super::filler::{Filler, store};
use super::host::{Column, Host};
use super::names;
use super::plan::{Node, Typed};
use super::value::{Type, Value};

/// A column to set and the expression that it is set to; `None` is `DEFAULT`.
pub(crate) type Sets = Vec<(usize, Option<(Node, Type)>)>;

/// Whether an expression is the word DEFAULT.
pub(super) fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(ident) if ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("default"))
}

/// An expression that is stored into a column: with its type, or `42804`.
pub(crate) fn assignable<H: Host>(
    binder: &mut Binder<'_, H>,
    typed: Typed,
    column: &Column,
) -> Bound<(Node, Type), H> {
    let typed = if typed.ty == Type::Unknown {
        binder.coerce_unknown(typed, &column.ty)?
    } else {
        typed
    };
    let (from, to) = (typed.ty.base(), column.ty.base());
    let instant = |ty: &Type| matches!(ty, Type::Date | Type::Timestamp(_) | Type::Timestamptz(_));
    let integer = |ty: &Type| ty.is_integer() || ty.is_oid();
    let fits = from == to
        || to.is_string()
        || (from.is_number() && to.is_number())
        || (integer(&from) && integer(&to))
        || (instant(&from) && instant(&to))
        || matches!(
            (&from, &to),
            (Type::Json, Type::Jsonb) | (Type::Jsonb, Type::Json)
        );
    if !fits {
        let message = format!(
            "column \"{}\" is of type {} but expression is of type {}",
            column.name,
            to.name(),
            from.name()
        );
        return Err(PgError::new("42804", message)
            .with_hint("You will need to rewrite or cast the expression.")
            .into());
    }
    // The node is brought to the column's type here, so that a plan of such cells has the columns' types.
    let node = if from == to {
        typed.node
    } else {
        Node::Cast {
            node: Box::new(typed.node),
            from: typed.ty,
            to: to.clone(),
        }
    };
    Ok((node, to))
}

impl<H: Host> Binder<'_, H> {
    /// An untyped literal as a value to store: with the column's base type, its modifier applied later.
    fn coerce_unknown(&mut self, typed: Typed, to: &Type) -> Bound<Typed, H> {
        let base = to.base();
        self.cast(typed, &base)
    }
}

/// `SET a = 1, (b, c) = (…)`.
pub(crate) fn bind_sets<H: Host>(
    binder: &mut Binder<'_, H>,
    assignments: &[Assignment],
    columns: &[Column],
    table: &str,
) -> Bound<Sets, H> {
    let mut sets: Sets = Vec::new();
    for assignment in assignments {
        let (names, values): (Vec<&ObjectName>, Vec<&Expr>) = match (&assignment.target, &assignment.value) {
            (AssignmentTarget::ColumnName(name), value) => (vec![name], vec![value]),
            (AssignmentTarget::Tuple(names), Expr::Tuple(values)) if names.len() == values.len() => {
                (names.iter().collect(), values.iter().collect())
            }
            _ => return Err(PgError::unsupported(assignment).into()),
        };
        for (name, value) in names.into_iter().zip(values) {
            let place = places(columns, &[names::last(name)], table)?[0];
            if sets.iter().any(|(other, _)| *other == place) {
                let message = format!("multiple assignments to same column \"{}\"", columns[place].name);
                return Err(PgError::new("42601", message).into());
            }
            let node = if is_default(value) {
                None
            } else {
                let typed = binder.expr(value)?;
                Some(assignable(binder, typed, &columns[place])?)
            };
            sets.push((place, node));
        }
    }
    Ok(sets)
}

/// A row after SET; `None` when the filter leaves it out.
pub(crate) fn apply_sets<H: Host>(
    host: &mut H,
    parameters: &[Value],
    sets: &Sets,
    filter: Option<&Node>,
    row: &Row,
    filler: &Filler,
) -> Bound<Option<Vec<Value>>, H> {
    let frame = Frame {
        row,
        aggregates: &[],
        outer: None,
    };
    let mut exec = Exec { host, parameters };
    if let Some(filter) = filter
        && exec.truth(filter, &frame)? != Some(true)
    {
        return Ok(None);
    }
    let mut values = row[0].as_ref().map(|row| row.values.to_vec()).unwrap_or_default();
    for (place, set) in sets {
        values[*place] = match set {
            Some((node, ty)) => {
                let value = exec.eval(node, &frame)?;
                filler.refuse_generated(*place)?;
                store(value, ty, &filler.columns[*place])?
            }
            None => filler.default(exec.host, *place)?.unwrap_or_default(),
        };
    }
    filler.generate(exec.host, &mut values)?;
    Ok(Some(values))
}
