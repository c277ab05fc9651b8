//! What a simulated server is made of: its roles, its settings and how long things take.

use std::ops::Range;
use std::time::Duration;

/// How a simulated server is set up.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The role that is created; it may log in and replicate and is no superuser.
    pub role: String,
    /// Its password; `None` trusts every connection.
    pub password: Option<String>,
    /// The database that is created, owned by [`ServerOptions::role`].
    pub database: String,
    /// Server settings that differ from Postgres's defaults, as in `postgresql.conf`.
    pub settings: Vec<(String, String)>,
    /// How many rows a block holds; `None` fills 8192 bytes, as Postgres does.
    pub rows_per_block: Option<usize>,
    /// How long things take.
    pub timings: Timings,
}

impl ServerOptions {
    /// Checks the settings; a server is made of options that have been checked.
    ///
    /// # Errors
    /// Names the first setting that is none, or whose value is none.
    pub fn check(&self) -> Result<(), String> {
        for (name, value) in &self.settings {
            super::settings::at_rest(name, value)?;
        }
        Ok(())
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            role: "mirror".to_owned(),
            password: None,
            database: "app".to_owned(),
            settings: Vec::new(),
            rows_per_block: None,
            timings: Timings::default(),
        }
    }
}

/// How long things take on the server: each time is drawn from its range.
#[derive(Debug, Clone)]
pub struct Timings {
    /// From the startup packet to `ReadyForQuery`: fork and catalog caches.
    pub start: Range<Duration>,
    /// The work of one statement, besides its waits.
    pub statement: Range<Duration>,
    /// Producing or storing one chunk of COPY data.
    pub copy_chunk: Range<Duration>,
    /// Decoding one chunk of the log for a stream.
    pub decode: Range<Duration>,
    /// From an exit's cause to the abort of its transaction and the release of what it held.
    pub notice: Range<Duration>,
    /// From that release to leaving `pg_stat_activity`, and from there to the free place and the FIN.
    pub exit: Range<Duration>,
    /// From a cancel request's arrival to the signal, and to the cancel socket's EOF.
    pub cancel: Range<Duration>,
    /// `CREATE_REPLICATION_SLOT` waiting until its running-transactions record is flushed: the only
    /// place inside that command where its client's end is seen (OB-52, 53).
    pub slot_wal_wait: Range<Duration>,
    /// From the last such wait to the persisted slot, and from there to the reply.
    pub slot_persist: Range<Duration>,
}

impl Default for Timings {
    fn default() -> Self {
        let us = Duration::from_micros;
        Self {
            start: us(500)..us(3_000),
            statement: us(30)..us(300),
            copy_chunk: us(20)..us(150),
            decode: us(20)..us(150),
            notice: us(100)..us(4_000),
            exit: us(200)..us(15_000),
            cancel: us(300)..us(5_000),
            slot_wal_wait: us(1_000)..us(4_500),
            slot_persist: us(200)..us(1_200),
        }
    }
}
