//! COPY: rows arrive whole, the slower side sets the pace, and a refusal is told at once.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::{future::Future, pin::pin};

use bytes::Bytes;
use leftover_core::connection::{Closed, Connector as _, Session as _, Startup};
use leftover_core::error::ConnectionError;
use leftover_wire::session::Session;
use leftover_wire::tcp::TcpDial;
use leftover_wire::{Connector, url};

use crate::cluster::shared;
use crate::counting::{CountingDial, Counts};

/// What nobody asked for must stay below this.
const READ_AHEAD_BYTES: usize = 200_000;

async fn one(session: &mut Session, sql: &str) -> Option<String> {
    session.query(sql).await.unwrap()[0].get(0).map(str::to_owned)
}

#[tokio::test]
async fn rows_go_from_one_database_to_another_unchanged() {
    let cluster = shared().await;
    let mut source = cluster.session().await;
    source.query("CREATE DATABASE copy_target").await.unwrap();
    source
        .query(
            "CREATE TABLE copied AS SELECT i, repeat(md5(i::text), 2) AS t, NULLIF(i % 7, 0) AS n
               FROM generate_series(1, 40000) AS i",
        )
        .await
        .unwrap();
    let target = url::parse(&cluster.url_of("copy_target"));
    let mut target = leftover_wire::connector(&target.unwrap())
        .session(&Startup::default())
        .await
        .unwrap();
    target
        .query("CREATE TABLE copied (i int, t text, n int)")
        .await
        .unwrap();
    for _ in 0..2 {
        source
            .copy_out("COPY copied TO STDOUT (FORMAT binary)")
            .await
            .unwrap();
        target
            .copy_in("COPY copied FROM STDIN (FORMAT binary)")
            .await
            .unwrap();
        let mut pieces = 0;
        while let Some(piece) = source.copy_out_next().await.unwrap() {
            pieces += 1;
            target.copy_in_send(piece).await.unwrap();
        }
        assert!(pieces < 4000, "{pieces} pieces for 40000 rows");
        assert_eq!(target.copy_in_finish().await.unwrap(), 40000);
        let digest = "SELECT md5(string_agg(c::text, ',' ORDER BY i)) FROM copied AS c";
        assert_eq!(one(&mut source, digest).await, one(&mut target, digest).await);
        target.query("TRUNCATE copied").await.unwrap();
    }
    assert_eq!(source.close().await, Closed::Released);
    assert_eq!(target.close().await, Closed::Released);
}

#[tokio::test]
async fn small_pieces_and_large_ones_arrive_in_order() {
    let cluster = shared().await;
    let mut session = cluster.session().await;
    session
        .query("CREATE TABLE pieces (n serial, i int)")
        .await
        .unwrap();
    session.copy_in("COPY pieces (i) FROM STDIN").await.unwrap();
    let mut next = 0;
    for rows in [1, 1, 10_000, 1, 5, 20_000, 30_000, 2] {
        let piece: String = (next..next + rows).map(|i| format!("{i}\n")).collect();
        next += rows;
        session.copy_in_send(Bytes::from(piece)).await.unwrap();
    }
    assert_eq!(
        session.copy_in_finish().await.unwrap(),
        u64::try_from(next).unwrap()
    );
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM pieces WHERE n <> i + 1")
            .await
            .as_deref(),
        Some("0")
    );
}

