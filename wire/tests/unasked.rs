//! What a server says unasked between a query and a COPY disturbs neither, however its bytes are cut.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails like the test")]

use std::time::Duration;

use leftover_core::connection::{Closed, Connector as _, Session as _, Startup};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::once::connector;

mod once;

/// Far more than it takes.
const BOUND: Duration = Duration::from_secs(30);

fn message(tag: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len() + 4).unwrap();
    [&[tag][..], &length.to_be_bytes(), payload].concat()
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

/// Reads one message of the client; the first one has no tag.
async fn read(server: &mut DuplexStream, tagged: bool) -> Vec<u8> {
    let mut header = vec![0; if tagged { 5 } else { 4 }];
    server.read_exact(&mut header).await.unwrap();
    let length = u32::from_be_bytes(*header.last_chunk().unwrap());
    let mut payload = vec![0; length as usize - 4];
    server.read_exact(&mut payload).await.unwrap();
    payload
}

/// A server that breaks off what it says unasked after `cut` bytes, and ends it at the client's next turn, before it
/// is asked anything.
async fn serve(mut server: DuplexStream, mut turns: UnboundedReceiver<()>, cut: usize) {
    let unasked = message(b'S', b"application_name\0somebody\0");
    let (head, rest) = unasked.split_at(cut);
    let key = message(b'K', &[0, 0, 0, 1, 0, 0, 0, 2]);
    read(&mut server, false).await;
    let hello = [message(b'R', &[0; 4]), key, ready(), head.to_vec()].concat();
    server.write_all(&hello).await.unwrap();
    let copy = &b"COPY t TO STDOUT\0"[..];
    for query in [copy, copy, b"SELECT 1\0", copy] {
        turns.recv().await.unwrap();
        server.write_all(rest).await.unwrap();
        assert_eq!(read(&mut server, true).await, query);
        let answer = match query[0] {
            b'C' => [
                message(b'H', &[0, 0, 0]),
                message(b'd', b"1\n"),
                message(b'c', b""),
                message(b'C', b"COPY 1\0"),
            ]
            .concat(),
            _ => message(b'C', b"SELECT 0\0"),
        };
        let answer = [answer, ready(), head.to_vec()].concat();
        server.write_all(&answer).await.unwrap();
    }
    turns.recv().await.unwrap();
    server.write_all(rest).await.unwrap();
    assert_eq!(read(&mut server, true).await, b"", "Terminate");
}

#[tokio::test]
async fn what_is_said_between_a_copy_and_a_query_disturbs_neither() {
    for cut in 0..=31 {
        let (connector, server) = connector();
        let (turn, turns) = unbounded_channel();
        let turn = || turn.send(()).unwrap();
        let client = async {
            let mut session = connector.session(&Startup::default()).await.unwrap();
            for _ in 0..2 {
                turn();
                session.copy_out("COPY t TO STDOUT").await.unwrap();
                let piece = session.copy_out_next().await.unwrap();
                assert_eq!(piece.as_deref(), Some(&b"1\n"[..]), "cut at {cut}");
                assert_eq!(session.copy_out_next().await.unwrap(), None);
            }
            turn();
            assert_eq!(session.query("SELECT 1").await.unwrap(), []);
            turn();
            session.copy_out("COPY t TO STDOUT").await.unwrap();
            while session.copy_out_next().await.unwrap().is_some() {}
            turn();
            assert_eq!(session.close().await, Closed::Released);
        };
        let both = async { tokio::join!(client, serve(server, turns, cut)) };
        tokio::time::timeout(BOUND, both)
            .await
            .expect("both sides wait for each other");
    }
}
