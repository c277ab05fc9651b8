//! The first packet: sessions, walsenders, cancel requests, questions about encryption.

use bytes::BytesMut;
use leftover_sim::postgres::protocol::startup::options;
use leftover_sim::postgres::protocol::{ProtocolError, ReadError, Replication, SessionStartup, Startup};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connected;

fn first(write: impl FnOnce(&mut BytesMut)) -> Result<Option<Startup>, ReadError> {
    let mut bytes = BytesMut::new();
    write(&mut bytes);
    connected(|_, mut client, mut connection| async move {
        client.write_all(&bytes).await.unwrap();
        let read = connection.read_startup().await;
        drop(client);
        read
    })
}

fn session(parameters: &[(&str, &str)]) -> Result<SessionStartup, ReadError> {
    let read = first(|out| frontend::startup_message(parameters.iter().copied(), out).unwrap())?;
    let Some(Startup::Session(session)) = read else {
        panic!("{read:?}");
    };
    Ok(std::rc::Rc::unwrap_or_clone(session))
}

fn setting(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn options_come_first_among_the_settings_and_the_database_is_the_roles_name_by_default() {
    let startup = session(&[
        ("application_name", "leftover/shop/copy/1"),
        ("user", "mirror"),
        (
            "options",
            "-c lock_timeout=10s --statement-timeout=0 -csearch_path=a\\ b",
        ),
    ]);
    let expected = vec![
        setting("lock_timeout", "10s"),
        setting("statement_timeout", "0"),
        setting("search_path", "a b"),
        setting("application_name", "leftover/shop/copy/1"),
    ];
    let startup = startup.unwrap();
    assert_eq!(startup.settings, expected);
    assert_eq!(
        (startup.user.as_str(), startup.database.as_str()),
        ("mirror", "mirror")
    );
    assert_eq!(
        (startup.replication, startup.minor_version),
        (Replication::Off, 0)
    );
}

#[test]
fn replication_tells_a_walsender_of_a_database_from_a_physical_one() {
    for (value, expected) in [
        ("database", Replication::Database),
        ("TRUE", Replication::Physical),
        ("off", Replication::Off),
    ] {
        let startup = session(&[("user", "u"), ("replication", value)]).unwrap();
        assert_eq!(startup.replication, expected, "{value}");
    }
    let refused = session(&[("user", "u"), ("replication", "maybe")]).unwrap_err();
    assert_eq!(
        refused,
        ReadError::Protocol(ProtocolError::ReplicationValue("maybe".to_owned()))
    );
}

#[test]
fn a_cancel_request_carries_the_backends_key() {
    let read = first(|out| frontend::cancel_request(4711, -42, out));
    assert_eq!(
        read,
        Ok(Some(Startup::Cancel {
            pid: 4711,
            secret: -42
        }))
    );
}

#[test]
fn a_question_about_encryption_is_answered_with_no_and_the_startup_packet_may_follow() {
    connected(|_, mut client, mut connection| async move {
        let mut bytes = BytesMut::new();
        frontend::ssl_request(&mut bytes);
        client.write_all(&bytes).await.unwrap();
        let ask = async {
            assert_eq!(client.read_u8().await.unwrap(), b'N');
            bytes.clear();
            frontend::startup_message([("user", "u")], &mut bytes).unwrap();
            client.write_all(&bytes).await.unwrap();
        };
        let (startup, ()) = futures_util::future::join(connection.read_startup(), ask).await;
        assert!(matches!(startup, Ok(Some(Startup::Session(_)))), "{startup:?}");
    });
}

#[test]
fn a_client_that_closes_before_it_says_anything_is_no_error() {
    connected(|_, client, mut connection| async move {
        drop(client);
        assert_eq!(connection.read_startup().await, Ok(None), "OB-11");
    });
}

#[test]
fn first_packets_that_are_none_are_typed_errors() {
    let protocol = |bytes: &'static [u8]| first(|out| out.extend_from_slice(bytes)).unwrap_err();
    assert_eq!(
        protocol(b"GET / HTTP/1.1\r\n"),
        ReadError::Protocol(ProtocolError::StartupLength)
    );
    let version = ProtocolError::Version { major: 2, minor: 0 };
    assert_eq!(protocol(b"\0\0\0\x08\0\x02\0\0"), ReadError::Protocol(version));
    assert_eq!(
        protocol(b"\0\0\0\x0a\0\x03\0\0ab"),
        ReadError::Protocol(ProtocolError::StartupLayout)
    );
    assert_eq!(
        protocol(b"\0\0\0\x09\0\x03\0\0\0"),
        ReadError::Protocol(ProtocolError::NoUser)
    );
}

#[test]
fn options_that_are_no_settings_are_refused() {
    for value in ["-x", "-c", "-c name", "word"] {
        assert!(
            matches!(
                options(value),
                Err(ProtocolError::Options(_) | ProtocolError::OptionsValue(_))
            ),
            "{value}"
        );
    }
    assert_eq!(options("  "), Ok(vec![]));
    assert_eq!(options("-c a=b\\\\c"), Ok(vec![setting("a", "b\\c")]));
}
