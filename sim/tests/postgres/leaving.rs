//! Who notices that a client has left, and when: a backend ends when it next touches the socket.

use std::time::Duration;

use leftover_harness::world::{Link, Silence};
use postgres_protocol::message::frontend;

use super::client::{Client, Leave, Pg, Said, bind, code, parse};

const AT_ONCE: Duration = Duration::from_millis(60);

async fn table(pg: &Pg) {
    pg.sql("create table t (a int, b text); grant all on t to mirror");
}

async fn at_once(pg: &Pg, client: &Client, what: &str) {
    let took = pg.gone_within(client.pid, AT_ONCE).await;
    assert!(took.is_some(), "{what}: {}", pg.doing(client.pid));
}

/// OB-01, 02, 03
#[test]
fn between_statements_every_way_of_leaving_is_noticed_at_once() {
    for how in Leave::ALL {
        for seed in 0..10 {
            Pg::run(seed, |pg| async move {
                table(&pg).await;
                let mut idle = pg.connect().await;
                assert_eq!(pg.doing(idle.pid), "idle Client/ClientRead");
                idle.leave(how).await;
                at_once(&pg, &idle, "idle").await;
                let mut open = pg.connect().await;
                open.rows("begin; insert into t values (1)").await;
                assert_eq!(pg.doing(open.pid), "idle in transaction Client/ClientRead");
                open.leave(how).await;
                at_once(&pg, &open, "idle in transaction").await;
                assert_eq!(pg.value("select count(*) from t"), "0");
                let mut failed = pg.connect().await;
                failed.rows("begin").await;
                failed.fails("select 1/0", "22012").await;
                assert_eq!(
                    pg.doing(failed.pid),
                    "idle in transaction (aborted) Client/ClientRead"
                );
                failed.leave(how).await;
                at_once(&pg, &failed, "aborted").await;
            });
        }
    }
}

/// OB-04
#[test]
fn a_sleeping_statement_notices_nothing_and_keeps_its_snapshot() {
    for how in Leave::ALL {
        Pg::run(1, |pg| async move {
            let mut client = pg.connect().await;
            let start = pg.now();
            client.send("select pg_sleep(10)").await;
            pg.sleep(700).await;
            client.leave(how).await;
            pg.sleep(5000).await;
            assert_eq!(pg.doing(client.pid), "active Timeout/PgSleep", "{how:?}");
            assert!(pg.seen(client.pid).unwrap().pinned_xmin_age.is_some());
            assert!(pg.gone_within(client.pid, Duration::from_secs(6)).await.is_some());
            let took = pg.now() - start;
            assert!(
                (Duration::from_secs(10)..Duration::from_millis(10_060)).contains(&took),
                "{took:?}"
            );
        });
    }
}

/// OB-06
#[test]
fn a_lock_wait_never_notices_and_stays_in_the_queue() {
    for how in Leave::ALL {
        Pg::run(2, |pg| async move {
            table(&pg).await;
            let mut holder = pg.superuser().await;
            holder.rows("begin; lock table t").await;
            let mut waiter = pg.connect().await;
            waiter
                .send("lock table t; begin; lock table t; select * from t")
                .await;
            let mut waiter = {
                assert_eq!(code(&waiter.until_ready().await).as_deref(), Some("25P01"));
                waiter.send("begin; lock table t; select 1").await;
                waiter
            };
            pg.sleep(100).await;
            waiter.leave(how).await;
            pg.sleep(3_000_000).await;
            assert_eq!(pg.doing(waiter.pid), "active Lock/relation", "{how:?}");
            let mut third = pg.superuser().await;
            third.send("select * from t").await;
            pg.sleep(100).await;
            assert_eq!(pg.doing(third.pid), "active Lock/relation");
            let blockers = pg.value(&format!("select pg_blocking_pids({})", third.pid));
            assert_eq!(blockers, format!("{{{},{}}}", holder.pid, waiter.pid));
            holder.rows("commit").await;
            at_once(&pg, &waiter, "after the lock").await;
            assert_eq!(code(&third.until_ready().await), None);
        });
    }
}

async fn blocked_copy(pg: &Pg, options: &str) -> Client {
    pg.sql("create table if not exists big (a text); grant all on big to mirror");
    pg.sql("insert into big select repeat('x', 1000) from generate_series(1, 2000)");
    let mut client = pg.connect_set(options).await;
    client.send("copy big to stdout").await;
    pg.sleep(1000).await;
    assert_eq!(pg.doing(client.pid), "active Client/ClientWrite");
    client
}

/// OB-07, 08
#[test]
fn a_blocked_write_notices_a_reset_and_never_a_half_close() {
    for how in Leave::ALL {
        Pg::run(3, |pg| async move {
            let mut client = blocked_copy(&pg, "").await;
            client.leave(how).await;
            if how == Leave::HalfClose {
                pg.sleep(3_000_000).await;
                assert_eq!(pg.doing(client.pid), "active Client/ClientWrite");
            } else {
                at_once(&pg, &client, "blocked").await;
            }
        });
    }
}

