//! Plans that are kept, so that a text that comes again is not bound again.
//!
//! A plan is a function of the statement's text, the types that were declared for its parameters, and the oid
//! and the columns of each relation that it reads, which is all that binding asks the server. The relations
//! are scanned for each execution anyway; a plan that was bound to the same ones is the plan that binding
//! would make again.

use std::cell::RefCell;
use std::rc::Rc;

use sqlparser::ast::{self, ObjectName, Query};

use super::bind::{Binder, Bound};
use super::dml::{Insert, bind_insert};
use super::host::{Column, Host, Scan, ScanRow};
use super::plan::{Cte, Plan};
use super::value::Type;
use crate::postgres::remembered::Remembered;

/// How many texts a thread remembers plans of.
const KEPT_TEXTS: usize = 2048;
/// How many plans of one text are remembered: relations differ from server to server and from time to time.
const KEPT_PLANS: usize = 8;

/// The rows that a plan reads from one relation: put in place for each execution.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot(Rc<RefCell<Rc<Vec<ScanRow>>>>);

impl Slot {
    pub(crate) fn of(rows: Vec<ScanRow>) -> Self {
        Slot(Rc::new(RefCell::new(Rc::new(rows))))
    }

    pub(crate) fn rows(&self) -> Rc<Vec<ScanRow>> {
        Rc::clone(&self.0.borrow())
    }

    fn put(&self, rows: Vec<ScanRow>) {
        *self.0.borrow_mut() = Rc::new(rows);
    }
}

impl PartialEq for Slot {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// A relation that a statement reads, as it was when the statement was bound.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) name: ObjectName,
    pub(crate) only: bool,
    pub(crate) oid: u32,
    pub(crate) columns: Rc<[Column]>,
    pub(crate) slot: Slot,
}

impl Read {
    fn is_of(&self, scan: &Scan) -> bool {
        let same = Rc::ptr_eq(&self.columns, &scan.columns) || self.columns == scan.columns;
        self.oid == scan.oid && same
    }
}

/// A bound query with what must be put in place before it runs.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) plan: Plan,
    /// The plan's columns.
    pub(crate) columns: Rc<[Column]>,
    declared: Vec<Option<Type>>,
    reads: Vec<Read>,
    ctes: Vec<Rc<Cte>>,
}

impl Prepared {
    /// Whether it was bound for these types to the relations that were scanned.
    fn fits(&self, declared: &[Option<Type>], scans: &[Scan]) -> bool {
        self.declared == declared && self.reads.iter().zip(scans).all(|(read, scan)| read.is_of(scan))
    }

    /// Lets go of the rows of an execution.
    pub(crate) fn rest(&self) {
        for read in &self.reads {
            read.slot.put(Vec::new());
        }
        for cte in &self.ctes {
            cte.rows.take();
        }
    }
}

/// An INSERT of VALUES that read nothing, bound.
#[derive(Debug)]
struct PreparedInsert {
    insert: Rc<Insert>,
    declared: Vec<Option<Type>>,
}

/// By text, the plans of it.
type Plans<T> = RefCell<Remembered<Rc<str>, Rc<[Rc<T>]>>>;

thread_local! {
    static QUERIES: Plans<Prepared> = const { RefCell::new(Remembered::new(KEPT_TEXTS)) };
    static INSERTS: Plans<PreparedInsert> = const { RefCell::new(Remembered::new(KEPT_TEXTS)) };
}

/// Keeps one more plan of a text, of which these are known.
fn keep<T>(plans: &Plans<T>, text: &Rc<str>, known: &[Rc<T>], plan: Rc<T>) {
    let known = if known.len() < KEPT_PLANS { known } else { &[] };
    let all = known.iter().cloned().chain([plan]).collect();
    plans.borrow_mut().keep(Rc::clone(text), all);
}

/// The plan of a query that is, or is part of, the statement of this text, with the rows that it reads.
pub(crate) fn prepare<H: Host>(
    host: &mut H,
    text: &Rc<str>,
    query: &Query,
    declared: &[Option<Type>],
) -> Bound<Rc<Prepared>, H> {
    let known = QUERIES.with_borrow(|plans| plans.get(text)).unwrap_or_default();
    if let Some(first) = known.first() {
        // In the order of binding, so that locks are waited for in the same order.
        let mut scans = Vec::with_capacity(first.reads.len());
        for read in &first.reads {
            scans.push(host.scan(&read.name, read.only, false)?);
        }
        let fitting = known.iter().find(|plan| plan.fits(declared, &scans));
        if let Some(plan) = fitting {
            for (read, scan) in plan.reads.iter().zip(scans) {
                read.slot.put(scan.rows);
            }
            return Ok(Rc::clone(plan));
        }
    }
    let mut binder = Binder::new(host, declared);
    let plan = binder.query(query)?;
    let prepared = Rc::new(Prepared {
        columns: plan.columns.as_slice().into(),
        declared: declared.to_vec(),
        reads: std::mem::take(&mut binder.reads),
        ctes: std::mem::take(&mut binder.all_ctes),
        plan,
    });
    QUERIES.with(|plans| keep(plans, text, &known, Rc::clone(&prepared)));
    Ok(prepared)
}

/// The INSERT that is the statement of this text, bound.
pub(crate) fn prepare_insert<H: Host>(
    host: &mut H,
    text: &Rc<str>,
    insert: &ast::Insert,
    declared: &[Option<Type>],
) -> Bound<Rc<Insert>, H> {
    let known = INSERTS.with_borrow(|plans| plans.get(text)).unwrap_or_default();
    if let Some(first) = known.first() {
        let target = host.target(&first.insert.name)?;
        let mut plans = known.iter();
        let fitting = plans.find(|plan| plan.declared == declared && plan.insert.is_into(&target));
        if let Some(plan) = fitting {
            return Ok(Rc::clone(&plan.insert));
        }
    }
    let mut binder = Binder::new(host, declared);
    let insert = Rc::new(bind_insert(&mut binder, insert)?);
    if binder.reads.is_empty() && binder.all_ctes.is_empty() {
        let plan = Rc::new(PreparedInsert {
            insert: Rc::clone(&insert),
            declared: declared.to_vec(),
        });
        INSERTS.with(|plans| keep(plans, text, &known, plan));
    }
    Ok(insert)
}
