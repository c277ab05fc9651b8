//! Every way in: the same password is asked for in three ways, of sessions and of walsenders.

use leftover_core::connection::{Closed, Connector as _, Session as _, Startup, Walsender as _};
use leftover_core::error::ConnectionError;
use leftover_wire::url;

use crate::cluster::shared;

#[tokio::test]
async fn a_password_is_given_in_every_way_that_a_server_asks() {
    let cluster = shared().await;
    for user in ["in_clear", "by_md5", "by_scram"] {
        let connector = leftover_wire::connector(&url::parse(&cluster.url_as(user, "se%20cret")).unwrap());
        let mut session = connector.session(&Startup::default()).await.unwrap();
        assert_eq!(
            session.query("SELECT current_user").await.unwrap()[0].get(0),
            Some(user)
        );
        assert_eq!(session.close().await, Closed::Released);
        let mut walsender = connector.walsender(&Startup::default()).await.unwrap();
        assert_eq!(
            walsender.query("SELECT current_user").await.unwrap()[0].get(0),
            Some(user)
        );
        assert_eq!(walsender.close().await, Closed::Released);
    }
}

#[tokio::test]
async fn a_wrong_password_is_the_servers_error() {
    let cluster = shared().await;
    for user in ["in_clear", "by_md5", "by_scram"] {
        let connector = leftover_wire::connector(&url::parse(&cluster.url_as(user, "guess")).unwrap());
        let refused = connector.session(&Startup::default()).await.unwrap_err();
        assert_eq!(refused.code(), Some("28P01"), "{refused}");
        let refused = connector.walsender(&Startup::default()).await.unwrap_err();
        assert_eq!(refused.code(), Some("28P01"), "{refused}");
    }
}

#[tokio::test]
async fn a_missing_password_is_said_so() {
    let cluster = shared().await;
    let url = cluster.url_as("by_scram", "").replace("by_scram:", "by_scram");
    let connector = leftover_wire::connector(&url::parse(&url).unwrap());
    let refused = connector.session(&Startup::default()).await.unwrap_err();
    assert!(refused.to_string().contains("password"), "{refused}");
    let refused = connector.walsender(&Startup::default()).await.unwrap_err();
    assert!(refused.to_string().contains("password"), "{refused}");
}

#[tokio::test]
async fn a_unix_socket_is_as_good_as_tcp() {
    let cluster = shared().await;
    let connector = leftover_wire::connector(&url::parse(&cluster.socket_url()).unwrap());
    let mut session = connector.session(&Startup::default()).await.unwrap();
    assert!(session.query("SELECT inet_client_addr() IS NULL").await.unwrap()[0].is_true(0));
    assert_eq!(session.close().await, Closed::Released);
}

#[tokio::test]
async fn name_and_settings_reach_the_server_as_they_were_given() {
    let cluster = shared().await;
    let value = r"a b\c  'd' é";
    let startup = Startup {
        application_name: "leftover/m/copy/1".to_owned(),
        settings: vec![
            ("lock_timeout".to_owned(), "10s".to_owned()),
            ("my.value".to_owned(), value.to_owned()),
        ],
    };
    let sql = "SELECT current_setting('application_name'), current_setting('lock_timeout'), current_setting('my.value')";
    let expected = ["leftover/m/copy/1", "10s", value];
    let mut session = cluster.connector().session(&startup).await.unwrap();
    let row = &session.query(sql).await.unwrap()[0];
    assert_eq!([row.get(0), row.get(1), row.get(2)], expected.map(Some));
    let mut walsender = cluster.connector().walsender(&startup).await.unwrap();
    let row = &walsender.query(sql).await.unwrap()[0];
    assert_eq!([row.get(0), row.get(1), row.get(2)], expected.map(Some));
}

#[tokio::test]
async fn what_the_server_refuses_at_startup_is_its_error() {
    let cluster = shared().await;
    let settings = vec![("no_such_setting".to_owned(), "1".to_owned())];
    let startup = Startup {
        application_name: String::new(),
        settings,
    };
    let refused = cluster.connector().session(&startup).await.unwrap_err();
    assert_eq!(refused.code(), Some("42704"), "{refused}");
    let refused = cluster.connector().walsender(&startup).await.unwrap_err();
    assert_eq!(refused.code(), Some("42704"), "{refused}");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_unreachable() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let server = url::parse(&format!("postgres://u@127.0.0.1:{port}/d")).unwrap();
    let connector = leftover_wire::connector(&server);
    let refused = connector.session(&Startup::default()).await.unwrap_err();
    assert!(
        matches!(refused, ConnectionError::Unreachable { .. }),
        "{refused}"
    );
}
