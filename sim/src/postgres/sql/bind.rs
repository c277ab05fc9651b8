//! Binding: from the parser's tree to a [`Plan`], with the relations looked up and the types decided.

use std::rc::Rc;

use sqlparser::ast::{
    Expr, LimitClause, OrderBy, OrderByExpr, OrderByKind, OrderBySort, Query, SetExpr, SetOperator,
    SetQuantifier,
};

use super::error::PgError;
use super::host::{Column, Host, Interrupt};
use super::names;
use super::plan::{Aggregate, Body, Cte, Item, Node, Plan, Select, SetKind, Typed};
use super::plans::Read;
use super::value::{Type, Value};

/// What a name in FROM stands for.
#[derive(Debug, Clone)]
pub(crate) struct Visible {
    pub(crate) alias: String,
    pub(crate) columns: Rc<[Column]>,
    pub(crate) oid: u32,
    /// Columns that USING merged into an earlier source.
    pub(crate) merged: Vec<String>,
}

/// The names of one query level.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    pub(crate) sources: Vec<Visible>,
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) aggregates_allowed: bool,
}

/// Binds one statement.
pub(crate) struct Binder<'h, H: Host> {
    pub(crate) host: &'h mut H,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) ctes: Vec<(String, Rc<Cte>)>,
    pub(crate) parameters: Vec<Option<Type>>,
    /// The relations that were scanned, in order.
    pub(crate) reads: Vec<Read>,
    /// Every common table expression of the statement.
    pub(crate) all_ctes: Vec<Rc<Cte>>,
}

/// What binding gives.
pub(crate) type Bound<T, H> = Result<T, Interrupt<<H as Host>::Wait>>;

impl<'h, H: Host> Binder<'h, H> {
    pub(crate) fn new(host: &'h mut H, parameters: &[Option<Type>]) -> Self {
        Self {
            host,
            scopes: Vec::new(),
            ctes: Vec::new(),
            parameters: parameters.to_vec(),
            reads: Vec::new(),
            all_ctes: Vec::new(),
        }
    }

    pub(crate) fn query(&mut self, query: &Query) -> Bound<Plan, H> {
        let known = self.ctes.len();
        if let Some(with) = &query.with {
            if with.recursive {
                return Err(PgError::unsupported(query).into());
            }
            for cte in &with.cte_tables {
                let scopes = std::mem::take(&mut self.scopes);
                let plan = self.query(&cte.query);
                self.scopes = scopes;
                let plan = plan?;
                let columns = rename(
                    plan.columns.as_slice().into(),
                    cte.alias.columns.iter().map(|column| &column.name),
                );
                let cte_name = names::fold(&cte.alias.name);
                let bound = Rc::new(Cte {
                    columns,
                    plan,
                    rows: Default::default(),
                });
                self.all_ctes.push(Rc::clone(&bound));
                self.ctes.push((cte_name, bound));
            }
        }
        let refused =
            !query.locks.is_empty() || query.for_clause.is_some() || !query.pipe_operators.is_empty();
        if refused {
            return Err(PgError::unsupported(query).into());
        }
        let plan = self.body(&query.body, query.order_by.as_ref());
        let mut plan = match plan {
            Ok(plan) => plan,
            Err(error) => {
                self.ctes.truncate(known);
                return Err(error);
            }
        };
        self.limits(query, &mut plan)?;
        self.ctes.truncate(known);
        Ok(plan)
    }

