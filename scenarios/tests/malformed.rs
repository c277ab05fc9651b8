//! What the simulated Postgres answers to a client that breaks the protocol is what Postgres 15 answers: the same
//! bytes, sent to both.

use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use leftover_scenarios::conformance::client::Client;
use leftover_scenarios::conformance::pg::Pg;
use leftover_scenarios::conformance::real::Real;
use leftover_scenarios::conformance::row::Checked;
use leftover_scenarios::conformance::said::Said;
use leftover_scenarios::conformance::simulated::simulate;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// How long a server may take to end a connection that its client has half-closed.
const ENDS: Duration = Duration::from_secs(10);

/// Where in its life the connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Session,
    Transaction,
    CopyIn,
    Walsender,
    Stream,
}

/// A message of this kind that says its own length.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a test's message is short") + 4;
    [&[kind], length.to_be_bytes().as_slice(), body].concat()
}

/// A message of this kind that says this length, and nothing more.
fn lying(kind: u8, length: u32) -> Vec<u8> {
    [&[kind], length.to_be_bytes().as_slice()].concat()
}

/// A first packet of this version.
fn first(version: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a test's packet is short") + 8;
    [&length.to_be_bytes(), &version.to_be_bytes(), body].concat()
}

fn then_sync(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend(message(b'S', b""));
    bytes
}

const VERSION_3: u32 = 3 << 16;
const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;

fn first_packets() -> Vec<(&'static str, Vec<u8>)> {
    let too_long = [10_001_u32.to_be_bytes(), VERSION_3.to_be_bytes()].concat();
    vec![
        ("http", b"GET / HTTP/1.0\r\n\r\n".to_vec()),
        (
            "a length of 7",
            [7_u32.to_be_bytes(), VERSION_3.to_be_bytes()].concat(),
        ),
        ("a length of 10001", too_long),
        ("half a length", vec![0, 0]),
        ("half a packet", first(VERSION_3, b"user\0u\0\0")[..9].to_vec()),
        ("version 0.0", first(0, b"user\0u\0\0")),
        ("version 1.0", first(1 << 16, b"user\0u\0\0")),
        ("version 2.0", first(2 << 16, b"user\0u\0\0")),
        ("version 4.0", first(4 << 16, b"user\0u\0\0")),
        ("no terminator", first(VERSION_3, b"user\0u\0")),
        ("two terminators", first(VERSION_3, b"user\0u\0\0\0")),
        ("half a pair", first(VERSION_3, b"user\0u\0database\0")),
        ("nothing in it", first(VERSION_3, b"\0")),
        ("an empty user", first(VERSION_3, b"user\0\0database\0app\0\0")),
        (
            "a wrong replication",
            first(VERSION_3, b"user\0u\0replication\0maybe\0\0"),
        ),
        ("SSL twice", [first(SSL, b""), first(SSL, b"")].concat()),
        ("SSL with a body", first(SSL, b"abcd")),
        (
            "data behind SSL",
            [first(SSL, b""), first(VERSION_3, b"user\0u\0\0")].concat(),
        ),
        ("a short cancel request", first(CANCEL, &[0; 4])),
        ("a long cancel request", first(CANCEL, &[0; 12])),
    ]
}

/// Of sessions: unknown types, lengths, and what is wrong inside a message of the simple protocol.
fn messages() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("type ?", message(b'?', b"")),
        ("type 0", vec![0]),
        ("type p", message(b'p', b"secret\0")),
        ("type v", vec![b'v']),
        ("Query of length 0", lying(b'Q', 0)),
        ("Query of length 3", lying(b'Q', 3)),
        ("Query of length -1", lying(b'Q', u32::MAX)),
        ("Query of 1 GB", lying(b'Q', 0x4000_0000)),
        ("Sync of 10001 bytes", lying(b'S', 10_001)),
        ("half a Query", message(b'Q', b"SELECT 1\0")[..9].to_vec()),
        (
            "Query without its end",
            [message(b'Q', b"SELECT 1"), message(b'Q', b"SELECT 2\0")].concat(),
        ),
        ("empty Query", message(b'Q', b"")),
        ("two texts in a Query", message(b'Q', b"SELECT 1\0SELECT 2\0")),
        ("Query that is not UTF-8", message(b'Q', b"SELECT '\xff'\0")),
        (
            "Query that ends in a character",
            message(b'Q', b"SELECT '\xe2\x82'\0"),
        ),
        (
            "Query with an overlong character",
            message(b'Q', b"SELECT '\xc0\x80'\0"),
        ),
        ("Sync with a body", message(b'S', b"x")),
        ("Flush with a body", then_sync(message(b'H', b"x"))),
        ("Terminate with a body", message(b'X', b"x")),
        (
            "COPY messages outside of a COPY",
            [
                message(b'd', b"x"),
                message(b'c', b"x"),
                message(b'f', b"x"),
                message(b'Q', b"SELECT 1\0"),
            ]
            .concat(),
        ),
        (
            "wrong messages behind an error",
            [
                message(b'D', b"Zx\0"),
                message(b'P', b"x"),
                message(b'Q', b""),
                message(b'S', b""),
            ]
            .concat(),
        ),
        (
            "an unknown type behind an error",
            [message(b'D', b"Zx\0"), message(b'?', b"")].concat(),
        ),
    ]
}

