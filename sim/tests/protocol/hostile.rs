//! Whatever a client sends, the server answers with a typed error or waits for more: it never panics.

use bytes::{BufMut, BytesMut};
use leftover_sim::postgres::protocol::startup::options;
use leftover_sim::postgres::protocol::{Connection, Frontend, ProtocolError, ReadError, Startup};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connected;

fn message(kind: u8, body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_u8(kind);
    out.put_u32(u32::try_from(body.len()).unwrap() + 4);
    out.put_slice(body);
    out
}

fn refused(kind: u8, body: &[u8]) -> ProtocolError {
    Frontend::decode(&mut message(kind, body)).expect_err("refused")
}

#[test]
fn malformed_messages_are_typed_errors() {
    assert_eq!(refused(b'?', b""), ProtocolError::MessageType(b'?'));
    assert_eq!(refused(b'Q', b"no terminator"), ProtocolError::MessageFormat);
    assert_eq!(refused(b'Q', b"one\0two\0"), ProtocolError::MessageFormat);
    assert_eq!(refused(b'Q', b"\xff\0"), ProtocolError::Encoding);
    assert_eq!(refused(b'S', b"x"), ProtocolError::MessageFormat);
    assert_eq!(refused(b'D', b"Zname\0"), ProtocolError::MessageFormat);
    assert_eq!(refused(b'P', b"\0\0\xff\xff"), ProtocolError::MessageFormat);
    assert_eq!(
        refused(b'B', b"\0\0\0\0\0\x01\0\0\0\x09abc"),
        ProtocolError::MessageFormat
    );
    assert_eq!(
        refused(b'B', b"\0\0\0\x01\0\x02\0\0\0\0"),
        ProtocolError::MessageFormat
    );
    assert_eq!(refused(b'S', &[0; 10_001]), ProtocolError::MessageLength);
}

#[test]
fn a_length_out_of_bounds_is_refused_before_its_content_is_waited_for() {
    for length in [0_u32, 3, 0x4000_0000, u32::MAX] {
        let mut bytes = BytesMut::new();
        bytes.put_u8(b'Q');
        bytes.put_u32(length);
        assert_eq!(
            Frontend::decode(&mut bytes),
            Err(ProtocolError::MessageLength),
            "{length}"
        );
    }
}

#[test]
fn a_client_that_breaks_the_protocol_reads_a_fatal_error_with_the_right_code() {
    connected(|_, mut client, mut connection| async move {
        client.write_all(b"?????????").await.unwrap();
        let Err(ReadError::Protocol(error)) = connection.read_message().await else {
            panic!("understood");
        };
        connection.refuse(&error);
        connection.flush().await.unwrap();
        drop(connection);
        let mut heard = Vec::new();
        client.read_to_end(&mut heard).await.unwrap();
        let heard = String::from_utf8(heard[5..].to_vec()).unwrap().replace('\0', "|");
        insta::assert_snapshot!(heard, @"SFATAL|VFATAL|C08P01|Minvalid frontend message type 63||");
    });
}

/// What is left after all that can be understood is: `None` means that it waits for more.
fn drained(mut bytes: BytesMut) -> Option<ProtocolError> {
    loop {
        let before = bytes.len();
        match Frontend::decode(&mut bytes) {
            Ok(Some(_)) => assert!(bytes.len() < before, "a message takes bytes"),
            Ok(None) => return None,
            Err(error) => return Some(error),
        }
    }
}

fn first_packet(bytes: Vec<u8>) -> Result<Option<Startup>, ReadError> {
    connected(|_, mut client, mut connection: Connection<_>| async move {
        client.write_all(&bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let read = connection.read_startup().await;
        drop(client);
        read
    })
}

proptest! {
    #[test]
    fn random_bytes_end_in_a_typed_error_or_a_wait(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drained(BytesMut::from(bytes.as_slice()));
    }

    #[test]
    fn random_bodies_of_every_kind_end_in_a_typed_error_or_a_message(
        kind in prop::sample::select(b"QPBDECHSdcfpFX".to_vec()),
        body in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..100),
    ) {
        drained(message(kind, &body));
    }

    #[test]
    fn random_first_packets_end_in_a_typed_error_or_a_startup(
        version in prop_oneof![Just(196_608_u32), Just(80_877_102), Just(80_877_103), any::<u32>()],
        body in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..60),
    ) {
        let mut bytes = BytesMut::new();
        bytes.put_u32(u32::try_from(body.len()).unwrap() + 8);
        bytes.put_u32(version);
        bytes.put_slice(&body);
        let _ = first_packet(bytes.to_vec());
    }

    #[test]
    fn random_options_never_panic(value in any::<String>()) {
        let _ = options(&value);
    }
}
