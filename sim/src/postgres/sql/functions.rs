//! Binding of function calls: aggregates, functions of their arguments alone, and the server's.

use sqlparser::ast::{DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments};

use super::bind::{Binder, Bound, null};
use super::bind_aggregate::aggregate_kind;
use super::error::PgError;
use super::host::Host;
use super::names;
use super::plan::{Node, Pure, Typed};
use super::pure::{PURE, Param, Returns};
use super::value::{Type, Value};

impl<H: Host> Binder<'_, H> {
    pub(crate) fn function(&mut self, function: &Function) -> Bound<Typed, H> {
        let name = names::last(&function.name);
        if function.over.is_some() || !function.within_group.is_empty() {
            return Err(PgError::unsupported(function).into());
        }
        let list = match &function.args {
            FunctionArguments::None => return self.call(&name, Vec::new()),
            FunctionArguments::Subquery(query) if name == "array" => {
                let (plan, ty) = self.one_column(query)?;
                return Ok(Typed {
                    node: Node::ArrayQuery(Box::new(plan)),
                    ty: Type::Array(ty.into()),
                });
            }
            FunctionArguments::Subquery(_) => return Err(PgError::unsupported(function).into()),
            FunctionArguments::List(list) => list,
        };
        if let Some(kind) = aggregate_kind(&name) {
            let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
            return self.aggregate(function, kind, &list.args, distinct, &list.clauses);
        }
        if !list.clauses.is_empty() || list.duplicate_treatment.is_some() || function.filter.is_some() {
            return Err(PgError::unsupported(function).into());
        }
        if name == "row" {
            let exprs: Vec<Expr> = list.args.iter().filter_map(plain_arg).cloned().collect();
            return self.row(&exprs);
        }
        let mut args = Vec::new();
        for arg in &list.args {
            args.push(self.function_arg(&name, arg)?);
        }
        self.call(&name, args)
    }

    pub(crate) fn function_arg(&mut self, name: &str, arg: &FunctionArg) -> Bound<Typed, H> {
        match plain_arg(arg) {
            Some(expr) => self.expr(expr),
            None => Err(PgError::unsupported(format!("{name}({arg})")).into()),
        }
    }

    /// A call by name with its arguments bound.
    pub(crate) fn call(&mut self, name: &str, args: Vec<Typed>) -> Bound<Typed, H> {
        match name {
            "coalesce" => {
                let (nodes, ty) = self.unify("COALESCE", args)?;
                return Ok(Typed {
                    node: Node::Coalesce(nodes),
                    ty,
                });
            }
            "greatest" | "least" => {
                let greatest = name == "greatest";
                let (nodes, ty) = self.unify(if greatest { "GREATEST" } else { "LEAST" }, args)?;
                return Ok(Typed {
                    node: Node::Extreme { nodes, greatest },
                    ty,
                });
            }
            "nullif" if args.len() == 2 => {
                let mut args = args.into_iter();
                let (a, b) = (
                    args.next().unwrap_or(null(Type::Text)),
                    args.next().unwrap_or(null(Type::Text)),
                );
                let (a, b) = self.comparable("=", a, b)?;
                let node = Node::NullIf(Box::new(a.node), Box::new(b.node));
                return Ok(Typed { node, ty: a.ty });
            }
            "pg_typeof" if args.len() == 1 => {
                let ty = &args[0].ty;
                let value = Value::Reg(ty.oid(), ty.base().name().into());
                return Ok(Typed {
                    node: Node::Const(value),
                    ty: Type::Regtype,
                });
            }
            _ => {}
        }
        if let Some(typed) = self.pure_call(name, &args)? {
            return Ok(typed);
        }
        if PURE.iter().any(|pure| pure.name == name) && super::host_functions::result_type(name).is_none() {
            return Err(PgError::undefined_function(&signature(name, &args)).into());
        }
        let host_name = if name == "age" && args.len() == 1 {
            "age_xid"
        } else {
            name
        };
        let (mut nodes, mut types) = (Vec::new(), Vec::new());
        for (index, arg) in args.into_iter().enumerate() {
            let wanted = super::host_functions::argument_type(name, index);
            let arg = match arg.ty {
                Type::Unknown => self.cast(arg, &wanted)?,
                Type::Text | Type::Name if wanted == Type::Regclass => self.cast(arg, &wanted)?,
                ref ty if ty.is_number() && wanted == Type::Float8 => self.cast(arg, &wanted)?,
                _ => arg,
            };
            nodes.push(arg.node);
            types.push(arg.ty);
        }
        let ty = super::host_functions::result_type(host_name).unwrap_or(Type::Text);
        Ok(Typed {
            node: Node::HostCall {
                name: host_name.into(),
                args: nodes,
                types,
            },
            ty,
        })
    }

    /// A call of a function of its arguments alone, if one fits.
    pub(crate) fn pure_call(&mut self, name: &str, args: &[Typed]) -> Bound<Option<Typed>, H> {
        let Some(pure) = PURE.iter().find(|pure| pure.name == name && pure.fits(args)) else {
            return Ok(None);
        };
        let (mut nodes, mut types) = (Vec::new(), Vec::new());
        for (index, arg) in args.iter().enumerate() {
            let arg = match pure.param(index).wanted(&arg.ty) {
                Some(wanted) => self.cast(arg.clone(), &wanted)?,
                None => arg.clone(),
            };
            nodes.push(arg.node);
            types.push(arg.ty);
        }
        let ty = match &pure.returns {
            Returns::Type(ty) => ty.clone(),
            Returns::Same => types.first().map_or(Type::Text, Type::base),
        };
        let run = Pure {
            name: pure.name,
            strict: pure.strict,
            run: pure.run,
        };
        Ok(Some(Typed {
            node: Node::Call {
                run,
                args: nodes,
                types,
            },
            ty,
        }))
    }

    /// A set-returning call at the top of a select item: the array of its values and their type.
    pub(crate) fn set_function(&mut self, expr: &Expr) -> Bound<Option<(Node, Type)>, H> {
        let Expr::Function(function) = expr else {
            return Ok(None);
        };
        let name = names::last(&function.name);
        if !is_set(&name) {
            return Ok(None);
        }
        let FunctionArguments::List(list) = &function.args else {
            return Ok(None);
        };
        let mut args = Vec::new();
        for arg in &list.args {
            args.push(self.function_arg(&name, arg)?);
        }
        self.set_call(&name, &args)
    }

    /// A set-returning call.
    pub(crate) fn set_call(&mut self, name: &str, args: &[Typed]) -> Bound<Option<(Node, Type)>, H> {
        if !is_set(name) {
            return Ok(None);
        }
        match self.pure_call(name, args)? {
            Some(Typed {
                node,
                ty: Type::Array(element),
            }) => Ok(Some((node, (*element).clone()))),
            Some(Typed { node, ty }) => Ok(Some((node, ty))),
            None => Err(PgError::undefined_function(&signature(name, args)).into()),
        }
    }
}

