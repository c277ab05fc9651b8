//! The connection trait of `leftover-core` over the Postgres protocol, on any byte stream.
//!
//! [`Connector`] opens the three kinds of connection that the trait knows: a [`session::Session`] and a
//! [`walsender::Walsender`], which are one small client over `postgres-protocol` ([`conversation`]) driven by whoever
//! calls it (nothing is spawned), and a cancel request ([`cancel`]). It is the only implementation that users run, and
//! the simulator runs it too: it asks for a [`dial::Dial`] and knows nothing of what is behind it.
//!
//! It bounds no wait: whoever calls has the clock. It has no TLS, no connection pool and no retries.
//!
//! Reading order: [`dial`], [`login`], [`connector`], [`session`], [`walsender`]; for real servers [`url`],
//! [`tcp`] and [`tokio_clock`].
//!
//! ```no_run
//! use leftover_core::connection::{Connector as _, Session as _, Startup};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server = leftover_wire::url::parse("postgres://me:secret@localhost/shop")?;
//! let connector = leftover_wire::connector(&server);
//! let mut session = connector.session(&Startup::default()).await?;
//! let rows = session.query("SELECT 1").await?;
//! assert_eq!(rows[0].get(0), Some("1"));
//! let _released_or_unknown = session.close().await;
//! # Ok(())
//! # }
//! ```

mod auth;
mod cancel;
pub mod connector;
mod conversation;
mod copy;
mod copy_in;
mod copy_out;
pub mod dial;
mod error;
pub mod login;
mod messages;
pub mod session;
mod startup;
pub mod tcp;
pub mod tokio_clock;
pub mod url;
pub mod walsender;

pub use connector::{Connector, connector};
