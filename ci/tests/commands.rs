//! The commands as users give them: what they print, and how they exit.

use std::process::{Command, Output};

fn leftover(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_leftover"))
        .args(arguments)
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_gate_catches_the_planted_bugs_and_passes() {
    let json = std::env::temp_dir().join(format!("leftover-gate-{}.json", std::process::id()));
    let output = leftover(&[
        "gate",
        "--seeds",
        "2",
        "--json",
        json.to_str().expect("a plain path"),
    ]);
    let printed = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{printed}\n{}",
        text(&output.stderr)
    );
    let rows: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&json).expect("it was written")).expect("JSON");
    std::fs::remove_file(&json).expect("it is ours");
    let rows = rows.as_array().expect("a row for each scenario");
    assert_eq!(rows.len(), leftover_scenarios::catalogue().len());
    assert!(rows.iter().all(|row| row["passed"] == true), "{rows:#?}");
    let bug = |name: &str| {
        rows.iter()
            .find(|row| row["scenario"] == name)
            .expect("it is listed")
    };
    let words = |name: &str| {
        bug(name)["example"]["words"]
            .as_str()
            .expect("it was caught")
            .to_owned()
    };
    let peerdb = words("peerdb-2162");
    assert!(peerdb.contains("walsender"), "{peerdb}");
    assert!(peerdb.contains("idle in transaction"), "{peerdb}");
    assert!(peerdb.contains("its slot and publication are gone"), "{peerdb}");
    let flink = words("flink-2980");
    assert!(flink.contains("grow with the number of partitions"), "{flink}");
    for name in ["peerdb-2162", "flink-2980"] {
        let line = bug(name)["example"]["replay"].as_str().expect("a line to paste");
        assert!(printed.contains(line), "{printed}");
    }
}

#[test]
fn the_line_that_the_gate_prints_shows_the_leftover_again() {
    let output = leftover(&["replay", "flink-2980", "--seed", "0"]);
    assert_eq!(output.status.code(), Some(1), "something was left behind");
    assert!(text(&output.stdout).contains("grow with the number of partitions"));
}

#[test]
fn two_processes_replay_the_same_run() {
    let run = || leftover(&["replay", "drop-during-initial-load", "--seed", "7", "--log"]);
    let (first, second) = (run(), run());
    assert_eq!(text(&first.stdout), text(&second.stdout));
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stdout));
}

/// A directory of this test's own; it is removed at the end.
struct Directory(std::path::PathBuf);

impl Directory {
    fn new(test: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("leftover-{test}-{}", std::process::id()));
        std::fs::create_dir(&path).expect("it is not there yet");
        Directory(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

/// What a line to paste shows in a process of its own: its exit code, its hash and its verdict.
fn pasted(line: &str) -> (Option<i32>, String, String) {
    let words: Vec<&str> = line.trim().split(' ').collect();
    let ["cargo", "leftover", arguments @ ..] = &words[..] else {
        panic!("{line} is no line to paste");
    };
    let output = leftover(arguments);
    let printed = text(&output.stdout);
    let of = |label: &str| {
        let found = printed.lines().find_map(|line| line.split_once(label));
        let (_, found) = found.unwrap_or_else(|| panic!("no {label} in {printed}\n{}", text(&output.stderr)));
        found.to_owned()
    };
    (output.status.code(), of("hash "), of("verdict   "))
}

#[test]
fn every_line_that_is_printed_shows_the_same_in_a_fresh_process() {
    let directory = Directory::new("lines");
    let output = leftover(&["gate", "--seeds", "3", "--scenario", "*-2[0-9][0-9][0-9]"]);
    let printed = text(&output.stdout);
    let lines = |what: &str| -> Vec<String> {
        let lines = printed
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with(what));
        lines.map(str::to_owned).collect()
    };
    let (replays, shrinks) = (lines("cargo leftover replay"), lines("cargo leftover shrink"));
    assert_eq!((replays.len(), shrinks.len()), (2, 2), "{printed}");
    for (replay, shrink) in replays.iter().zip(&shrinks) {
        let seed = pasted(replay);
        assert_eq!(seed.0, Some(1), "{replay}");
        assert_eq!(pasted(replay), seed);
        let file = directory.file("found.case.toml");
        let words: Vec<&str> = shrink.split(' ').skip(2).chain(["--out", &file]).collect();
        let output = leftover(&words);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{shrink}: {}",
            text(&output.stderr)
        );
        let shown = text(&output.stdout);
        let line = shown.lines().last().expect("it ends in a line to paste");
        let case = pasted(line);
        // A smaller run counts less.
        let kind = |verdict: &str| verdict.replace(char::is_numeric, "");
        assert_eq!((case.0, kind(&case.2)), (Some(0), kind(&seed.2)), "{shown}");
        assert_eq!(pasted(line), case);
    }
}

#[test]
fn a_run_that_is_written_as_a_case_is_that_run() {
    let directory = Directory::new("written");
    for (scenario, seed) in [
        ("peerdb-2162", "4"),
        ("flink-2980", "2"),
        ("kill-during-initial-load", "11"),
    ] {
        let file = directory.file(&format!("{scenario}.case.toml"));
        let written = leftover(&["replay", scenario, "--seed", seed, "--out", &file]);
        assert!(written.status.code() < Some(2), "{}", text(&written.stderr));
        let again = leftover(&["replay", &file]);
        assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
        let said = text(&again.stdout);
        let run = said.strip_suffix("expected  this verdict, and so it is\n");
        assert_eq!(run, Some(text(&written.stdout).as_str()));
    }
}

