//! The server's own limits: which states each of them ends, and which it does not.

use std::time::Duration;

use leftover_harness::world::{Link, Silence};

use super::client::{Client, Leave, Pg, Said, code, error};

fn near(took: Duration, millis: u64) -> bool {
    (Duration::from_millis(millis)..Duration::from_millis(millis + 60)).contains(&took)
}

async fn locked(pg: &Pg) -> Client {
    pg.sql("create table if not exists t (a int); grant all on t to mirror");
    let mut holder = pg.superuser().await;
    holder.rows("begin; lock table t").await;
    holder
}

/// OB-29, 30
#[test]
fn the_check_of_the_client_notices_at_its_next_tick() {
    for how in [Leave::Fin, Leave::Rst, Leave::HalfClose] {
        Pg::run(1, |pg| async move {
            let _holder = locked(&pg).await;
            for sql in ["select pg_sleep(100)", "select * from t"] {
                let mut client = pg.connect_set("-c client_connection_check_interval=1s").await;
                client.send(sql).await;
                pg.sleep(1300).await;
                client.leave(how).await;
                let took = pg.gone_within(client.pid, Duration::from_secs(5)).await.unwrap();
                assert!(
                    (Duration::from_millis(650)..Duration::from_millis(760)).contains(&took),
                    "{sql} {took:?}"
                );
            }
            let mut writer = pg.connect_set("-c client_connection_check_interval=20ms").await;
            writer.rows("create table w (a int)").await;
            writer.send("insert into w select 1 from pg_sleep(0.5)").await;
            pg.sleep(50).await;
            writer.leave(how).await;
            assert!(
                pg.gone_within(writer.pid, Duration::from_millis(80))
                    .await
                    .is_some()
            );
            assert_eq!(pg.value("select count(*) from w"), "0");
        });
    }
}

/// OB-31, 32, 33
#[test]
fn a_silent_peer_needs_keepalives_and_someone_who_looks() {
    let keepalives = "-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2";
    let check = "-c client_connection_check_interval=1s";
    let cases = [
        (check.to_owned(), false),
        (format!("{check} {keepalives}"), true),
        (keepalives.to_owned(), false),
    ];
    for (options, noticed) in cases {
        Pg::run(2, |pg| async move {
            let _holder = locked(&pg).await;
            for sql in ["select pg_sleep(30)", "select * from t"] {
                let mut client = pg.connect_set(&options).await;
                client.send(sql).await;
                pg.sleep(200).await;
                client.link().silence(Silence::Both).unwrap();
                let took = pg.gone_within(client.pid, Duration::from_secs(20)).await;
                assert_eq!(took.is_some(), noticed, "{options} {sql} {took:?}");
                if let Some(took) = took {
                    assert!(
                        (Duration::from_secs(2)..Duration::from_millis(4100)).contains(&took),
                        "{took:?}"
                    );
                }
            }
        });
    }
}

/// OB-34, 35
#[test]
fn keepalives_find_a_silent_peer_wherever_the_backend_reads_and_a_user_timeout_alone_does_not() {
    let keepalives = "-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2";
    let both = format!("{keepalives} -c tcp_user_timeout=2000");
    for (options, bounds) in [
        (keepalives, Some(2000..3600)),
        (&both, Some(1500..2700)),
        ("-c tcp_user_timeout=2000", None),
    ] {
        Pg::run(3, |pg| async move {
            pg.sql("create table t (a int); grant all on t to mirror");
            for sql in ["select 1", "begin", "copy t from stdin"] {
                let mut client = pg.connect_set(options).await;
                client.send(sql).await;
                pg.sleep(100).await;
                client.link().silence(Silence::Both).unwrap();
                let took = pg.gone_within(client.pid, Duration::from_secs(30)).await;
                match &bounds {
                    None => assert_eq!(took, None, "{options} {sql}"),
                    Some(bounds) => {
                        let millis = took.unwrap().as_millis();
                        assert!(
                            (bounds.start..bounds.end).contains(&millis),
                            "{options} {sql} {took:?}"
                        );
                    }
                }
            }
        });
    }
}

async fn blocked(pg: &Pg, options: &str) -> Client {
    pg.sql("create table if not exists big (a text); grant all on big to mirror");
    pg.sql("insert into big select repeat('x', 1000) from generate_series(1, 2000)");
    let mut client = pg.connect_set(options).await;
    client.send("copy big to stdout").await;
    pg.sleep(100).await;
    assert_eq!(pg.doing(client.pid), "active Client/ClientWrite");
    client
}

