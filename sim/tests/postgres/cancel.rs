//! Cancel and terminate: what they hit, and what they do not.

use std::collections::BTreeSet;
use std::time::Duration;

use super::client::{Client, Pg, Said, code, error};

async fn blocked(pg: &Pg) -> Client {
    pg.sql("create table if not exists big (a text); grant all on big to mirror");
    pg.sql("insert into big select repeat('x', 1000) from generate_series(1, 2000)");
    let mut client = pg.connect().await;
    client.send("copy big to stdout").await;
    pg.sleep(100).await;
    assert_eq!(pg.doing(client.pid), "active Client/ClientWrite");
    client
}

/// OB-72, 73: whether the kernel's buffers have slack is drawn.
#[test]
fn a_cancel_of_a_blocked_copy_works_or_not_and_a_termination_always_works() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..20 {
        outcomes.insert(Pg::run(seed, |pg| async move {
            let mut client = blocked(&pg).await;
            for _ in 0..4 {
                pg.cancel(client.pid, client.secret).await;
                pg.sleep(2000).await;
            }
            let state = pg.doing(client.pid);
            if state.starts_with("idle") {
                let said = client.until_ready().await;
                let rows = said.iter().filter(|said| matches!(said, Said::Data(_))).count();
                assert!(rows > 0 && rows < 2000, "{rows}");
                assert_eq!(code(&said).as_deref(), Some("57014"));
                assert_eq!(client.value("select 1").await, "1");
            } else if seed % 2 == 0 {
                let said = client.until_ready().await;
                assert_eq!(code(&said).as_deref(), Some("57014"), "once the client reads");
            } else {
                pg.sql(&format!("select pg_terminate_backend({})", client.pid));
                assert!(
                    pg.gone_within(client.pid, Duration::from_millis(60))
                        .await
                        .is_some()
                );
                let said = client.until_eof().await;
                assert_eq!(code(&said), None, "no FATAL reaches the client");
            }
            state
        }));
    }
    let wanted = ["active Client/ClientWrite", "idle Client/ClientRead"];
    assert_eq!(outcomes.into_iter().collect::<Vec<_>>(), wanted);
}

/// OB-74
#[test]
fn a_cancel_of_who_runs_nothing_is_ignored() {
    Pg::run(1, |pg| async move {
        let mut idle = pg.connect().await;
        let mut open = pg.connect().await;
        open.rows("begin").await;
        let mut failed = pg.connect().await;
        failed.rows("begin").await;
        failed.fails("select 1/0", "22012").await;
        let mut exporting = pg.walsender("").await;
        exporting
            .rows("CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput")
            .await;
        for client in [&idle, &open, &failed, &exporting] {
            let before = pg.doing(client.pid);
            pg.cancel(client.pid, client.secret).await;
            pg.sleep(100).await;
            assert_eq!(pg.doing(client.pid), before);
        }
        assert_eq!(idle.value("select 1").await, "1");
        assert_eq!(open.value("select 1").await, "1");
        failed.rows("rollback").await;
        assert_eq!(exporting.value("select 1").await, "1");
    });
}

/// OB-75
#[test]
fn a_cancel_of_copy_in_waits_for_the_next_data_and_a_termination_does_not() {
    Pg::run(2, |pg| async move {
        pg.sql("create table t (a int); grant all on t to mirror");
        let mut client = pg.connect().await;
        client.send("copy t from stdin").await;
        assert_eq!(client.next().await, Some(Said::CopyIn));
        pg.cancel(client.pid, client.secret).await;
        pg.sleep(60_000).await;
        assert_eq!(pg.doing(client.pid), "active Client/ClientRead");
        client.copy_data(b"1\n").await;
        let said = client.until_ready().await;
        assert_eq!(code(&said).as_deref(), Some("57014"));
        assert_eq!(client.value("select count(*) from t").await, "0");
        client.send("copy t from stdin").await;
        assert_eq!(client.next().await, Some(Said::CopyIn));
        pg.sql(&format!("select pg_terminate_backend({})", client.pid));
        assert_eq!(code(&client.until_eof().await).as_deref(), Some("57P01"));
    });
}

/// OB-76
#[test]
fn a_late_cancel_hits_the_next_statement_unless_its_sockets_eof_was_waited_for() {
    let (mut intended, mut next) = (0, 0);
    for seed in 0..80 {
        let (first, second) = Pg::run(seed, |pg| async move {
            let mut client = pg.connect().await;
            let (pid, secret) = (client.pid, client.secret);
            client.send("select pg_sleep(0.003)").await;
            pg.sleep(2).await;
            let cancelling = pg.clone();
            let cancel = async move { cancelling.cancel(pid, secret).await };
            let work = async {
                let first = code(&client.until_ready().await).is_some();
                let second = code(&client.query("select pg_sleep(0.02)").await).is_some();
                (first, second)
            };
            futures_util::future::join(cancel, work).await.1
        });
        intended += u32::from(first);
        next += u32::from(second);
        let careful = Pg::run(seed, |pg| async move {
            let mut client = pg.connect().await;
            client.send("select pg_sleep(0.003)").await;
            pg.sleep(2).await;
            pg.cancel(client.pid, client.secret).await;
            client.until_ready().await;
            code(&client.query("select pg_sleep(0.02)").await).is_some()
        });
        assert!(!careful, "seed {seed}: after the EOF nothing is hit");
    }
    assert!(intended > 0 && next > 0, "intended {intended}, next {next}");
}

