//! Cells of tables.

use comfy_table::{Cell, CellAlignment};

/// A number, on the right.
pub fn number(count: u64) -> Cell {
    Cell::new(count).set_alignment(CellAlignment::Right)
}
