//! What exploring found, for people: each kind of finding with its first trial, kept as a case file.

use std::path::PathBuf;

use leftover_harness::case::{Case, SUFFIX};
use leftover_harness::explore::tally::{Finding, Tally};
use leftover_harness::fault::plan::Strike;
use leftover_harness::scenario::Scenario;
use leftover_harness::signature::Signature;

use crate::worlds::Replay;

/// How many kinds are shown of one scenario.
const SHOWN: usize = 5;

/// Where cases are kept that nobody has put anywhere yet.
const KEPT: &str = "target/leftover";

/// Prints the findings of one scenario, the one that came first at first.
///
/// # Errors
/// When a case file cannot be written, or shows something else in a fresh process.
pub fn print(scenario: &Scenario, tally: &Tally) -> Result<(), String> {
    let findings = tally.in_order();
    for (kinds, finding) in findings.iter().take(SHOWN) {
        let path = keep(scenario, kinds, finding)?;
        let replay = Replay::of_case(&path);
        replay.check_hash(&format!("{:016x}", finding.hash))?;
        let strikes: Vec<String> = finding.trial.plan.strikes.iter().map(Strike::to_string).collect();
        println!(
            "\n{} ({} runs, {}, seed {}):",
            scenario.name,
            finding.runs,
            finding.first.0.as_str(),
            finding.trial.seed
        );
        println!("  {}", finding.verdict.explain().replace('\n', "\n  "));
        if !strikes.is_empty() {
            println!("  after: {}", strikes.join("; "));
        }
        println!("  {replay}");
        println!("  cargo leftover shrink {}", path.display());
    }
    if findings.len() > SHOWN {
        println!(
            "\n{}: {} more kinds of findings",
            scenario.name,
            findings.len() - SHOWN
        );
    }
    Ok(())
}

/// Writes the case file of a finding.
fn keep(scenario: &Scenario, kinds: &Signature, finding: &Finding) -> Result<PathBuf, String> {
    let case = Case {
        scenario: scenario.name.to_owned(),
        trial: finding.trial.clone(),
        expect: kinds.clone(),
    };
    let path = kept(scenario, finding.hash)?;
    let head = format!("{}: {}\n{}", scenario.name, scenario.about, finding.verdict);
    let written = std::fs::write(&path, case.render(&head));
    written.map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    Ok(path)
}

/// The case file of a run with this hash, in a directory that is there.
///
/// # Errors
/// When the directory cannot be made.
pub fn kept(scenario: &Scenario, hash: u64) -> Result<PathBuf, String> {
    std::fs::create_dir_all(KEPT).map_err(|error| format!("cannot make {KEPT}: {error}"))?;
    Ok(PathBuf::from(KEPT).join(format!("{}-{hash:016x}{SUFFIX}", scenario.name)))
}
