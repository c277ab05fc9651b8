//! What a logical stream brings: whole transactions in commit order, from where its slot or its client stands.

use leftover_core::connection::Lsn;

use super::client::{Leave, Pg, code, error};
use super::stream::{Streamed, active, confirmed, create_slot, publish, start, streaming};

#[test]
fn changes_are_told_as_pgoutput_tells_them() {
    Pg::run(1, |pg| async move {
        publish(&pg).await;
        pg.sql("create table f (a int, b varchar(5), c int generated always as (a + 1) stored); alter table f replica identity full");
        pg.sql("alter publication p add table f");
        let mut client = streaming(&pg, "").await;
        pg.sql("insert into t values (1, 'one'), (2, null)");
        pg.sql(
            "update t set b = 'zwei' where a = 2; update t set a = 3 where a = 2; delete from t where a = 1",
        );
        pg.sql("insert into f values (1, 'x'); update f set b = 'y'; delete from f");
        pg.sql("truncate t, f restart identity");
        let t = "relation public.t d a*:23/-1 b:25/-1";
        let f = "relation public.f f a*:23/-1 b*:1043/9";
        assert_eq!(client.transaction().await.0, [t, "i N(1,one)", "i N(2,null)"]);
        let wanted = ["u N(2,zwei)", "u K(2,null) N(3,zwei)", "d K(1,null)"];
        assert_eq!(client.transaction().await.0, wanted);
        let wanted = [f, "i N(1,x)", "u O(1,x) N(1,y)", "d O(1,y)"];
        assert_eq!(client.transaction().await.0, wanted);
        assert_eq!(client.transaction().await.0, [t, f, "truncate 2 2"]);
        pg.sql("alter table t add column c int; insert into t values (4, 'four', 5)");
        let wanted = ["relation public.t d a*:23/-1 b:25/-1 c:23/-1", "i N(4,four,5)"];
        assert_eq!(client.transaction().await.0, wanted);
    });
}

#[test]
fn old_rows_are_told_by_their_replica_identity() {
    Pg::run(12, |pg| async move {
        publish(&pg).await;
        pg.sql("create table i (a int, b int not null, c int)");
        pg.sql("create unique index u on i (b); alter table i replica identity using index u");
        pg.sql("alter publication p add table i");
        let mut client = streaming(&pg, "").await;
        pg.sql("insert into i values (1, 2, 3); update i set c = 4; update i set b = 5; delete from i");
        let wanted = [
            "relation public.i i a:23/-1 b*:23/-1 c:23/-1",
            "i N(1,2,3)",
            "u N(1,2,4)",
            "u K(null,2,null) N(1,5,4)",
            "d K(null,5,null)",
        ];
        assert_eq!(client.transaction().await.0, wanted);
        pg.sql("alter table i replica identity default; insert into i values (1, 2, 3)");
        let wanted = ["relation public.i d a:23/-1 b:23/-1 c:23/-1", "i N(1,2,3)"];
        assert_eq!(client.transaction().await.0, wanted);
        pg.sql("alter table i drop column a; alter table i add column z text default 'zz'; insert into i values (7, 8)");
        let wanted = ["relation public.i d b:23/-1 c:23/-1 z:25/-1", "i N(7,8,zz)"];
        assert_eq!(client.transaction().await.0, wanted);
    });
}

#[test]
fn rows_of_partitions_are_told_as_their_own_or_as_their_roots() {
    for via_root in [false, true] {
        Pg::run(2, |pg| async move {
            pg.sql("create table m (a int primary key, b int) partition by range (a)");
            pg.sql("create table low partition of m for values from (0) to (10)");
            pg.sql("create table high partition of m for values from (10) to (20)");
            pg.sql(&format!(
                "create publication p for table m with (publish_via_partition_root = {via_root})"
            ));
            create_slot(&pg, "s").await;
            let mut client = streaming(&pg, "").await;
            pg.sql("insert into m values (1, 1); update m set a = 11; truncate m");
            let definition = |name: &str| format!("relation public.{name} d a*:23/-1 b:23/-1");
            let [m, low, high] = ["m", "low", "high"].map(definition);
            let [m, low, high] = [&*m, &*low, &*high];
            let (inserted, left, came) = ("i N(1,1)", "d K(1,null)", "i N(11,1)");
            let wanted = if via_root {
                vec![m, low, inserted, left, m, high, came, m, "truncate 1 0"]
            } else {
                vec![low, inserted, left, high, came, low, high, "truncate 2 0"]
            };
            assert_eq!(client.transaction().await.0, wanted);
        });
    }
}