    fn limits(&mut self, query: &Query, plan: &mut Plan) -> Bound<(), H> {
        let (limit, offset) = match &query.limit_clause {
            None => (None, None),
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                (limit.as_ref(), offset.as_ref().map(|offset| &offset.value))
            }
            Some(LimitClause::OffsetCommaLimit { .. }) => {
                return Err(PgError::unsupported(query).into());
            }
        };
        let limit = match (&query.fetch, limit) {
            (Some(fetch), None) if !fetch.with_ties && !fetch.percent => fetch.quantity.as_ref(),
            (Some(_), _) => return Err(PgError::unsupported(query).into()),
            (None, limit) => limit,
        };
        self.scopes.push(Scope::default());
        let mut bind = |expr: Option<&Expr>| -> Bound<Option<Node>, H> {
            let Some(expr) = expr else { return Ok(None) };
            let typed = self.expr(expr)?;
            Ok(Some(self.coerce(typed, &Type::Int8)?.node))
        };
        let (limit, offset) = (bind(limit), bind(offset));
        self.scopes.pop();
        (plan.limit, plan.offset) = (limit?, offset?);
        Ok(())
    }

    fn body(&mut self, body: &SetExpr, order: Option<&OrderBy>) -> Bound<Plan, H> {
        let mut plan = match body {
            SetExpr::Select(select) => return self.select(select, order),
            SetExpr::Query(query) if order.is_none() => return self.query(query),
            SetExpr::Query(query) => {
                let plan = self.query(query)?;
                plain(plan.columns.clone(), Body::Plan(Box::new(plan)))
            }
            SetExpr::Values(values) => self.values(&values.rows)?,
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => self.set_operation(left, *op, *set_quantifier, right)?,
            other => return Err(PgError::unsupported(other).into()),
        };
        for key in order_keys(order)? {
            let place = output_place(&key.expr, &plan.columns)?.ok_or_else(|| {
                PgError::new("0A000", "invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
                    .with_detail("Only result column names can be used, not expressions or functions.")
            })?;
            let (descending, nulls_first) = direction(key)?;
            plan.order.push((place, descending, nulls_first));
        }
        Ok(plan)
    }

    fn set_operation(
        &mut self,
        left: &SetExpr,
        operator: SetOperator,
        quantifier: SetQuantifier,
        right: &SetExpr,
    ) -> Bound<Plan, H> {
        let operator = match operator {
            SetOperator::Union => SetKind::Union,
            SetOperator::Except | SetOperator::Minus => SetKind::Except,
            SetOperator::Intersect => SetKind::Intersect,
        };
        let all = match quantifier {
            SetQuantifier::All => true,
            SetQuantifier::Distinct | SetQuantifier::None => false,
            _ => return Err(PgError::unsupported(quantifier).into()),
        };
        let (mut left, mut right) = (self.body(left, None)?, self.body(right, None)?);
        if left.columns.len() != right.columns.len() {
            let message = "each UNION query must have the same number of columns";
            return Err(PgError::new("42601", message).into());
        }
        let mut columns = Vec::new();
        for (a, b) in left.columns.iter().zip(&right.columns) {
            let ty = super::operators::common_type("UNION", &[a.ty.clone(), b.ty.clone()])?;
            columns.push(Column {
                name: a.name.clone(),
                ty,
            });
        }
        for plan in [&mut left, &mut right] {
            *plan = self.cast_plan(std::mem::replace(plan, empty_plan()), &columns)?;
        }
        Ok(plain(
            columns,
            Body::Set {
                operator,
                all,
                left: Box::new(left),
                right: Box::new(right),
            },
        ))
    }

    /// A plan whose columns have these types.
    fn cast_plan(&mut self, plan: Plan, columns: &[Column]) -> Bound<Plan, H> {
        if plan.columns.iter().zip(columns).all(|(a, b)| a.ty == b.ty) {
            return Ok(plan);
        }
        let inner = plan.columns.clone();
        let mut items = Vec::new();
        for (index, (from, to)) in inner.iter().zip(columns).enumerate() {
            let node = Node::Column {
                depth: 0,
                source: 0,
                column: index,
            };
            items.push(Item::Value(
                self.cast(
                    Typed {
                        node,
                        ty: from.ty.clone(),
                    },
                    &to.ty,
                )?
                .node,
            ));
        }
        let source = super::plan::Source::Query {
            plan: Box::new(plan),
            lateral: false,
        };
        let join = super::plan::Join {
            kind: super::plan::JoinKind::Inner,
            source,
            filter: None,
            on: None,
        };
        let select = Select {
            joins: vec![join],
            items,
            ..empty_select()
        };
        Ok(plain(columns.to_vec(), Body::Select(Box::new(select))))
    }

    fn values(&mut self, rows: &[sqlparser::ast::Parens<Vec<Expr>>]) -> Bound<Plan, H> {
        self.scopes.push(Scope::default());
        let bound: Bound<Vec<Vec<Typed>>, H> = rows
            .iter()
            .map(|row| row.content.iter().map(|expr| self.expr(expr)).collect())
            .collect();
        self.scopes.pop();
        let bound = bound?;
        let width = bound.first().map_or(0, Vec::len);
        if bound.iter().any(|row| row.len() != width) {
            return Err(PgError::new("42601", "VALUES lists must all be the same length").into());
        }
        let mut columns = Vec::new();
        for index in 0..width {
            let types: Vec<Type> = bound.iter().map(|row| row[index].ty.clone()).collect();
            let ty = super::operators::common_type("VALUES", &types)?;
            columns.push(Column {
                name: format!("column{}", index + 1),
                ty,
            });
        }
        let mut nodes = Vec::new();
        for row in bound {
            let mut cells = Vec::new();
            for (cell, column) in row.into_iter().zip(&columns) {
                cells.push(self.coerce(cell, &column.ty)?.node);
            }
            nodes.push(cells);
        }
        Ok(plain(columns, Body::Values(nodes)))
    }

    pub(crate) fn scope(&mut self) -> &mut Scope {
        self.scopes
            .last_mut()
            .expect("expressions are bound inside a query")
    }
}