/// OB-09, 27, 28
#[test]
fn copy_in_notices_at_once_and_loses_its_rows_unless_the_data_was_complete() {
    for how in Leave::ALL {
        for complete in [false, true] {
            Pg::run(4, |pg| async move {
                table(&pg).await;
                let mut client = pg.connect().await;
                client.send("copy t from stdin").await;
                assert_eq!(client.next().await, Some(Said::CopyIn));
                client.copy_data(b"1\tone\n2\ttwo\n").await;
                if !complete {
                    pg.sleep(10).await;
                    assert_eq!(pg.doing(client.pid), "active Client/ClientRead");
                }
                if complete {
                    client.send_with(frontend::copy_done).await;
                }
                client.leave(how).await;
                at_once(&pg, &client, "copy in").await;
                let rows = pg.value("select count(*) from t");
                // A reset may overtake data that the server has not read.
                match (complete, how) {
                    (false, _) => assert_eq!(rows, "0"),
                    (true, Leave::Rst) => assert!(matches!(rows.as_str(), "0" | "2")),
                    (true, _) => assert_eq!(rows, "2", "{how:?}"),
                }
            });
        }
    }
}

/// OB-09: COPY collects rows before it writes.
#[test]
fn copy_in_has_no_xid_before_it_has_a_thousand_rows() {
    Pg::run(4, |pg| async move {
        table(&pg).await;
        let mut client = pg.connect().await;
        client.send("copy t from stdin").await;
        assert_eq!(client.next().await, Some(Said::CopyIn));
        let xid = format!(
            "select backend_xid is not null from pg_stat_activity where pid = {}",
            client.pid
        );
        for (rows, written) in [(999, "f"), (1, "t")] {
            client.copy_data("1\tone\n".repeat(rows).as_bytes()).await;
            pg.sleep(10).await;
            assert_eq!(pg.value(&xid), written, "{rows} more rows");
        }
        client.send_with(frontend::copy_done).await;
        assert_eq!(code(&client.until_ready().await), None);
        assert_eq!(pg.value("select count(*) from t"), "1000");
    });
}

/// OB-11: what is no startup packet is only logged.
#[test]
fn a_startup_packet_of_an_impossible_length_is_answered_with_eof_alone() {
    Pg::run(4, |pg| async move {
        let mut link = pg.dial().await;
        let mut said = Vec::new();
        tokio::io::AsyncWriteExt::write_all(&mut link, b"X\0\0\0\x04")
            .await
            .unwrap();
        tokio::io::AsyncReadExt::read_to_end(&mut link, &mut said)
            .await
            .unwrap();
        assert_eq!(said, []);
    });
}

/// OB-10
#[test]
fn a_pipeline_without_sync_is_active_and_notices_at_once() {
    for how in Leave::ALL {
        Pg::run(5, |pg| async move {
            table(&pg).await;
            let mut client = pg.connect().await;
            client
                .send_with(|out| {
                    parse(out, "", "insert into t values (1)");
                    bind(out, "", "");
                    frontend::execute("", 0, out).unwrap();
                    frontend::flush(out);
                })
                .await;
            for _ in 0..3 {
                client.next().await.unwrap();
            }
            pg.sleep(10).await;
            assert_eq!(pg.doing(client.pid), "active Client/ClientRead");
            assert_eq!(
                pg.value(&format!(
                    "select backend_xid is not null from pg_stat_activity where pid = {}",
                    client.pid
                )),
                "t"
            );
            client.leave(how).await;
            at_once(&pg, &client, "no Sync").await;
            assert_eq!(pg.value("select count(*) from t"), "0");
        });
    }
}

/// OB-11, 48
#[test]
fn a_connection_that_says_nothing_is_never_listed_and_ends_without_a_word() {
    Pg::run(6, |pg| async move {
        let mut link = pg.dial().await;
        let start = pg.now();
        pg.sleep(1000).await;
        assert_eq!(pg.server.census().sessions, []);
        let mut said = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut link, &mut said)
            .await
            .unwrap();
        assert!(said.is_empty());
        let took = pg.now() - start;
        assert!(
            (Duration::from_secs(60)..Duration::from_millis(60_010)).contains(&took),
            "{took:?}"
        );
    });
}

/// OB-12, 13
#[test]
fn a_holder_of_a_snapshot_notices_at_once_and_its_temporary_slot_goes() {
    for how in Leave::ALL {
        for used in [false, true] {
            Pg::run(7, |pg| async move {
                let mut holder = pg.walsender("").await;
                if used {
                    holder.rows("begin isolation level repeatable read").await;
                }
                let option = if used { "USE_SNAPSHOT" } else { "EXPORT_SNAPSHOT" };
                holder
                    .rows(&format!(
                        "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput {option}"
                    ))
                    .await;
                assert_eq!(pg.doing(holder.pid), "idle in transaction Client/ClientRead");
                assert!(pg.seen(holder.pid).unwrap().pinned_xmin_age.is_some());
                holder.leave(how).await;
                at_once(&pg, &holder, "holder").await;
                assert_eq!(pg.slots(), []);
            });
        }
    }
}