#[test]
fn a_case_that_shows_something_else_exits_with_1_and_says_what() {
    let directory = Directory::new("else");
    let root = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../cases/peerdb-drop-while-cloning.case.toml"
    );
    let case = std::fs::read_to_string(root).expect("it is in the suite");
    let file = directory.file("changed.case.toml");
    for (old, new, code, expected) in [
        (
            "peerdb-2162\"\n",
            "peerdb-2162-mended\"\n",
            1,
            "found:\n              clean",
        ),
        (
            "nth = 1",
            "nth = 2",
            1,
            "near it: there is Query BEGIN with connection 1, nth 1",
        ),
        (
            "at = \"before sending\"",
            "at = \"before sending\"\nwhen = 1",
            2,
            "changed.case.toml:22: unknown field `when`",
        ),
        (
            "version = 1",
            "version = 2",
            2,
            "changed.case.toml:4: this is version 2",
        ),
        (
            "peerdb-2162\"\n",
            "peerdb-2612\"\n",
            2,
            "there are initial-load, drop-during-initial-load,",
        ),
    ] {
        let changed = case.replace(old, new);
        assert_ne!(changed, case, "{old}");
        std::fs::write(&file, changed).expect("it is ours");
        let output = leftover(&["replay", &file]);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{new}: {said}");
        assert!(said.contains(expected), "{new}: {said}");
    }
}

#[test]
fn what_left_nothing_cannot_be_shrunk() {
    let directory = Directory::new("clean");
    let file = directory.file("clean.case.toml");
    let output = leftover(&["shrink", "peerdb-2162-mended", "--seed", "1", "--out", &file]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(text(&output.stdout), "nothing to shrink: clean\n");
    assert!(!std::path::Path::new(&file).exists());
}

#[test]
fn a_choice_that_no_seed_decides_is_caught_with_the_first_event_that_differs() {
    let output = leftover(&["verify", "--scenario", "planted-unbiased-*", "--runs", "2"]);
    let printed = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{printed}\n{}",
        text(&output.stderr)
    );
    assert!(printed.contains("planted-unbiased-choice --seed "), "{printed}");
    assert!(
        printed.contains("  the first event that differs is number "),
        "{printed}"
    );
    for side in ["    forwards ", "    backwards "] {
        let shown = printed.lines().filter(|line| line.starts_with(side));
        assert!(shown.clone().count() > 0, "{printed}");
        assert!(
            shown.clone().all(|line| line.contains("run: source planted/")),
            "{printed}"
        );
    }
}

#[test]
fn runs_are_the_same_in_every_process() {
    let output = leftover(&["verify", "--runs", "36", "--jobs", "2"]);
    let printed = text(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{printed}\n{}",
        text(&output.stderr)
    );
    let count = leftover_scenarios::catalogue().len();
    let expected = format!(
        "36 runs of {count} scenarios, each in two fresh processes, forwards and backwards: identical\n"
    );
    assert_eq!(printed, expected);
}

#[test]
fn planted_scenarios_are_listed_and_run_only_when_they_are_named() {
    let listed = |arguments: &[&str]| text(&leftover(arguments).stdout).contains("planted-unbiased-choice");
    assert!(listed(&["list", "--planted"]));
    assert!(!listed(&["list"]));
    assert!(!listed(&["gate", "--seeds", "1", "--scenario", "*mended"]));
    assert!(listed(&["gate", "--seeds", "1", "--scenario", "planted-unb*"]));
}

#[test]
fn bad_usage_exits_with_2_and_says_what_is_wrong() {
    let target = ["--target", "postgres://me@localhost/copy"];
    let bad_url = "postgres://me:secret@localhost/shop?sslmode=require";
    for (arguments, expected) in [
        (
            &["replay", "no-such-scenario", "--seed", "1"][..],
            "there is no scenario",
        ),
        (&["replay", "initial-load"], "Say --seed N"),
        (
            &["replay", "no-such.case.toml"],
            "no-such.case.toml: cannot be read",
        ),
        (&["shrink", "x.case.toml", "--seed", "1"], "has a seed of its own"),
        (
            &["replay", "initial-load", "--seed", "1", "--out", "x.toml"],
            "the name of a case file ends in .case.toml",
        ),
        (&["gate", "--scenario", "no-such-*"], "no scenario matches"),
        (&["verify", "--scenario", "no-such-*"], "no scenario matches"),
        (
            &[
                "mirror", "drop", "shop", "--source", bad_url, target[0], target[1],
            ],
            "TLS is not supported",
        ),
        (
            &[
                "mirror", "drop", "Shop", "--source", bad_url, target[0], target[1],
            ],
            "cannot name a mirror",
        ),
        (&["census", bad_url], "TLS is not supported"),
        (&["gate", "--seeds", "0"], "0 is not in"),
    ] {
        let output = leftover(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

#[test]
fn a_server_that_cannot_be_reached_exits_with_3_or_names_what_may_be_left() {
    // Port 1 on the loopback: nothing listens there.
    let url = "postgres://me@127.0.0.1:1/shop";
    let output = leftover(&["mirror", "run", "shop", "--source", url, "--target", url]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let output = leftover(&["mirror", "drop", "shop", "--source", url, "--target", url]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    assert!(said.contains("may be left on the source"), "{said}");
    assert!(said.contains("may be left on the target"), "{said}");
}
