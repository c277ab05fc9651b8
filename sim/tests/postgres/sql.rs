//! SQL through the wire: what a fixture and a mirror say.

use super::client::{Pg, Said, code, error};

#[test]
fn a_session_logs_in_and_runs_sql() {
    Pg::run(1, |pg| async move {
        let mut client = pg.connect().await;
        assert_eq!(client.value("select 1 + 1").await, "2");
        assert_eq!(
            client.value("select pg_backend_pid()").await,
            client.pid.to_string()
        );
        assert_eq!(client.value("select current_user").await, "mirror");
        client
            .rows("create table t (id int primary key, name text)")
            .await;
        let said = client.query("insert into t values (1, 'a'), (2, 'b')").await;
        assert!(said.contains(&Said::Done("INSERT 0 2".to_owned())), "{said:?}");
        assert_eq!(client.value("select count(*) from t").await, "2");
        assert_eq!(
            code(&client.query("insert into t values (1, 'c')").await).as_deref(),
            Some("23505")
        );
        assert_eq!(client.value("select name from t where id = 2").await, "b");
        client.close().await;
        assert_eq!(pg.server.census().sessions, []);
    });
}

#[test]
fn a_transaction_that_is_rolled_back_leaves_neither_rows_nor_tables() {
    Pg::run(1, |pg| async move {
        let mut client = pg.connect().await;
        client
            .rows("begin; create table gone (a int); insert into gone values (1)")
            .await;
        assert_eq!(client.value("select count(*) from gone").await, "1");
        assert!(pg.try_sql("select * from gone").is_err());
        client.rows("rollback").await;
        client.fails("select * from gone", "42P01").await;
        client.rows("create table kept (a int)").await;
        client.rows("begin; insert into kept values (1)").await;
        client.fails("select 1/0", "22012").await;
        client.fails("select 1", "25P02").await;
        let said = client.query("commit").await;
        assert!(said.contains(&Said::Done("ROLLBACK".to_owned())), "{said:?}");
        assert_eq!(client.value("select count(*) from kept").await, "0");
    });
}

#[test]
fn an_insert_that_comes_again_goes_by_the_table_as_it_is_now() {
    Pg::run(1, |pg| async move {
        let mut client = pg.connect().await;
        let (insert, look) = (
            "insert into t values (1, '2') returning *",
            "select coalesce(nullif(b, '2'), a::text) || pg_typeof(b) from t",
        );
        client.rows("create table t (a int, b text)").await;
        client.rows(insert).await;
        client.rows(insert).await;
        client
            .rows("truncate t; alter table t alter b type varchar(1)")
            .await;
        client.rows(insert).await;
        assert_eq!(client.value(look).await, "1character varying");
        client
            .rows("drop table t; create table t (b text, a int default 7)")
            .await;
        client.rows(insert).await;
        assert_eq!(client.value(look).await, "1text");
        client.rows("drop table t; create table t (b int)").await;
        client.fails(insert, "42601").await;
        client.rows("drop table t").await;
        client.fails(insert, "42P01").await;
        client
            .rows("create schema s; create table s.t (b text, a int); set search_path = s")
            .await;
        client.rows(insert).await;
        assert_eq!(client.value("select count(*) from s.t").await, "1");
    });
}

#[test]
fn rows_that_break_a_constraint_are_refused() {
    Pg::run(2, |pg| async move {
        let mut client = pg.connect().await;
        client.rows("create table t (a int not null check (a > 0), b text unique, constraint small check (length(b) < 5))").await;
        client.rows("insert into t values (1, 'ok')").await;
        assert_eq!(
            client.fails("insert into t values (-1, 'x')", "23514").await,
            "new row for relation \"t\" violates check constraint \"t_a_check\""
        );
        client
            .fails("insert into t values (2, 'too long')", "23514")
            .await;
        client.fails("insert into t values (null, 'x')", "23502").await;
        client.fails("insert into t values (2, 'ok')", "23505").await;
        client.fails("update t set a = -a", "23514").await;
        client.rows("insert into t values (2, null), (3, null)").await;
        assert_eq!(client.value("select count(*) from t").await, "3");
    });
}

/// Readers do not see what is not committed, and a writer waits for the other writer of its row.
#[test]
fn two_writers_of_one_row_take_turns() {
    Pg::run(3, |pg| async move {
        pg.sql("create table t (id int primary key, n int); grant all on t to mirror; insert into t values (1, 0)");
        let (mut one, mut two) = (pg.connect().await, pg.connect().await);
        one.rows("begin; update t set n = n + 1 where id = 1").await;
        assert_eq!(two.value("select n from t").await, "0");
        two.send("update t set n = n + 1 where id = 1").await;
        pg.sleep(1000).await;
        assert_eq!(pg.doing(two.pid), "active Lock/transactionid");
        one.rows("commit").await;
        assert_eq!(code(&two.until_ready().await), None);
        assert_eq!(pg.value("select n from t"), "2");
        two.rows("begin isolation level repeatable read; select 1").await;
        one.rows("update t set n = 10").await;
        two.fails("update t set n = n + 1", "40001").await;
    });
}

