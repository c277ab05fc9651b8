//! CREATE_REPLICATION_SLOT and DROP_REPLICATION_SLOT: when the slot is there, what the creation waits for, and what ends
//! that wait.

use std::collections::BTreeSet;
use std::time::Duration;

use super::client::{Client, Leave, Pg, Said, code, error};

const CREATE: &str = "CREATE_REPLICATION_SLOT s LOGICAL pgoutput";

/// A session with an open transaction that has an xid.
async fn blocker(pg: &Pg) -> Client {
    pg.sql("create table if not exists blk (a int)");
    pg.sql("grant all on blk to mirror");
    let mut client = pg.connect().await;
    client.rows("begin; insert into blk values (1)").await;
    client
}

fn slot_names(pg: &Pg) -> Vec<String> {
    pg.slots().into_iter().map(|(name, ..)| name).collect()
}

/// OB-49
#[test]
fn on_a_quiet_server_a_slot_is_there_within_milliseconds() {
    for seed in 0..50 {
        Pg::run(seed, |pg| async move {
            let mut walsender = pg.walsender("").await;
            let start = pg.now();
            let said = walsender
                .query("CREATE_REPLICATION_SLOT s LOGICAL pgoutput NOEXPORT_SNAPSHOT")
                .await;
            let took = pg.now() - start;
            assert!(
                (Duration::from_millis(1)..Duration::from_millis(10)).contains(&took),
                "{took:?}"
            );
            let Said::Columns(columns) = &said[0] else {
                panic!("{said:?}")
            };
            assert_eq!(
                columns,
                &["slot_name", "consistent_point", "snapshot_name", "output_plugin"]
            );
            let Said::Row(row) = &said[1] else {
                panic!("{said:?}")
            };
            assert_eq!(
                (row[0].as_deref(), row[2].as_deref(), row[3].as_deref()),
                (Some("s"), None, Some("pgoutput"))
            );
            let confirmed = pg.value("select confirmed_flush_lsn from pg_replication_slots");
            assert_eq!(row[1].as_deref(), Some(confirmed.as_str()));
        });
    }
}

/// OB-50
#[test]
fn while_a_transaction_is_open_the_creation_waits_for_it_and_its_slot_is_already_listed() {
    Pg::run(1, |pg| async move {
        let _blocker = blocker(&pg).await;
        for (text, temporary) in [
            (CREATE, "f"),
            ("CREATE_REPLICATION_SLOT t TEMPORARY LOGICAL pgoutput", "t"),
        ] {
            let mut walsender = pg.walsender("").await;
            walsender.send(text).await;
            pg.sleep(60_000).await;
            assert_eq!(pg.doing(walsender.pid), "active Lock/transactionid");
            let row = pg.sql(&format!(
                "select temporary, active, active_pid, catalog_xmin is not null, restart_lsn is not null, \
                 confirmed_flush_lsn from pg_replication_slots where active_pid = {}",
                walsender.pid
            ));
            let pid = walsender.pid.to_string();
            let wanted = [Some(temporary), Some("t"), Some(&pid), Some("t"), Some("t"), None];
            assert_eq!(row, [wanted.map(|value| value.map(str::to_owned)).to_vec()]);
            let lock = pg.value(&format!(
                "select mode from pg_locks where pid = {} and not granted",
                walsender.pid
            ));
            assert_eq!(lock, "ShareLock");
        }
    });
}

/// OB-51
#[test]
fn terminate_and_cancel_end_the_wait_and_take_the_slot_along() {
    for text in [CREATE, "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput"] {
        Pg::run(2, |pg| async move {
            let _blocker = blocker(&pg).await;
            for how in 0..3 {
                let mut walsender = pg.walsender("").await;
                walsender.send(text).await;
                pg.sleep(1000).await;
                match how {
                    0 => drop(pg.sql(&format!("select pg_terminate_backend({})", walsender.pid))),
                    1 => drop(pg.sql(&format!("select pg_cancel_backend({})", walsender.pid))),
                    _ => pg.cancel(walsender.pid, walsender.secret).await,
                }
                if how == 0 {
                    let said = walsender.until_eof().await;
                    assert_eq!(code(&said).as_deref(), Some("57P01"));
                    assert!(
                        pg.gone_within(walsender.pid, Duration::from_millis(50))
                            .await
                            .is_some()
                    );
                } else {
                    assert_eq!(code(&walsender.until_ready().await).as_deref(), Some("57014"));
                    assert_eq!(walsender.value("select 1").await, "1");
                }
                assert_eq!(pg.slots(), []);
            }
        });
    }
}

