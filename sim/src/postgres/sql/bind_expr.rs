//! Binding of expressions.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value as Literal};

use super::bind::{Binder, Bound, missing_from};
use super::error::PgError;
use super::host::Host;
use super::names;
use super::operators::{comparison, literal, no_operator};
use super::plan::{Comparison, Node, Typed};
use super::value::{Numeric, Type, Value};

impl<H: Host> Binder<'_, H> {
    pub(crate) fn expr(&mut self, expr: &Expr) -> Bound<Typed, H> {
        match expr {
            Expr::Nested(inner) => self.expr(inner),
            Expr::Value(value) => self.literal(&value.value),
            Expr::Identifier(ident) => self.column(None, &names::fold(ident)),
            Expr::CompoundIdentifier(parts) => {
                let parts: Vec<String> = parts.iter().map(names::fold).collect();
                match parts.as_slice() {
                    [.., table, column] => self.column(Some(table), column),
                    _ => Err(PgError::unsupported(expr).into()),
                }
            }
            Expr::BinaryOp { left, op, right } => self.binary(left, op, right),
            Expr::UnaryOp { op, expr: inner } => self.unary(op, inner),
            Expr::Cast {
                expr: inner,
                data_type,
                format: None,
                ..
            } => {
                let to = Type::from_ast(data_type)?;
                let typed = self.expr(inner)?;
                self.cast(typed, &to)
            }
            Expr::TypedString(typed) => {
                let to = Type::from_ast(&typed.data_type)?;
                let inner = self.literal(&typed.value.value)?;
                self.cast(inner, &to)
            }
            Expr::Interval(interval) => self.interval(interval),
            Expr::Function(function) => self.function(function),
            Expr::Collate { expr: inner, .. } => self.expr(inner),
            Expr::Tuple(items) => self.row(items),
            Expr::Array(array) => self.array(&array.elem),
            Expr::Subquery(query) => {
                let (plan, ty) = self.one_column(query)?;
                Ok(Typed {
                    node: Node::Scalar(Box::new(plan)),
                    ty,
                })
            }
            Expr::Exists { subquery, negated } => {
                let node = Node::Exists(Box::new(self.query(subquery)?));
                Ok(bool_node(if *negated { Node::Not(Box::new(node)) } else { node }))
            }
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain),
            _ => self.predicate(expr),
        }
    }

    pub(crate) fn named(&mut self, name: &str, args: &[&Expr]) -> Bound<Typed, H> {
        let args: Bound<Vec<Typed>, H> = args.iter().map(|arg| self.expr(arg)).collect();
        self.call(name, args?)
    }

    fn literal(&mut self, value: &Literal) -> Bound<Typed, H> {
        Ok(match value {
            Literal::Number(text, _) => number(text)?,
            Literal::SingleQuotedString(text)
            | Literal::EscapedStringLiteral(text)
            | Literal::UnicodeStringLiteral(text) => literal(Value::text(text.as_str())),
            Literal::DollarQuotedString(text) => literal(Value::text(text.value.as_str())),
            Literal::Boolean(bool) => Typed {
                node: Node::Const(Value::Bool(*bool)),
                ty: Type::Bool,
            },
            Literal::Null => literal(Value::Null),
            Literal::Placeholder(name) => {
                let index = name
                    .strip_prefix('$')
                    .and_then(|digits| digits.parse::<usize>().ok());
                let index = index
                    .filter(|index| (1..=65_535).contains(index))
                    .ok_or_else(|| PgError::new("42P02", format!("there is no parameter {name}")))?;
                if self.parameters.len() < index {
                    self.parameters.resize(index, None);
                }
                let ty = self.parameters[index - 1].clone().unwrap_or(Type::Unknown);
                Typed {
                    node: Node::Param(index - 1, ty.clone()),
                    ty,
                }
            }
            other => return Err(PgError::unsupported(other).into()),
        })
    }

    fn column(&mut self, table: Option<&str>, name: &str) -> Bound<Typed, H> {
        for (depth, scope) in self.scopes.iter().rev().enumerate() {
            let mut found: Option<Typed> = None;
            let mut qualifier = false;
            for (source, visible) in scope.sources.iter().enumerate() {
                if table.is_some_and(|table| table != visible.alias) {
                    continue;
                }
                qualifier = table.is_some();
                if table.is_none() && visible.merged.iter().any(|merged| merged == name) {
                    continue;
                }
                for (column, _) in visible.columns.iter().enumerate().filter(|(_, c)| c.name == name) {
                    if found.is_some() {
                        let message = format!("column reference \"{name}\" is ambiguous");
                        return Err(PgError::new("42702", message).into());
                    }
                    let ty = visible.columns[column].ty.clone();
                    found = Some(Typed {
                        node: Node::Column {
                            depth,
                            source,
                            column,
                        },
                        ty,
                    });
                }
            }
            if let Some(found) = found {
                return Ok(found);
            }
            if let Some(system) = system_column(scope, depth, table, name) {
                return Ok(system);
            }
            if qualifier {
                let qualified = format!("{}.{name}", table.unwrap_or_default());
                return Err(PgError::undefined_column(&qualified).into());
            }
        }
        if table.is_none()
            && let Some(row) = self.whole_row(name)
        {
            return Ok(row);
        }
        match table {
            Some(table) => Err(missing_from(table).into()),
            None => Err(PgError::undefined_column(&format!("\"{name}\"")).into()),
        }
    }

    /// A source's alias as an expression: its row; the only column of a function, its value.
    fn whole_row(&self, name: &str) -> Option<Typed> {
        self.scopes.iter().rev().enumerate().find_map(|(depth, scope)| {
            let source = scope.sources.iter().position(|visible| visible.alias == name)?;
            let columns = scope.sources[source].columns.clone();
            Some(Typed {
                node: Node::WholeRow {
                    depth,
                    source,
                    columns,
                },
                ty: Type::Record,
            })
        })
    }

    fn binary(&mut self, left: &Expr, operator: &BinaryOperator, right: &Expr) -> Bound<Typed, H> {
        if matches!(operator, BinaryOperator::And | BinaryOperator::Or) {
            let name = if *operator == BinaryOperator::And {
                "AND"
            } else {
                "OR"
            };
            let (a, b) = (
                Box::new(self.condition(left, name)?),
                Box::new(self.condition(right, name)?),
            );
            return Ok(bool_node(if name == "AND" {
                Node::And(a, b)
            } else {
                Node::Or(a, b)
            }));
        }
        let (a, b) = (self.expr(left)?, self.expr(right)?);
        if let Some(comparison) = comparison(operator) {
            return self.compare(comparison, a, b);
        }
        match operator {
            BinaryOperator::Plus => self.arithmetic('+', a, b),
            BinaryOperator::Minus => self.arithmetic('-', a, b),
            BinaryOperator::Multiply => self.arithmetic('*', a, b),
            BinaryOperator::Divide => self.arithmetic('/', a, b),
            BinaryOperator::Modulo => self.arithmetic('%', a, b),
            BinaryOperator::PGExp => {
                let (a, b) = (self.cast(a, &Type::Float8)?, self.cast(b, &Type::Float8)?);
                self.call("power", vec![a, b])
            }
            BinaryOperator::StringConcat => self.concat(a, b),
            BinaryOperator::PGRegexMatch => self.regex(a, b, false, false),
            BinaryOperator::PGRegexIMatch => self.regex(a, b, true, false),
            BinaryOperator::PGRegexNotMatch => self.regex(a, b, false, true),
            BinaryOperator::PGRegexNotIMatch => self.regex(a, b, true, true),
            BinaryOperator::PGLikeMatch => self.like_nodes(a, b, Some('\\'), false, false),
            BinaryOperator::PGILikeMatch => self.like_nodes(a, b, Some('\\'), true, false),
            BinaryOperator::PGNotLikeMatch => self.like_nodes(a, b, Some('\\'), false, true),
            BinaryOperator::PGNotILikeMatch => self.like_nodes(a, b, Some('\\'), true, true),
            BinaryOperator::BitwiseAnd => self.call("int8and", vec![a, b]),
            BinaryOperator::BitwiseOr => self.call("int8or", vec![a, b]),
            BinaryOperator::PGCustomBinaryOperator(path) => {
                let bare = path.last().map(String::as_str).unwrap_or_default();
                self.custom_operator(bare, a, b)
            }
            other => Err(PgError::unsupported(format!("operator {other}")).into()),
        }
    }

    /// `OPERATOR(pg_catalog.=)`, as psql writes its queries.
    fn custom_operator(&mut self, symbol: &str, a: Typed, b: Typed) -> Bound<Typed, H> {
        match symbol {
            "=" => self.compare(Comparison::Eq, a, b),
            "<>" => self.compare(Comparison::NotEq, a, b),
            "~" => self.regex(a, b, false, false),
            "!~" => self.regex(a, b, false, true),
            other => Err(PgError::unsupported(format!("operator {other}")).into()),
        }
    }

    fn concat(&mut self, a: Typed, b: Typed) -> Bound<Typed, H> {
        if let (Type::Array(_), _) | (_, Type::Array(_)) = (&a.ty, &b.ty) {
            let array = if matches!(a.ty, Type::Array(_)) {
                a.ty.clone()
            } else {
                b.ty.clone()
            };
            let a = if a.ty == Type::Unknown {
                self.cast(a, &array)?
            } else {
                a
            };
            let b = if b.ty == Type::Unknown {
                self.cast(b, &array)?
            } else {
                b
            };
            return self.call("array_cat", vec![a, b]);
        }
        if !(a.ty.is_string() || b.ty.is_string()) {
            return Err(no_operator("||", &a.ty, &b.ty).into());
        }
        let (a, b) = (self.cast(a, &Type::Text)?, self.cast(b, &Type::Text)?);
        self.call("textcat", vec![a, b])
    }

    fn unary(&mut self, operator: &UnaryOperator, inner: &Expr) -> Bound<Typed, H> {
        match operator {
            UnaryOperator::Not => Ok(bool_node(Node::Not(Box::new(self.condition(inner, "NOT")?)))),
            UnaryOperator::Plus => self.expr(inner),
            UnaryOperator::Minus => {
                if let Expr::Value(value) = inner
                    && let Literal::Number(text, _) = &value.value
                {
                    return Ok(number(&format!("-{text}"))?);
                }
                let typed = self.expr(inner)?;
                let zero = Typed {
                    node: Node::Const(Value::Int(0)),
                    ty: Type::Int4,
                };
                let zero = if typed.ty == Type::Interval {
                    self.cast(literal(Value::text("0")), &Type::Interval)?
                } else {
                    zero
                };
                self.arithmetic('-', zero, typed)
            }
            UnaryOperator::PGAbs => self.named("abs", &[inner]),
            other => Err(PgError::unsupported(format!("operator {other}")).into()),
        }
    }
}