#[tokio::test]
async fn an_empty_copy_ends_at_once() {
    let cluster = shared().await;
    let mut session = cluster.session().await;
    session.query("CREATE TABLE empty_copy (i int)").await.unwrap();
    session.copy_out("COPY empty_copy TO STDOUT").await.unwrap();
    assert_eq!(session.copy_out_next().await.unwrap(), None);
    session.copy_in("COPY empty_copy FROM STDIN").await.unwrap();
    assert_eq!(session.copy_in_finish().await.unwrap(), 0);
    assert_eq!(one(&mut session, "SELECT 1").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn who_does_not_read_makes_the_server_wait() {
    let cluster = shared().await;
    let server = url::parse(&cluster.url()).unwrap();
    let counts = Arc::<Counts>::default();
    let dial = CountingDial {
        inner: TcpDial::new(server.address),
        counts: counts.clone(),
    };
    let mut session = Connector::new(Arc::new(dial), server.login)
        .session(&Startup::default())
        .await
        .unwrap();
    let mut observer = cluster.session().await;
    session
        .copy_out("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1000000)) TO STDOUT")
        .await
        .unwrap();
    let pid = session.backend().pid;
    let blocked = format!("SELECT wait_event FROM pg_stat_activity WHERE pid = {pid}");
    crate::cluster::wait_for(&mut observer, &blocked, "ClientWrite").await;
    assert!(
        counts.read() < READ_AHEAD_BYTES,
        "{} bytes were read before the first piece",
        counts.read()
    );
    for pieces in 1..=3 {
        let piece = session.copy_out_next().await.unwrap().unwrap();
        assert!(piece.len() < READ_AHEAD_BYTES);
        let read = counts.read();
        assert!(
            read < (pieces + 1) * READ_AHEAD_BYTES,
            "{read} bytes were read for {pieces} pieces"
        );
    }
}

#[tokio::test]
async fn a_server_that_does_not_read_makes_the_sender_wait() {
    let cluster = shared().await;
    let mut blocker = cluster.session().await;
    blocker
        .query(
            "CREATE TABLE slow_copy (t text);
             CREATE FUNCTION wait_for_blocker() RETURNS trigger LANGUAGE plpgsql
               AS $$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NEW; END $$;
             CREATE TRIGGER slow BEFORE INSERT ON slow_copy FOR EACH ROW EXECUTE FUNCTION wait_for_blocker();
             SELECT pg_advisory_lock(4711)",
        )
        .await
        .unwrap();
    let mut session = cluster.session().await;
    session.copy_in("COPY slow_copy FROM STDIN").await.unwrap();
    let piece = Bytes::from([b"x".repeat(999), vec![b'\n']].concat().repeat(64));
    let mut sent = 0;
    // Far more than any socket holds.
    while sent < 256 << 20 {
        let polled = pin!(session.copy_in_send(piece.clone())).poll(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Ready(outcome) => outcome.unwrap(),
            Poll::Pending => break,
        }
        sent += piece.len();
        tokio::task::yield_now().await;
    }
    assert!(sent < 64 << 20, "{sent} bytes were taken although nobody reads");
    assert_eq!(
        session.copy_in_send(piece).await.unwrap_err(),
        ConnectionError::Interrupted
    );
    assert_eq!(session.close().await, Closed::Unknown);
}

#[tokio::test]
async fn a_refusal_in_the_middle_of_a_copy_in_is_reported_there_and_the_session_goes_on() {
    let cluster = shared().await;
    let mut session = cluster.session().await;
    session.query("CREATE TABLE refused_copy (i int)").await.unwrap();
    session.copy_in("COPY refused_copy FROM STDIN").await.unwrap();
    session
        .copy_in_send(Bytes::from_static(b"1\nno number\n"))
        .await
        .unwrap();
    let piece = Bytes::from(b"1\n".repeat(50_000));
    let mut pieces = 0;
    let error = loop {
        match session.copy_in_send(piece.clone()).await {
            Ok(()) => pieces += 1,
            Err(error) => break error,
        }
        assert!(pieces < 10_000, "a gigabyte was sent after the refusal");
        tokio::task::yield_now().await;
    };
    assert_eq!(error.code(), Some("22P02"), "{error}");
    assert!(matches!(
        session.copy_in_send(piece).await.unwrap_err(),
        ConnectionError::Protocol(_)
    ));
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM refused_copy")
            .await
            .as_deref(),
        Some("0")
    );
    // Also when it is only told at the end.
    session.copy_in("COPY refused_copy FROM STDIN").await.unwrap();
    session
        .copy_in_send(Bytes::from_static(b"no number\n"))
        .await
        .unwrap();
    assert_eq!(session.copy_in_finish().await.unwrap_err().code(), Some("22P02"));
    assert_eq!(one(&mut session, "SELECT 2").await.as_deref(), Some("2"));
    assert_eq!(session.close().await, Closed::Released);
}

#[tokio::test]
async fn a_copy_that_is_refused_at_its_start_leaves_the_session_in_step() {
    let cluster = shared().await;
    let mut session = cluster.session().await;
    session.query("CREATE TABLE started_copy (i int)").await.unwrap();
    for round in 1..=3 {
        let refused = session
            .copy_in("COPY no_such_table FROM STDIN")
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Some("42P01"), "{refused}");
        assert_eq!(one(&mut session, "SELECT 1").await.as_deref(), Some("1"));
        let refused = session
            .copy_out("COPY no_such_table TO STDOUT")
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Some("42P01"), "{refused}");
        assert_eq!(
            session.copy_in("COPY nonsense").await.unwrap_err().code(),
            Some("42601")
        );
        session.copy_in("COPY started_copy FROM STDIN").await.unwrap();
        session.copy_in_send(Bytes::from_static(b"1\n")).await.unwrap();
        assert_eq!(session.copy_in_finish().await.unwrap(), 1);
        let count = one(&mut session, "SELECT count(*) FROM started_copy").await;
        assert_eq!(count, Some(round.to_string()));
    }
    assert_eq!(
        session
            .copy_in("COPY no_such_table FROM STDIN")
            .await
            .unwrap_err()
            .code(),
        Some("42P01")
    );
    assert_eq!(session.close().await, Closed::Released);
}

