//! Binding of SELECT.

use sqlparser::ast::{Distinct, Expr, GroupByExpr, OrderBy, SelectItem, SelectItemQualifiedWildcardKind};

use super::bind::{
    Binder, Bound, Scope, direction, empty_select, missing_from, order_keys, output_place, plain,
};
use super::error::PgError;
use super::host::{Column, Host};
use super::names;
use super::plan::{Body, Item, Node, Plan, Select, SortKey};
use super::value::Type;

impl<H: Host> Binder<'_, H> {
    pub(crate) fn select(
        &mut self,
        select: &sqlparser::ast::Select,
        order: Option<&OrderBy>,
    ) -> Bound<Plan, H> {
        let refused = select.into.is_some()
            || select.top.is_some()
            || !select.lateral_views.is_empty()
            || !select.named_window.is_empty()
            || select.qualify.is_some()
            || select.prewhere.is_some();
        if refused {
            return Err(PgError::unsupported(select).into());
        }
        self.scopes.push(Scope::default());
        let plan = self.select_inside(select, order);
        self.scopes.pop();
        plan
    }

    fn select_inside(&mut self, select: &sqlparser::ast::Select, order: Option<&OrderBy>) -> Bound<Plan, H> {
        let mut bound = Select {
            joins: self.from(&select.from)?,
            ..empty_select()
        };
        if let Some(selection) = &select.selection {
            bound.filter = Some(self.condition(selection, "WHERE")?);
        }
        self.scope().aggregates_allowed = true;
        let (columns, items) = self.items(&select.projection)?;
        let typed_items: Vec<Node> = items
            .iter()
            .map(|item| match item {
                Item::Value(node) | Item::Set(node) => node.clone(),
            })
            .collect();
        let GroupByExpr::Expressions(group, modifiers) = &select.group_by else {
            return Err(PgError::unsupported(select).into());
        };
        if !modifiers.is_empty() {
            return Err(PgError::unsupported(select).into());
        }
        for expr in group {
            bound
                .group
                .push(self.place_or_expr(expr, &columns, &typed_items, false)?);
        }
        if let Some(having) = &select.having {
            bound.having = Some(self.condition(having, "HAVING")?);
        }
        match &select.distinct {
            None | Some(Distinct::All) => {}
            Some(Distinct::Distinct) => bound.distinct = true,
            Some(Distinct::On(exprs)) => {
                for expr in exprs {
                    bound
                        .distinct_on
                        .push(self.place_or_expr(expr, &columns, &typed_items, true)?);
                }
            }
        }
        for key in order_keys(order)? {
            let node = self.place_or_expr(&key.expr, &columns, &typed_items, true)?;
            if bound.distinct && !typed_items.contains(&node) {
                let message = "for SELECT DISTINCT, ORDER BY expressions must appear in select list";
                return Err(PgError::new("42P10", message).into());
            }
            let (descending, nulls_first) = direction(key)?;
            bound.order.push(SortKey {
                node,
                descending,
                nulls_first,
            });
        }
        bound.items = items;
        bound.aggregates = std::mem::take(&mut self.scope().aggregates);
        bound.grouped = !group.is_empty() || !bound.aggregates.is_empty() || bound.having.is_some();
        self.check_grouping(&bound)?;
        super::pushdown::split_filter(&mut bound);
        Ok(plain(columns, Body::Select(Box::new(bound))))
    }

    /// An ordinal, the name of a result column, or an expression. ORDER BY prefers result columns
    /// (`output_first`), GROUP BY the sources' own.
    fn place_or_expr(
        &mut self,
        expr: &Expr,
        columns: &[Column],
        items: &[Node],
        output_first: bool,
    ) -> Bound<Node, H> {
        let is_name = matches!(expr, Expr::Identifier(_));
        if (output_first || !is_name)
            && let Some(place) = output_place(expr, columns)?
        {
            return Ok(items[place].clone());
        }
        match self.expr(expr) {
            Ok(typed) => Ok(typed.node),
            Err(error) => match output_place(expr, columns)? {
                Some(place) => Ok(items[place].clone()),
                None => Err(error),
            },
        }
    }

    /// The columns and expressions of a select list or of RETURNING.
    pub(crate) fn items(&mut self, projection: &[SelectItem]) -> Bound<(Vec<Column>, Vec<Item>), H> {
        let (mut columns, mut items) = (Vec::new(), Vec::new());
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    self.item(
                        expr,
                        super::functions::column_name(expr),
                        &mut columns,
                        &mut items,
                    )?;
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    self.item(expr, names::fold(alias), &mut columns, &mut items)?;
                }
                SelectItem::Wildcard(_) => {
                    if self.scope().sources.is_empty() {
                        let message = "SELECT * with no tables specified is not valid";
                        return Err(PgError::new("42601", message).into());
                    }
                    self.wildcard(None, &mut columns, &mut items)?;
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    self.wildcard(Some(names::last(name)), &mut columns, &mut items)?;
                }
                other => return Err(PgError::unsupported(other).into()),
            }
        }
        Ok((columns, items))
    }

    fn item(
        &mut self,
        expr: &Expr,
        name: String,
        columns: &mut Vec<Column>,
        items: &mut Vec<Item>,
    ) -> Bound<(), H> {
        if let Some((node, ty)) = self.set_function(expr)? {
            columns.push(Column { name, ty });
            items.push(Item::Set(node));
            return Ok(());
        }
        let typed = self.expr(expr)?;
        let typed = if typed.ty == Type::Unknown {
            self.coerce(typed, &Type::Text)?
        } else {
            typed
        };
        columns.push(Column { name, ty: typed.ty });
        items.push(Item::Value(typed.node));
        Ok(())
    }

    fn wildcard(
        &mut self,
        only: Option<String>,
        columns: &mut Vec<Column>,
        items: &mut Vec<Item>,
    ) -> Bound<(), H> {
        let mut found = false;
        for (source, visible) in self.scope().sources.clone().iter().enumerate() {
            if only.as_ref().is_some_and(|only| *only != visible.alias) {
                continue;
            }
            found = true;
            for (index, column) in visible.columns.iter().enumerate() {
                if only.is_none() && visible.merged.contains(&column.name) {
                    continue;
                }
                columns.push(column.clone());
                items.push(Item::Value(Node::Column {
                    depth: 0,
                    source,
                    column: index,
                }));
            }
        }
        match only {
            Some(only) if !found => Err(missing_from(&only).into()),
            _ => Ok(()),
        }
    }

    /// A boolean expression of a clause.
    pub(crate) fn condition(&mut self, expr: &Expr, clause: &str) -> Bound<Node, H> {
        let typed = self.expr(expr)?;
        if !matches!(typed.ty, Type::Bool | Type::Unknown) {
            let message = format!(
                "argument of {clause} must be type boolean, not type {}",
                typed.ty.name()
            );
            return Err(PgError::new("42804", message).into());
        }
        Ok(self.coerce(typed, &Type::Bool)?.node)
    }
}