/// OB-17
#[test]
fn a_silent_peer_is_noticed_in_no_state() {
    Pg::run(8, |pg| async move {
        table(&pg).await;
        let mut clients = Vec::new();
        for sql in ["select 1", "begin", "select pg_sleep(10000)", "copy t from stdin"] {
            let mut client = pg.connect().await;
            client.send(sql).await;
            pg.sleep(100).await;
            client.link().silence(Silence::Both).unwrap();
            clients.push(client);
        }
        pg.sleep(3_000_000).await;
        let states: Vec<String> = clients.iter().map(|client| pg.doing(client.pid)).collect();
        assert_eq!(
            states,
            [
                "idle Client/ClientRead",
                "idle in transaction Client/ClientRead",
                "active Timeout/PgSleep",
                "active Client/ClientRead"
            ]
        );
    });
}

/// OB-18: closing is not release; Terminate and the server's EOF is.
#[test]
fn a_closed_connection_may_still_hold_its_lock_and_eof_proves_release() {
    let (mut held, mut free) = (0, 0);
    for seed in 0..60 {
        let (closed, released) = Pg::run(seed, |pg| async move {
            table(&pg).await;
            let mut client = pg.connect().await;
            client.rows("begin; lock table t").await;
            client.leave(Leave::Fin).await;
            pg.sleep(1).await;
            let closed = pg.try_sql("begin; lock table t nowait; rollback").is_err();
            pg.sleep(100).await;
            let mut client = pg.connect().await;
            client.rows("begin; lock table t").await;
            client.close().await;
            (
                closed,
                pg.try_sql("begin; lock table t nowait; rollback").is_ok()
                    && pg.server.census().sessions.is_empty(),
            )
        });
        assert!(released, "seed {seed}");
        if closed { held += 1 } else { free += 1 }
    }
    assert!(held > 0 && free > 0, "{held} still held, {free} free");
}

/// OB-19
#[test]
fn a_half_closed_client_still_gets_its_answer_unless_the_client_is_checked() {
    for checked in [false, true] {
        Pg::run(9, |pg| async move {
            let mut client = pg
                .connect_set(if checked {
                    "-c client_connection_check_interval=500"
                } else {
                    ""
                })
                .await;
            let start = pg.now();
            client.send("select pg_sleep(2)").await;
            pg.sleep(100).await;
            client.leave(Leave::HalfClose).await;
            let said = client.until_eof().await;
            let took = pg.now() - start;
            if checked {
                assert_eq!(said, []);
                assert!(took < Duration::from_millis(560), "{took:?}");
            } else {
                assert!(matches!(said.last(), Some(Said::Ready('I'))), "{said:?}");
                assert!(took >= Duration::from_secs(2));
            }
        });
    }
}

/// OB-20, 22
#[test]
fn a_fatal_error_to_an_idle_client_can_be_read_after_it_has_written_twice() {
    Pg::run(10, |pg| async move {
        let mut client = pg.connect().await;
        pg.sql(&format!("select pg_terminate_backend({})", client.pid));
        pg.sleep(100).await;
        client.send("select 1").await;
        let said = client.until_eof().await;
        assert_eq!(code(&said).as_deref(), Some("57P01"));
    });
}

/// OB-23, 24, 25
#[test]
fn what_reached_the_server_runs_although_its_client_is_gone() {
    for how in [Leave::Fin, Leave::Rst, Leave::Terminate] {
        for seed in 0..10 {
            Pg::run(seed, |pg| async move {
                table(&pg).await;
                let mut one = pg.connect().await;
                one.send("insert into t values (1)").await;
                pg.sleep(1).await;
                one.leave(how).await;
                let mut slow = pg.connect().await;
                slow.send("insert into t select 2 from pg_sleep(0.05)").await;
                pg.sleep(5).await;
                slow.leave(how).await;
                let mut commits = pg.connect().await;
                commits.rows("begin; insert into t values (3)").await;
                commits.send("commit").await;
                pg.sleep(1).await;
                commits.leave(how).await;
                pg.sleep(200).await;
                assert_eq!(
                    pg.value("select string_agg(a::text, ',' order by a) from t"),
                    "1,2,3",
                    "{how:?} {seed}"
                );
            });
        }
    }
}

/// OB-26
#[test]
fn of_a_pipeline_a_prefix_runs() {
    for how in [Leave::Fin, Leave::Rst, Leave::Terminate] {
        for seed in 0..20 {
            Pg::run(seed, |pg| async move {
                table(&pg).await;
                let mut client = pg.connect().await;
                client
                    .send_with(|out| {
                        for number in 1..=3 {
                            frontend::query(&format!("insert into t values ({number})"), out).unwrap();
                        }
                    })
                    .await;
                pg.sleep(1).await;
                client.leave(how).await;
                at_once(&pg, &client, "pipeline").await;
                let rows = pg.value("select string_agg(a::text, ',' order by a) from t");
                assert!(
                    ["1", "1,2", "1,2,3"].contains(&rows.as_str()),
                    "{how:?} {seed}: {rows:?}"
                );
            });
        }
    }
}
