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

#[test]
fn bad_usage_exits_with_2_and_says_what_is_wrong() {
    let target = ["--target", "postgres://me@localhost/copy"];
    let bad_url = "postgres://me:secret@localhost/shop?sslmode=require";
    for (arguments, expected) in [
        (
            &["replay", "no-such-scenario", "--seed", "1"][..],
            "there is no scenario",
        ),
        (&["gate", "--scenario", "no-such-*"], "no scenario matches"),
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
