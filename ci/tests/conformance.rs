//! `leftover conformance` as users give it.

use std::process::{Command, Output};

fn conformance(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_leftover"))
        .arg("conformance")
        .args(arguments)
        // No containers: a version that has no binaries here is not to be had.
        .env("DOCKER_HOST", "tcp://127.0.0.1:1")
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_documentation_shows_what_the_command_prints() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/conformance.md");
    let told = std::fs::read_to_string(file).expect("it is there");
    let output = conformance(&["--world", "sim", "--rows", "OB-04,OB-05,OB-06"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let printed = format!("```text\n{}```", text(&output.stdout));
    assert!(told.contains(&printed), "{printed}");
}

#[test]
fn the_result_can_be_had_as_json() {
    let file = std::env::temp_dir().join(format!("leftover-conformance-{}.json", std::process::id()));
    let path = file.to_str().expect("a plain path");
    let output = conformance(&["--world", "sim", "--rows", "OB-05,OB-18", "--json", path]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let json = std::fs::read_to_string(&file).expect("it was written");
    std::fs::remove_file(&file).expect("it is ours");
    let rows: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let reason = rows[0]["shown"]["simulator"]["not_run"].as_str();
    assert!(
        reason.is_some_and(|why| why.starts_with("not modelled: ")),
        "{rows:#}"
    );
    let outcomes = &rows[1]["shown"]["simulator"]["agrees"]["outcomes"];
    assert!(outcomes["released"].as_u64() > Some(0), "{rows:#}");
}

#[test]
fn a_row_that_there_is_not_exits_with_2_and_a_server_that_cannot_be_had_with_3() {
    let output = conformance(&["--rows", "OB-9999,no-such"]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(said.contains("no row is called OB-9999 or no-such"), "{said}");
    let output = conformance(&["--world", "real", "--postgres", "9", "--rows", "OB-01"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
    let said = text(&output.stdout);
    assert!(said.contains("OB-01, real 9, did not run: "), "{said}");
}
