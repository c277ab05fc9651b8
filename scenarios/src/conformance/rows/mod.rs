//! The rows, in their order.

use super::row::Row;

mod cancel;
mod drop;
mod fixture;
mod leaving;
mod leaving_replication;
mod release;
mod slot_limits;
mod slot_rules;
mod slots;
mod snapshots;
mod stream;
mod stream_ends;
mod stream_positions;
mod streaming;
mod terminate;
mod timeouts;

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [
        leaving::ROWS,
        leaving_replication::ROWS,
        release::ROWS,
        timeouts::ROWS,
        slots::ROWS,
        slot_limits::ROWS,
        slot_rules::ROWS,
        snapshots::ROWS,
        cancel::ROWS,
        drop::ROWS,
        terminate::ROWS,
        streaming::ROWS,
        stream_positions::ROWS,
        stream_ends::ROWS,
    ]
    .into_iter()
    .flatten()
}
