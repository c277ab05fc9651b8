//! A bound query: names are resolved to places, and every expression has a type.

use std::cell::RefCell;
use std::rc::Rc;

use super::error::PgError;
use super::host::{Column, ScanRow};
use super::plans::Slot;
use super::value::{Type, Value};

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
}

/// A function of its arguments alone.
pub(crate) type PureFn = fn(&[Value], &[Type]) -> Result<Value, PgError>;

/// Tests for truth: `IS [NOT] TRUE`, `IS [NOT] NULL`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Const(Value),
    Param(usize, Type),
    /// `depth` counts the queries outwards.
    Column {
        depth: usize,
        source: usize,
        column: usize,
    },
    Ctid {
        depth: usize,
        source: usize,
    },
    TableOid {
        depth: usize,
        source: usize,
        oid: u32,
    },
    WholeRow {
        depth: usize,
        source: usize,
        columns: Rc<[Column]>,
    },
    /// The n-th aggregate of the query at this depth.
    Aggregate {
        depth: usize,
        index: usize,
    },
    Not(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    /// Operator, type that both sides are brought to, sides.
    Arithmetic(char, Type, Box<Node>, Box<Node>),
    IsNull {
        node: Box<Node>,
        negated: bool,
    },
    IsBool {
        node: Box<Node>,
        wanted: bool,
        negated: bool,
    },
    Distinct {
        left: Box<Node>,
        right: Box<Node>,
        negated: bool,
    },
    In {
        node: Box<Node>,
        list: Vec<Node>,
        negated: bool,
    },
    Like {
        node: Box<Node>,
        pattern: Box<Node>,
        escape: Option<char>,
        fold: bool,
        negated: bool,
    },
    Regex {
        node: Box<Node>,
        pattern: Box<Node>,
        fold: bool,
        negated: bool,
    },
    /// `= ANY (array)`, `<> ALL (array)`.
    Quantified {
        comparison: Comparison,
        left: Box<Node>,
        array: Box<Node>,
        all: bool,
    },
    /// `IN (SELECT …)`, `= ANY (SELECT …)`.
    QuantifiedQuery {
        comparison: Comparison,
        left: Box<Node>,
        plan: Box<Plan>,
        all: bool,
    },
    Case {
        branches: Vec<(Node, Node)>,
        otherwise: Box<Node>,
    },
    Coalesce(Vec<Node>),
    Extreme {
        nodes: Vec<Node>,
        greatest: bool,
    },
    NullIf(Box<Node>, Box<Node>),
    Cast {
        node: Box<Node>,
        from: Type,
        to: Type,
    },
    Call {
        run: Pure,
        args: Vec<Node>,
        types: Vec<Type>,
    },
    HostCall {
        name: String,
        args: Vec<Node>,
        types: Vec<Type>,
    },
    Exists(Box<Plan>),
    Scalar(Box<Plan>),
    ArrayQuery(Box<Plan>),
    Array(Vec<Node>),
    Row(Vec<(Type, Node)>),
    Index(Box<Node>, Box<Node>),
    Field(Box<Node>, usize),
}

/// A pure function, and whether a NULL argument makes its result NULL.
#[derive(Clone, Copy)]
pub(crate) struct Pure {
    pub(crate) name: &'static str,
    pub(crate) strict: bool,
    pub(crate) run: PureFn,
}

impl PartialEq for Pure {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Pure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// An expression with its type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Typed {
    pub(crate) node: Node,
    pub(crate) ty: Type,
}

/// How rows are sorted by one expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SortKey {
    pub(crate) node: Node,
    pub(crate) descending: bool,
    pub(crate) nulls_first: bool,
}

/// The aggregates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AggregateKind {
    Count,
    Sum,
    Min,
    Max,
    Avg,
    BoolAnd,
    BoolOr,
    StringAgg,
    ArrayAgg,
}

/// One aggregate call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Aggregate {
    pub(crate) kind: AggregateKind,
    /// `None` for `count(*)`.
    pub(crate) argument: Option<Typed>,
    pub(crate) delimiter: Option<Node>,
    pub(crate) distinct: bool,
    pub(crate) filter: Option<Node>,
    pub(crate) order: Vec<SortKey>,
    pub(crate) ty: Type,
}

/// A bound query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) columns: Vec<Column>,
    pub(crate) body: Body,
    /// Sort keys of a set operation or of VALUES: places in the row. A SELECT sorts by itself.
    pub(crate) order: Vec<(usize, bool, bool)>,
    pub(crate) limit: Option<Node>,
    pub(crate) offset: Option<Node>,
}

/// What makes the rows of a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    Select(Box<Select>),
    Values(Vec<Vec<Node>>),
    Set {
        operator: SetKind,
        all: bool,
        left: Box<Plan>,
        right: Box<Plan>,
    },
    Plan(Box<Plan>),
}

/// A set operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetKind {
    Union,
    Except,
    Intersect,
}

/// A bound SELECT.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Select {
    pub(crate) joins: Vec<Join>,
    pub(crate) filter: Option<Node>,
    pub(crate) group: Vec<Node>,
    pub(crate) grouped: bool,
    pub(crate) aggregates: Vec<Aggregate>,
    pub(crate) having: Option<Node>,
    pub(crate) items: Vec<Item>,
    pub(crate) distinct: bool,
    pub(crate) distinct_on: Vec<Node>,
    pub(crate) order: Vec<SortKey>,
}

/// One result column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    /// One value a row.
    Value(Node),
    /// A set-returning function: one row for each element of its array.
    Set(Node),
}

/// How a source joins the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

/// One source of a FROM list with how it joins those before it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Join {
    pub(crate) kind: JoinKind,
    pub(crate) source: Source,
    /// What WHERE says of this source alone.
    pub(crate) filter: Option<Node>,
    pub(crate) on: Option<Node>,
}

/// What one item of a FROM list reads.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    Rows(Slot),
    /// `lateral` may read the sources before it.
    Query {
        plan: Box<Plan>,
        lateral: bool,
    },
    Cte(Rc<Cte>),
    /// A function that gives an array (of records when it has several columns), or one value.
    Function {
        node: Node,
        width: usize,
        set: bool,
        ordinality: bool,
    },
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Source::Rows(a), Source::Rows(b)) => a == b,
            (Source::Query { plan: a, .. }, Source::Query { plan: b, .. }) => a == b,
            (Source::Cte(a), Source::Cte(b)) => Rc::ptr_eq(a, b),
            (Source::Function { node: a, .. }, Source::Function { node: b, .. }) => a == b,
            _ => false,
        }
    }
}

/// A common table expression: run once, on first use.
#[derive(Debug)]
pub(crate) struct Cte {
    pub(crate) columns: Rc<[Column]>,
    pub(crate) plan: Plan,
    pub(crate) rows: RefCell<Option<Rc<Vec<ScanRow>>>>,
}