/// OB-76: and a cancel works when the server is full.
#[test]
fn a_cancel_with_a_wrong_secret_does_nothing() {
    Pg::run(3, |pg| async move {
        let mut client = pg.connect().await;
        client.send("select pg_sleep(10)").await;
        pg.cancel(client.pid, client.secret ^ 1).await;
        pg.cancel(99_999, 0).await;
        pg.sleep(1000).await;
        assert_eq!(pg.doing(client.pid), "active Timeout/PgSleep");
        pg.cancel(client.pid, client.secret).await;
        let wanted = "canceling statement due to user request";
        assert_eq!(
            error(&client.until_ready().await),
            Some(("57014".to_owned(), wanted.to_owned()))
        );
    });
}

/// OB-80
#[test]
fn an_abandoned_drop_wait_drops_the_slot_when_its_owner_only_reconnects() {
    Pg::run(4, |pg| async move {
        let mut creating = pg.walsender("").await;
        pg.sql("create table blk (a int); grant all on blk to mirror");
        let mut blocker = pg.connect().await;
        blocker.rows("begin; insert into blk values (1)").await;
        creating
            .send("CREATE_REPLICATION_SLOT s LOGICAL pgoutput NOEXPORT_SNAPSHOT")
            .await;
        pg.sleep(100).await;
        let mut dropper = pg.walsender("").await;
        dropper.send("DROP_REPLICATION_SLOT s WAIT").await;
        pg.sleep(100).await;
        dropper.leave(super::client::Leave::Fin).await;
        blocker.rows("commit").await;
        assert_eq!(code(&creating.until_ready().await), None);
        pg.sleep(100).await;
        assert_eq!(pg.slots(), [], "the zombie has dropped it");
        assert_eq!(pg.doing(dropper.pid), "gone");
    });
}

/// OB-81, 82, 83
#[test]
fn terminate_with_a_timeout_returns_after_release_and_without_one_before() {
    let (mut too_early, mut in_time) = (0, 0);
    for seed in 0..40 {
        let early = Pg::run(seed, |pg| async move {
            let mut owner = pg.walsender("").await;
            let create = "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT";
            owner.rows(create).await;
            let mut admin = pg.connect().await;
            assert_eq!(
                admin
                    .value(&format!("select pg_terminate_backend({})", owner.pid))
                    .await,
                "t"
            );
            let early =
                code(&admin.query("select pg_drop_replication_slot('s')").await).as_deref() == Some("55006");
            pg.sleep(100).await;
            let mut owner = pg.walsender("").await;
            owner.rows(create).await;
            assert_eq!(
                admin
                    .value(&format!("select pg_terminate_backend({}, 2000)", owner.pid))
                    .await,
                "t"
            );
            assert_eq!(pg.doing(owner.pid), "gone");
            assert_eq!(
                admin.fails("select pg_drop_replication_slot('s')", "42704").await,
                "replication slot \"s\" does not exist"
            );
            early
        });
        if early { too_early += 1 } else { in_time += 1 }
    }
    assert!(too_early > 0 && in_time > 0, "{too_early} {in_time}");
}

/// OB-84
#[test]
fn a_termination_ends_every_state_with_a_fatal_error() {
    Pg::run(5, |pg| async move {
        pg.sql("create table t (a int); grant all on t to mirror; create table l (a int); grant all on l to mirror");
        let mut holder = pg.superuser().await;
        holder.rows("begin; lock table l").await;
        for sql in [
            "select 1",
            "begin",
            "select pg_sleep(100)",
            "copy t from stdin",
            "select * from l",
        ] {
            let mut client = pg.connect().await;
            client.send(sql).await;
            pg.sleep(100).await;
            pg.sql(&format!("select pg_terminate_backend({})", client.pid));
            let said = client.until_eof().await;
            let wanted = "terminating connection due to administrator command";
            assert_eq!(
                error(&said),
                Some(("57P01".to_owned(), wanted.to_owned())),
                "{sql}"
            );
            assert!(
                pg.gone_within(client.pid, Duration::from_millis(1))
                    .await
                    .is_some()
            );
        }
    });
}

/// OB-88
#[test]
fn a_role_may_signal_its_own_backends_only() {
    Pg::run(6, |pg| async move {
        pg.sql("create role other login");
        let mut client = pg.connect().await;
        let own = pg.connect().await;
        let other = pg.connect_with(&[("user", "other")]).await;
        let superuser = pg.superuser().await;
        let terminate = |pid: i32| format!("select pg_terminate_backend({pid})");
        assert_eq!(client.value(&terminate(own.pid)).await, "t");
        client.fails(&terminate(other.pid), "42501").await;
        let message = client.fails(&terminate(superuser.pid), "42501").await;
        assert_eq!(message, "must be a superuser to terminate superuser process");
        let said = client.query(&terminate(77_777)).await;
        assert!(
            matches!(&said[..], [Said::Columns(_), Said::Row(row), ..] if row[0].as_deref() == Some("f"))
                || said.iter().any(|s| matches!(s, Said::Notice(_))),
            "{said:?}"
        );
        assert!(
            said.iter()
                .any(|said| matches!(said, Said::Notice(text) if text.starts_with("WARNING"))),
            "{said:?}"
        );
        let mut poor = pg.connect_with(&[("user", "other")]).await;
        poor.fails("select pg_drop_replication_slot('s')", "42501").await;
        let refused = pg
            .try_connect(&[("user", "other"), ("replication", "database")])
            .await
            .err()
            .unwrap();
        let wanted = "must be superuser or replication role to start walsender";
        assert_eq!(error(&refused), Some(("42501".to_owned(), wanted.to_owned())));
    });
}