#[test]
fn savepoints_undo_a_part_and_a_failed_part_alone() {
    Pg::run(4, |pg| async move {
        let mut client = pg.connect().await;
        client.rows("create table t (a int)").await;
        client
            .rows("begin; insert into t values (1); savepoint s; insert into t values (2)")
            .await;
        client.fails("select 1/0", "22012").await;
        client.rows("rollback to s").await;
        assert_eq!(client.value("select string_agg(a::text, ',') from t").await, "1");
        client.rows("insert into t values (3); release s; commit").await;
        assert_eq!(
            client
                .value("select string_agg(a::text, ',' order by a) from t")
                .await,
            "1,3"
        );
    });
}

/// `peak_sessions` counts by the name that a session has at each instant.
#[test]
fn the_ledger_of_sessions_is_exact() {
    Pg::run(5, |pg| async move {
        let mut named = Vec::new();
        for name in ["m/a/1", "m/a/2", "m/b/1"] {
            named.push(pg.connect_with(&[("application_name", name)]).await);
        }
        named.pop().unwrap().close().await;
        named.push(pg.connect_with(&[("application_name", "m/b/2")]).await);
        named[0].rows("set application_name = 'm/b/3'").await;
        assert_eq!(
            ["m/", "m/a", "m/b"].map(|prefix| pg.server.peak_sessions(prefix)),
            [3, 2, 2]
        );
    });
}

/// TCP keepalive and the like are told to the socket, and settings that clients follow are reported.
#[test]
fn settings_are_shown_with_their_units_and_reported_when_clients_follow_them() {
    Pg::run(6, |pg| async move {
        let mut client = pg
            .connect_set("-c lock_timeout=10s -c statement_timeout=90000")
            .await;
        assert_eq!(client.value("show lock_timeout").await, "10s");
        assert_eq!(client.value("show statement_timeout").await, "90s");
        assert_eq!(
            client
                .value("select setting || unit from pg_settings where name = 'lock_timeout'")
                .await,
            "10000ms"
        );
        let said = client.query("set application_name = 'x'").await;
        assert!(
            said.contains(&Said::Parameter("application_name".to_owned(), "x".to_owned())),
            "{said:?}"
        );
        client.rows("begin; set local lock_timeout = '1s'").await;
        assert_eq!(client.value("select current_setting('lock_timeout')").await, "1s");
        client.rows("rollback").await;
        assert_eq!(client.value("show lock_timeout").await, "10s");
        client.rows("reset lock_timeout").await;
        assert_eq!(
            client.value("show lock_timeout").await,
            "10s",
            "what the startup packet said"
        );
        client.fails("set nosuch = 1", "42704").await;
        client.fails("set wal_level = 'replica'", "55P02").await;
        client.fails("set lock_timeout = 'soon'", "22023").await;
    });
}

/// What the simulated server cannot do is said, never passed over.
#[test]
fn a_block_that_raises_fails_the_transaction_with_its_sqlstate_and_no_other_block_runs() {
    let raise = "DO $$BEGIN RAISE EXCEPTION USING ERRCODE='53100', MESSAGE='could not extend'; END$$";
    Pg::run(1, |pg| async move {
        for mut client in [pg.connect().await, pg.walsender("").await] {
            client.rows("begin").await;
            let said = client.query(raise).await;
            let told = ("53100".to_owned(), "could not extend".to_owned());
            assert_eq!(error(&said), Some(told), "{said:?}");
            assert_eq!(said.last(), Some(&Said::Ready('E')));
            assert_eq!(code(&client.query(raise).await).as_deref(), Some("25P02"));
            client.rows("rollback").await;
            for other in ["DO $$BEGIN NULL; END$$", "DO 'BEGIN NULL; END'"] {
                assert_eq!(
                    code(&client.query(other).await).as_deref(),
                    Some("0A000"),
                    "{other}"
                );
            }
        }
    });
}

#[test]
fn what_is_not_supported_is_named() {
    Pg::run(7, |pg| async move {
        let mut client = pg.connect().await;
        for sql in [
            "create materialized view v as select 1",
            "listen x",
            "create table t (a int references u)",
        ] {
            let message = client.fails(sql, "0A000").await;
            assert!(
                message.starts_with("the simulated server does not support"),
                "{message}"
            );
        }
        let mut walsender = pg.walsender("").await;
        walsender
            .fails("START_REPLICATION SLOT s PHYSICAL 0/0", "0A000")
            .await;
    });
}

#[test]
fn the_modes_of_a_second_begin_hold_for_the_open_transaction_until_it_has_queried() {
    Pg::run(1, |pg| async move {
        let mut client = pg.connect().await;
        client.rows("begin").await;
        client
            .rows("begin isolation level repeatable read read only")
            .await;
        assert_eq!(
            client.value("show transaction_isolation").await,
            "repeatable read"
        );
        assert_eq!(client.value("show transaction_read_only").await, "on");
        assert_eq!(client.value("select 1").await, "1");
        client.fails("begin isolation level serializable", "25001").await;
        client.fails("select 1", "25P02").await;
    });
}

#[test]
fn settings_that_no_server_has_are_refused_before_there_is_a_server() {
    let options = |name: &str, value: &str| leftover_sim::postgres::options::ServerOptions {
        settings: vec![(name.to_owned(), value.to_owned())],
        ..Default::default()
    };
    assert_eq!(options("max_connections", "20").check(), Ok(()));
    for (name, value) in [
        ("nonsense", "1"),
        ("max_connections", "many"),
        ("server_version", "16"),
    ] {
        assert!(options(name, value).check().is_err(), "{name}");
    }
}
