//! Planted bugs: what the tool itself is tested with. They are not in the catalogue; they are found by name.
//!
//! For each law of the core there is a loader that breaks it and keeps the others. It is one small loader
//! (`loader`, `attempt`, `remove`, `record`), and each bug is a few lines of it; `bugs` says where each shows.
//! `unbiased` is for `leftover verify` alone.

mod attempt;
mod bugs;
mod loader;
mod record;
mod remove;
mod unbiased;

use leftover_harness::scenario::Scenario;

/// How the names of planted scenarios begin.
pub const PREFIX: &str = "planted-";

/// All planted scenarios, in the order of tables.
pub fn planted() -> Vec<Scenario> {
    let mut scenarios = vec![bugs::sound()];
    scenarios.extend(bugs::bugs());
    scenarios.push(unbiased::scenario());
    scenarios
}
