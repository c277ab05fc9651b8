//! Statements, their answers, and what breaks them.

use leftover_core::connection::{Closed, Connector as _, Row, Session as _, Walsender as _};
use leftover_core::error::ConnectionError;
use tokio::join;

use crate::cluster::{Cluster, count_of, shared, wait_for};

#[tokio::test]
async fn the_rows_of_all_statements_come_back_as_text() {
    let cluster = shared().await;
    let mut session = cluster.session().await;
    let rows = session
        .query("SELECT 1, NULL, 'ä'; SET work_mem = '1MB'; SELECT ''; ;")
        .await
        .unwrap();
    let text = |values: &[Option<&str>]| Row(values.iter().map(|value| value.map(str::to_owned)).collect());
    assert_eq!(rows, [text(&[Some("1"), None, Some("ä")]), text(&[Some("")])]);
    assert_eq!(session.query("").await.unwrap(), []);
}

#[tokio::test]
async fn an_error_carries_all_that_the_server_said_and_the_session_goes_on() {
    let cluster = shared().await;
    let mut session = cluster.session().await;
    let sql = "SELECT 1; DO $$ BEGIN RAISE 'no' USING ERRCODE = 'LE001', DETAIL = 'why', HINT = 'try'; END $$; SELECT 2";
    let ConnectionError::Server(error) = session.query(sql).await.unwrap_err() else {
        panic!("not the server's")
    };
    assert_eq!(error.to_string(), "ERROR LE001: no (why)");
    assert_eq!(
        (error.detail.as_deref(), error.hint.as_deref()),
        (Some("why"), Some("try"))
    );
    assert_eq!(session.query("SELECT 3").await.unwrap()[0].get(0), Some("3"));
}

#[tokio::test]
async fn a_statement_that_cannot_be_sent_leaves_nothing_of_itself() {
    let cluster = shared().await;
    let mut session = cluster.session().await;
    let refused = session.query("SELECT '\0'").await;
    assert!(
        matches!(&refused, Err(ConnectionError::Protocol(why)) if why.starts_with("cannot be sent")),
        "{refused:?}"
    );
    assert_eq!(session.query("SELECT 1").await.unwrap()[0].get(0), Some("1"));
    assert_eq!(session.close().await, Closed::Released);
}

#[tokio::test]
async fn notices_disturb_nothing() {
    let cluster = shared().await;
    let mut session = cluster.session().await;
    let notices = "DO $$ BEGIN FOR i IN 1..1000 LOOP RAISE NOTICE 'notice %', i; END LOOP; END $$; SELECT 1";
    for _ in 0..3 {
        assert_eq!(session.query(notices).await.unwrap()[0].get(0), Some("1"));
    }
    let mut walsender = cluster.connector().walsender(&Default::default()).await.unwrap();
    assert_eq!(walsender.query(notices).await.unwrap()[0].get(0), Some("1"));
}

#[tokio::test]
async fn a_fatal_that_came_between_two_operations_is_what_the_next_one_reports() {
    let cluster = shared().await;
    let mut observer = cluster.session().await;
    for state in ["SELECT 1", "BEGIN; SELECT 1"] {
        let mut session = cluster.session().await;
        session.query(state).await.unwrap();
        terminate(&mut observer, session.backend().pid).await;
        for _ in 0..2 {
            let error = session.query("SELECT 2").await.unwrap_err();
            assert_eq!(error.code(), Some("57P01"), "{error}");
        }
        assert_eq!(session.close().await, Closed::Released);
    }
    let mut walsender = cluster.connector().walsender(&Default::default()).await.unwrap();
    terminate(&mut observer, walsender.backend().pid).await;
    for _ in 0..2 {
        let error = walsender.query("SELECT 2").await.unwrap_err();
        assert_eq!(error.code(), Some("57P01"), "{error}");
    }
    assert_eq!(walsender.close().await, Closed::Released);
}

async fn terminate(observer: &mut leftover_wire::session::Session, pid: i32) {
    let rows = observer
        .query(&format!("SELECT pg_terminate_backend({pid}, 5000)"))
        .await
        .unwrap();
    assert!(rows[0].is_true(0));
}

#[tokio::test]
async fn a_fatal_under_a_statement_is_what_it_reports() {
    let cluster = shared().await;
    let mut observer = cluster.session().await;
    let mut session = cluster.session().await;
    let pid = session.backend().pid;
    let sleeping = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid} AND state = 'active'");
    let (answer, ()) = join!(session.query("SELECT pg_sleep(600)"), async {
        wait_for(&mut observer, &sleeping, "1").await;
        terminate(&mut observer, pid).await;
    });
    assert_eq!(answer.unwrap_err().code(), Some("57P01"));
}

#[tokio::test]
async fn a_crash_of_another_backend_is_a_lost_connection_that_says_why() {
    let cluster = Cluster::start();
    let (mut session, victim) = (cluster.session().await, cluster.session().await);
    let pid = victim.backend().pid;
    // The statement is under way or not: the postmaster ends it within it, or before the next.
    cluster.kill(pid);
    let error = loop {
        match session.query("SELECT pg_sleep(0.05)").await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ConnectionError::Lost { .. }), "{error}");
    assert!(error.to_string().contains("57P02"), "{error}");
    assert_eq!(session.close().await, Closed::Unknown);
}

#[tokio::test]
async fn a_cancel_request_stops_the_statement_and_nothing_after_it() {
    let cluster = shared().await;
    let connector = cluster.connector();
    let mut observer = cluster.session().await;
    let mut session = cluster.session().await;
    let key = session.backend();
    let sleeping = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE pid = {} AND wait_event = 'PgSleep'",
        key.pid
    );
    let (answer, ()) = join!(session.query("SELECT pg_sleep(600)"), async {
        wait_for(&mut observer, &sleeping, "1").await;
        connector.cancel(key).await.unwrap();
    });
    assert_eq!(answer.unwrap_err().code(), Some("57014"));
    assert_eq!(session.query("SELECT 1").await.unwrap()[0].get(0), Some("1"));
    assert_eq!(
        observer.query(&count_of(key.pid)).await.unwrap()[0].get(0),
        Some("1")
    );
}