/// OB-52: the window exists inside the command.
#[test]
fn a_client_that_leaves_a_quiet_creation_leaves_a_slot_or_none_as_it_happens() {
    let mut left_at = BTreeSet::new();
    for delay in [0, 1, 3, 4, 5, 6, 7, 12] {
        for seed in 0..40 {
            let left = Pg::run(seed, |pg| async move {
                let mut walsender = pg.walsender("").await;
                walsender.send(CREATE).await;
                pg.sleep(delay).await;
                walsender.leave(Leave::Fin).await;
                assert!(
                    pg.gone_within(walsender.pid, Duration::from_millis(60))
                        .await
                        .is_some()
                );
                pg.slots() == [("s".to_owned(), false, false)]
            });
            left_at.insert((delay, left));
        }
    }
    let outcomes = |delay| {
        [
            left_at.contains(&(delay, false)),
            left_at.contains(&(delay, true)),
        ]
    };
    assert_eq!(
        outcomes(0),
        [true, false],
        "never left when the client leaves at once"
    );
    assert!(
        (1..7).any(|delay| outcomes(delay) == [true, true]),
        "a race in between: {left_at:?}"
    );
    assert_eq!(
        outcomes(12),
        [false, true],
        "always left when the client leaves after the reply"
    );
}

/// OB-53
#[test]
fn a_client_that_leaves_the_wait_is_seen_only_after_it_and_then_the_slot_goes() {
    for how in [Leave::Fin, Leave::Rst, Leave::Terminate] {
        Pg::run(3, |pg| async move {
            let mut blocker = blocker(&pg).await;
            let mut walsender = pg.walsender("").await;
            walsender.send(CREATE).await;
            pg.sleep(100).await;
            walsender.leave(how).await;
            pg.sleep(600_000).await;
            assert_eq!(pg.doing(walsender.pid), "active Lock/transactionid", "{how:?}");
            assert_eq!(pg.slots(), [("s".to_owned(), false, true)]);
            blocker.rows("commit").await;
            assert!(
                pg.gone_within(walsender.pid, Duration::from_millis(60))
                    .await
                    .is_some()
            );
            assert_eq!(pg.slots(), [], "{how:?}");
        });
    }
}

/// OB-54
#[test]
fn a_silent_client_leaves_an_orphan_slot_and_a_snapshot_holder() {
    use leftover_harness::world::{Link, Silence};
    Pg::run(4, |pg| async move {
        let mut blocker = blocker(&pg).await;
        let mut walsender = pg.walsender("").await;
        walsender.send(CREATE).await;
        pg.sleep(100).await;
        walsender.link().silence(Silence::Both).unwrap();
        pg.sleep(1000).await;
        blocker.rows("commit").await;
        pg.sleep(100).await;
        let seen = pg.seen(walsender.pid).unwrap();
        assert_eq!(seen.state, "idle in transaction");
        assert!(seen.pinned_xmin_age.is_some());
        assert_eq!(pg.slots(), [("s".to_owned(), false, false)]);
        assert!(pg.server.census().slots[0].confirmed_flush_lsn.is_some());
    });
}

/// OB-42, 55
#[test]
fn lock_timeout_ends_the_wait_and_takes_the_slot_along() {
    Pg::run(5, |pg| async move {
        let _blocker = blocker(&pg).await;
        let mut walsender = pg.walsender("-c lock_timeout=1500").await;
        let start = pg.now();
        assert_eq!(
            walsender.fails(CREATE, "55P03").await,
            "canceling statement due to lock timeout"
        );
        let took = pg.now() - start;
        assert!(
            (Duration::from_millis(1500)..Duration::from_millis(1520)).contains(&took),
            "{took:?}"
        );
        assert_eq!(pg.slots(), []);
        assert_eq!(walsender.value("select 1").await, "1");

        let mut walsender = pg.walsender("").await;
        walsender.rows("SET lock_timeout = '1s'").await;
        walsender.rows("BEGIN ISOLATION LEVEL REPEATABLE READ").await;
        let said = walsender
            .query("CREATE_REPLICATION_SLOT s LOGICAL pgoutput USE_SNAPSHOT")
            .await;
        assert_eq!(code(&said).as_deref(), Some("55P03"));
        assert_eq!(said.last(), Some(&Said::Ready('E')));
    });
}

