//! Binding of expressions that are made of several: CASE, rows, arrays and access to their parts.

use sqlparser::ast::{self, AccessExpr, Expr, Query, Subscript};

use super::bind::{Binder, Bound};
use super::error::PgError;
use super::host::Host;
use super::names;
use super::operators::{common_type, literal};
use super::plan::{Comparison, Node, Plan, Typed};
use super::value::{Type, Value};

impl<H: Host> Binder<'_, H> {
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

    pub(crate) fn case(
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

    pub(crate) fn array(&mut self, items: &[Expr]) -> Bound<Typed, H> {
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

    pub(crate) fn access(&mut self, root: &Expr, chain: &[AccessExpr]) -> Bound<Typed, H> {
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
                _ => {
                    return Err(PgError::unsupported(format!("{root}: this access to a part of it")).into());
                }
            };
        }
        Ok(typed)
    }

    pub(crate) fn interval(&mut self, interval: &ast::Interval) -> Bound<Typed, H> {
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