#[tokio::test]
async fn a_copy_out_that_fails_midway_reports_it_and_the_session_goes_on() {
    let cluster = shared().await;
    let mut session = cluster.session().await;
    let sql =
        "COPY (SELECT repeat('x', 1000), 1 / (50000 - i) FROM generate_series(1, 100000) AS i) TO STDOUT";
    session.copy_out(sql).await.unwrap();
    let error = loop {
        match session.copy_out_next().await {
            Ok(piece) => assert!(piece.is_some(), "the copy ended"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Some("22012"), "{error}");
    assert_eq!(one(&mut session, "SELECT 1").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_commit_that_fails_after_the_rows_were_taken_is_a_failed_copy() {
    let cluster = shared().await;
    let mut session = cluster.session().await;
    session
        .query("CREATE TABLE deferred_copy (i int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        .await
        .unwrap();
    session.copy_in("COPY deferred_copy FROM STDIN").await.unwrap();
    session.copy_in_send(Bytes::from_static(b"1\n1\n")).await.unwrap();
    assert_eq!(session.copy_in_finish().await.unwrap_err().code(), Some("23505"));
    assert_eq!(
        one(&mut session, "SELECT count(*) FROM deferred_copy")
            .await
            .as_deref(),
        Some("0")
    );
}

#[tokio::test]
async fn a_session_that_is_ended_within_a_copy_in_says_so() {
    let cluster = shared().await;
    let mut observer = cluster.session().await;
    observer.query("CREATE TABLE ended_copy (t text)").await.unwrap();
    let mut session = cluster.session().await;
    session.copy_in("COPY ended_copy FROM STDIN").await.unwrap();
    observer
        .query(&format!(
            "SELECT pg_terminate_backend({}, 5000)",
            session.backend().pid
        ))
        .await
        .unwrap();
    let piece = Bytes::from(b"\n".repeat(100_000));
    let error = loop {
        if let Err(error) = session.copy_in_send(piece.clone()).await {
            break error;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(error.code(), Some("57P01"), "{error}");
    assert_eq!(session.query("SELECT 1").await.unwrap_err().code(), Some("57P01"));
    assert_eq!(session.close().await, Closed::Released);
}

#[tokio::test]
async fn a_copy_that_is_refused_before_it_reads_leaves_the_session_in_step() {
    let cluster = shared().await;
    let mut session = cluster.session().await;
    session
        .query("CREATE VIEW copied_view AS SELECT 1 AS i")
        .await
        .unwrap();
    session.copy_in("COPY copied_view FROM STDIN").await.unwrap();
    session.copy_in_send(Bytes::from_static(b"1\n")).await.unwrap();
    assert_eq!(session.copy_in_finish().await.unwrap_err().code(), Some("42809"));
    assert_eq!(one(&mut session, "SELECT 1").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_copy_may_stand_among_other_statements_and_what_follows_it_counts() {
    let cluster = shared().await;
    let mut session = cluster.session().await;
    let sql = "CREATE TABLE among (i int); BEGIN; SELECT 7; COPY among FROM STDIN; COMMIT";
    session.copy_in(sql).await.unwrap();
    session.copy_in_send(Bytes::from_static(b"1\n2\n")).await.unwrap();
    assert_eq!(session.copy_in_finish().await.unwrap(), 2);
    session
        .copy_out("BEGIN; COPY among TO STDOUT; COMMIT; SELECT 1 / 0")
        .await
        .unwrap();
    assert_eq!(
        session.copy_out_next().await.unwrap().as_deref(),
        Some(&b"1\n2\n"[..])
    );
    assert_eq!(session.copy_out_next().await.unwrap_err().code(), Some("22012"));
    let open = "SELECT pg_current_xact_id_if_assigned() IS NULL AND now() = statement_timestamp()";
    assert_eq!(one(&mut session, open).await.as_deref(), Some("t"));
}

#[tokio::test]
async fn what_is_no_copy_is_said_so_and_the_session_goes_on() {
    let cluster = shared().await;
    let mut session = cluster.session().await;
    for sql in ["SELECT 1", "", "SELECT 1; SELECT 2"] {
        let error = session.copy_out(sql).await.unwrap_err();
        assert!(matches!(error, ConnectionError::Protocol(_)), "{error}");
        assert_eq!(one(&mut session, "SELECT 3").await.as_deref(), Some("3"));
    }
}