/// OB-56
#[test]
fn others_meet_the_abandoned_creation() {
    Pg::run(6, |pg| async move {
        let _blocker = blocker(&pg).await;
        let mut walsender = pg.walsender("").await;
        walsender.send(CREATE).await;
        pg.sleep(100).await;
        walsender.leave(Leave::Fin).await;
        let mut other = pg.walsender("").await;
        other.fails(CREATE, "42710").await;
        let message = other.fails("DROP_REPLICATION_SLOT s", "55006").await;
        assert_eq!(
            message,
            format!("replication slot \"s\" is active for PID {}", walsender.pid)
        );
        other.send("DROP_REPLICATION_SLOT s WAIT").await;
        pg.sleep(5000).await;
        assert_eq!(pg.doing(other.pid), "active IPC/ReplicationSlotDrop");
        let mut admin = pg.connect().await;
        assert_eq!(
            admin
                .value(&format!("select pg_terminate_backend({}, 2000)", walsender.pid))
                .await,
            "t"
        );
        assert_eq!(code(&other.until_ready().await).as_deref(), Some("42704"));
    });
}

/// OB-57
#[test]
fn neither_the_check_of_the_client_nor_the_timers_of_sql_end_the_wait() {
    let options = [
        "-c client_connection_check_interval=1000",
        "-c statement_timeout=1000",
        "-c idle_in_transaction_session_timeout=1000 -c idle_session_timeout=1000",
        "-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2",
        "-c tcp_user_timeout=1000",
    ];
    for options in options {
        Pg::run(7, |pg| async move {
            let _blocker = blocker(&pg).await;
            let mut walsender = pg.walsender(options).await;
            // The greeting's own statements armed nothing.
            walsender.send(CREATE).await;
            pg.sleep(100).await;
            walsender.leave(Leave::Fin).await;
            pg.sleep(30_000).await;
            assert_eq!(pg.doing(walsender.pid), "active Lock/transactionid", "{options}");
        });
    }
}

/// OB-58
#[test]
fn the_sql_function_obeys_the_timers_of_sql_and_leaves_its_slot_otherwise() {
    let call = "select pg_create_logical_replication_slot('s', 'pgoutput')";
    for (setting, wanted) in [("statement_timeout", "57014"), ("lock_timeout", "55P03")] {
        Pg::run(8, |pg| async move {
            let _blocker = blocker(&pg).await;
            let mut client = pg.connect_set(&format!("-c {setting}=1000")).await;
            client.fails(call, wanted).await;
            assert_eq!(pg.slots(), []);
        });
    }
    Pg::run(8, |pg| async move {
        let mut blocker = blocker(&pg).await;
        let mut checked = pg.connect_set("-c client_connection_check_interval=200").await;
        checked.send(call).await;
        pg.sleep(10).await;
        checked.leave(Leave::Fin).await;
        let took = pg.gone_within(checked.pid, Duration::from_millis(260)).await;
        assert!(took.is_some(), "noticed by the check");
        assert_eq!(pg.slots(), []);
        let mut client = pg.connect().await;
        client.send(call).await;
        pg.sleep(10).await;
        client.leave(Leave::Fin).await;
        pg.sleep(5000).await;
        assert_eq!(pg.doing(client.pid), "active Lock/transactionid");
        blocker.rows("commit").await;
        pg.sleep(100).await;
        assert_eq!(pg.doing(client.pid), "gone");
        assert_eq!(
            pg.slots(),
            [("s".to_owned(), false, false)],
            "unlike the replication command"
        );
    });
    Pg::run(8, |pg| async move {
        let mut client = pg.connect().await;
        client.rows("begin").await;
        client.rows(call).await;
        client.rows("rollback").await;
        assert_eq!(slot_names(&pg), ["s"], "not undone by a rollback");
        client.rows("create table t (a int)").await;
        client.rows("begin; insert into t values (1)").await;
        client
            .fails(
                "select pg_create_logical_replication_slot('u', 'pgoutput')",
                "25001",
            )
            .await;
    });
}

