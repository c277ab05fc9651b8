//! Whatever a client sends, the server answers with a typed error or waits for more: it never panics.

use bytes::{BufMut, BytesMut};
use leftover_sim::postgres::protocol::startup::options;
use leftover_sim::postgres::protocol::{Connection, Frontend, Phase, ProtocolError, ReadError, Startup};
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

/// What is wrong inside a message whose end is where it says.
fn wrong_inside(kind: u8, body: &[u8]) -> String {
    let mut bytes = message(kind, body);
    match Frontend::decode(&mut bytes, Phase::Command) {
        Ok(Some(Frontend::Malformed { kind: of, error })) if of == kind && bytes.is_empty() => {
            format!("{} {error}", error.code())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_wrong_inside_a_message_is_said_and_the_next_message_is_where_it_should_be() {
    let bind_value = b"\0\0\0\0\0\x01\0\0\0\x09abc";
    let bind_format = b"\0\0\0\x01\0\x02\0\0\0\0";
    for (kind, body, wrong) in [
        (
            b'Q',
            b"no terminator".as_slice(),
            "08P01 invalid string in message",
        ),
        (b'Q', b"one\0two\0", "08P01 invalid message format"),
        (
            b'Q',
            b"\xe2\x82'\0",
            "22021 invalid byte sequence for encoding \"UTF8\": 0xe2 0x82 0x27",
        ),
        (b'S', b"x", "08P01 invalid message format"),
        (b'D', b"Zname\0", "08P01 invalid DESCRIBE message subtype 90"),
        (b'C', b"", "08P01 no data left in message"),
        (b'P', b"\0\0\xff\xff", "08P01 insufficient data left in message"),
        (b'B', bind_value, "08P01 insufficient data left in message"),
        (b'B', bind_format, "22023 unsupported format code: 2"),
    ] {
        assert_eq!(wrong_inside(kind, body), wrong, "{}", char::from(kind));
    }
}

#[test]
fn each_phase_has_its_message_types_and_a_stranger_is_refused_by_its_first_byte() {
    for (phase, known) in [
        (Phase::Authentication, "p"),
        (Phase::Command, "QPBDECHSdcfFX"),
        (Phase::CopyIn, "dcfHS"),
        (Phase::Stream, "dcX"),
    ] {
        for kind in 0..=u8::MAX {
            let mut first = BytesMut::from([kind].as_slice());
            let expected = if known.as_bytes().contains(&kind) {
                Ok(None)
            } else {
                Err(ProtocolError::MessageType(kind))
            };
            assert_eq!(Frontend::decode(&mut first, phase), expected, "{phase:?}");
        }
    }
}

#[test]
fn a_message_of_a_short_kind_may_have_ten_thousand_bytes() {
    let mut bytes = message(b'S', &[0; 10_001]);
    assert_eq!(
        Frontend::decode(&mut bytes, Phase::Command),
        Err(ProtocolError::MessageLength)
    );
}

#[test]
fn a_length_out_of_bounds_is_refused_before_its_content_is_waited_for() {
    for length in [0_u32, 3, 0x4000_0000, u32::MAX] {
        let mut bytes = BytesMut::new();
        bytes.put_u8(b'Q');
        bytes.put_u32(length);
        assert_eq!(
            Frontend::decode(&mut bytes, Phase::Command),
            Err(ProtocolError::MessageLength),
            "{length}"
        );
    }
}

#[test]
fn a_client_that_breaks_the_protocol_reads_a_fatal_error_with_the_right_code() {
    connected(|_, mut client, mut connection| async move {
        client.write_all(b"?????????").await.unwrap();
        let Err(ReadError::Protocol(error)) = connection.read_message(Phase::Command).await else {
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
fn drained(mut bytes: BytesMut, phase: Phase) -> Option<ProtocolError> {
    loop {
        let before = bytes.len();
        match Frontend::decode(&mut bytes, phase) {
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

fn phases() -> impl Strategy<Value = Phase> {
    prop::sample::select(vec![
        Phase::Authentication,
        Phase::Command,
        Phase::CopyIn,
        Phase::Stream,
    ])
}

proptest! {
    #[test]
    fn random_bytes_end_in_a_typed_error_or_a_wait(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        phase in phases(),
    ) {
        drained(BytesMut::from(bytes.as_slice()), phase);
    }

    #[test]
    fn random_bodies_of_every_kind_end_in_a_typed_error_or_a_message(
        kind in prop::sample::select(b"QPBDECHSdcfpFX".to_vec()),
        body in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..100),
        phase in phases(),
    ) {
        drained(message(kind, &body), phase);
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
