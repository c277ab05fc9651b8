//! Planted bugs: what the tool itself is tested with. They are not in the catalogue; they are found by name.

mod unbiased;

use leftover_harness::scenario::Scenario;

/// How the names of planted scenarios begin.
pub const PREFIX: &str = "planted-";

/// All planted scenarios, in the order of tables.
pub fn planted() -> Vec<Scenario> {
    vec![unbiased::scenario()]
}
