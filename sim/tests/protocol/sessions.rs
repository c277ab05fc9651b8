//! Whole sessions: the client that users run, against a server of a few lines that speaks through
//! [`Connection`].

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use leftover_core::connection::{Closed, Connector as _, Session as _, Startup as Says, Walsender as _};
use leftover_core::error::ConnectionError;
use leftover_sim::chooser::Chooser;
use leftover_sim::net::{Dialer, Network, PipeOptions, ServerEnd};
use leftover_sim::postgres::protocol::scram::ScramSecret;
use leftover_sim::postgres::protocol::{
    AuthenticationError, Connection, Field, Format, Frontend, Method, Phase, ReadError, Report, Startup,
    Status, authenticate,
};
use leftover_sim::runtime::Simulation;
use leftover_wire::Connector;
use leftover_wire::dial::{BoxedStream, Dial};
use leftover_wire::login::Login;

struct Port(Dialer);

impl Dial for Port {
    fn dial(&self) -> Pin<Box<dyn Future<Output = std::io::Result<BoxedStream>> + Send + '_>> {
        let dial = self.0.dial();
        Box::pin(async move { Ok(Box::new(dial.await?) as BoxedStream) })
    }
}

/// Runs `client` against a server that authenticates with `method`.
fn against<F: Future>(method: Method, password: &str, client: impl FnOnce(Connector) -> F) -> F::Output {
    let login = Login {
        user: "mirror".to_owned(),
        password: Some(password.to_owned()),
        database: "shop".to_owned(),
    };
    Simulation::new(3)
        .run(|sim| {
            let network = Network::new(&sim, &sim.chooser().fork("network"), PipeOptions::default());
            let (listener, dialer) = network.listen("server");
            let seed = sim.chooser().seed();
            let (server, method) = (sim.clone(), Arc::new(method));
            sim.spawn(async move {
                loop {
                    let connection = Connection::new(listener.accept().await);
                    let (method, chooser) = (Arc::clone(&method), seed.fork("server"));
                    server.spawn(async move {
                        let _ = serve(connection, &method, &chooser).await;
                    });
                }
            });
            client(Connector::new(Arc::new(Port(dialer)), login))
        })
        .expect("the test ends")
}

async fn serve(
    mut connection: Connection<ServerEnd>,
    method: &Method,
    chooser: &Chooser,
) -> Result<(), AuthenticationError> {
    let Some(Startup::Session(startup)) = connection.read_startup().await? else {
        return Ok(());
    };
    if let Err(error) = authenticate(&mut connection, method, &startup.user, chooser).await {
        if let AuthenticationError::Refused { code, message } = &error {
            let report = Report {
                severity: "FATAL",
                code,
                message,
                ..Report::default()
            };
            connection.replies().error(&report);
            let _ = connection.flush().await;
        }
        return Err(error);
    }
    connection
        .replies()
        .parameter_status("server_version", "15.18")
        .parameter_status("client_encoding", "UTF8")
        .backend_key_data(77, 4242)
        .ready_for_query(Status::Idle);
    converse(&mut connection).await.map_err(AuthenticationError::from)
}

async fn converse(connection: &mut Connection<ServerEnd>) -> Result<(), ReadError> {
    let mut copied = 0;
    loop {
        connection
            .flush()
            .await
            .map_err(leftover_sim::postgres::protocol::ReadError::from)?;
        match connection.read_message(Phase::Command).await? {
            None | Some(Frontend::Terminate) => return Ok(()),
            Some(Frontend::Query(sql)) => {
                answer(connection, &sql);
                if sql != "copy in" {
                    connection.replies().ready_for_query(Status::Idle);
                }
            }
            Some(Frontend::CopyData(data)) => copied += data.len(),
            Some(Frontend::CopyDone) => {
                connection
                    .replies()
                    .command_complete(&format!("COPY {copied}"))
                    .ready_for_query(Status::Idle);
            }
            Some(other) => panic!("{other:?}"),
        }
    }
}