/// Of sessions: what is wrong inside a message of the extended protocol.
fn extended() -> Vec<(&'static str, Vec<u8>)> {
    let parse = message(b'P', b"\0SELECT $1::int4\0\0\0");
    let bind = |body: &[u8]| then_sync([parse.clone(), message(b'B', body)].concat());
    let describe = |body: &[u8]| then_sync(message(b'D', body));
    vec![
        ("Parse without anything", then_sync(message(b'P', b""))),
        (
            "Parse without its count",
            then_sync(message(b'P', b"\0SELECT 1\0")),
        ),
        (
            "Parse with a count that lies",
            then_sync(message(b'P', b"\0SELECT 1\0\xff\xff")),
        ),
        (
            "Parse that goes on",
            then_sync(message(b'P', b"\0SELECT 1\0\0\0x")),
        ),
        ("Bind without anything", bind(b"")),
        ("Bind with formats that lie", bind(b"\0\0\0\x09")),
        (
            "Bind with an unknown format",
            bind(b"\0\0\0\x01\0\x02\0\x01\0\0\0\x011\0\0"),
        ),
        (
            "Bind with too many formats",
            bind(b"\0\0\0\x03\0\0\0\0\0\0\0\x01\0\0\0\x011\0\0"),
        ),
        (
            "Bind with too many result formats",
            bind(b"\0\0\0\0\0\x01\0\0\0\x011\0\x02\0\0\0\0"),
        ),
        (
            "Bind with a value that lies",
            bind(b"\0\0\0\0\0\x01\0\0\0\x09abc"),
        ),
        (
            "Bind with a length of -2",
            bind(b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0"),
        ),
        (
            "Bind with a short binary value",
            bind(b"\0\0\0\x01\0\x01\0\x01\0\0\0\x03abc\0\0"),
        ),
        (
            "Bind with a long binary value",
            bind(b"\0\0\0\x01\0\x01\0\x01\0\0\0\x05abcde\0\0"),
        ),
        ("Bind with too few values", bind(b"\0\0\0\0\0\0\0\0")),
        ("Bind that goes on", bind(b"\0\0\0\0\0\x01\0\0\0\x011\0\0x")),
        ("Describe without anything", describe(b"")),
        ("Describe of something else", describe(b"Zx\0")),
        ("Describe without a name", describe(b"S")),
        ("Close of something else", then_sync(message(b'C', b"Zx\0"))),
        ("Close without anything", then_sync(message(b'C', b""))),
        ("Execute without anything", then_sync(message(b'E', b""))),
        ("Execute without its count", then_sync(message(b'E', b"\0\0"))),
        ("Execute that goes on", then_sync(message(b'E', b"\0\0\0\0\0x"))),
    ]
}

/// Inside a COPY IN.
fn copies() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("Query", message(b'Q', b"SELECT 1\0")),
        ("Parse", message(b'P', b"")),
        ("Terminate", message(b'X', b"")),
        ("type p", vec![b'p']),
        ("type ?", vec![b'?']),
        (
            "Sync with a body, and the end",
            [message(b'S', b"x"), message(b'c', b"x")].concat(),
        ),
        ("CopyFail without its end", message(b'f', b"no")),
        ("CopyFail that is not UTF-8", message(b'f', b"\xff\0")),
        ("CopyFail that goes on", message(b'f', b"no\0more")),
        ("CopyData of length 3", lying(b'd', 3)),
        ("CopyDone of 10001 bytes", lying(b'c', 10_001)),
        (
            "data that is not UTF-8",
            [message(b'd', b"1\t\xff\n"), message(b'c', b"")].concat(),
        ),
        ("half a CopyData", message(b'd', b"1\tx\n")[..7].to_vec()),
        ("nothing", Vec::new()),
    ]
}

