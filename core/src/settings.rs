//! How a mirror behaves: workers, sizes, and the bound of every wait.

use std::time::Duration;

use crate::names::{Role, TableName};

/// Which tables a mirror loads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Tables {
    /// Every ordinary table outside the system's schemas and mirrors' own records.
    #[default]
    All,
    /// These. A partitioned table stands for its leaves.
    Only(Vec<TableName>),
}

/// The settings of a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The tables to load.
    pub tables: Tables,
    /// How many partitions are copied at a time; each takes one session on either server.
    pub workers: usize,
    /// The size of a partition in bytes of the table's main fork; rounded up to whole blocks.
    pub partition_bytes: u64,
    /// How many attempts at the initial load, each with a new slot and snapshot, before giving up.
    pub attempts: u32,
    /// How often one partition may fail for a passing reason within one attempt.
    pub partition_tries: u32,
    /// The wait before the second attempt or try; it doubles each time.
    pub backoff: Duration,
    /// The longest wait between attempts or tries.
    pub max_backoff: Duration,
    /// The bound of every wait.
    pub bounds: Bounds,
    /// What every connection tells the server about when to give it up.
    pub limits: ServerLimits,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            tables: Tables::All,
            workers: 4,
            partition_bytes: 32 << 20,
            attempts: 5,
            partition_tries: 5,
            backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(15),
            bounds: Bounds::default(),
            limits: ServerLimits::default(),
        }
    }
}

impl Settings {
    /// The wait before try number `next` (the first is 1).
    pub(crate) fn backoff_before(&self, next: u32) -> Duration {
        let doublings = next.saturating_sub(2).min(16);
        self.backoff.saturating_mul(1 << doublings).min(self.max_backoff)
    }
}

/// The longest that the mirror waits for each kind of thing. Every wait has one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// For a connection to be ready for a query.
    pub connect: Duration,
    /// For the answer to a query that touches only catalogs and the mirror's own record.
    pub query: Duration,
    /// For the slot: `CREATE_REPLICATION_SLOT` waits for every transaction that is running (OB-60).
    pub create_slot: Duration,
    /// Without a byte of progress while a partition is copied, on either side.
    pub stall: Duration,
    /// For the target to finish and commit a partition after its last byte.
    pub finish: Duration,
    /// For the server's EOF after Terminate.
    pub close: Duration,
    /// For another owner of the same mirror to go away. Longer than the servers need to notice that a
    /// vanished host is gone.
    pub owner: Duration,
    /// For cleaning up after a failed attempt.
    pub cleanup: Duration,
    /// For dropping the mirror.
    pub drop: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            connect: Duration::from_secs(10),
            query: Duration::from_secs(30),
            create_slot: Duration::from_secs(120),
            stall: Duration::from_secs(30),
            finish: Duration::from_secs(120),
            close: Duration::from_secs(5),
            owner: Duration::from_secs(75),
            cleanup: Duration::from_secs(30),
            drop: Duration::from_secs(120),
        }
    }
}

/// The server is told the bound (law 6): limits that every connection sets in its startup options, so that
/// the server takes back what nobody else can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerLimits {
    /// `client_connection_check_interval`: how soon a busy backend sees that its client is gone (OB-30). It
    /// bounds what a dropped or killed mirror leaves running.
    pub connection_check: Duration,
    /// `tcp_keepalives_idle`: silence before the first probe (OB-34). Whole seconds.
    pub keepalive_idle: Duration,
    /// `tcp_keepalives_interval`: time between probes. Whole seconds.
    pub keepalive_interval: Duration,
    /// `tcp_keepalives_count`: unanswered probes.
    pub keepalive_count: u32,
    /// `tcp_user_timeout`: sent bytes that nobody acknowledges, and a reader that stopped reading (OB-36,
    /// 45): longer than [`Bounds::stall`], after which the mirror has itself given up.
    pub user_timeout: Duration,
    /// `idle_in_transaction_session_timeout`: how long a transaction outlives the one who feeds it (OB-38).
    pub idle_in_transaction: Duration,
    /// `lock_timeout` of everything but slot creation, which has [`Bounds::create_slot`] (OB-42).
    pub lock: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        ServerLimits {
            connection_check: Duration::from_secs(2),
            keepalive_idle: Duration::from_secs(15),
            keepalive_interval: Duration::from_secs(5),
            keepalive_count: 3,
            user_timeout: Duration::from_secs(45),
            idle_in_transaction: Duration::from_secs(30),
            lock: Duration::from_secs(10),
        }
    }
}

impl ServerLimits {
    /// How often a transaction that must outlive the load is fed (OB-71).
    pub(crate) fn keep_alive_every(&self) -> Duration {
        self.idle_in_transaction / 3
    }

    /// The startup settings of a session of this role.
    pub(crate) fn startup(&self, role: Role, bounds: &Bounds) -> Vec<(String, String)> {
        let millis = |d: Duration| format!("{}ms", d.as_millis());
        let seconds = |d: Duration| d.as_secs().max(1).to_string();
        let lock = match role {
            Role::Holder => bounds.create_slot,
            _ => self.lock,
        };
        let statement = match role {
            Role::Reader | Role::Writer => Duration::ZERO,
            _ => bounds.query,
        };
        [
            ("client_connection_check_interval", millis(self.connection_check)),
            ("tcp_keepalives_idle", seconds(self.keepalive_idle)),
            ("tcp_keepalives_interval", seconds(self.keepalive_interval)),
            ("tcp_keepalives_count", self.keepalive_count.to_string()),
            ("tcp_user_timeout", self.user_timeout.as_millis().to_string()),
            (
                "idle_in_transaction_session_timeout",
                millis(self.idle_in_transaction),
            ),
            ("lock_timeout", millis(lock)),
            ("statement_timeout", millis(statement)),
            // What is read and written must not depend on a role's or database's own settings.
            ("datestyle", "ISO".to_owned()),
            ("search_path", "pg_catalog".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_cap() {
        let settings = Settings::default();
        let waits: Vec<u128> = (2..9)
            .map(|next| settings.backoff_before(next).as_millis())
            .collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 15000, 15000]);
    }

    #[test]
    fn the_server_gives_up_later_than_the_mirror_and_within_the_bound_for_a_vanished_host() {
        let (bounds, limits) = (Bounds::default(), ServerLimits::default());
        assert!(
            limits.user_timeout > bounds.stall,
            "or back-pressure would cost the connection (OB-45)"
        );
        let silent = limits.keepalive_idle + limits.keepalive_interval * limits.keepalive_count;
        let slowest = silent.max(limits.user_timeout).max(limits.idle_in_transaction);
        assert!(slowest + limits.connection_check < Duration::from_secs(60), "B2");
        assert!(limits.connection_check < Duration::from_secs(5), "B1");
        assert!(
            bounds.owner > Duration::from_secs(60),
            "the next run outwaits a vanished host"
        );
    }
}
