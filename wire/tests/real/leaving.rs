//! Parting with a session: what is proved by closing it, and that dropping it says nothing.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use leftover_core::connection::{Closed, Connector as _, Session as _, Startup, Walsender as _};
use leftover_core::error::ConnectionError;
use leftover_wire::session::Session;
use leftover_wire::tcp::TcpDial;
use leftover_wire::{Connector, url};

use crate::cluster::{Cluster, count_of, shared, wait_for};
use crate::counting::{CountingDial, Counts};

fn counting(cluster: &Cluster) -> (Connector, Arc<Counts>) {
    let server = url::parse(&cluster.url()).unwrap();
    let counts = Arc::<Counts>::default();
    let dial = CountingDial {
        inner: TcpDial::new(server.address),
        counts: counts.clone(),
    };
    (Connector::new(Arc::new(dial), server.login), counts)
}

/// Polls once and gives up.
fn poll_once<F: Future>(operation: F) -> bool {
    pin!(operation)
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_ready()
}

#[tokio::test]
async fn a_closed_session_is_gone_from_the_server_50_times_of_50() {
    let cluster = shared().await;
    let mut observer = cluster.session().await;
    for _ in 0..50 {
        let mut session = cluster.session().await;
        session.query("BEGIN; CREATE TEMP TABLE t (i int)").await.unwrap();
        let pid = session.backend().pid;
        assert_eq!(session.close().await, Closed::Released);
        assert_eq!(observer.query(&count_of(pid)).await.unwrap()[0].get(0), Some("0"));
    }
}

#[tokio::test]
async fn a_closed_walsender_is_gone_from_the_server_50_times_of_50() {
    let cluster = shared().await;
    let mut observer = cluster.session().await;
    for _ in 0..50 {
        let mut walsender = cluster.connector().walsender(&Startup::default()).await.unwrap();
        walsender.query("SELECT 1").await.unwrap();
        let pid = walsender.backend().pid;
        assert_eq!(walsender.close().await, Closed::Released);
        assert_eq!(observer.query(&count_of(pid)).await.unwrap()[0].get(0), Some("0"));
    }
}

#[tokio::test]
async fn a_dropped_session_sends_nothing_and_its_backend_goes_away() {
    let cluster = shared().await;
    let mut observer = cluster.session().await;
    for sql in ["SELECT 1", "BEGIN; SELECT 1"] {
        let (connector, counts) = counting(&cluster);
        let mut session = connector.session(&Startup::default()).await.unwrap();
        session.query(sql).await.unwrap();
        let (pid, written) = (session.backend().pid, counts.written());
        drop(session);
        assert_eq!(counts.written(), written);
        wait_for(&mut observer, &count_of(pid), "0").await;
    }
}

#[tokio::test]
async fn a_session_dropped_within_a_copy_sends_nothing_and_its_backend_goes_away() {
    let cluster = shared().await;
    let mut observer = cluster.session().await;
    observer
        .query("CREATE TABLE dropped_copy (t text)")
        .await
        .unwrap();
    let (connector, counts) = counting(&cluster);
    let mut reading = connector.session(&Startup::default()).await.unwrap();
    reading
        .copy_out("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1000000)) TO STDOUT")
        .await
        .unwrap();
    reading.copy_out_next().await.unwrap();
    let (pid, written) = (reading.backend().pid, counts.written());
    drop(reading);
    assert_eq!(counts.written(), written);
    wait_for(&mut observer, &count_of(pid), "0").await;

    let (connector, counts) = counting(&cluster);
    let mut writing = connector.session(&Startup::default()).await.unwrap();
    writing.copy_in("COPY dropped_copy FROM STDIN").await.unwrap();
    writing.copy_in_send(vec![b'\n'; 100_000].into()).await.unwrap();
    let (pid, written) = (writing.backend().pid, counts.written());
    drop(writing);
    assert_eq!(counts.written(), written);
    wait_for(&mut observer, &count_of(pid), "0").await;
    assert_eq!(
        observer.query("SELECT count(*) FROM dropped_copy").await.unwrap()[0].get(0),
        Some("0")
    );
}