fn is_set(name: &str) -> bool {
    matches!(
        name,
        "generate_series" | "unnest" | "regexp_split_to_table" | "string_to_table"
    )
}

fn plain_arg(arg: &FunctionArg) -> Option<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

pub(crate) fn signature(name: &str, args: &[Typed]) -> String {
    let types: Vec<String> = args.iter().map(|arg| arg.ty.base().name()).collect();
    format!("{name}({})", types.join(", "))
}

impl Param {
    /// The type that an argument of this type is cast to; `None` to leave it.
    fn wanted(&self, ty: &Type) -> Option<Type> {
        match self {
            Param::Is(wanted) => Some(wanted.clone()),
            _ if *ty == Type::Unknown => Some(Type::Text),
            _ => None,
        }
    }
}

/// The name that Postgres gives a result column.
pub(crate) fn column_name(expr: &Expr) -> String {
    own_name(expr).unwrap_or_else(|| "?column?".into())
}

fn own_name(expr: &Expr) -> Option<String> {
    Some(match expr {
        Expr::Identifier(ident) => names::fold(ident),
        Expr::CompoundIdentifier(parts) => names::fold(parts.last()?),
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last()? {
            sqlparser::ast::AccessExpr::Dot(Expr::Identifier(ident)) => names::fold(ident),
            _ => own_name(root)?,
        },
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => own_name(inner)?,
        Expr::Function(function) => names::last(&function.name),
        Expr::Cast {
            expr: inner,
            data_type,
            ..
        } => match own_name(inner) {
            Some(name) => name,
            None => Type::from_ast(data_type)
                .ok()?
                .typname()
                .trim_start_matches('_')
                .to_owned(),
        },
        Expr::TypedString(typed) => Type::from_ast(&typed.data_type).ok()?.typname(),
        Expr::Interval(_) => "interval".into(),
        Expr::Case { else_result, .. } => else_result
            .as_deref()
            .and_then(own_name)
            .unwrap_or_else(|| "case".into()),
        Expr::Exists { .. } => "exists".into(),
        Expr::Array(_) => "array".into(),
        Expr::Extract { .. } => "extract".into(),
        Expr::Substring { .. } => "substring".into(),
        Expr::Trim { .. } => "btrim".into(),
        Expr::Position { .. } => "position".into(),
        Expr::Ceil { .. } => "ceil".into(),
        Expr::Floor { .. } => "floor".into(),
        Expr::Tuple(_) => "row".into(),
        Expr::Value(value) if matches!(value.value, sqlparser::ast::Value::Boolean(_)) => "bool".into(),
        Expr::Subquery(query) => match query.body.as_ref() {
            sqlparser::ast::SetExpr::Select(select) => match select.projection.first()? {
                sqlparser::ast::SelectItem::UnnamedExpr(expr) => own_name(expr)?,
                sqlparser::ast::SelectItem::ExprWithAlias { alias, .. } => names::fold(alias),
                _ => return None,
            },
            _ => return None,
        },
        _ => return None,
    })
}
