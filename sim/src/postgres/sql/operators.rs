//! Binding of operators and casts: which types meet, and what they become.

use sqlparser::ast::BinaryOperator;

use super::bind::{Binder, Bound};
use super::cast::{CastKind, cast};
use super::error::PgError;
use super::host::Host;
use super::plan::{Comparison, Node, Typed};
use super::value::{Type, Value};

/// The type that several become in UNION, VALUES, CASE, COALESCE, ARRAY.
pub(crate) fn common_type(context: &str, types: &[Type]) -> Result<Type, PgError> {
    let mut common: Option<Type> = None;
    for ty in types.iter().filter(|ty| **ty != Type::Unknown) {
        common = Some(match common {
            None => ty.clone(),
            Some(common) if common == *ty => common,
            Some(common) => promote(&common, ty).ok_or_else(|| {
                let (a, b) = (common.base().name(), ty.base().name());
                PgError::new("42804", format!("{context} types {a} and {b} cannot be matched"))
            })?,
        });
    }
    Ok(common.unwrap_or(Type::Text))
}

/// The wider of two types that meet without a cast.
fn promote(a: &Type, b: &Type) -> Option<Type> {
    let rank = |ty: &Type| {
        Some(match ty {
            Type::Int2 => 0,
            Type::Int4 => 1,
            Type::Int8 => 2,
            Type::Numeric(_) => 3,
            Type::Float4 => 4,
            Type::Float8 => 5,
            _ => return None,
        })
    };
    if let (Some(x), Some(y)) = (rank(a), rank(b)) {
        return Some(if x >= y { a.base() } else { b.base() });
    }
    let date = |ty: &Type| match ty {
        Type::Date => Some(0),
        Type::Timestamp(_) => Some(1),
        Type::Timestamptz(_) => Some(2),
        _ => None,
    };
    if let (Some(x), Some(y)) = (date(a), date(b)) {
        return Some(if x >= y { a.base() } else { b.base() });
    }
    match (a, b) {
        _ if a.base() == b.base() => Some(a.base()),
        (Type::Name | Type::QChar | Type::Bpchar(_) | Type::Varchar(_) | Type::Text, b) if b.is_string() => {
            Some(Type::Text)
        }
        (a, b) if (a.is_oid() || a.is_integer()) && (b.is_oid() || b.is_integer()) => Some(Type::Oid),
        _ => None,
    }
}

