//! The limits that end a stream, and those that do not.

use std::time::Duration;

use leftover_harness::world::{Link, Silence};

use super::client::{Pg, Said};
use super::stream::{Streamed, active, blocked, near, publish, start, streaming};

/// OB-17
#[test]
fn without_a_timeout_a_stream_never_notices_silence() {
    Pg::run(4, |pg| async move {
        publish(&pg).await;
        let mut client = streaming(&pg, "-c wal_sender_timeout=0").await;
        pg.sleep(100).await;
        client.link().silence(Silence::Both).unwrap();
        pg.sleep(3_000_000).await;
        assert_eq!(pg.doing(client.pid), "active Client/WalSenderWaitForWAL");
        assert!(active(&pg));
    });
}

/// OB-36, 37
#[test]
fn of_unacknowledged_data_keepalives_notice_nothing_and_a_user_timeout_does() {
    let keepalives = "-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2";
    for (limits, noticed) in [(keepalives, false), ("-c tcp_user_timeout=2000", true)] {
        Pg::run(13, |pg| async move {
            publish(&pg).await;
            let mut client = streaming(&pg, &format!("-c wal_sender_timeout=0 {limits}")).await;
            pg.sleep(100).await;
            client.link().silence(Silence::Both).unwrap();
            pg.sql("insert into t values (1)");
            let took = pg.gone_within(client.pid, Duration::from_secs(9)).await;
            assert_eq!(took.is_some(), noticed, "{limits} {took:?}");
            if let Some(took) = took {
                assert!((1000..4500).contains(&took.as_millis()), "{took:?}");
            }
        });
    }
}

/// OB-38, 39, 40, 42
#[test]
fn no_timer_of_sql_ends_a_stream() {
    Pg::run(14, |pg| async move {
        publish(&pg).await;
        let limits = "-c wal_sender_timeout=0 -c statement_timeout=500 -c lock_timeout=500 \
            -c idle_session_timeout=500 -c idle_in_transaction_session_timeout=500";
        let client = streaming(&pg, limits).await;
        pg.sleep(60_000).await;
        assert_eq!(pg.doing(client.pid), "active Client/WalSenderWaitForWAL");
    });
}

/// OB-43
#[test]
fn a_mute_client_is_asked_at_half_the_timeout_and_left_at_its_end_without_a_word() {
    for silent in [false, true] {
        for seed in 0..5 {
            Pg::run(seed, |pg| async move {
                publish(&pg).await;
                let mut client = streaming(&pg, "-c wal_sender_timeout=2s").await;
                let began = pg.now();
                if silent {
                    client.link().silence(Silence::Both).unwrap();
                    pg.sleep(1990).await;
                    assert!(active(&pg));
                    let took = pg.gone_within(client.pid, Duration::from_millis(60)).await;
                    assert!(took.is_some(), "{}", pg.doing(client.pid));
                } else {
                    let mut asked = Vec::new();
                    while let Some(said) = client.streamed().await {
                        match said {
                            Streamed::Keepalive { reply, .. } if reply => asked.push(pg.now() - began),
                            Streamed::Keepalive { .. } => {}
                            other => panic!("{other:?}"),
                        }
                    }
                    assert!(asked.len() == 1 && near(asked[0], 999), "{asked:?}");
                    assert!(near(pg.now() - began, 1999), "{:?}", pg.now() - began);
                }
                assert!(!active(&pg));
            });
        }
    }
}

/// OB-43: a half-open walsender keeps its slot until then.
#[test]
fn a_client_that_comes_back_is_refused_until_the_timeout_of_its_half_open_walsender() {
    Pg::run(5, |pg| async move {
        publish(&pg).await;
        let mut first = streaming(&pg, "-c wal_sender_timeout=4s").await;
        pg.sleep(100).await;
        first.link().silence(Silence::Both).unwrap();
        let began = pg.now();
        let mut second = pg.walsender("").await;
        loop {
            second.send(&start("0/0")).await;
            match second.next().await.unwrap() {
                Said::CopyBoth => break,
                Said::Error { code, message, .. } => {
                    assert_eq!(code, "55006");
                    let wanted = format!("replication slot \"s\" is active for PID {}", first.pid);
                    assert_eq!(message, wanted);
                }
                other => panic!("{other:?}"),
            }
            second.until_ready().await;
            pg.sleep(10).await;
        }
        let took = pg.now() - began;
        assert!(near(took, 3890), "{took:?}");
    });
}

/// OB-44
#[test]
fn a_client_that_reads_nothing_but_says_how_it_does_is_kept() {
    Pg::run(6, |pg| async move {
        publish(&pg).await;
        let mut client = blocked(&pg, "-c wal_sender_timeout=2s").await;
        for _ in 0..40 {
            pg.sleep(500).await;
            client.confirm(0).await;
        }
        assert_eq!(pg.doing(client.pid), "active Client/WalSenderWriteData");
        let took = pg.gone_within(client.pid, Duration::from_secs(5)).await.unwrap();
        assert!(near(took, 2000), "{took:?}");
    });
}

/// OB-45
#[test]
fn a_user_timeout_ends_a_stream_whose_client_does_not_read() {
    Pg::run(7, |pg| async move {
        publish(&pg).await;
        let mut client = blocked(&pg, "-c tcp_user_timeout=2000").await;
        let mut gone = None;
        for _ in 0..10 {
            gone = pg.gone_within(client.pid, Duration::from_millis(300)).await;
            if gone.is_some() {
                break;
            }
            client.confirm(0).await;
        }
        assert!(gone.is_some(), "although it says how it does");
        assert!(!active(&pg));
    });
}

/// OB-46
#[test]
fn the_timeout_means_nothing_to_a_walsender_that_does_not_stream() {
    Pg::run(8, |pg| async move {
        let idle = pg.walsender("-c wal_sender_timeout=2s").await;
        let mut exporting = pg.walsender("-c wal_sender_timeout=2s").await;
        exporting
            .rows("CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput")
            .await;
        pg.sleep(60_000).await;
        assert_eq!(pg.doing(idle.pid), "idle Client/ClientRead");
        assert_eq!(pg.doing(exporting.pid), "idle in transaction Client/ClientRead");
    });
}
