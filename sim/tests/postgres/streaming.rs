//! A streaming walsender: what it notices of its client, and what ends it.

use std::collections::BTreeSet;
use std::time::Duration;

use postgres_protocol::message::frontend;

use super::client::{Client, Leave, Pg, Said, code, error};
use super::stream::{Streamed, active, blocked, confirmed, publish, start, streaming};

const AT_ONCE: Duration = Duration::from_millis(60);

async fn at_once(pg: &Pg, client: &Client, what: &str) {
    let took = pg.gone_within(client.pid, AT_ONCE).await;
    assert!(took.is_some(), "{what}: {}", pg.doing(client.pid));
    assert!(!active(pg), "{what}: the slot is free");
}

/// OB-14
#[test]
fn a_stream_at_the_end_of_the_log_notices_every_way_of_leaving() {
    for how in Leave::ALL {
        for seed in 0..5 {
            Pg::run(seed, |pg| async move {
                publish(&pg).await;
                let before = confirmed(&pg);
                let mut client = streaming(&pg, "").await;
                pg.sql("insert into t values (1)");
                client.transaction().await;
                pg.sleep(100).await;
                assert_eq!(pg.doing(client.pid), "active Client/WalSenderWaitForWAL");
                let holder = pg.value("select active_pid from pg_replication_slots");
                assert_eq!(holder, client.pid.to_string());
                client.leave(how).await;
                at_once(&pg, &client, &format!("{how:?}")).await;
                assert_eq!(confirmed(&pg), before, "nothing was confirmed");
            });
        }
    }
}

/// OB-15: blocked.
#[test]
fn a_blocked_stream_notices_every_way_of_leaving() {
    for how in Leave::ALL {
        Pg::run(1, |pg| async move {
            publish(&pg).await;
            let mut client = blocked(&pg, "").await;
            pg.sleep(20_000).await;
            assert_eq!(pg.doing(client.pid), "active Client/WalSenderWriteData");
            client.leave(how).await;
            at_once(&pg, &client, &format!("{how:?}")).await;
        });
    }
}

/// OB-15: in the middle of a transaction that flows.
#[test]
fn a_stream_in_mid_transaction_notices_at_its_next_touch_of_the_socket() {
    for how in Leave::ALL {
        Pg::run(2, |pg| async move {
            publish(&pg).await;
            let mut client = streaming(&pg, "").await;
            pg.sql("insert into t select a, repeat('x', 1000) from generate_series(1, 5000) a");
            for _ in 0..200 {
                client.streamed().await.unwrap();
            }
            client.leave(how).await;
            at_once(&pg, &client, &format!("{how:?}")).await;
        });
    }
}

/// OB-16
#[test]
fn decoding_what_is_not_published_notices_a_client_that_leaves() {
    for how in [Leave::Fin, Leave::Rst] {
        Pg::run(3, |pg| async move {
            publish(&pg).await;
            pg.sql("create table other (a int); insert into other select generate_series(1, 100000)");
            let mut client = streaming(&pg, "").await;
            pg.sleep(20).await;
            assert_eq!(pg.doing(client.pid), "active", "it decodes");
            client.leave(how).await;
            at_once(&pg, &client, &format!("{how:?}")).await;
            let patient = streaming(&pg, "").await;
            pg.sleep(80).await;
            assert_eq!(pg.doing(patient.pid), "active", "there was more to decode");
            pg.sleep(200).await;
            assert_eq!(pg.doing(patient.pid), "active Client/WalSenderWaitForWAL");
        });
    }
}

/// OB-84
#[test]
fn a_termination_ends_a_stream_with_a_fatal_error() {
    Pg::run(9, |pg| async move {
        publish(&pg).await;
        let mut client = streaming(&pg, "").await;
        pg.sleep(100).await;
        pg.sql(&format!("select pg_terminate_backend({})", client.pid));
        at_once(&pg, &client, "terminated").await;
        assert_eq!(code(&client.until_eof().await).as_deref(), Some("57P01"));
    });
}

/// OB-85
#[test]
fn a_cancelled_stream_leaves_a_connection_that_can_stream_again() {
    for by_function in [false, true] {
        Pg::run(10, |pg| async move {
            publish(&pg).await;
            let mut client = streaming(&pg, "").await;
            pg.sleep(100).await;
            if by_function {
                pg.sql(&format!("select pg_cancel_backend({})", client.pid));
            } else {
                pg.cancel(client.pid, client.secret).await;
            }
            let said = client.until_ready().await;
            let wanted = "canceling statement due to user request";
            assert_eq!(error(&said), Some(("57014".to_owned(), wanted.to_owned())));
            assert!(!active(&pg));
            assert_eq!(client.value("select 1").await, "1");
            pg.sql("insert into t values (1)");
            client.stream(&start("0/0")).await;
            assert_eq!(client.transaction().await.0.last().unwrap(), "i N(1,null)");
        });
    }
}

