//! SQL through the wire: what a fixture and a mirror say.

use super::client::{Pg, Said, code};

#[test]
fn a_session_logs_in_and_runs_sql() {
    Pg::run(1, |pg| async move {
        let mut client = pg.connect().await;
        assert_eq!(client.value("select 1 + 1").await, "2");
        assert_eq!(client.value("select pg_backend_pid()").await, client.pid.to_string());
        assert_eq!(client.value("select current_user").await, "mirror");
        client.rows("create table t (id int primary key, name text)").await;
        let said = client.query("insert into t values (1, 'a'), (2, 'b')").await;
        assert!(said.contains(&Said::Done("INSERT 0 2".to_owned())), "{said:?}");
        assert_eq!(client.value("select count(*) from t").await, "2");
        assert_eq!(code(&client.query("insert into t values (1, 'c')").await).as_deref(), Some("23505"));
        assert_eq!(client.value("select name from t where id = 2").await, "b");
        client.close().await;
        assert_eq!(pg.server.census().sessions, []);
    });
}

#[test]
fn a_transaction_that_is_rolled_back_leaves_neither_rows_nor_tables() {
    Pg::run(1, |pg| async move {
        let mut client = pg.connect().await;
        client.rows("begin; create table gone (a int); insert into gone values (1)").await;
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
