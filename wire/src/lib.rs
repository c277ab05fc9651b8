//! The connection trait of `leftover-core` over the Postgres protocol, on any byte stream.
//!
//! [`dial`] gives byte streams, [`login`] says who logs in.

pub mod dial;
pub mod login;
