//! The rows, by theme.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::row::Row;

mod cancel;
mod client_check;
mod dead_peers;
mod drop;
mod fixture;
mod in_flight;
mod leaving;
mod leaving_replication;
mod library;
mod limits;
mod matrix;
mod release;
mod restart;
mod shutdown;
mod slot_limits;
mod slot_rules;
mod slots;
mod snapshots;
mod stream;
mod stream_ends;
mod stream_positions;
mod streaming;
mod tables;
mod terminate;
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
        matrix::ROWS,
        timeouts::ROWS,
        wal_sender::ROWS,
        slots::ROWS,
        slot_limits::ROWS,
        slot_rules::ROWS,
        snapshots::ROWS,
        cancel::ROWS,
        drop::ROWS,
        terminate::ROWS,
        streaming::ROWS,
        stream_positions::ROWS,
        restart::ROWS,
        stream_ends::ROWS,
        tables::ROWS,
        shutdown::ROWS,
        limits::ROWS,
        library::ROWS,
    ];
    let mut rows: Vec<&Row> = themes.into_iter().flatten().collect();
    rows.sort_by_key(|row| place(row.id));
    rows
}

/// `OB-62b` stands between `OB-62` and `OB-63`; the rows of a matrix come last.
fn place(id: &str) -> (bool, u32, &str) {
    let Some(id) = id.strip_prefix("OB-") else {
        return (true, 0, id);
    };
    let (number, letter) = id.split_at(id.find(|c: char| !c.is_ascii_digit()).unwrap_or(id.len()));
    (false, number.parse().unwrap_or(0), letter)
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
