//! Binding of FROM.

use std::rc::Rc;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, ObjectName, TableAlias, TableFactor,
    TableWithJoins,
};

use super::bind::{Binder, Bound, Visible, rename};
use super::error::PgError;
use super::host::{Column, Host};
use super::names;
use super::plan::{Comparison, Join, JoinKind, Node, Source, Typed};
use super::plans::{Read, Slot};
use super::value::Type;

impl<H: Host> Binder<'_, H> {
    /// Binds a FROM list; its names become visible in the current scope.
    pub(crate) fn from(&mut self, from: &[TableWithJoins]) -> Bound<Vec<Join>, H> {
        let mut joins = Vec::new();
        for item in from {
            self.joined_item(item, &mut joins)?;
        }
        Ok(joins)
    }

    fn joined_item(&mut self, item: &TableWithJoins, joins: &mut Vec<Join>) -> Bound<(), H> {
        let first_of_item = joins.len();
        if let TableFactor::NestedJoin {
            table_with_joins,
            alias: None,
        } = &item.relation
        {
            if first_of_item > 0 && !table_with_joins.joins.is_empty() {
                return Err(PgError::unsupported(item).into());
            }
            self.joined_item(table_with_joins, joins)?;
        } else {
            let source = self.factor(&item.relation)?;
            joins.push(Join {
                kind: JoinKind::Inner,
                source,
                filter: None,
                on: None,
            });
        }
        for join in &item.joins {
            let (kind, constraint) = match &join.join_operator {
                JoinOperator::Join(on) | JoinOperator::Inner(on) | JoinOperator::CrossJoin(on) => {
                    (JoinKind::Inner, on)
                }
                JoinOperator::Left(on) | JoinOperator::LeftOuter(on) => (JoinKind::Left, on),
                JoinOperator::Right(on) | JoinOperator::RightOuter(on) => (JoinKind::Right, on),
                JoinOperator::FullOuter(on) => (JoinKind::Full, on),
                _ => return Err(PgError::unsupported(item).into()),
            };
            // Outer joins to the left would reach over the comma.
            let reaches = matches!(kind, JoinKind::Right | JoinKind::Full) && first_of_item > 0;
            if reaches {
                return Err(PgError::unsupported(item).into());
            }
            let source = self.factor(&join.relation)?;
            let on = match constraint {
                JoinConstraint::On(expr) => Some(self.condition(expr, "JOIN/ON")?),
                JoinConstraint::Using(names) if !matches!(kind, JoinKind::Right | JoinKind::Full) => {
                    Some(self.using(names)?)
                }
                JoinConstraint::None => None,
                _ => return Err(PgError::unsupported(item).into()),
            };
            joins.push(Join {
                kind,
                source,
                filter: None,
                on,
            });
        }
        Ok(())
    }

    fn using(&mut self, columns: &[ObjectName]) -> Bound<Node, H> {
        let right = self.scope().sources.len() - 1;
        let mut condition: Option<Node> = None;
        for name in columns {
            let name = names::last(name);
            let sources = self.scope().sources.clone();
            let find = |sources: &[Visible], offset: usize| {
                sources.iter().enumerate().find_map(|(source, visible)| {
                    let column = visible.columns.iter().position(|column| column.name == name)?;
                    let node = Node::Column {
                        depth: 0,
                        source: source + offset,
                        column,
                    };
                    Some(Typed {
                        node,
                        ty: visible.columns[column].ty.clone(),
                    })
                })
            };
            let missing = |side: &str| {
                let message =
                    format!("column \"{name}\" specified in USING clause does not exist in {side} table");
                PgError::new("42703", message)
            };
            let a = find(&sources[..right], 0).ok_or_else(|| missing("left"))?;
            let b = find(&sources[right..], right).ok_or_else(|| missing("right"))?;
            let equal = self.compare(Comparison::Eq, a, b)?.node;
            condition = Some(match condition {
                Some(condition) => Node::And(Box::new(condition), Box::new(equal)),
                None => equal,
            });
            self.scope().sources[right].merged.push(name);
        }
        condition.ok_or_else(|| PgError::syntax(")").into())
    }

    fn factor(&mut self, factor: &TableFactor) -> Bound<Source, H> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args: None,
                sample: None,
                ..
            } => self.table(name, alias.as_ref()),
            TableFactor::Table {
                name,
                alias,
                args: Some(args),
                with_ordinality,
                ..
            } => self.table_function(&names::last(name), &args.args, alias.as_ref(), *with_ordinality),
            TableFactor::Function {
                name,
                args,
                alias,
                with_ordinality,
                ..
            } => self.table_function(&names::last(name), args, alias.as_ref(), *with_ordinality),
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_ordinality,
                ..
            } => {
                let wrap = |expr: &Expr| FunctionArg::Unnamed(FunctionArgExpr::Expr(expr.clone()));
                let args: Vec<FunctionArg> = array_exprs.iter().map(wrap).collect();
                self.table_function("unnest", &args, alias.as_ref(), *with_ordinality)
            }
            TableFactor::Derived {
                lateral,
                subquery,
                alias,
                sample: None,
            } => {
                let hidden = if *lateral { None } else { self.scopes.pop() };
                // What is not lateral does not see its neighbours, but it does see the queries around.
                let placeholder = hidden.is_some();
                if placeholder {
                    self.scopes.push(Default::default());
                }
                let plan = self.query(subquery);
                if let Some(scope) = hidden {
                    self.scopes.pop();
                    self.scopes.push(scope);
                }
                let plan = plan?;
                let Some(alias) = alias else {
                    return Err(PgError::new("42601", "subquery in FROM must have an alias").into());
                };
                let columns = plan.columns.as_slice().into();
                self.show(names::fold(&alias.name), columns, 0, Some(alias))?;
                Ok(Source::Query {
                    plan: Box::new(plan),
                    lateral: *lateral,
                })
            }
            other => Err(PgError::unsupported(other).into()),
        }
    }

    fn table(&mut self, name: &ObjectName, alias: Option<&TableAlias>) -> Bound<Source, H> {
        let (name, only) = &super::only::take(name);
        let parts = names::parts(name);
        let visible = alias.map_or_else(|| names::last(name), |alias| names::fold(&alias.name));
        if let [single] = parts.as_slice()
            && let Some((_, cte)) = self.ctes.iter().rev().find(|(cte, _)| cte == single)
        {
            let cte = cte.clone();
            self.show(visible, Rc::clone(&cte.columns), 0, alias)?;
            return Ok(Source::Cte(cte));
        }
        let scan = self.host.scan(name, *only, false)?;
        self.show(visible, Rc::clone(&scan.columns), scan.oid, alias)?;
        let slot = Slot::of(scan.rows);
        self.reads.push(Read {
            name: name.clone(),
            only: *only,
            oid: scan.oid,
            columns: scan.columns,
            slot: slot.clone(),
        });
        Ok(Source::Rows(slot))
    }

    /// Makes a source visible in the current scope.
    pub(crate) fn show(
        &mut self,
        name: String,
        columns: Rc<[Column]>,
        oid: u32,
        alias: Option<&TableAlias>,
    ) -> Bound<(), H> {
        if self.scope().sources.iter().any(|visible| visible.alias == name) {
            let message = format!("table name \"{name}\" specified more than once");
            return Err(PgError::new("42712", message).into());
        }
        let columns = rename(
            columns,
            alias
                .iter()
                .flat_map(|alias| &alias.columns)
                .map(|column| &column.name),
        );
        self.scope().sources.push(Visible {
            alias: name,
            columns,
            oid,
            merged: Vec::new(),
        });
        Ok(())
    }

    fn table_function(
        &mut self,
        name: &str,
        args: &[FunctionArg],
        alias: Option<&TableAlias>,
        ordinality: bool,
    ) -> Bound<Source, H> {
        let mut exprs = Vec::new();
        for arg in args {
            exprs.push(self.function_arg(name, arg)?);
        }
        let visible = alias.map_or_else(|| name.to_owned(), |alias| names::fold(&alias.name));
        let (node, mut columns, set) = match self.set_call(name, &exprs)? {
            Some((node, ty)) => (
                node,
                vec![Column {
                    name: visible.clone(),
                    ty,
                }],
                true,
            ),
            None => {
                let host_columns = super::host_functions::columns(name);
                let typed = self.call(name, exprs)?;
                match host_columns {
                    Some(columns) => (typed.node, columns, true),
                    None => (
                        typed.node,
                        vec![Column {
                            name: visible.clone(),
                            ty: typed.ty,
                        }],
                        false,
                    ),
                }
            }
        };
        let width = columns.len();
        if ordinality {
            columns.push(Column {
                name: "ordinality".into(),
                ty: Type::Int8,
            });
        }
        self.show(visible, columns.into(), 0, alias)?;
        Ok(Source::Function {
            node,
            width,
            set,
            ordinality,
        })
    }
}
