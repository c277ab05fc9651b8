//! What exploring found, for people: each kind of finding with its first trial, kept as a case file.

use std::path::PathBuf;

use leftover_harness::case::Case;
use leftover_harness::explore::tally::{Finding, Tally};
use leftover_harness::fault::plan::Strike;
use leftover_harness::lab::LabError;
use leftover_harness::scenario::Scenario;
use leftover_harness::signature::Signature;

use crate::case_file;
use crate::worlds::Replay;

/// How many kinds are shown of one scenario.
const SHOWN: usize = 5;

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
    let path = case_file::kept(scenario, &format!("{:016x}", finding.hash))?;
    case_file::write(&path, scenario, &case, &finding.verdict.to_string())?;
    Ok(path)
}

/// What to say of a run that could not be judged; its case file is kept, and expects that nothing is left.
pub fn unjudged(scenario: &Scenario, error: &LabError) -> String {
    let case = Case {
        scenario: scenario.name.to_owned(),
        trial: (*error.trial).clone(),
        expect: Signature::default(),
    };
    let said = format!("could not be judged: {}", error.problem);
    let path = case_file::kept(scenario, &format!("unjudged-{}", error.trial.seed));
    match path.and_then(|path| case_file::write(&path, scenario, &case, &said).map(|()| path)) {
        Ok(path) => format!("{error}\n{}", Replay::of_case(&path)),
        Err(problem) => format!("{error}\nits case was not kept: {problem}"),
    }
}

#[cfg(test)]
mod tests {
    use leftover_harness::lab::Trial;

    use super::*;

    #[test]
    fn a_run_that_could_not_be_judged_is_kept_as_a_case_and_its_line_is_told() {
        let scenario = leftover_scenarios::find("initial-load").expect("it is in the catalogue");
        let trial = Trial {
            seed: 4_242_424_242,
            ..Trial::default()
        };
        let error = LabError {
            scenario: scenario.name,
            trial: Box::new(trial.clone()),
            problem: "the world went away".to_owned(),
        };
        let told = unjudged(&scenario, &error);
        let line = told.lines().last().expect("it ends in a line to paste");
        let path = line
            .strip_prefix("cargo leftover replay ")
            .expect("a line to paste");
        let case = Case::read(path.as_ref()).expect("it was kept");
        std::fs::remove_file(path).expect("it is ours");
        assert_eq!((case.trial, case.expect.is_clean()), (trial, true));
        assert!(told.contains("the world went away"), "{told}");
    }
}
