//! Every message of a client is understood as postgres-protocol writes it, however it is cut into pieces.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use leftover_sim::postgres::protocol::{Format, Frontend, Phase, ReadError, Target};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;
use tokio::io::AsyncWriteExt;

use super::connected;

fn every_message() -> (BytesMut, Vec<Frontend>) {
    let mut out = BytesMut::new();
    frontend::query("SELECT 'ä'", &mut out).unwrap();
    frontend::parse("s1", "SELECT $1", [23, 0], &mut out).unwrap();
    frontend::bind(
        "p1",
        "s1",
        [1, 0],
        [Some(b"abc".as_slice()), None],
        |value, out| {
            out.extend_from_slice(value.unwrap_or_default());
            Ok(if value.is_some() { IsNull::No } else { IsNull::Yes })
        },
        [1],
        &mut out,
    )
    .ok()
    .unwrap();
    frontend::describe(b'S', "s1", &mut out).unwrap();
    frontend::describe(b'P', "", &mut out).unwrap();
    frontend::execute("p1", 10, &mut out).unwrap();
    frontend::close(b'S', "s1", &mut out).unwrap();
    frontend::flush(&mut out);
    frontend::sync(&mut out);
    frontend::CopyData::new(b"1\tx\n".as_slice())
        .unwrap()
        .write(&mut out);
    frontend::copy_done(&mut out);
    frontend::copy_fail("no more", &mut out).unwrap();
    frontend::terminate(&mut out);
    let expected = vec![
        Frontend::Query("SELECT 'ä'".to_owned()),
        Frontend::Parse {
            name: "s1".to_owned(),
            sql: "SELECT $1".to_owned(),
            parameter_types: vec![23, 0],
        },
        Frontend::Bind {
            portal: "p1".to_owned(),
            statement: "s1".to_owned(),
            parameter_formats: vec![Format::Binary, Format::Text],
            parameters: vec![Some(Bytes::from_static(b"abc")), None],
            result_formats: vec![Format::Binary],
        },
        Frontend::Describe(Target::Statement("s1".to_owned())),
        Frontend::Describe(Target::Portal(String::new())),
        Frontend::Execute {
            portal: "p1".to_owned(),
            max_rows: 10,
        },
        Frontend::Close(Target::Statement("s1".to_owned())),
        Frontend::Flush,
        Frontend::Sync,
        Frontend::CopyData(Bytes::from_static(b"1\tx\n")),
        Frontend::CopyDone,
        Frontend::CopyFail("no more".to_owned()),
        Frontend::Terminate,
    ];
    (out, expected)
}

#[test]
fn every_message_of_a_client_is_understood() {
    let (mut bytes, expected) = every_message();
    for message in expected {
        assert_eq!(Frontend::decode(&mut bytes, Phase::Command), Ok(Some(message)));
    }
    assert_eq!(Frontend::decode(&mut bytes, Phase::Command), Ok(None));
}

#[test]
fn messages_are_the_same_byte_by_byte_and_when_every_read_is_given_up_and_begun_again() {
    let (bytes, expected) = every_message();
    connected(|sim, mut client, mut connection| async move {
        let timer = sim.timer();
        sim.spawn(async move {
            for byte in bytes {
                client.write_all(&[byte]).await.unwrap();
                timer.sleep(Duration::from_millis(1)).await;
            }
        });
        let timer = sim.timer();
        let mut given_up = 0;
        for message in expected {
            loop {
                use futures_util::future::{Either, select};
                let pause = timer.sleep(Duration::from_micros(700));
                match select(Box::pin(connection.read_message(Phase::Command)), pause).await {
                    Either::Left((read, _)) => break assert_eq!(read, Ok(Some(message))),
                    Either::Right(_) => given_up += 1,
                }
            }
        }
        assert!(given_up > 50, "{given_up}");
        assert_eq!(connection.read_message(Phase::Command).await, Ok(None), "EOF");
    });
}

#[test]
fn an_end_of_file_inside_a_message_is_a_lost_connection() {
    connected(|_, mut client, mut connection| async move {
        client.write_all(b"Q\0\0\0\x20SELECT").await.unwrap();
        drop(client);
        let lost = ReadError::Lost(std::io::ErrorKind::UnexpectedEof);
        assert_eq!(connection.read_message(Phase::Command).await, Err(lost));
    });
}
