//! What a slot may be called, where it may be created, what drops it, and who is told that it is in use.

use super::client::{Leave, Pg, code, error};
use super::slots::{CREATE, slot_names};

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