#[test]
fn a_changed_publication_counts_from_the_change_on_inside_a_transaction_too() {
    Pg::run(11, |pg| async move {
        publish(&pg).await;
        let mut writer = pg.superuser().await;
        writer.rows("begin; insert into t values (8)").await;
        pg.sql("alter publication p drop table t");
        writer.rows("insert into t values (0)").await;
        pg.sql("alter publication p add table t");
        writer.rows("insert into t values (9)").await;
        pg.sql("alter publication p set (publish = 'insert')");
        writer
            .rows("update t set b = 'q' where a = 9; insert into t values (10); commit")
            .await;
        let mut client = streaming(&pg, "").await;
        let t = "relation public.t d a*:23/-1 b:25/-1";
        let wanted = [t, "i N(8,null)", t, "i N(9,null)", t, "i N(10,null)"];
        assert_eq!(client.transaction().await.0, wanted);
    });
}

#[test]
fn what_was_undone_or_is_not_published_is_not_told() {
    Pg::run(3, |pg| async move {
        publish(&pg).await;
        pg.sql(
            "create table other (a int); create publication inserts for table t with (publish = 'insert')",
        );
        let mut client = pg.walsender("").await;
        client
            .stream(
                "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '2', publication_names '\"inserts\"')",
            )
            .await;
        let mut writer = pg.superuser().await;
        writer.rows("begin; insert into t values (1); rollback").await;
        writer.rows("insert into other values (1)").await;
        writer
            .rows("begin; insert into t values (2); savepoint x; insert into t values (3)")
            .await;
        writer
            .rows("rollback to x; insert into t values (4); commit")
            .await;
        writer
            .rows("update t set b = 'x'; delete from t where a = 2; insert into t values (5)")
            .await;
        let mut told = client.transaction().await.0;
        assert_eq!(told.split_off(1), ["i N(2,null)", "i N(4,null)"]);
        assert_eq!(client.transaction().await.0, ["i N(5,null)"]);
    });
}

/// OB-100
#[test]
fn transactions_come_whole_and_in_the_order_of_their_commits() {
    Pg::run(4, |pg| async move {
        publish(&pg).await;
        let mut client = streaming(&pg, "").await;
        let (mut one, mut two) = (pg.superuser().await, pg.superuser().await);
        one.rows("begin; insert into t values (1)").await;
        two.rows("begin; insert into t values (2)").await;
        one.rows("insert into t values (3)").await;
        two.rows("commit").await;
        one.rows("commit").await;
        assert_eq!(client.transaction().await.0.split_off(1), ["i N(2,null)"]);
        assert_eq!(client.transaction().await.0, ["i N(1,null)", "i N(3,null)"]);
    });
}

/// OB-92, 93
#[test]
fn a_publication_that_was_not_there_fails_the_stream_at_the_first_change() {
    Pg::run(5, |pg| async move {
        pg.sql("create table t (a int primary key, b text)");
        create_slot(&pg, "s").await;
        let mut client = streaming(&pg, "").await;
        pg.sleep(1000).await;
        assert!(active(&pg), "as long as nothing changes");
        pg.sql("insert into t values (1)");
        let wanted = Some(("42704".to_owned(), "publication \"p\" does not exist".to_owned()));
        assert_eq!(error(&client.until_ready().await), wanted);
        assert!(!active(&pg));
        pg.sql("create publication p for table t");
        client.stream(&start("0/0")).await;
        assert_eq!(
            error(&client.until_ready().await),
            wanted,
            "it was not there then"
        );
    });
}

/// OB-94
#[test]
fn bad_options_are_refused_and_the_connection_stays_usable() {
    Pg::run(6, |pg| async move {
        publish(&pg).await;
        let mut client = pg.walsender("").await;
        let cases = [
            (
                "proto_version '1'",
                "22023",
                "publication_names parameter missing",
            ),
            (
                "proto_version '1', publication_names 'p', nosuch 'x'",
                "XX000",
                "unrecognized pgoutput option: nosuch",
            ),
            (
                "proto_version '9', publication_names 'p'",
                "0A000",
                "client sent proto_version=9 but we only support protocol 3 or lower",
            ),
            (
                "publication_names 'p'",
                "0A000",
                "client sent proto_version=0 but we only support protocol 1 or higher",
            ),
            (
                "proto_version '1', publication_names 'p', streaming 'on'",
                "22023",
                "requested proto_version=1 does not support streaming, need 2 or higher",
            ),
        ];
        for (options, code, wanted) in cases {
            let command = format!("START_REPLICATION SLOT s LOGICAL 0/0 ({options})");
            assert_eq!(client.fails(&command, code).await, wanted, "{options}");
            assert!(!active(&pg), "{options}");
        }
        client.rows("begin").await;
        let message = client.fails(&start("0/0"), "25001").await;
        assert_eq!(message, "START_REPLICATION cannot run inside a transaction block");
        client.rows("rollback").await;
        client.fails("START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '2', publication_names 'p', streaming 'on')", "0A000").await;
        client.stream(&start("0/0")).await;
    });
}