/// OB-59
#[test]
fn the_check_of_the_client_works_in_the_wait_when_sql_has_just_armed_it() {
    let cases = [
        ("SELECT 1", 0, true),
        ("SET lock_timeout = 0", 0, true),
        ("BEGIN ISOLATION LEVEL REPEATABLE READ", 0, true),
        ("SELECT 1", 1500, false),
        ("SHOW lock_timeout", 0, false),
        ("IDENTIFY_SYSTEM", 0, false),
    ];
    for (before, gap, noticed) in cases {
        Pg::run(9, |pg| async move {
            let _blocker = blocker(&pg).await;
            let mut walsender = pg.walsender("-c client_connection_check_interval=1000").await;
            walsender.rows(before).await;
            pg.sleep(gap).await;
            let snapshot = if before.starts_with("BEGIN") {
                "USE_SNAPSHOT"
            } else {
                ""
            };
            walsender.send(&format!("{CREATE} {snapshot}")).await;
            pg.sleep(300).await;
            walsender.leave(Leave::Fin).await;
            let took = pg.gone_within(walsender.pid, Duration::from_secs(10)).await;
            assert_eq!(took.is_some(), noticed, "{before} {gap} {took:?}");
            if let Some(took) = took {
                assert!(took < Duration::from_millis(760), "{took:?}");
                assert_eq!(pg.slots(), []);
            }
        });
    }
}

/// OB-60
#[test]
fn two_generations_of_transactions_are_waited_for_in_any_database() {
    Pg::run(10, |pg| async move {
        pg.sql("create table t (a int)");
        pg.server
            .sql("postgres", "postgres", "create table t (a int)")
            .await
            .unwrap();
        let mut elsewhere = pg
            .connect_with(&[("user", "postgres"), ("database", "postgres")])
            .await;
        elsewhere.rows("begin; insert into t values (1)").await;
        let mut reader = pg.superuser().await;
        reader.rows("begin isolation level repeatable read").await;
        reader.rows("select * from t").await;
        let mut walsender = pg.walsender("").await;
        walsender.send(CREATE).await;
        pg.sleep(100).await;
        let mut second = pg.superuser().await;
        second.rows("begin; insert into t values (1)").await;
        elsewhere.rows("commit").await;
        pg.sleep(100).await;
        assert_eq!(
            pg.doing(walsender.pid),
            "active Lock/transactionid",
            "waits for the second generation"
        );
        let mut third = pg.superuser().await;
        third.rows("begin; insert into t values (1)").await;
        second.rows("commit").await;
        assert_eq!(
            code(&walsender.until_ready().await),
            None,
            "neither the third nor the reader is waited for"
        );
    });
}

/// OB-61
#[test]
fn the_snapshot_option_must_fit_the_place() {
    Pg::run(11, |pg| async move {
        let mut w = pg.walsender("").await;
        let command =
            |option: &str| format!("CREATE_REPLICATION_SLOT s LOGICAL pgoutput (SNAPSHOT '{option}')");
        let text = |option: &str| format!("CREATE_REPLICATION_SLOT ... (SNAPSHOT '{option}')");
        assert_eq!(
            w.fails(&command("use"), "XX000").await,
            text("use") + " must be called inside a transaction"
        );
        w.rows("begin").await;
        let message = w.fails(&command("use"), "XX000").await;
        assert_eq!(
            message,
            text("use") + " must be called in REPEATABLE READ isolation mode transaction"
        );
        w.rows("rollback").await;
        w.rows("begin isolation level repeatable read").await;
        let message = w.fails(&command("export"), "XX000").await;
        assert_eq!(
            message,
            text("export") + " must not be called inside a transaction"
        );
        w.rows("rollback").await;
        w.rows("begin isolation level repeatable read").await;
        w.rows("select 1").await;
        assert_eq!(
            w.fails(&command("use"), "XX000").await,
            text("use") + " must be called before any query"
        );
        w.rows("rollback").await;
        w.fails("CREATE_REPLICATION_SLOT s LOGICAL pgoutput; select 1", "42601")
            .await;
        w.fails("CREATE_REPLICATION_SLOT \"E1\" LOGICAL pgoutput", "42602")
            .await;
        w.fails("CREATE_REPLICATION_SLOT s LOGICAL nosuchplugin", "58P01")
            .await;
        assert_eq!(pg.slots(), []);
        let long = "x".repeat(70);
        w.rows(&format!(
            "   CREATE_REPLICATION_SLOT {long} LOGICAL pgoutput NOEXPORT_SNAPSHOT"
        ))
        .await;
        assert_eq!(slot_names(&pg), ["x".repeat(63)]);
        w.rows("CREATE_REPLICATION_SLOT UPPER LOGICAL pgoutput (SNAPSHOT 'nothing')")
            .await;
        assert!(slot_names(&pg).contains(&"upper".to_owned()));
    });
}

