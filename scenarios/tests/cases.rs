//! The regression suite: every case of `cases/` shows what it says. What was found once is looked for again
//! with every change.

use std::path::{Path, PathBuf};

use leftover_harness::case::{Case, SUFFIX};
use leftover_harness::lab::Lab as _;
use leftover_sim::scenario::SimLab;

/// The repository's root.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("this crate is in the workspace").to_owned()
}

/// All case files, by name.
fn files() -> Vec<PathBuf> {
    let directory = std::fs::read_dir(root().join("cases")).expect("it is there");
    let mut files: Vec<PathBuf> = directory
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    files.sort();
    files
}

/// Why a case does not show what it says.
fn problem(case: &Case) -> Option<String> {
    let known = leftover_scenarios::everything();
    let scenario = match case.find(&known) {
        Ok(scenario) => scenario,
        Err(problem) => return Some(problem),
    };
    match SimLab::default().run(scenario, &case.trial) {
        Ok(outcome) => case.check(&outcome).err().map(|mismatch| mismatch.to_string()),
        Err(error) => Some(format!("could not run: {error}")),
    }
}

#[test]
fn every_case_shows_what_it_says() {
    let files = files();
    assert!(files.len() >= 10, "the suite is gone: {files:?}");
    let mut problems = Vec::new();
    for file in files {
        let name = file
            .strip_prefix(root())
            .expect("it is below the root")
            .display()
            .to_string();
        assert!(name.ends_with(SUFFIX), "{name} is no case");
        let problem = match Case::read(&file) {
            Ok(case) => problem(&case),
            Err(error) => Some(error.to_string()),
        };
        problems.extend(problem.map(|problem| format!("cargo leftover replay {name}\n  {problem}")));
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

#[test]
fn every_case_is_written_as_it_would_be_written_today() {
    for file in files() {
        let text = std::fs::read_to_string(&file).expect("it can be read");
        let case = Case::read(&file).unwrap_or_else(|error| panic!("{error}"));
        let head: Vec<&str> = text
            .lines()
            .map_while(|line| line.strip_prefix('#'))
            .map(str::trim)
            .collect();
        assert!(
            !head.is_empty(),
            "{} does not say what it is about",
            file.display()
        );
        assert_eq!(case.render(&head.join("\n")), text, "{}", file.display());
    }
}

#[test]
fn the_example_of_the_documentation_shows_what_it_says() {
    let text = std::fs::read_to_string(root().join("docs/cases.md")).expect("it is there");
    let (_, after) = text.split_once("```toml\n").expect("it has an example");
    let (example, _) = after.split_once("```").expect("the example ends");
    let case = Case::parse("docs/cases.md", example).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(problem(&case), None);
}
