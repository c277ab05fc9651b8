//! `leftover census` on a real server: it must name what a replication tool holds without a name of its own.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

// The private cluster of the wire's tests.
#[expect(dead_code, reason = "these tests use a part of it")]
#[path = "../../wire/tests/real/cluster.rs"]
mod cluster;

use std::process::{Command, Output};

use cluster::Cluster;
use leftover_core::connection::{
    Connector as _, NewSlot, Session as _, SlotSnapshot, Startup, Walsender as _,
};
use leftover_wire::url;

fn census(url: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_leftover"))
        .arg("census")
        .arg(url)
        .args(more)
        .output()
        .unwrap()
}

fn printed(output: &Output) -> String {
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn named(application_name: &str) -> Startup {
    Startup {
        application_name: application_name.to_owned(),
        settings: Vec::new(),
    }
}

fn slot(name: &str, temporary: bool) -> NewSlot {
    let snapshot = SlotSnapshot::Export;
    NewSlot {
        name: name.to_owned(),
        temporary,
        plugin: "pgoutput".to_owned(),
        snapshot,
    }
}

#[tokio::test]
async fn it_names_an_open_transaction_and_an_exported_snapshot() {
    // Its own: another test's census is a session like any other.
    let cluster = Cluster::start();
    let connector = cluster.connector();
    let mut open = connector.session(&named("psql")).await.unwrap();
    open.query("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        .await
        .unwrap();
    let mut raw = connector.walsender(&named("raw")).await.unwrap();
    raw.create_slot(&slot("somebodys_slot", true)).await.unwrap();

    let text = printed(&census(&cluster.url(), &[]));
    let line = |start: &str| {
        text.lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("{text}"))
    };
    let psql = line("! idle in transaction with a snapshot: session ");
    assert!(
        psql.contains(&format!(
            "{}, psql as postgres from 127.0.0.1",
            open.backend().pid
        )),
        "{psql}"
    );
    assert!(psql.contains("pins xmin"), "{psql}");
    let exported = line("! exported snapshot: walsender ");
    assert!(
        exported.contains(&format!("{}, raw as postgres from 127.0.0.1", raw.backend().pid)),
        "{exported}"
    );
    assert!(text.contains("somebodys_slot"), "{text}");
    assert!(!text.contains("leftover census"), "it shows itself: {text}");

    let json = printed(&census(&cluster.url(), &["--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let findings = json["findings"].as_array().unwrap();
    assert!(
        findings
            .iter()
            .any(|finding| finding["finding"] == "exported-snapshot"),
        "{json}"
    );
}

#[tokio::test]
async fn a_role_without_rights_is_told_what_is_hidden_from_it() {
    let cluster = cluster::shared().await;
    let _somebodys = cluster.session().await;
    let _walsender = cluster.connector().walsender(&named("raw")).await.unwrap();
    let text = printed(&census(&cluster.url_as("by_md5", "se%20cret"), &[]));
    assert!(text.contains("GRANT pg_read_all_stats"), "{text}");
    assert!(text.contains(" walsender"), "{text}");
}

#[tokio::test]
async fn of_one_mirror_it_shows_what_is_its_own_and_can_insist_on_nothing() {
    let cluster = Cluster::start();
    let expect_nothing = ["--name", "m", "--expect-nothing"];
    let mut walsender = cluster
        .connector()
        .walsender(&named("leftover/m_2/1/holder/1"))
        .await
        .unwrap();
    walsender
        .create_slot(&slot("leftover_m_2_1", false))
        .await
        .unwrap();
    // The sibling m_2 has a slot, m has none.
    assert!(printed(&census(&cluster.url(), &expect_nothing)).contains("nothing is held"));
    walsender.create_slot(&slot("leftover_m_7", false)).await.unwrap();
    let found = census(&cluster.url(), &expect_nothing);
    assert_eq!(found.status.code(), Some(1));
    let text = String::from_utf8(found.stdout).unwrap();
    assert!(text.contains("leftover_m_7") && !text.contains("m_2"), "{text}");
    assert!(text.contains("inactive, retains WAL"), "{text}");
}

#[test]
fn a_wrong_url_is_wrong_usage_and_is_not_shown() {
    for url in [
        "postgres://me:geheim@db:port/d",
        "postgres://me:geheim@db/d?sslmode=require",
        "geheim",
    ] {
        let refused = census(url, &[]);
        assert_eq!(refused.status.code(), Some(2), "{url}");
        let message = String::from_utf8(refused.stderr).unwrap();
        assert!(
            message.starts_with("error: ") && !message.contains("geheim"),
            "{message}"
        );
    }
    assert_eq!(
        census("postgres://me@db/d", &["--expect-nothing"]).status.code(),
        Some(2)
    );
}

#[test]
fn a_server_that_cannot_be_reached_is_no_clean_census() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("postgres://me:geheim@127.0.0.1:{port}/d");
    assert!(url::parse(&url).is_ok());
    let failed = census(&url, &[]);
    assert_eq!(failed.status.code(), Some(3));
    let message = String::from_utf8(failed.stderr).unwrap();
    assert!(
        message.contains("cannot connect") && !message.contains("geheim"),
        "{message}"
    );
}