/// OB-61: the connection survives.
#[test]
fn a_walsender_refuses_the_extended_protocol() {
    Pg::run(12, |pg| async move {
        let mut walsender = pg.walsender("").await;
        walsender
            .send_with(|out| {
                super::client::parse(out, "", "select 1");
                super::client::bind(out, "", "");
                postgres_protocol::message::frontend::sync(out);
            })
            .await;
        let said = walsender.until_ready().await;
        let wanted = "extended query protocol not supported in a replication connection";
        assert_eq!(error(&said), Some(("08P01".to_owned(), wanted.to_owned())));
        assert_eq!(said.len(), 2, "the rest is skipped until Sync: {said:?}");
        assert_eq!(walsender.value("select 1").await, "1");
    });
}

/// OB-62
#[test]
fn any_error_in_its_session_drops_a_temporary_slot_and_no_permanent_one() {
    for error in ["select 1/0", "select nosuch", "nonsense"] {
        Pg::run(13, |pg| async move {
            let mut w = pg.walsender("").await;
            w.rows("CREATE_REPLICATION_SLOT temp TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT")
                .await;
            w.rows("CREATE_REPLICATION_SLOT perm LOGICAL pgoutput NOEXPORT_SNAPSHOT")
                .await;
            assert_eq!(slot_names(&pg), ["perm", "temp"]);
            assert!(code(&w.query(error).await).is_some());
            assert_eq!(slot_names(&pg), ["perm"], "{error}");
        });
    }
    Pg::run(13, |pg| async move {
        let mut client = pg.connect().await;
        client
            .rows("select pg_create_logical_replication_slot('temp', 'pgoutput', true)")
            .await;
        assert_eq!(pg.slots(), [("temp".to_owned(), true, true)]);
        client.fails("select 1/0", "22012").await;
        assert_eq!(pg.slots(), []);
    });
}

/// OB-77, 78
#[test]
fn an_active_slot_is_refused_and_drop_wait_gets_it_when_its_owner_leaves() {
    Pg::run(14, |pg| async move {
        let mut owner = pg.walsender("").await;
        owner
            .rows("CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT")
            .await;
        let mut client = pg.connect().await;
        client
            .fails("select pg_drop_replication_slot('s')", "55006")
            .await;
        assert_eq!(client.value("select 1").await, "1");
        let mut waiter = pg.walsender("").await;
        waiter.send("DROP_REPLICATION_SLOT s WAIT").await;
        pg.sleep(1000).await;
        assert_eq!(pg.doing(waiter.pid), "active IPC/ReplicationSlotDrop");
        owner.leave(Leave::Fin).await;
        // A temporary slot goes with its owner: nothing is left to drop.
        assert_eq!(code(&waiter.until_ready().await).as_deref(), Some("42704"));
    });
}

/// OB-79
#[test]
fn only_a_cancel_ends_drop_wait() {
    Pg::run(15, |pg| async move {
        let mut owner = pg.walsender("").await;
        owner
            .rows("CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT")
            .await;
        let limits = "-c statement_timeout=500 -c lock_timeout=500 -c client_connection_check_interval=500";
        let mut waiter = pg.walsender(limits).await;
        waiter.send("DROP_REPLICATION_SLOT s WAIT").await;
        pg.sleep(5000).await;
        assert_eq!(pg.doing(waiter.pid), "active IPC/ReplicationSlotDrop");
        pg.cancel(waiter.pid, waiter.secret).await;
        assert_eq!(code(&waiter.until_ready().await).as_deref(), Some("57014"));
        assert_eq!(slot_names(&pg), ["s"]);
        waiter.send("DROP_REPLICATION_SLOT s WAIT").await;
        pg.sleep(100).await;
        waiter.leave(Leave::Fin).await;
        pg.sleep(60_000).await;
        assert_eq!(pg.doing(waiter.pid), "active IPC/ReplicationSlotDrop");
    });
}

/// OB-113
#[test]
fn there_are_only_so_many_slots_and_a_known_name_is_said_first() {
    Pg::run(16, |pg| async move {
        let mut client = pg.connect().await;
        for number in 0..10 {
            client
                .rows(&format!(
                    "select pg_create_logical_replication_slot('s{number}', 'pgoutput')"
                ))
                .await;
        }
        let message = client
            .fails(
                "select pg_create_logical_replication_slot('more', 'pgoutput')",
                "53400",
            )
            .await;
        assert_eq!(message, "all replication slots are in use");
        client
            .fails(
                "select pg_create_logical_replication_slot('more', 'pgoutput', true)",
                "53400",
            )
            .await;
        client
            .fails(
                "select pg_create_logical_replication_slot('s1', 'pgoutput')",
                "42710",
            )
            .await;
    });
}
