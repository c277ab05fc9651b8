//! Who may stream a slot, and who gets it when its stream ends.

use std::time::Duration;

use futures_util::future::join;

use super::client::{Leave, Pg, Said, code};
use super::stream::{active, publish, start, streaming};

/// OB-62
#[test]
fn a_bad_start_or_a_cancelled_stream_drops_a_temporary_slot() {
    let create = "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT";
    Pg::run(1, |pg| async move {
        pg.sql("create publication p for all tables");
        let mut client = pg.walsender("").await;
        client.rows(create).await;
        client
            .fails("START_REPLICATION SLOT s LOGICAL 0/0 (nosuch '1')", "XX000")
            .await;
        assert_eq!(pg.slots(), []);
        client.rows(create).await;
        client.stream(&start("0/0")).await;
        pg.cancel(client.pid, client.secret).await;
        assert_eq!(code(&client.until_ready().await).as_deref(), Some("57014"));
        assert_eq!(pg.slots(), []);
        client.rows(create).await;
        client.stream(&start("0/0")).await;
        client
            .send_with(postgres_protocol::message::frontend::copy_done)
            .await;
        client.until_ready().await;
        assert_eq!(
            pg.slots(),
            [("s".to_owned(), true, true)],
            "it stays its session's"
        );
    });
}

/// OB-77
#[test]
fn a_slot_that_is_streamed_is_refused_to_everyone_else() {
    Pg::run(2, |pg| async move {
        publish(&pg).await;
        let mut other = pg.walsender("").await;
        let nosuch = start("0/0").replace("SLOT s", "SLOT nosuch");
        let message = other.fails(&nosuch, "42704").await;
        assert_eq!(message, "replication slot \"nosuch\" does not exist");
        let mut owner = streaming(&pg, "").await;
        let wanted = format!("replication slot \"s\" is active for PID {}", owner.pid);
        for command in [
            &*start("0/0"),
            "DROP_REPLICATION_SLOT s",
            "select pg_drop_replication_slot('s')",
            "select pg_replication_slot_advance('s', pg_current_wal_lsn())",
            "select pg_logical_slot_peek_changes('s', null, null)",
        ] {
            assert_eq!(other.fails(command, "55006").await, wanted, "{command}");
        }
        other
            .fails("CREATE_REPLICATION_SLOT s LOGICAL pgoutput", "42710")
            .await;
        assert_eq!(other.value("select 1").await, "1");
        assert_eq!(pg.doing(owner.pid), "active Client/WalSenderWaitForWAL");
        let mut elsewhere = pg
            .connect_with(&[("replication", "database"), ("database", "postgres")])
            .await;
        owner.leave(Leave::Terminate).await;
        pg.sleep(100).await;
        elsewhere.fails(&start("0/0"), "55000").await;
        assert!(!active(&pg));
        let advanced = pg.value("select pg_replication_slot_advance('s', pg_current_wal_lsn())");
        let end = pg.value("select pg_current_wal_lsn()");
        assert_eq!(advanced, format!("(s,{end})"));
        assert_eq!(
            super::stream::confirmed(&pg),
            end.parse::<leftover_core::connection::Lsn>().unwrap().0
        );
        let back = "select pg_replication_slot_advance('s', '0/1')";
        assert!(
            pg.try_sql(back)
                .unwrap_err()
                .contains("cannot advance replication slot")
        );
    });
}

#[test]
fn of_two_that_start_one_slot_one_streams() {
    for seed in 0..10 {
        Pg::run(seed, |pg| async move {
            publish(&pg).await;
            let (mut one, mut two) = (pg.walsender("").await, pg.walsender("").await);
            one.send(&start("0/0")).await;
            two.send(&start("0/0")).await;
            let said = join(one.next(), two.next()).await;
            let refused =
                |said: &Option<Said>| matches!(said, Some(Said::Error { code, .. }) if code == "55006");
            match said {
                (Some(Said::CopyBoth), other) | (other, Some(Said::CopyBoth)) => assert!(refused(&other)),
                other => panic!("{other:?}"),
            }
        });
    }
}

/// OB-78
#[test]
fn drop_wait_gets_the_slot_when_its_stream_ends() {
    for how in Leave::ALL {
        Pg::run(3, |pg| async move {
            publish(&pg).await;
            let mut owner = streaming(&pg, "").await;
            let mut dropper = pg.walsender("").await;
            dropper.send("DROP_REPLICATION_SLOT s WAIT").await;
            pg.sleep(20_000).await;
            assert_eq!(pg.doing(dropper.pid), "active IPC/ReplicationSlotDrop");
            owner.leave(how).await;
            let left = pg.now();
            assert_eq!(code(&dropper.until_ready().await), None);
            assert!(pg.now() - left < Duration::from_millis(10), "{how:?}");
            assert_eq!(pg.slots(), []);
        });
    }
}

/// OB-80
#[test]
fn an_abandoned_drop_wait_takes_the_slot_of_an_owner_who_only_comes_back() {
    Pg::run(4, |pg| async move {
        publish(&pg).await;
        let mut owner = streaming(&pg, "").await;
        let mut dropper = pg.walsender("").await;
        dropper.send("DROP_REPLICATION_SLOT s WAIT").await;
        pg.sleep(100).await;
        dropper.leave(Leave::Fin).await;
        pg.sleep(10_000).await;
        assert!(active(&pg));
        owner.leave(Leave::Terminate).await;
        owner = pg.walsender("").await;
        pg.sleep(10).await;
        owner.fails(&start("0/0"), "42704").await;
    });
}

/// OB-82, 83
#[test]
fn a_slot_may_be_active_still_when_its_streams_termination_has_been_asked_for() {
    let (mut too_early, mut in_time) = (0, 0);
    for seed in 0..30 {
        let early = Pg::run(seed, |pg| async move {
            publish(&pg).await;
            let mut admin = pg.connect().await;
            let owner = streaming(&pg, "").await;
            let asked = format!("select pg_terminate_backend({})", owner.pid);
            assert_eq!(admin.value(&asked).await, "t");
            let drop = "select pg_drop_replication_slot('s')";
            let early = code(&admin.query(drop).await).as_deref() == Some("55006");
            if early {
                pg.sleep(100).await;
                admin.rows(drop).await;
            }
            super::stream::create_slot(&pg, "s").await;
            let owner = streaming(&pg, "").await;
            let waited = format!("select pg_terminate_backend({}, 2000)", owner.pid);
            assert_eq!(admin.value(&waited).await, "t");
            admin.rows(drop).await;
            early
        });
        if early { too_early += 1 } else { in_time += 1 }
    }
    assert!(too_early > 0 && in_time > 0, "{too_early} {in_time}");
}