/// OB-36, 37, 45
#[test]
fn a_user_timeout_ends_a_blocked_write_whether_its_client_is_silent_or_only_does_not_read() {
    for silent in [true, false] {
        Pg::run(4, |pg| async move {
            let mut client = blocked(&pg, "-c tcp_user_timeout=2000").await;
            if silent {
                client.link().silence(Silence::Both).unwrap();
            }
            let took = pg.gone_within(client.pid, Duration::from_secs(30)).await.unwrap();
            assert!(took < Duration::from_millis(4600), "{silent} {took:?}");
        });
    }
    Pg::run(4, |pg| async move {
        let keepalives = "-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2";
        let mut client = blocked(&pg, keepalives).await;
        client.link().silence(Silence::Both).unwrap();
        assert_eq!(
            pg.gone_within(client.pid, Duration::from_secs(60)).await,
            None,
            "probes are not sent"
        );
    });
}

/// OB-38
#[test]
fn idle_in_transaction_ends_transactions_and_snapshot_holders_only() {
    Pg::run(5, |pg| async move {
        pg.sql("create table t (a int); grant all on t to mirror");
        let limit = "-c idle_in_transaction_session_timeout=2s";
        for failed in [false, true] {
            let mut client = pg.connect_set(limit).await;
            client.rows("begin").await;
            if failed {
                client.fails("select 1/0", "22012").await;
            }
            let start = pg.now();
            let said = client.until_eof().await;
            let wanted = "terminating connection due to idle-in-transaction timeout";
            assert_eq!(error(&said), Some(("25P03".to_owned(), wanted.to_owned())));
            assert!(near(pg.now() - start, 1990), "{:?}", pg.now() - start);
        }
        for used in [false, true] {
            let mut holder = pg.walsender(limit).await;
            if used {
                holder.rows("begin isolation level repeatable read").await;
            }
            let option = if used { "USE_SNAPSHOT" } else { "EXPORT_SNAPSHOT" };
            holder
                .rows(&format!(
                    "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput {option}"
                ))
                .await;
            assert_eq!(code(&holder.until_eof().await).as_deref(), Some("25P03"));
            assert_eq!(pg.slots(), []);
        }
        let mut copying = pg.connect_set(limit).await;
        copying.send("copy t from stdin").await;
        let mut idle = pg.connect_set(limit).await;
        idle.rows("select 1").await;
        let mut running = pg.connect_set(limit).await;
        running.send("select pg_sleep(100)").await;
        pg.sleep(60_000).await;
        for client in [&copying, &idle, &running] {
            assert!(pg.seen(client.pid).is_some());
        }
    });
}

/// OB-39
#[test]
fn idle_session_ends_sessions_and_walsenders_but_no_snapshot_holder() {
    Pg::run(6, |pg| async move {
        let limit = "-c idle_session_timeout=2s";
        let mut client = pg.connect_set(limit).await;
        let wanted = "terminating connection due to idle-session timeout";
        assert_eq!(
            error(&client.until_eof().await),
            Some(("57P05".to_owned(), wanted.to_owned()))
        );
        let mut walsender = pg.walsender(limit).await;
        assert_eq!(code(&walsender.until_eof().await).as_deref(), Some("57P05"));
        let mut holder = pg.walsender(limit).await;
        holder
            .rows("CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput")
            .await;
        pg.sleep(60_000).await;
        assert_eq!(pg.doing(holder.pid), "idle in transaction Client/ClientRead");
    });
}

/// OB-40
#[test]
fn statement_timeout_fails_the_statement_and_leaves_the_session() {
    Pg::run(7, |pg| async move {
        let _holder = locked(&pg).await;
        let limit = "-c statement_timeout=2s";
        let mut sessions = [pg.connect_set(limit).await, pg.walsender(limit).await];
        for client in &mut sessions {
            for sql in ["select pg_sleep(10)", "select * from t"] {
                let start = pg.now();
                assert_eq!(
                    client.fails(sql, "57014").await,
                    "canceling statement due to statement timeout"
                );
                assert!(near(pg.now() - start, 2000), "{sql} {:?}", pg.now() - start);
                assert_eq!(client.value("select 1").await, "1");
            }
        }
        let mut copying = pg.connect_set(limit).await;
        copying.rows("create table u (a int)").await;
        copying.send("copy u from stdin").await;
        assert_eq!(copying.next().await, Some(Said::CopyIn));
        pg.sleep(60_000).await;
        assert_eq!(pg.doing(copying.pid), "active Client/ClientRead");
    });
}

