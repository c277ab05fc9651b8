//! Runs that are kept as case files.

use std::path::{Path, PathBuf};

use leftover_harness::case::{Case, SUFFIX};
use leftover_harness::scenario::Scenario;
use leftover_harness::verdict::Outcome;

/// Where cases are kept that nobody has put anywhere yet.
const KEPT: &str = "target/leftover";

/// A case file's name, as the command line gives it.
///
/// # Errors
/// When it does not end as a case file's does.
pub fn name(text: &str) -> Result<PathBuf, String> {
    match text.ends_with(SUFFIX) {
        true => Ok(PathBuf::from(text)),
        false => Err(format!("the name of a case file ends in {SUFFIX}")),
    }
}

/// The case file of this name, in a directory that is there.
///
/// # Errors
/// When the directory cannot be made.
pub fn kept(scenario: &Scenario, name: &str) -> Result<PathBuf, String> {
    std::fs::create_dir_all(KEPT).map_err(|error| format!("cannot make {KEPT}: {error}"))?;
    Ok(PathBuf::from(KEPT).join(format!("{}-{name}{SUFFIX}", scenario.name)))
}

/// Writes a case with what was `said` of it at its head.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, scenario: &Scenario, case: &Case, said: &str) -> Result<(), String> {
    let head = format!("{}: {}\n{said}", scenario.name, scenario.about);
    std::fs::write(path, case.render(&head))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Writes a run as the case that expects what it showed.
///
/// # Errors
/// As [`write`], and when the plan met nothing.
pub fn write_outcome(path: &Path, scenario: &Scenario, outcome: &Outcome) -> Result<(), String> {
    let case = Case::of(outcome)
        .ok_or_else(|| format!("{}: a plan that meets nothing is no case", path.display()))?;
    write(path, scenario, &case, &outcome.verdict.to_string())
}
