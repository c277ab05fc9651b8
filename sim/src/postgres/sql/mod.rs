//! SQL of the simulated Postgres: values, the parser, and the executor of queries and of INSERT, UPDATE,
//! DELETE and COPY. It holds no state between statements; everything that belongs to the server is behind
//! [`host::Host`].

pub mod cast;
pub mod datetime;
pub mod error;
pub mod host;
pub mod numeric;
pub mod text;
pub mod binary;
pub mod types;
pub mod value;