impl<H: Host> Binder<'_, H> {
    /// Gives an untyped literal or parameter a type; other types must convert by themselves.
    pub(crate) fn coerce(&mut self, typed: Typed, to: &Type) -> Bound<Typed, H> {
        if typed.ty == *to || (typed.ty == Type::Unknown && *to == Type::Unknown) {
            return Ok(typed);
        }
        if typed.ty == Type::Unknown {
            return self.cast(typed, to);
        }
        let fits = typed.ty.base() == to.base()
            || (typed.ty.is_string() && to.is_string())
            || promote(&typed.ty, to).is_some_and(|common| common == to.base());
        if !fits {
            let message = format!("cannot convert type {} to {}", typed.ty.name(), to.name());
            return Err(PgError::new("42804", message).into());
        }
        if typed.ty.base() == to.base() {
            return Ok(Typed {
                node: typed.node,
                ty: to.clone(),
            });
        }
        self.cast(typed, to)
    }

    /// An explicit cast; constants are cast at once.
    pub(crate) fn cast(&mut self, typed: Typed, to: &Type) -> Bound<Typed, H> {
        let Typed { node, ty: from } = typed;
        if from == *to && to.typmod() == -1 {
            return Ok(Typed { node, ty: from });
        }
        let node = match node {
            Node::Param(index, Type::Unknown) => {
                let declared = to.base();
                let slot = &mut self.parameters[index];
                *slot = Some(declared.clone());
                let param = Node::Param(index, declared.clone());
                if declared == *to {
                    param
                } else {
                    Node::Cast {
                        node: Box::new(param),
                        from: declared,
                        to: to.clone(),
                    }
                }
            }
            Node::Const(value) if !matches!(to, Type::Regclass | Type::Regtype) => {
                Node::Const(cast(value, &from, to, CastKind::Explicit)?)
            }
            Node::Array(nodes) if matches!((&from, to), (Type::Array(_), Type::Array(_))) => {
                let (Type::Array(a), Type::Array(b)) = (&from, to) else {
                    return Err(no_cast(&from, to).into());
                };
                let mut cells = Vec::new();
                for node in nodes {
                    cells.push(
                        self.cast(
                            Typed {
                                node,
                                ty: (**a).clone(),
                            },
                            b,
                        )?
                        .node,
                    );
                }
                Node::Array(cells)
            }
            node if castable(&from, to) => Node::Cast {
                node: Box::new(node),
                from,
                to: to.clone(),
            },
            _ => return Err(no_cast(&from, to).into()),
        };
        Ok(Typed { node, ty: to.clone() })
    }

    pub(crate) fn compare(&mut self, comparison: Comparison, left: Typed, right: Typed) -> Bound<Typed, H> {
        let (left, right) = self.comparable(comparison_text(comparison), left, right)?;
        let node = Node::Compare(comparison, Box::new(left.node), Box::new(right.node));
        Ok(Typed { node, ty: Type::Bool })
    }

    /// Two sides brought to types that compare.
    pub(crate) fn comparable(&mut self, symbol: &str, left: Typed, right: Typed) -> Bound<(Typed, Typed), H> {
        let (left, right) = match (&left.ty, &right.ty) {
            (Type::Unknown, Type::Unknown) => {
                (self.coerce(left, &Type::Text)?, self.coerce(right, &Type::Text)?)
            }
            (Type::Unknown, _) => {
                let to = literal_type(&right.ty);
                (self.coerce(left, &to)?, right)
            }
            (_, Type::Unknown) => {
                let to = literal_type(&left.ty);
                let right = self.coerce(right, &to)?;
                (left, right)
            }
            _ => (left, right),
        };
        let meet = promote(&left.ty, &right.ty).is_some()
            || (left.ty == Type::Xid && right.ty.is_integer())
            || left.ty.base() == right.ty.base();
        if !meet || matches!(left.ty, Type::Json | Type::Void) {
            return Err(no_operator(symbol, &left.ty, &right.ty).into());
        }
        let bpchar = |ty: &Type| matches!(ty, Type::Bpchar(_));
        let trim = bpchar(&left.ty) || bpchar(&right.ty);
        let fix = |binder: &mut Self, side: Typed| {
            if trim {
                binder.cast(side, &Type::Text)
            } else {
                Ok(side)
            }
        };
        Ok((fix(self, left)?, fix(self, right)?))
    }

    pub(crate) fn arithmetic(&mut self, symbol: char, left: Typed, right: Typed) -> Bound<Typed, H> {
        let special = |ty: &Type| {
            matches!(
                ty,
                Type::Lsn | Type::Interval | Type::Timestamp(_) | Type::Timestamptz(_) | Type::Date
            )
        };
        let (left, right) = match (&left.ty, &right.ty) {
            (Type::Unknown, Type::Unknown) => {
                return Err(no_operator(&symbol.to_string(), &left.ty, &right.ty).into());
            }
            // An untyped literal beside an instant: an interval when added, an instant when subtracted.
            (ty, Type::Unknown) if special(ty) => {
                let plus = symbol == '+' || *ty == Type::Interval;
                let to = if plus && *ty != Type::Lsn {
                    Type::Interval
                } else {
                    ty.base()
                };
                let right = self.coerce(right, &to)?;
                (left, right)
            }
            (_, Type::Unknown) => {
                let to = left.ty.base();
                let right = self.coerce(right, &to)?;
                (left, right)
            }
            (Type::Unknown, _) => {
                let to = right.ty.base();
                (self.coerce(left, &to)?, right)
            }
            _ => (left, right),
        };
        let ty = arithmetic_type(symbol, &left.ty, &right.ty)
            .ok_or_else(|| no_operator(&symbol.to_string(), &left.ty, &right.ty))?;
        let (left, right) = if ty.is_number() && left.ty.is_number() && right.ty.is_number() {
            (self.cast(left, &ty)?, self.cast(right, &ty)?)
        } else {
            (left, right)
        };
        let node = Node::Arithmetic(symbol, ty.clone(), Box::new(left.node), Box::new(right.node));
        Ok(Typed { node, ty })
    }
}

/// The type of the literal beside a column of this type.
fn literal_type(ty: &Type) -> Type {
    match ty {
        Type::Varchar(_) => Type::Text,
        Type::Regclass => Type::Regclass,
        other => other.base(),
    }
}