/// `42P01` for a qualifier that names no source.
pub(crate) fn missing_from(name: &str) -> PgError {
    PgError::new("42P01", format!("missing FROM-clause entry for table \"{name}\""))
}

/// Columns under the names that an alias list gives.
pub(crate) fn rename<'a>(
    columns: Rc<[Column]>,
    aliases: impl Iterator<Item = &'a sqlparser::ast::Ident>,
) -> Rc<[Column]> {
    let mut aliases = aliases.peekable();
    if aliases.peek().is_none() {
        return columns;
    }
    let mut columns = columns.to_vec();
    for (column, alias) in columns.iter_mut().zip(aliases) {
        column.name = names::fold(alias);
    }
    columns.into()
}

pub(crate) fn plain(columns: Vec<Column>, body: Body) -> Plan {
    Plan {
        columns,
        body,
        order: Vec::new(),
        limit: None,
        offset: None,
    }
}

fn empty_plan() -> Plan {
    plain(Vec::new(), Body::Values(Vec::new()))
}

pub(crate) fn empty_select() -> Select {
    Select {
        joins: Vec::new(),
        filter: None,
        group: Vec::new(),
        grouped: false,
        aggregates: Vec::new(),
        having: None,
        items: Vec::new(),
        distinct: false,
        distinct_on: Vec::new(),
        order: Vec::new(),
    }
}

pub(crate) fn order_keys(order: Option<&OrderBy>) -> Result<&[OrderByExpr], PgError> {
    match order {
        None => Ok(&[]),
        Some(OrderBy {
            kind: OrderByKind::Expressions(keys),
            ..
        }) => Ok(keys),
        Some(order) => Err(PgError::unsupported(order)),
    }
}

/// Whether a key sorts downwards, and whether NULLs come first: by default they do when it does.
pub(crate) fn direction(key: &OrderByExpr) -> Result<(bool, bool), PgError> {
    let descending = match &key.options.sort {
        None | Some(OrderBySort::Asc) => false,
        Some(OrderBySort::Desc) => true,
        Some(OrderBySort::Using(_)) => return Err(PgError::unsupported(key)),
    };
    Ok((descending, key.options.nulls_first.unwrap_or(descending)))
}

/// The result column that an ordinal or a bare name means.
pub(crate) fn output_place(expr: &Expr, columns: &[Column]) -> Result<Option<usize>, PgError> {
    match expr {
        Expr::Value(value) => {
            let sqlparser::ast::Value::Number(number, _) = &value.value else {
                return Err(PgError::new("42601", "non-integer constant in ORDER BY"));
            };
            match number.parse::<usize>() {
                Ok(place @ 1..) if place <= columns.len() => Ok(Some(place - 1)),
                _ => Err(PgError::new(
                    "42P10",
                    format!("ORDER BY position {number} is not in select list"),
                )),
            }
        }
        Expr::Identifier(ident) => {
            let name = names::fold(ident);
            Ok(columns.iter().position(|column| column.name == name))
        }
        _ => Ok(None),
    }
}

/// The value NULL, typed.
pub(crate) fn null(ty: Type) -> Typed {
    Typed {
        node: Node::Const(Value::Null),
        ty,
    }
}
