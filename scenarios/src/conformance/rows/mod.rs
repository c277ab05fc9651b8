//! The rows, in their order.

use super::row::Row;

mod leaving;
mod leaving_replication;
mod release;
mod timeouts;

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [
        leaving::ROWS,
        leaving_replication::ROWS,
        release::ROWS,
        timeouts::ROWS,
    ]
    .into_iter()
    .flatten()
}
