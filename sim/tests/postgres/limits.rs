//! How many connections there may be, who is refused and how; and a crash.

use std::time::Duration;

use leftover_sim::postgres::options::ServerOptions;

use super::client::{Pg, Said, code, error};

fn small() -> ServerOptions {
    let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    ServerOptions {
        settings: vec![
            set("max_connections", "5"),
            set("superuser_reserved_connections", "2"),
            set("max_wal_senders", "2"),
        ],
        ..ServerOptions::default()
    }
}

/// OB-113, 76
#[test]
fn places_are_counted_for_sessions_and_walsenders_apart() {
    Pg::run_with(1, small(), |pg| async move {
        let mut sessions = Vec::new();
        for _ in 0..3 {
            sessions.push(pg.connect().await);
        }
        let refused = pg.try_connect(&[]).await.err().unwrap();
        let wanted = "remaining connection slots are reserved for non-replication superuser connections";
        assert_eq!(error(&refused), Some(("53300".to_owned(), wanted.to_owned())));
        let supers = [pg.superuser().await, pg.superuser().await];
        let refused = pg.try_connect(&[("user", "postgres")]).await.err().unwrap();
        assert_eq!(
            error(&refused),
            Some(("53300".to_owned(), "sorry, too many clients already".to_owned()))
        );
        let _walsenders = (pg.walsender("").await, pg.walsender("").await);
        let refused = pg
            .try_connect(&[("user", "postgres"), ("replication", "database")])
            .await
            .err()
            .unwrap();
        let wanted = "number of requested standby connections exceeds max_wal_senders (currently 2)";
        assert_eq!(error(&refused), Some(("53300".to_owned(), wanted.to_owned())));
        sessions[0].send("select pg_sleep(10)").await;
        pg.sleep(100).await;
        pg.cancel(sessions[0].pid, sessions[0].secret).await;
        assert_eq!(
            code(&sessions[0].until_ready().await).as_deref(),
            Some("57014"),
            "a cancel needs no place"
        );
        for client in supers.into_iter().chain(sessions.pop()) {
            client.close().await;
        }
        pg.connect().await;
        assert_eq!(pg.server.peak_sessions(""), 7);
    });
}

#[test]
fn a_roles_limit_is_set_and_taken_back() {
    Pg::run(5, |pg| async move {
        pg.sql("alter role mirror connection limit 1");
        let _one = pg.connect().await;
        let refused = pg.try_connect(&[]).await.err().unwrap();
        let wanted = "too many connections for role \"mirror\"";
        assert_eq!(error(&refused), Some(("53300".to_owned(), wanted.to_owned())));
        pg.sql("alter role mirror connection limit -1 nocreatedb");
        pg.connect().await;
    });
}

#[test]
fn a_role_or_database_that_is_not_there_is_refused() {
    Pg::run(2, |pg| async move {
        for (parameters, wanted, text) in [
            (
                [("user", "nobody"), ("database", "app")],
                "28000",
                "role \"nobody\" does not exist",
            ),
            (
                [("user", "mirror"), ("database", "nowhere")],
                "3D000",
                "database \"nowhere\" does not exist",
            ),
        ] {
            let refused = pg.try_connect(&parameters).await.err().unwrap();
            assert_eq!(error(&refused), Some((wanted.to_owned(), text.to_owned())));
        }
        pg.sleep(100).await;
        assert_eq!(pg.server.census().sessions, []);
    });
}

/// OB-111, 112
#[test]
fn a_crash_cuts_every_session_off_and_keeps_what_was_durable() {
    Pg::run(3, |pg| async move {
        let mut walsender = pg.walsender("").await;
        walsender
            .rows("CREATE_REPLICATION_SLOT kept LOGICAL pgoutput NOEXPORT_SNAPSHOT")
            .await;
        walsender
            .rows("CREATE_REPLICATION_SLOT temp TEMPORARY LOGICAL pgoutput")
            .await;
        let mut client = pg.connect().await;
        client
            .rows("create table t (a int); insert into t values (1)")
            .await;
        client.rows("begin; insert into t values (2)").await;
        let mut sleeping = pg.connect().await;
        sleeping.send("select pg_sleep(100)").await;
        pg.sleep(10).await;
        pg.server.crash();
        assert!(!pg.server.accepting());
        assert_eq!(pg.server.census().sessions, []);
        let said = client.until_eof().await;
        assert!(
            matches!(&said[..], [Said::Notice(text)] if text.starts_with("WARNING 57P01")),
            "{said:?}"
        );
        assert_eq!(walsender.until_eof().await, []);
        sleeping.until_eof().await;
        pg.server.restart();
        pg.sleep(10).await;
        let mut client = pg.connect().await;
        assert_eq!(client.value("select string_agg(a::text, ',') from t").await, "1");
        assert_eq!(pg.slots(), [("kept".to_owned(), false, false)]);
        let rows = client.rows("select pid from pg_stat_activity").await;
        assert_eq!(rows.len(), 1);
        assert!(pg.gone_within(client.pid, Duration::ZERO).await.is_none());
    });
}