/// OB-41: honoured when the send buffer has slack, and otherwise not.
#[test]
fn statement_timeout_of_a_blocked_copy_is_honoured_or_not() {
    let mut outcomes = std::collections::BTreeSet::new();
    for seed in 0..20 {
        outcomes.insert(Pg::run(seed, |pg| async move {
            let client = blocked(&pg, "-c statement_timeout=2s").await;
            pg.sleep(6000).await;
            pg.doing(client.pid)
        }));
    }
    let wanted = ["active Client/ClientWrite", "idle Client/ClientRead"];
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), wanted);
}

/// OB-42
#[test]
fn lock_timeout_ends_waits_for_tables_and_for_transactions() {
    Pg::run(8, |pg| async move {
        let _holder = locked(&pg).await;
        let mut client = pg.connect_set("-c lock_timeout=1500").await;
        let start = pg.now();
        assert_eq!(
            client.fails("select * from t", "55P03").await,
            "canceling statement due to lock timeout"
        );
        assert!(near(pg.now() - start, 1500), "{:?}", pg.now() - start);
        assert_eq!(client.value("select 1").await, "1");
        pg.sql("create table u (a int primary key); grant all on u to mirror");
        let mut other = pg.connect().await;
        other.rows("begin; insert into u values (1)").await;
        client.send("insert into u values (1)").await;
        pg.sleep(100).await;
        assert_eq!(pg.doing(client.pid), "active Lock/transactionid");
        assert_eq!(code(&client.until_ready().await).as_deref(), Some("55P03"));
        client.send("insert into u values (1)").await;
        pg.sleep(100).await;
        other.rows("commit").await;
        assert_eq!(code(&client.until_ready().await).as_deref(), Some("23505"));
    });
}

/// OB-47
#[test]
fn an_ordinary_role_can_set_every_limit_in_its_options_and_no_unknown_or_forbidden_setting() {
    Pg::run(9, |pg| async move {
        let options = "-c client_connection_check_interval=5s -c idle_in_transaction_session_timeout=60s \
            -c tcp_keepalives_idle=15 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 \
            -c tcp_user_timeout=60000 -c wal_sender_timeout=30s";
        let mut client = pg.connect_set(options).await;
        assert_eq!(
            client.value("show idle_in_transaction_session_timeout").await,
            "1min"
        );
        // The kernel's own, without a unit.
        assert_eq!(client.value("show tcp_keepalives_idle").await, "15");
        assert_eq!(client.value("show tcp_user_timeout").await, "60000");
        let mut plain = pg.connect().await;
        assert_eq!(plain.value("show tcp_keepalives_idle").await, "7200");
        for (options, wanted) in [("-c nosuch=1", "42704"), ("-c log_statement=all", "42501")] {
            let said = pg.try_connect(&[("options", options)]).await.err().unwrap();
            assert_eq!(code(&said).as_deref(), Some(wanted));
            assert!(
                matches!(&said[0], Said::Error { severity, .. } if severity == "FATAL") || said.len() > 1,
                "{said:?}"
            );
        }
    });
}

#[test]
fn a_deadlock_is_found_after_a_second() {
    Pg::run(10, |pg| async move {
        pg.sql("create table a (x int); create table b (x int); grant all on a to mirror; grant all on b to mirror");
        let (mut one, mut two) = (pg.connect().await, pg.connect().await);
        one.rows("begin; lock table a").await;
        two.rows("begin; lock table b").await;
        one.send("lock table b").await;
        pg.sleep(300).await;
        two.send("lock table a").await;
        let start = pg.now();
        let said = one.until_ready().await;
        assert_eq!(
            error(&said),
            Some(("40P01".to_owned(), "deadlock detected".to_owned()))
        );
        assert!(
            near(pg.now() - start, 690),
            "a second after the first began to wait: {:?}",
            pg.now() - start
        );
        assert_eq!(code(&two.until_ready().await), None);
    });
}

#[test]
fn a_ready_for_query_that_finds_no_room_waits_whatever_the_client_check_finds() {
    // The kernels take 320 KiB: what is sent last meets a full buffer with one of these.
    for rows in 300..340 {
        Pg::run(1, async |pg| {
            let mut client = pg
                .connect_set("-c client_connection_check_interval=1s -c statement_timeout=20s")
                .await;
            client
                .send(&format!(
                    "SELECT repeat('x', 1000) FROM generate_series(1, {rows})"
                ))
                .await;
            pg.sleep(5000).await;
            assert_eq!(
                pg.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'mirror'"),
                "1"
            );
            drop(client);
            pg.sleep(5000).await;
            assert_eq!(
                pg.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'mirror'"),
                "0"
            );
        });
    }
}
