//! Binding of predicates.

use sqlparser::ast::{BinaryOperator, Expr, Query, TrimWhereField, Value as Literal};

use super::bind::{Binder, Bound};
use super::bind_expr::bool_node;
use super::error::PgError;
use super::host::Host;
use super::operators::{comparison, literal, no_operator};
use super::plan::{Comparison, Node, Typed};
use super::value::{Type, Value};

impl<H: Host> Binder<'_, H> {
    #[expect(clippy::too_many_lines, reason = "one arm for each form of predicate")]
    pub(crate) fn predicate(&mut self, expr: &Expr) -> Bound<Typed, H> {
        let test = |binder: &mut Self, inner: &Expr, wanted: bool, negated: bool| -> Bound<Typed, H> {
            let node = Box::new(binder.condition(inner, "IS")?);
            Ok(bool_node(Node::IsBool {
                node,
                wanted,
                negated,
            }))
        };
        match expr {
            Expr::IsTrue(inner) => test(self, inner, true, false),
            Expr::IsNotTrue(inner) => test(self, inner, true, true),
            Expr::IsFalse(inner) => test(self, inner, false, false),
            Expr::IsNotFalse(inner) => test(self, inner, false, true),
            Expr::IsNull(inner) | Expr::IsUnknown(inner) => self.is_null(inner, false),
            Expr::IsNotNull(inner) | Expr::IsNotUnknown(inner) => self.is_null(inner, true),
            Expr::IsDistinctFrom(a, b) => self.distinct(a, b, false),
            Expr::IsNotDistinctFrom(a, b) => self.distinct(a, b, true),
            Expr::InList {
                expr: inner,
                list,
                negated,
            } => self.in_list(inner, list, *negated),
            Expr::InSubquery {
                expr: inner,
                subquery,
                negated,
            } => {
                let left = self.expr(inner)?;
                let node = self.quantified_query(Comparison::Eq, left, subquery, false)?;
                Ok(bool_node(if *negated { Node::Not(Box::new(node)) } else { node }))
            }
            Expr::Between {
                expr: inner,
                negated,
                low,
                high,
            } => self.between(inner, low, high, *negated),
            Expr::Like {
                negated,
                any: false,
                expr: a,
                pattern,
                escape_char,
            } => self.like(a, pattern, escape_char.as_deref(), false, *negated),
            Expr::ILike {
                negated,
                any: false,
                expr: a,
                pattern,
                escape_char,
            } => self.like(a, pattern, escape_char.as_deref(), true, *negated),
            Expr::AnyOp {
                left,
                compare_op,
                right,
                ..
            } => self.quantified(left, compare_op, right, false),
            Expr::AllOp {
                left,
                compare_op,
                right,
            } => self.quantified(left, compare_op, right, true),
            Expr::Extract {
                field, expr: inner, ..
            } => {
                let inner = self.expr(inner)?;
                self.call(
                    "extract",
                    vec![literal(Value::text(field.to_string().to_lowercase())), inner],
                )
            }
            Expr::Ceil { expr: inner, .. } => self.named("ceil", &[inner]),
            Expr::Floor { expr: inner, .. } => self.named("floor", &[inner]),
            Expr::Position { expr: needle, r#in } => self.named("strpos", &[r#in, needle]),
            Expr::Substring {
                expr: inner,
                substring_from,
                substring_for,
                ..
            } => {
                let one = Expr::value(Literal::Number("1".into(), false));
                let mut args: Vec<&Expr> = vec![inner, substring_from.as_deref().unwrap_or(&one)];
                args.extend(substring_for.as_deref());
                self.named("substr", &args)
            }
            Expr::Trim {
                trim_where,
                trim_what,
                expr: inner,
                trim_characters: None,
            } => {
                let name = match trim_where {
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                    _ => "btrim",
                };
                let mut args: Vec<&Expr> = vec![inner];
                args.extend(trim_what.as_deref());
                self.named(name, &args)
            }
            Expr::AtTimeZone { timestamp, time_zone } if is_utc(time_zone) => {
                let typed = self.expr(timestamp)?;
                let to = match typed.ty {
                    Type::Timestamptz(_) => Type::Timestamp(None),
                    _ => Type::Timestamptz(None),
                };
                self.cast(typed, &to)
            }
            other => Err(PgError::unsupported(other).into()),
        }
    }

    fn is_null(&mut self, inner: &Expr, negated: bool) -> Bound<Typed, H> {
        let node = Box::new(self.expr(inner)?.node);
        Ok(bool_node(Node::IsNull { node, negated }))
    }

    fn distinct(&mut self, a: &Expr, b: &Expr, negated: bool) -> Bound<Typed, H> {
        let (a, b) = (self.expr(a)?, self.expr(b)?);
        let (a, b) = self.comparable("=", a, b)?;
        Ok(bool_node(Node::Distinct {
            left: Box::new(a.node),
            right: Box::new(b.node),
            negated,
        }))
    }

    fn in_list(&mut self, inner: &Expr, list: &[Expr], negated: bool) -> Bound<Typed, H> {
        let mut left = self.expr(inner)?;
        let mut nodes = Vec::new();
        for item in list {
            let right = self.expr(item)?;
            let (a, b) = self.comparable("=", left, right)?;
            left = a;
            nodes.push(b.node);
        }
        Ok(bool_node(Node::In {
            node: Box::new(left.node),
            list: nodes,
            negated,
        }))
    }

    fn between(&mut self, inner: &Expr, low: &Expr, high: &Expr, negated: bool) -> Bound<Typed, H> {
        let (value, low, high) = (self.expr(inner)?, self.expr(low)?, self.expr(high)?);
        let low = self.compare(Comparison::GtEq, value.clone(), low)?.node;
        let high = self.compare(Comparison::LtEq, value, high)?.node;
        let both = Node::And(Box::new(low), Box::new(high));
        Ok(bool_node(if negated { Node::Not(Box::new(both)) } else { both }))
    }

    fn like(
        &mut self,
        inner: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        fold: bool,
        negated: bool,
    ) -> Bound<Typed, H> {
        let escape = match escape {
            None => Some('\\'),
            Some(Expr::Value(value)) => {
                let text = value.clone().into_string().unwrap_or_default();
                if text.chars().count() > 1 {
                    return Err(PgError::new("22019", "invalid escape string").into());
                }
                text.chars().next()
            }
            Some(other) => return Err(PgError::unsupported(other).into()),
        };
        let (a, b) = (self.expr(inner)?, self.expr(pattern)?);
        self.like_nodes(a, b, escape, fold, negated)
    }

    pub(crate) fn like_nodes(
        &mut self,
        a: Typed,
        b: Typed,
        escape: Option<char>,
        fold: bool,
        negated: bool,
    ) -> Bound<Typed, H> {
        let (node, pattern) = self.strings("~~", a, b)?;
        Ok(bool_node(Node::Like {
            node,
            pattern,
            escape,
            fold,
            negated,
        }))
    }

    pub(crate) fn regex(&mut self, a: Typed, b: Typed, fold: bool, negated: bool) -> Bound<Typed, H> {
        let (node, pattern) = self.strings("~", a, b)?;
        Ok(bool_node(Node::Regex {
            node,
            pattern,
            fold,
            negated,
        }))
    }

    fn strings(&mut self, symbol: &str, a: Typed, b: Typed) -> Bound<(Box<Node>, Box<Node>), H> {
        if !a.ty.is_string() || !b.ty.is_string() {
            return Err(no_operator(symbol, &a.ty, &b.ty).into());
        }
        Ok((
            Box::new(self.coerce(a, &Type::Text)?.node),
            Box::new(self.coerce(b, &Type::Text)?.node),
        ))
    }

    fn quantified(
        &mut self,
        left: &Expr,
        operator: &BinaryOperator,
        right: &Expr,
        all: bool,
    ) -> Bound<Typed, H> {
        let Some(comparison) = comparison(operator) else {
            return Err(PgError::unsupported(format!("{operator} ANY")).into());
        };
        let left = self.expr(left)?;
        let mut right = right;
        while let Expr::Nested(inner) = right {
            right = inner;
        }
        if let Expr::Subquery(query) = right {
            return Ok(bool_node(self.quantified_query(comparison, left, query, all)?));
        }
        let array = self.expr(right)?;
        let array_type = Type::Array(std::sync::Arc::new(left.ty.base()));
        let array = if array.ty == Type::Unknown {
            self.cast(array, &array_type)?
        } else {
            array
        };
        let Type::Array(element) = &array.ty else {
            return Err(PgError::new("42809", "op ANY/ALL (array) requires array on right side").into());
        };
        let probe = Typed {
            node: Node::Const(Value::Null),
            ty: (**element).clone(),
        };
        let (left, _) = self.comparable("=", left, probe)?;
        let (left, array) = (Box::new(left.node), Box::new(array.node));
        Ok(bool_node(Node::Quantified {
            comparison,
            left,
            array,
            all,
        }))
    }

    fn quantified_query(
        &mut self,
        comparison: Comparison,
        left: Typed,
        query: &Query,
        all: bool,
    ) -> Bound<Node, H> {
        let plan = self.query(query)?;
        let probe = if left.ty == Type::Record {
            left
        } else {
            let [column] = plan.columns.as_slice() else {
                return Err(PgError::new("42601", "subquery has too many columns").into());
            };
            let right = Typed {
                node: Node::Const(Value::Null),
                ty: column.ty.clone(),
            };
            self.comparable("=", left, right)?.0
        };
        Ok(Node::QuantifiedQuery {
            comparison,
            left: Box::new(probe.node),
            plan: Box::new(plan),
            all,
        })
    }
}

fn is_utc(zone: &Expr) -> bool {
    matches!(zone, Expr::Value(value)
        if value.clone().into_string().is_some_and(|text| text.eq_ignore_ascii_case("utc")))
}
