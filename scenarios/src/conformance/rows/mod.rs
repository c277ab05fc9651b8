//! The rows, in their order.

use super::row::Row;

mod leaving;
mod timeouts;

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [leaving::ROWS, timeouts::ROWS].into_iter().flatten()
}
