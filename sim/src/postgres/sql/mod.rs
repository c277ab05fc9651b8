//! SQL of the simulated Postgres: values, the parser, and the executor of queries and of INSERT, UPDATE,
//! DELETE and COPY. It holds no state between statements but what it has
//! parsed and bound; everything that belongs to the server is behind
//! [`host::Host`].
//!
//! In reading order: [`value`] and [`types`], [`parse`] and [`command`], [`host`], [`execute`], [`copy`].
//! A query is bound to a plan (names and types are decided, relations are scanned) and the plan is run; the plan
//! is kept for when the same text comes again.

pub mod check;
pub mod command;
pub mod copy;
pub mod copy_in;
pub mod error;
pub mod execute;
pub mod host;
pub mod names;
pub mod numeric;
mod only;
pub mod parse;
pub mod types;
pub mod value;

pub mod binary;
pub mod cast;
pub mod datetime;
pub mod pattern;
pub mod text;
mod text_input;

mod aggregate;
mod arithmetic;
mod assign;
mod bind;
mod bind_aggregate;
mod bind_compound;
mod bind_expr;
mod bind_predicate;
mod bind_select;
mod change;
mod dml;
mod eval;
mod filler;
mod from;
mod functions;
mod hand;
mod hand_ddl;
mod host_functions;
mod join;
mod operators;
mod plan;
mod plans;
mod pure;
mod pure_other;
mod pure_text;
mod pushdown;
mod raise;
mod run;
mod truth;
mod words;
