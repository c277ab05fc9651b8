//! Exported snapshots: how long they live and who may import them.

use super::client::{Leave, Pg, code};

/// OB-63, 64
#[test]
fn an_exported_snapshot_dies_with_the_holders_next_message() {
    for next in ["", "IDENTIFY_SYSTEM", "SHOW lock_timeout", "select 1", "begin"] {
        Pg::run(1, |pg| async move {
            let mut holder = pg.walsender("").await;
            let rows = holder
                .rows("CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput")
                .await;
            let name = rows[0][2].clone().unwrap();
            assert_eq!(pg.doing(holder.pid), "idle in transaction Client/ClientRead");
            let locks = pg.sql(&format!(
                "select locktype from pg_locks where pid = {}",
                holder.pid
            ));
            assert_eq!(locks, [[Some("virtualxid".to_owned())]]);
            let mut importer = pg.connect().await;
            importer.rows("begin isolation level repeatable read").await;
            importer.rows(&format!("set transaction snapshot '{name}'")).await;
            holder.rows(next).await;
            if next != "begin" {
                assert_eq!(pg.doing(holder.pid), "idle Client/ClientRead", "{next:?}");
            }
            assert_eq!(
                importer.value("select 1").await,
                "1",
                "who imported is unaffected (OB-65)"
            );
            let mut late = pg.connect().await;
            late.rows("begin isolation level repeatable read").await;
            let message = late
                .fails(&format!("set transaction snapshot '{name}'"), "22023")
                .await;
            assert_eq!(message, format!("invalid snapshot identifier: \"{name}\""));
        });
    }
}

/// OB-65, 66
#[test]
fn an_importer_outlives_the_exporter_and_nobody_imports_after_it() {
    for how in [Leave::Terminate, Leave::Rst] {
        Pg::run(2, |pg| async move {
            pg.sql("create table t (a int); grant all on t to mirror; insert into t values (1)");
            let mut exporter = pg.connect().await;
            exporter.rows("begin isolation level repeatable read").await;
            let name = exporter.value("select pg_export_snapshot()").await;
            let mut importer = pg.connect().await;
            importer
                .rows("begin isolation level repeatable read read only")
                .await;
            importer.rows(&format!("set transaction snapshot '{name}'")).await;
            pg.sql("insert into t values (2)");
            exporter.leave(how).await;
            pg.sleep(100).await;
            assert_eq!(importer.value("select count(*) from t").await, "1");
            assert!(pg.seen(importer.pid).unwrap().pinned_xmin_age.is_some());
            let mut late = pg.connect().await;
            late.rows("begin isolation level repeatable read").await;
            late.fails(&format!("set transaction snapshot '{name}'"), "22023")
                .await;
        });
    }
    Pg::run(2, |pg| async move {
        let mut exporter = pg.connect().await;
        exporter.rows("begin isolation level repeatable read").await;
        let name = exporter.value("select pg_export_snapshot()").await;
        exporter.fails("select 1/0", "22012").await;
        let mut late = pg.connect().await;
        late.rows("begin isolation level repeatable read").await;
        let message = late
            .fails(&format!("set transaction snapshot '{name}'"), "55000")
            .await;
        assert_eq!(message, "could not import the requested snapshot");
    });
}

/// OB-67
#[test]
fn a_snapshot_is_imported_first_thing_in_a_repeatable_read_transaction_of_its_database() {
    Pg::run(3, |pg| async move {
        let mut exporter = pg.connect().await;
        exporter.rows("begin isolation level repeatable read").await;
        let name = exporter.value("select pg_export_snapshot()").await;
        let import = format!("set transaction snapshot '{name}'");
        let cases = [
            (&["begin"][..], "0A000"),
            (&["begin isolation level serializable"], "0A000"),
            (&["begin isolation level repeatable read", "select 1"], "25001"),
            (&["begin isolation level repeatable read", "savepoint s"], "25001"),
        ];
        for (before, wanted) in cases {
            let mut client = pg.connect().await;
            for sql in before {
                client.rows(sql).await;
            }
            client.fails(&import, wanted).await;
        }
        let mut elsewhere = pg
            .connect_with(&[("user", "postgres"), ("database", "postgres")])
            .await;
        elsewhere.rows("begin isolation level repeatable read").await;
        elsewhere.fails(&import, "0A000").await;
        let mut good = pg.connect().await;
        good.rows("begin isolation level repeatable read read only").await;
        good.rows(&import).await;
    });
}