fn answer(connection: &mut Connection<ServerEnd>, sql: &str) {
    let mut replies = connection.replies();
    match sql {
        "rows" => {
            let field = |name| Field {
                name,
                type_oid: 25,
                type_length: -1,
                type_modifier: -1,
                format: Format::Text,
            };
            let notice = Report {
                severity: "NOTICE",
                code: "00000",
                message: "hello",
                ..Report::default()
            };
            replies.notice(&notice).row_description([field("a"), field("b")]);
            for row in [[Some("1"), None], [Some(""), Some("ä")]] {
                let write = |out: &mut Vec<u8>, value: Option<&str>| {
                    out.extend_from_slice(value.unwrap_or_default().as_bytes());
                    Ok::<_, Infallible>(value.is_some())
                };
                replies.data_row(row, write).unwrap();
            }
            replies.command_complete("SELECT 2");
        }
        "error" => {
            replies.error(&Report {
                severity: "ERROR",
                code: "55006",
                message: "replication slot \"s\" is active for PID 5",
                detail: Some("a detail"),
                hint: Some("a hint"),
            });
        }
        "copy out" => {
            replies.copy_out_response(Format::Binary, 2);
            for number in 0..1_000_u32 {
                replies.copy_data(&number.to_be_bytes());
            }
            replies.copy_done().command_complete("COPY 1000");
        }
        "copy in" => {
            replies.copy_in_response(Format::Binary, 1);
        }
        _ => {
            replies.empty_query();
        }
    }
}

fn scram() -> Method {
    Method::ScramSha256(ScramSecret::new("secret", b"0123456789abcdef", 64))
}

#[test]
fn a_role_logs_in_by_trust_by_cleartext_and_by_scram() {
    for method in [Method::Trust, Method::Cleartext("secret".to_owned()), scram()] {
        against(method.clone(), "secret", |connector| async move {
            let session = connector.session(&Says::default()).await.expect("logged in");
            assert_eq!((session.backend().pid, session.backend().secret), (77, 4242));
            assert_eq!(session.close().await, Closed::Released);
            let walsender = connector.walsender(&Says::default()).await.expect("logged in");
            assert_eq!(walsender.backend().pid, 77);
            assert_eq!(walsender.close().await, Closed::Released);
        });
    }
}

#[test]
fn a_wrong_password_is_refused() {
    for method in [Method::Cleartext("secret".to_owned()), scram()] {
        against(method, "guess", |connector| async move {
            for refused in [
                connector.session(&Says::default()).await.err(),
                connector.walsender(&Says::default()).await.err(),
            ] {
                let Some(ConnectionError::Server(error)) = refused else {
                    panic!("{refused:?}");
                };
                assert_eq!((error.code.as_str(), error.is_fatal()), ("28P01", true));
            }
        });
    }
}

#[test]
fn rows_nulls_errors_and_copies_arrive_as_they_were_said() {
    against(Method::Trust, "", |connector| async move {
        let mut session = connector.session(&Says::default()).await.unwrap();
        let rows = session.query("rows").await.unwrap();
        let values: Vec<_> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(values, [(Some("1"), None), (Some(""), Some("ä"))]);

        let Err(ConnectionError::Server(error)) = session.query("error").await else {
            panic!("no error");
        };
        assert_eq!(
            error.to_string(),
            "ERROR 55006: replication slot \"s\" is active for PID 5 (a detail)"
        );
        assert_eq!(error.hint.as_deref(), Some("a hint"));

        session.copy_out("copy out").await.unwrap();
        let mut copied = Vec::new();
        while let Some(piece) = session.copy_out_next().await.unwrap() {
            copied.extend_from_slice(&piece);
        }
        let expected: Vec<u8> = (0..1_000_u32).flat_map(u32::to_be_bytes).collect();
        assert_eq!(copied, expected);

        session.copy_in("copy in").await.unwrap();
        for _ in 0..100 {
            session.copy_in_send(Bytes::from(vec![7; 3_000])).await.unwrap();
        }
        assert_eq!(session.copy_in_finish().await.unwrap(), 300_000);
        assert_eq!(session.query("").await.unwrap(), []);
        assert_eq!(session.close().await, Closed::Released);
    });
}