fn arithmetic_type(symbol: char, a: &Type, b: &Type) -> Option<Type> {
    if a.is_number() && b.is_number() {
        let float = |ty: &Type| matches!(ty, Type::Float4 | Type::Float8);
        let numeric = |ty: &Type| matches!(ty, Type::Numeric(_));
        if (float(a) && numeric(b)) || (numeric(a) && float(b)) {
            return Some(Type::Float8);
        }
        if (*a == Type::Float4) != (*b == Type::Float4) {
            return Some(Type::Float8);
        }
        return promote(a, b).filter(|ty| symbol != '%' || !float(ty));
    }
    match (a.base(), symbol, b.base()) {
        (Type::Lsn, '-', Type::Lsn) => Some(Type::Numeric(None)),
        (Type::Lsn, '+' | '-', Type::Numeric(_) | Type::Int4 | Type::Int8 | Type::Int2) => Some(Type::Lsn),
        (Type::Timestamp(_), '-', Type::Timestamp(_)) => Some(Type::Interval),
        (Type::Timestamptz(_), '-', Type::Timestamptz(_)) => Some(Type::Interval),
        (Type::Date, '-', Type::Date) => Some(Type::Int4),
        (Type::Date, '+' | '-', Type::Int4 | Type::Int2) => Some(Type::Date),
        (Type::Date, '+' | '-', Type::Interval) => Some(Type::Timestamp(None)),
        (a @ (Type::Timestamp(_) | Type::Timestamptz(_)), '+' | '-', Type::Interval) => Some(a),
        (Type::Interval, '+', b @ (Type::Timestamp(_) | Type::Timestamptz(_))) => Some(b),
        (Type::Interval, '+' | '-', Type::Interval) => Some(Type::Interval),
        (Type::Interval, '*' | '/', b) if b.is_number() => Some(Type::Interval),
        (a, '*', Type::Interval) if a.is_number() => Some(Type::Interval),
        _ => None,
    }
}

/// Whether an explicit cast exists between two types, values aside.
fn castable(from: &Type, to: &Type) -> bool {
    let (a, b) = (from.base(), to.base());
    let integer_like = |ty: &Type| ty.is_integer() || ty.is_oid();
    a == b
        || a.is_string()
        || b.is_string()
        || (a.is_number() && b.is_number())
        || (integer_like(&a) && integer_like(&b))
        || promote(&a, &b).is_some()
        || match (&a, &b) {
            (Type::Bool, Type::Int4) | (Type::Int4, Type::Bool) => true,
            (Type::Timestamp(_) | Type::Timestamptz(_), Type::Date) => true,
            (Type::Timestamptz(_), Type::Timestamp(_)) => true,
            (Type::Json, Type::Jsonb) | (Type::Jsonb, Type::Json) => true,
            (Type::Array(a), Type::Array(b)) => castable(a, b),
            (Type::Xid8, Type::Xid) => true,
            _ => false,
        }
}

/// The comparison that an operator is.
pub(crate) fn comparison(operator: &BinaryOperator) -> Option<Comparison> {
    Some(match operator {
        BinaryOperator::Eq => Comparison::Eq,
        BinaryOperator::NotEq => Comparison::NotEq,
        BinaryOperator::Lt => Comparison::Lt,
        BinaryOperator::LtEq => Comparison::LtEq,
        BinaryOperator::Gt => Comparison::Gt,
        BinaryOperator::GtEq => Comparison::GtEq,
        _ => return None,
    })
}

fn comparison_text(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Eq => "=",
        Comparison::NotEq => "<>",
        Comparison::Lt => "<",
        Comparison::LtEq => "<=",
        Comparison::Gt => ">",
        Comparison::GtEq => ">=",
    }
}

pub(crate) fn no_operator(symbol: &str, a: &Type, b: &Type) -> PgError {
    let message = format!(
        "operator does not exist: {} {symbol} {}",
        a.base().name(),
        b.base().name()
    );
    PgError::new("42883", message).with_hint(
        "No operator matches the given name and argument types. You might need to add explicit type casts.",
    )
}

fn no_cast(from: &Type, to: &Type) -> PgError {
    PgError::new(
        "42846",
        format!("cannot cast type {} to {}", from.name(), to.name()),
    )
}

/// A constant NULL or text is what a literal is before it has a type.
pub(crate) fn literal(value: Value) -> Typed {
    Typed {
        node: Node::Const(value),
        ty: Type::Unknown,
    }
}
