//! The rows, by theme.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::row::Row;

mod client_check;
mod dead_peers;
mod in_flight;
mod leaving;
mod leaving_replication;
mod release;
mod timeouts;
mod wal_sender;

/// Every row, by its id.
pub fn rows() -> Vec<&'static Row> {
    let themes = [
        leaving::ROWS,
        leaving_replication::ROWS,
        release::ROWS,
        in_flight::ROWS,
        client_check::ROWS,
        dead_peers::ROWS,
        timeouts::ROWS,
        wal_sender::ROWS,
    ];
    let mut rows: Vec<&Row> = themes.into_iter().flatten().collect();
    rows.sort_by_key(|row| row.id);
    rows
}

/// Keepalive settings, and when they find a peer dead that goes silent.
struct Keepalives {
    options: &'static str,
    dead: RangeInclusive<Duration>,
}

/// A second of quiet and two probes, a second apart: three seconds after the last packet, which came some time
/// before the silence.
const KEEPALIVES: Keepalives = Keepalives {
    options: "-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2",
    dead: Duration::from_millis(1500)..=Duration::from_secs(3),
};

/// A user timeout, and when it ends a connection on which data is unacknowledged.
struct UserTimeout {
    options: &'static str,
    time: Duration,
    noticed: Duration,
}

/// The kernel looks when it sends again, each time after twice as long: up to twice too late.
const USER_TIMEOUT: UserTimeout = UserTimeout {
    options: "-c tcp_user_timeout=1000",
    time: Duration::from_secs(1),
    noticed: Duration::from_secs(2),
};