#[tokio::test]
async fn after_an_interrupted_operation_nothing_else_is_possible() {
    let cluster = shared().await;
    let mut observer = cluster.session().await;
    let mut session = cluster.session().await;
    let pid = session.backend().pid;
    assert!(!poll_once(session.query("SELECT pg_sleep(600)")));
    assert_eq!(
        session.query("SELECT 1").await.unwrap_err(),
        ConnectionError::Interrupted
    );
    assert_eq!(
        session.copy_out("COPY t TO STDOUT").await.unwrap_err(),
        ConnectionError::Interrupted
    );
    assert_eq!(
        session.copy_in_finish().await.unwrap_err(),
        ConnectionError::Interrupted
    );
    assert_eq!(session.close().await, Closed::Unknown);
    // Closing is not cancelling: it is still there, or the statement had not been sent yet.
    observer
        .query(&format!("SELECT pg_terminate_backend({pid}, 5000)"))
        .await
        .unwrap();
    wait_for(&mut observer, &count_of(pid), "0").await;

    let mut walsender = cluster.connector().walsender(&Startup::default()).await.unwrap();
    let pid = walsender.backend().pid;
    assert!(!poll_once(walsender.query("SELECT pg_sleep(600)")));
    assert_eq!(
        walsender.query("SELECT 1").await.unwrap_err(),
        ConnectionError::Interrupted
    );
    assert_eq!(walsender.close().await, Closed::Unknown);
    observer
        .query(&format!("SELECT pg_terminate_backend({pid}, 5000)"))
        .await
        .unwrap();
    wait_for(&mut observer, &count_of(pid), "0").await;
}

#[tokio::test]
async fn an_operation_that_was_never_polled_has_interrupted_nothing() {
    let cluster = shared().await;
    let mut session = cluster.session().await;
    drop(session.query("SELECT pg_sleep(600)"));
    assert_eq!(session.query("SELECT 1").await.unwrap()[0].get(0), Some("1"));
}

#[tokio::test]
async fn closing_within_a_copy_in_takes_it_back_and_within_a_copy_out_drains_nothing() {
    let cluster = shared().await;
    let mut observer = cluster.session().await;
    observer.query("CREATE TABLE closed_copy (t text)").await.unwrap();
    let mut writing = cluster.session().await;
    writing.copy_in("COPY closed_copy FROM STDIN").await.unwrap();
    writing.copy_in_send(vec![b'\n'; 100_000].into()).await.unwrap();
    let pid = writing.backend().pid;
    assert_eq!(writing.close().await, Closed::Released);
    assert_eq!(observer.query(&count_of(pid)).await.unwrap()[0].get(0), Some("0"));
    assert_eq!(
        observer.query("SELECT count(*) FROM closed_copy").await.unwrap()[0].get(0),
        Some("0")
    );

    let (connector, counts) = counting(&cluster);
    let mut reading = connector.session(&Startup::default()).await.unwrap();
    reading
        .copy_out("COPY (SELECT repeat('x', 1000) FROM generate_series(1, 1000000)) TO STDOUT")
        .await
        .unwrap();
    let pid = reading.backend().pid;
    assert_eq!(reading.close().await, Closed::Unknown);
    assert!(counts.read() < 500_000, "{} bytes were read", counts.read());
    wait_for(&mut observer, &count_of(pid), "0").await;
}

#[test]
fn sessions_and_their_operations_may_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    fn check(session: &mut Session, connector: &Connector) {
        is_send(session);
        is_send(&session.query(""));
        is_send(&session.copy_out(""));
        is_send(&session.copy_out_next());
        is_send(&session.copy_in(""));
        is_send(&session.copy_in_send(Default::default()));
        is_send(&session.copy_in_finish());
        is_send(&connector.session(&Startup::default()));
        is_send(&connector.walsender(&Startup::default()));
    }
    let _: fn(&mut Session, &Connector) = check;
}
