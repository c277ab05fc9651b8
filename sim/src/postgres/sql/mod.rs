//! SQL of the simulated Postgres: values, the parser, and the executor of queries and of INSERT, UPDATE,
//! DELETE and COPY. It holds no state between statements; everything that belongs to the server is behind
//! [`host::Host`].

pub mod binary;
pub mod cast;
pub mod command;
pub mod copy;
pub mod datetime;
pub mod error;
mod hand;
pub mod host;
pub mod names;
pub mod numeric;
pub mod parse;
pub mod text;
pub mod types;
pub mod value;
mod words;
