//! Binding of expressions.

use sqlparser::ast::{
    self, AccessExpr, BinaryOperator, Expr, Query, Subscript, TrimWhereField, UnaryOperator, Value as Literal,
};

use super::bind::{Binder, Bound, missing_from};
use super::error::PgError;
use super::host::Host;
use super::names;
use super::operators::{common_type, comparison, literal, no_operator};
use super::plan::{Comparison, Node, Plan, Typed};
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

    fn predicate(&mut self, expr: &Expr) -> Bound<Typed, H> {
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
            Expr::Extract { field, expr: inner, .. } => {
                let inner = self.expr(inner)?;
                self.call("extract", vec![literal(Value::text(field.to_string().to_lowercase())), inner])
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

    fn named(&mut self, name: &str, args: &[&Expr]) -> Bound<Typed, H> {
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

    fn like_nodes(
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

    fn regex(&mut self, a: Typed, b: Typed, fold: bool, negated: bool) -> Bound<Typed, H> {
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

    pub(crate) fn one_column(&mut self, query: &Query) -> Bound<(Plan, Type), H> {
        let plan = self.query(query)?;
        match plan.columns.as_slice() {
            [column] => {
                let ty = column.ty.clone();
                Ok((plan, ty))
            }
            _ => Err(PgError::new("42601", "subquery must return only one column").into()),
        }
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        whens: &[ast::CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Bound<Typed, H> {
        let operand = operand.map(|expr| self.expr(expr)).transpose()?;
        let (mut conditions, mut results) = (Vec::new(), Vec::new());
        for when in whens {
            conditions.push(match &operand {
                None => self.condition(&when.condition, "CASE/WHEN")?,
                Some(operand) => {
                    let right = self.expr(&when.condition)?;
                    self.compare(Comparison::Eq, operand.clone(), right)?.node
                }
            });
            results.push(self.expr(&when.result)?);
        }
        results.push(match otherwise {
            Some(expr) => self.expr(expr)?,
            None => literal(Value::Null),
        });
        let (mut nodes, ty) = self.unify("CASE", results)?;
        let otherwise = Box::new(nodes.pop().unwrap_or(Node::Const(Value::Null)));
        let branches = conditions.into_iter().zip(nodes).collect();
        Ok(Typed {
            node: Node::Case { branches, otherwise },
            ty,
        })
    }

    /// Several expressions brought to their common type.
    pub(crate) fn unify(&mut self, context: &str, items: Vec<Typed>) -> Bound<(Vec<Node>, Type), H> {
        let types: Vec<Type> = items.iter().map(|item| item.ty.clone()).collect();
        let ty = common_type(context, &types)?;
        let mut nodes = Vec::new();
        for item in items {
            nodes.push(self.coerce(item, &ty)?.node);
        }
        Ok((nodes, ty))
    }

    pub(crate) fn row(&mut self, items: &[Expr]) -> Bound<Typed, H> {
        let mut fields = Vec::new();
        for item in items {
            let typed = self.expr(item)?;
            let typed = if typed.ty == Type::Unknown {
                self.coerce(typed, &Type::Text)?
            } else {
                typed
            };
            fields.push((typed.ty, typed.node));
        }
        Ok(Typed {
            node: Node::Row(fields),
            ty: Type::Record,
        })
    }

    fn array(&mut self, items: &[Expr]) -> Bound<Typed, H> {
        let items: Bound<Vec<Typed>, H> = items.iter().map(|item| self.expr(item)).collect();
        let (nodes, ty) = self.unify("ARRAY", items?)?;
        if matches!(ty, Type::Array(_)) {
            return Err(PgError::unsupported("arrays of several dimensions").into());
        }
        Ok(Typed {
            node: Node::Array(nodes),
            ty: Type::Array(ty.into()),
        })
    }

    fn access(&mut self, root: &Expr, chain: &[AccessExpr]) -> Bound<Typed, H> {
        let mut typed = self.expr(root)?;
        for access in chain {
            typed = match (access, typed) {
                (
                    AccessExpr::Subscript(Subscript::Index { index }),
                    Typed {
                        node,
                        ty: Type::Array(element),
                    },
                ) => {
                    let index = self.expr(index)?;
                    let index = self.coerce(index, &Type::Int4)?.node;
                    Typed {
                        node: Node::Index(Box::new(node), Box::new(index)),
                        ty: (*element).clone(),
                    }
                }
                // (f()).column of a function that gives a record.
                (
                    AccessExpr::Dot(Expr::Identifier(ident)),
                    Typed {
                        node: Node::HostCall { name, args, types },
                        ..
                    },
                ) => {
                    let wanted = names::fold(ident);
                    let columns = super::host_functions::columns(&name).unwrap_or_default();
                    let place = columns.iter().position(|column| column.name == wanted);
                    let place = place.ok_or_else(|| PgError::undefined_column(&format!("\"{wanted}\"")))?;
                    let call = Box::new(Node::HostCall { name, args, types });
                    Typed {
                        node: Node::Field(call, place),
                        ty: columns[place].ty.clone(),
                    }
                }
                (
                    AccessExpr::Dot(Expr::Identifier(ident)),
                    Typed {
                        node:
                            Node::WholeRow {
                                depth,
                                source,
                                columns,
                            },
                        ..
                    },
                ) => {
                    let wanted = names::fold(ident);
                    let column = columns.iter().position(|column| column.name == wanted);
                    let column = column.ok_or_else(|| PgError::undefined_column(&format!("\"{wanted}\"")))?;
                    Typed {
                        node: Node::Column {
                            depth,
                            source,
                            column,
                        },
                        ty: columns[column].ty.clone(),
                    }
                }
                _ => return Err(PgError::unsupported(format!("{root}: this access to a part of it")).into()),
            };
        }
        Ok(typed)
    }

    fn interval(&mut self, interval: &ast::Interval) -> Bound<Typed, H> {
        let inner = self.expr(&interval.value)?;
        let inner = match (&interval.leading_field, inner) {
            (None, inner) => inner,
            (
                Some(field),
                Typed {
                    node: Node::Const(Value::Text(text)),
                    ..
                },
            ) => literal(Value::text(format!("{text} {field}"))),
            (Some(_), _) => return Err(PgError::unsupported(interval).into()),
        };
        self.cast(inner, &Type::Interval)
    }
}

fn is_utc(zone: &Expr) -> bool {
    matches!(zone, Expr::Value(value)
        if value.clone().into_string().is_some_and(|text| text.eq_ignore_ascii_case("utc")))
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

fn bool_node(node: Node) -> Typed {
    Typed { node, ty: Type::Bool }
}
