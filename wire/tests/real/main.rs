//! The wire against a real server: a private Postgres cluster that these tests start from the binaries on the
//! machine, and stop. A machine without them fails these tests: what is not tried is not known.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

mod cluster;
mod copies;
mod counting;
mod leaving;
mod logins;
mod sessions;
mod walsenders;