/// OB-95, 96
#[test]
fn a_new_slot_streams_what_its_snapshot_does_not_see() {
    Pg::run(7, |pg| async move {
        pg.sql("create table t (a int primary key, b text); create publication p for table t");
        let mut first = pg.superuser().await;
        first.rows("begin; insert into t values (1)").await;
        let mut walsender = pg.walsender("").await;
        walsender
            .send("CREATE_REPLICATION_SLOT s LOGICAL pgoutput EXPORT_SNAPSHOT")
            .await;
        pg.sleep(100).await;
        let mut second = pg.superuser().await;
        second.rows("begin; insert into t values (2)").await;
        first.rows("commit").await;
        pg.sleep(100).await;
        let mut third = pg.superuser().await;
        third.rows("begin; insert into t values (3)").await;
        second.rows("commit").await;
        assert_eq!(code(&walsender.until_ready().await), None);
        third.rows("commit").await;
        let mut client = streaming(&pg, "").await;
        assert_eq!(client.transaction().await.0.split_off(1), ["i N(3,null)"]);
    });
}

/// OB-97, 98
#[test]
fn a_stream_begins_at_a_commit_and_after_its_end_and_never_before_what_was_confirmed() {
    Pg::run(8, |pg| async move {
        publish(&pg).await;
        let mut client = streaming(&pg, "").await;
        pg.sql("insert into t values (1)");
        pg.sql("insert into t values (2)");
        let begin = loop {
            if let Streamed::Begin { commit } = client.streamed().await.unwrap() {
                break commit;
            }
        };
        let end = loop {
            if let Streamed::Commit { end, .. } = client.streamed().await.unwrap() {
                break end;
            }
        };
        pg.cancel(client.pid, client.secret).await;
        client.until_ready().await;
        let mut first = async |from: u64| {
            client.stream(&start(&Lsn(from).to_string())).await;
            let told = client.transaction().await.0.remove(1);
            client.confirm(from).await;
            pg.sleep(10).await;
            pg.cancel(client.pid, client.secret).await;
            client.until_ready().await;
            told
        };
        assert_eq!(first(begin).await, "i N(1,null)");
        assert_eq!(confirmed(&pg), begin);
        assert_eq!(
            first(0).await,
            "i N(1,null)",
            "its commit was confirmed, not its end"
        );
        assert_eq!(first(end).await, "i N(2,null)");
        assert_eq!(first(begin).await, "i N(2,null)", "it is moved up");
        assert_eq!(confirmed(&pg), end, "and never goes back");
    });
}

/// OB-99, 101
#[test]
fn a_confirmation_is_believed_beyond_the_log_and_forgotten_by_a_crash() {
    Pg::run(9, |pg| async move {
        publish(&pg).await;
        let before = confirmed(&pg);
        let mut client = streaming(&pg, "").await;
        client.confirm(before + (1 << 30)).await;
        pg.sleep(10).await;
        assert_eq!(confirmed(&pg), before + (1 << 30));
        client.leave(Leave::Terminate).await;
        pg.sleep(100).await;
        let mut client = streaming(&pg, "-c wal_sender_timeout=2s").await;
        pg.sql("insert into t values (1)");
        while let Some(said) = client.streamed().await {
            assert!(matches!(said, Streamed::Keepalive { .. }), "{said:?}");
        }
        pg.server.crash();
        pg.server.restart();
        assert_eq!(confirmed(&pg), before);
        let mut client = streaming(&pg, "").await;
        assert_eq!(client.transaction().await.0.split_off(1), ["i N(1,null)"]);
    });
}

/// OB-104
#[test]
fn keepalives_tell_the_end_of_a_log_of_which_nothing_is_published() {
    Pg::run(10, |pg| async move {
        publish(&pg).await;
        pg.sql("create table other (a int)");
        let mut client = streaming(&pg, "").await;
        pg.sql("insert into other select generate_series(1, 100)");
        let end = pg.value("select pg_current_wal_lsn()").parse::<Lsn>().unwrap().0;
        loop {
            match client.streamed().await.unwrap() {
                Streamed::Keepalive { end: told, reply } => {
                    assert!(!reply);
                    if told == end {
                        break;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        client.confirm(end).await;
        pg.sleep(10).await;
        assert_eq!(confirmed(&pg), end);
    });
}