fn system_column(scope: &super::bind::Scope, depth: usize, table: Option<&str>, name: &str) -> Option<Typed> {
    let (source, visible) = scope
        .sources
        .iter()
        .enumerate()
        .find(|(_, visible)| visible.oid != 0 && table.is_none_or(|table| table == visible.alias))?;
    match name {
        "ctid" => Some(Typed {
            node: Node::Ctid { depth, source },
            ty: Type::Tid,
        }),
        "tableoid" => Some(Typed {
            node: Node::TableOid {
                depth,
                source,
                oid: visible.oid,
            },
            ty: Type::Oid,
        }),
        _ => None,
    }
}

/// A number literal: the smallest of integer, bigint and numeric that holds it.
fn number(text: &str) -> Result<Typed, PgError> {
    let (value, ty) = match text.parse::<i64>() {
        Ok(int) if i32::try_from(int).is_ok() => (Value::Int(int), Type::Int4),
        Ok(int) => (Value::Int(int), Type::Int8),
        Err(_) => (
            Value::Numeric(Box::new(Numeric::parse(text)?)),
            Type::Numeric(None),
        ),
    };
    Ok(Typed {
        node: Node::Const(value),
        ty,
    })
}

pub(crate) fn bool_node(node: Node) -> Typed {
    Typed { node, ty: Type::Bool }
}