/// OB-68, 69
#[test]
fn vacuum_cannot_remove_what_a_snapshot_holder_may_need_and_slots_alone_do_not_hold_rows() {
    let dead = |said: &[super::client::Said]| {
        said.iter().any(|said| matches!(said, super::client::Said::Notice(text) if text.contains("1000 are dead but not yet removable")))
    };
    for holder in ["exported", "importer", "slot", "none"] {
        Pg::run(4, |pg| async move {
            pg.sql("create table t (a int); insert into t select generate_series(1, 1000)");
            let mut walsender = pg.walsender("").await;
            let mut importer = pg.connect().await;
            match holder {
                "exported" => drop(
                    walsender
                        .rows("CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput")
                        .await,
                ),
                "importer" => {
                    importer.rows("begin isolation level repeatable read").await;
                    importer.rows("select 1").await;
                }
                "slot" => {
                    walsender
                        .rows("CREATE_REPLICATION_SLOT s LOGICAL pgoutput NOEXPORT_SNAPSHOT")
                        .await;
                }
                _ => {}
            }
            pg.sql("delete from t");
            let mut admin = pg.superuser().await;
            let said = admin.query("vacuum verbose t").await;
            assert_eq!(code(&said), None);
            assert_eq!(
                dead(&said),
                matches!(holder, "exported" | "importer"),
                "{holder}: {said:?}"
            );
            pg.sql("create table d (a int)");
            pg.sql("drop table d");
            let said = admin.query("vacuum verbose pg_class").await;
            let kept = said.iter().any(
                |said| matches!(said, super::client::Said::Notice(text) if !text.contains(" 0 are dead")),
            );
            assert_eq!(kept, holder != "none", "{holder}: {said:?}");
        });
    }
}

/// OB-70
#[test]
fn an_exported_permanent_slot_is_inactive_and_can_be_dropped_under_its_holder() {
    Pg::run(5, |pg| async move {
        let mut holder = pg.walsender("").await;
        let rows = holder.rows("CREATE_REPLICATION_SLOT s LOGICAL pgoutput").await;
        let name = rows[0][2].clone().unwrap();
        assert_eq!(pg.slots(), [("s".to_owned(), false, false)]);
        let mut other = pg.connect().await;
        other.rows("select pg_drop_replication_slot('s')").await;
        assert_eq!(
            pg.doing(holder.pid),
            "idle in transaction Client/ClientRead",
            "the session leak of PeerDB 2162"
        );
        other.rows("begin isolation level repeatable read").await;
        other.rows(&format!("set transaction snapshot '{name}'")).await;
    });
}

/// OB-71
#[test]
fn a_holder_that_is_fed_lives_and_one_that_falls_silent_dies_soon() {
    Pg::run(6, |pg| async move {
        let mut holder = pg.walsender("-c idle_in_transaction_session_timeout=2s").await;
        holder
            .rows("begin read only isolation level repeatable read")
            .await;
        holder
            .rows("CREATE_REPLICATION_SLOT s LOGICAL pgoutput USE_SNAPSHOT")
            .await;
        let name = holder.value("select pg_export_snapshot()").await;
        for _ in 0..6 {
            pg.sleep(1000).await;
            holder.rows("select 1").await;
        }
        let mut importer = pg.connect().await;
        importer.rows("begin isolation level repeatable read").await;
        importer.rows(&format!("set transaction snapshot '{name}'")).await;
        assert_eq!(code(&holder.until_eof().await).as_deref(), Some("25P03"));
        importer.rows("rollback").await;
        importer.rows("begin isolation level repeatable read").await;
        importer
            .fails(&format!("set transaction snapshot '{name}'"), "22023")
            .await;
        assert_eq!(pg.slots(), [("s".to_owned(), false, false)]);
    });
}

/// OB-105, 106
#[test]
fn truncate_empties_a_table_for_older_snapshots_without_an_error() {
    Pg::run(7, |pg| async move {
        pg.sql("create table t (a int); create table d (a int); grant all on t to mirror; grant all on d to mirror; insert into t values (1)");
        let mut old = pg.connect().await;
        old.rows("begin isolation level repeatable read").await;
        old.rows("select 1").await;
        pg.sql("truncate t; drop table d; ");
        assert_eq!(old.value("select count(*) from t").await, "0");
        old.fails("select * from d", "42P01").await;
    });
    Pg::run(8, |pg| async move {
        pg.sql("create table t (a int primary key, b varchar(3) default 'x'); grant all on t to mirror; insert into t values (1)");
        let mut old = pg.connect().await;
        old.rows("begin isolation level repeatable read").await;
        old.rows("select 1").await;
        pg.sql("alter table t add column c int default 5");
        pg.sql("alter table t alter column a type bigint, alter column b type text");
        assert_eq!(old.value("select count(*) from t").await, "0");
        pg.sql("insert into t values (5000000000, 'a long one')");
        let rows = pg.value("select string_agg(a || ' ' || b || ' ' || c, ',' order by a) from t");
        assert_eq!(rows, "1 x 5,5000000000 a long one 5");
        assert!(
            pg.try_sql("insert into t values (1)")
                .unwrap_err()
                .contains("duplicate key")
        );
        old.rows("commit").await;
        assert!(
            pg.try_sql("alter table t alter column b type int")
                .unwrap_err()
                .contains("cannot be cast automatically to type integer")
        );
    });
}
