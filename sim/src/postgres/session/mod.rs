//! What a backend does with its client's messages.
//!
//! Reading order: [`commands`] (the main loop), [`simple_query`], [`extended`], [`execute`] (one statement, which
//! never waits but says for what), [`utility`] (transactions, settings), [`copy`].

pub mod commands;
pub mod copy;
pub mod execute;
pub mod extended;
pub mod results;
pub mod simple_query;
pub mod utility;

pub use commands::Session;