/// OB-86: a second termination ends it, or a client that reads again, or `tcp_user_timeout`; `wal_sender_timeout` does
/// not.
#[test]
fn a_terminated_stream_that_is_blocked_is_gone_or_stuck_with_its_last_words() {
    let terminate = |pid: i32| format!("select pg_terminate_backend({pid})");
    let mut outcomes = BTreeSet::new();
    for seed in 0..30 {
        outcomes.insert(Pg::run(seed, |pg| async move {
            publish(&pg).await;
            let limits = match seed % 3 {
                0 => "-c wal_sender_timeout=3s",
                1 => "-c wal_sender_timeout=0",
                _ => "-c wal_sender_timeout=0 -c tcp_user_timeout=3000",
            };
            let mut client = blocked(&pg, limits).await;
            pg.sql(&terminate(client.pid));
            if pg.gone_within(client.pid, AT_ONCE).await.is_some() {
                assert!(!active(&pg));
                return "gone";
            }
            assert_eq!(pg.doing(client.pid), "active Client/ClientWrite");
            assert!(active(&pg));
            match seed % 3 {
                0 => {
                    pg.sleep(6000).await;
                    assert_eq!(pg.doing(client.pid), "active Client/ClientWrite");
                    pg.cancel(client.pid, client.secret).await;
                    pg.sleep(1000).await;
                    assert!(active(&pg), "nor does a cancel help");
                    pg.sql(&terminate(client.pid));
                    at_once(&pg, &client, "terminated twice").await;
                    "ended by a second termination"
                }
                1 => {
                    assert_eq!(code(&client.until_eof().await).as_deref(), Some("57P01"));
                    at_once(&pg, &client, "read").await;
                    "ended by a client that reads"
                }
                _ => {
                    assert!(pg.gone_within(client.pid, Duration::from_secs(4)).await.is_some());
                    assert!(!active(&pg));
                    "ended by the user timeout"
                }
            }
        }));
    }
    let wanted = [
        "ended by a client that reads",
        "ended by a second termination",
        "ended by the user timeout",
        "gone",
    ];
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), wanted);
}

/// OB-87: who was cancelled is idle, or stuck with its error: until a termination makes it try again, or for good.
#[test]
fn a_cancel_of_a_blocked_stream_works_or_makes_it_deaf_until_its_client_reads() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..60 {
        outcomes.insert(Pg::run(seed, |pg| async move {
            publish(&pg).await;
            let mut client = blocked(&pg, "-c wal_sender_timeout=0").await;
            pg.cancel(client.pid, client.secret).await;
            pg.sleep(20).await;
            let idle = pg.doing(client.pid) == "idle Client/ClientRead";
            assert_eq!(active(&pg), !idle);
            pg.sql(&format!("select pg_terminate_backend({})", client.pid));
            if pg.gone_within(client.pid, AT_ONCE).await.is_some() {
                assert!(!active(&pg));
                return if idle { "idle" } else { "stuck until terminated" };
            }
            pg.sleep(1000).await;
            assert_eq!(pg.doing(client.pid), "active Client/ClientWrite");
            assert!(active(&pg));
            assert_eq!(code(&client.until_eof().await).as_deref(), Some("57014"));
            at_once(&pg, &client, "read").await;
            "stuck for good"
        }));
    }
    let wanted = ["idle", "stuck for good", "stuck until terminated"];
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), wanted);
}

/// OB-89, 91
#[test]
fn copy_done_ends_a_stream_and_a_second_one_on_that_connection_at_once() {
    Pg::run(11, |pg| async move {
        publish(&pg).await;
        let mut client = streaming(&pg, "").await;
        client.send_with(frontend::copy_done).await;
        let done = |tag: &str| Streamed::Said(Said::Done(tag.to_owned()));
        let ready = Streamed::Said(Said::Ready('I'));
        let [copy, start_replication] = [done("COPY 0"), done("START_REPLICATION")];
        let wanted = [
            Streamed::Said(Said::CopyDone),
            copy.clone(),
            start_replication.clone(),
            ready.clone(),
        ];
        assert_eq!(client.end_of_stream().await, wanted);
        assert!(!active(&pg));
        pg.sql("insert into t values (1)");
        client.stream(&start("0/0")).await;
        assert_eq!(client.end_of_stream().await, [copy, start_replication, ready]);
        client.rows("DROP_REPLICATION_SLOT s").await;
        assert_eq!(pg.slots(), []);
    });
}

/// OB-90
#[test]
fn a_stream_bears_no_other_message() {
    for (message, kind) in [("query", 'Q'), ("fail", 'f')] {
        Pg::run(12, |pg| async move {
            publish(&pg).await;
            let mut client = streaming(&pg, "").await;
            match message {
                "query" => client.send("select 1").await,
                _ => {
                    client
                        .send_with(|out| frontend::copy_fail("enough", out).unwrap())
                        .await;
                }
            }
            let said = client.until_eof().await;
            let wanted = format!("invalid standby message type \"{kind}\"");
            assert_eq!(error(&said), Some(("08P01".to_owned(), wanted)));
            at_once(&pg, &client, message).await;
        });
    }
}