/// Inside a stream.
fn streams() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("Query", message(b'Q', b"SELECT 1\0")),
        ("CopyFail", message(b'f', b"no\0")),
        ("Sync", message(b'S', b"")),
        ("type ?", vec![b'?']),
        ("empty CopyData", message(b'd', b"")),
        ("unknown CopyData", message(b'd', b"z")),
        ("short status", message(b'd', b"r\0\0")),
        ("short feedback", message(b'd', b"h\0\0")),
        ("CopyData of length 3", lying(b'd', 3)),
        ("CopyDone of 10001 bytes", lying(b'c', 10_001)),
        ("CopyDone with a body", message(b'c', b"x")),
        ("Terminate with a body", message(b'X', b"x")),
        ("half a CopyData", b"d\0\0".to_vec()),
    ]
}

/// On a walsender.
fn walsenders() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("Parse", then_sync(message(b'P', b"\0SELECT 1\0\0\0"))),
        ("wrong Parse", then_sync(message(b'P', b"x"))),
        (
            "wrong Query",
            [message(b'Q', b"x"), message(b'Q', b"SELECT 1\0")].concat(),
        ),
    ]
}

/// What a server answers to a first packet, up to the end.
async fn answer_to_first(pg: &Pg, bytes: &[u8]) -> Checked<String> {
    let mut link = pg.server().dial().await?;
    link.write_all(bytes).await?;
    // A server that has closed has nothing to be told.
    let _ = link.shutdown().await;
    let mut heard = BytesMut::new();
    while link.read_buf(&mut heard).await.is_ok_and(|read| read > 0) {}
    let mut answer = String::new();
    if heard.first() == Some(&b'N') {
        answer.push_str("N ");
        drop(heard.split_to(1));
    }
    match Said::parse(&mut heard) {
        Ok(Some(Said::Error(fields))) => answer.push_str(&format!("{fields} {:?}", fields.detail)),
        _ => answer.push_str(&heard.escape_ascii().to_string()),
    }
    Ok(answer)
}

/// What a server answers at this place, up to the end.
async fn answer(pg: &Pg, place: Place, bytes: &[u8]) -> Checked<Vec<Said>> {
    let mut client = match place {
        Place::Walsender | Place::Stream => pg.walsender("").await?,
        _ => pg.connect().await?,
    };
    match place {
        Place::Session | Place::Walsender => {}
        Place::Transaction => drop(client.rows("BEGIN").await?),
        Place::CopyIn => {
            client
                .rows("CREATE TABLE IF NOT EXISTS t (id int, v text)")
                .await?;
            client.send("COPY t FROM STDIN").await?;
            client.until(|said| *said == Said::CopyIn).await;
        }
        Place::Stream => {
            let slot = "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT";
            client.rows(slot).await?;
            let stream = "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')";
            client.send(stream).await?;
            client.until(|said| *said == Said::CopyBoth).await;
        }
    }
    client.send_raw(bytes).await?;
    let _ = half_close(&mut client).await;
    let mut said = client.until_end().await;
    // Keepalives come when they come, and a FIN becomes a RST where something was left unread.
    said.retain(|said| !matches!(said, Said::Data(_)));
    said.pop();
    Ok(said)
}

async fn half_close(client: &mut Client) -> Checked {
    client
        .leave(leftover_scenarios::conformance::client::Leave::HalfClose)
        .await
}

/// Every answer, with what was sent.
async fn answers(pg: &Pg) -> Checked<Vec<String>> {
    let mut all = Vec::new();
    for (name, bytes) in first_packets() {
        all.push(format!(
            "first packet, {name}: {}",
            answer_to_first(pg, &bytes).await?
        ));
    }
    for (place, cases) in [
        (Place::Session, messages()),
        (Place::Session, extended()),
        (Place::Transaction, messages()),
        (Place::Transaction, extended()),
        (Place::CopyIn, copies()),
        (Place::Walsender, walsenders()),
        (Place::Stream, streams()),
    ] {
        for (name, bytes) in cases {
            let begun = pg.now();
            let said = answer(pg, place, &bytes).await?;
            assert!(pg.now() - begun < ENDS, "{place:?}, {name}");
            all.push(format!("{place:?}, {name}: {said:?}"));
        }
    }
    Ok(all)
}

#[test]
fn a_client_that_breaks_the_protocol_reads_what_postgres_15_says() {
    let real = Real::start(15).expect("ci/test sets up what is missing");
    let real = real
        .run(1, |pg| answers(pg).boxed_local())
        .expect("Postgres answers");
    let ours = simulate(0, |pg| answers(pg).boxed_local()).expect("the simulated server answers");
    let differences: Vec<String> = ours
        .iter()
        .zip(&real[0])
        .filter(|(ours, real)| ours != real)
        .map(|(ours, real)| format!("ours: {ours}\nreal: {real}"))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    assert_eq!(ours.len(), real[0].len());
}
