//! The lines to paste that a sweep prints: each shows the same in a fresh process.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory of this test's own, in which case files are kept; it is removed at the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Directory {
        let path = std::env::temp_dir().join(format!("leftover-sweep-{}", std::process::id()));
        std::fs::create_dir(&path).expect("it is not there yet");
        Directory(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

fn leftover(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leftover"));
    let output = command.args(arguments).current_dir(directory).output();
    output.expect("the binary runs")
}

/// What a line to paste prints; it exits with 0, or this fails.
fn pasted(directory: &Path, line: &str) -> String {
    let words: Vec<&str> = line.trim().split(' ').collect();
    let ["cargo", "leftover", arguments @ ..] = &words[..] else {
        panic!("{line} is no line to paste");
    };
    let output = leftover(directory, arguments);
    let (printed, errors) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{line}\n{printed}\n{errors}");
    printed.into_owned()
}

#[test]
fn every_line_of_a_sweep_shows_the_same_in_a_fresh_process() {
    let directory = Directory::new();
    let scenario = "planted-held-until-the-end";
    let output = leftover(&directory.0, &["sweep", "--scenario", scenario]);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "it is caught: {printed}");
    let lines: Vec<&str> = printed.lines().map(str::trim).collect();
    let (mut replays, mut shrinks) = (0, 0);
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with("cargo leftover replay") {
            let shown = pasted(&directory.0, line);
            let verdict = shown.lines().find_map(|line| line.strip_prefix("verdict   "));
            let verdict = verdict.expect("a replay tells its verdict");
            let told = lines[..at].iter().rev().take_while(|line| !line.is_empty());
            assert!(told.clone().any(|told| *told == verdict), "{verdict}\n{printed}");
            replays += 1;
        } else if line.starts_with("cargo leftover shrink") {
            let shrunk = pasted(&directory.0, line);
            let smaller = shrunk.lines().last().expect("it ends in a line to paste");
            pasted(&directory.0, smaller);
            shrinks += 1;
        }
    }
    assert!(replays > 0 && replays == shrinks, "{printed}");
}
