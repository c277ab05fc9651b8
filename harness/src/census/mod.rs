//! The census: what one look at a server's views finds.
//!
//! The same facts in both worlds ([`Census`] and its parts); [`sql`] asks a real server for them.

mod seen;
pub mod sql;

pub use seen::{BlockerSeen, Census, SessionSeen, SlotSeen};
