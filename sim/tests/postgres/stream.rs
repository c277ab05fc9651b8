//! The client's side of a logical stream: it understands `pgoutput`.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::client::{Client, Pg, Said};

/// What a stream brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Streamed {
    Keepalive { end: u64, reply: bool },
    Begin { commit: u64 },
    Commit { commit: u64, end: u64 },
    Change(String),
    Said(Said),
}

impl Streamed {
    fn decode(said: Said) -> Streamed {
        let Said::Data(data) = said else {
            return Streamed::Said(said);
        };
        let mut data = Bytes::from(data);
        match data.get_u8() {
            b'k' => {
                let end = data.get_u64();
                data.get_u64();
                let reply = data.get_u8() == 1;
                Streamed::Keepalive { end, reply }
            }
            b'w' => {
                data.advance(24);
                message(data)
            }
            other => panic!("{other}"),
        }
    }
}

fn message(mut data: Bytes) -> Streamed {
    let kind = data.get_u8();
    let mut out = String::new();
    match kind {
        b'B' => {
            let commit = data.get_u64();
            return Streamed::Begin { commit };
        }
        b'C' => {
            assert_eq!(data.get_u8(), 0);
            let (commit, end) = (data.get_u64(), data.get_u64());
            return Streamed::Commit { commit, end };
        }
        b'R' => {
            data.get_u32();
            let (schema, name) = (text(&mut data), text(&mut data));
            let identity = char::from(data.get_u8());
            write!(out, "relation {schema}.{name} {identity}").unwrap();
            for _ in 0..data.get_u16() {
                let key = if data.get_u8() == 1 { "*" } else { "" };
                let column = text(&mut data);
                write!(out, " {column}{key}:{}/{}", data.get_u32(), data.get_i32()).unwrap();
            }
        }
        b'T' => {
            let tables = data.get_u32();
            write!(out, "truncate {tables} {}", data.get_u8()).unwrap();
            data.advance(4 * tables as usize);
        }
        b'I' | b'U' | b'D' => {
            data.get_u32();
            out.push(char::from(kind.to_ascii_lowercase()));
            while data.has_remaining() {
                write!(out, " {}", tuple(&mut data)).unwrap();
            }
        }
        other => panic!("{other}"),
    }
    assert!(!data.has_remaining(), "{out} and {data:?}");
    Streamed::Change(out)
}

fn tuple(data: &mut Bytes) -> String {
    let mut out = String::from(char::from(data.get_u8()));
    let cells: Vec<String> = (0..data.get_u16())
        .map(|_| match data.get_u8() {
            b'n' => "null".to_owned(),
            b't' => {
                let length = data.get_u32() as usize;
                String::from_utf8(data.split_to(length).to_vec()).unwrap()
            }
            other => panic!("{other}"),
        })
        .collect();
    write!(out, "({})", cells.join(",")).unwrap();
    out
}

fn text(data: &mut Bytes) -> String {
    let end = data.iter().position(|byte| *byte == 0).unwrap();
    let text = String::from_utf8(data.split_to(end).to_vec()).unwrap();
    data.advance(1);
    text
}

/// `START_REPLICATION` of the slot `s` and the publication `p`, from here.
pub fn start(from: &str) -> String {
    format!("START_REPLICATION SLOT s LOGICAL {from} (proto_version '1', publication_names 'p')")
}

/// A table `t`, its publication `p` and a permanent slot `s`.
pub async fn publish(pg: &Pg) {
    pg.sql("create table t (a int primary key, b text); grant all on t to mirror; create publication p for table t");
    create_slot(pg, "s").await;
}

/// A permanent slot.
pub async fn create_slot(pg: &Pg, name: &str) {
    let mut walsender = pg.walsender("").await;
    walsender
        .rows(&format!(
            "CREATE_REPLICATION_SLOT {name} LOGICAL pgoutput NOEXPORT_SNAPSHOT"
        ))
        .await;
    walsender.close().await;
}

/// A walsender that streams `s` from where it was confirmed.
pub async fn streaming(pg: &Pg, options: &str) -> Client {
    let mut client = pg.walsender(options).await;
    client.stream(&start("0/0")).await;
    client
}

/// A walsender that streams `s` and is blocked by its client, who does not read.
pub async fn blocked(pg: &Pg, options: &str) -> Client {
    let client = streaming(pg, options).await;
    pg.sql("insert into t select a, repeat('x', 1000) from generate_series(1, 2000) a");
    pg.sleep(100).await;
    assert_eq!(pg.doing(client.pid), "active Client/WalSenderWriteData");
    client
}

/// Up to where `s` is confirmed.
pub fn confirmed(pg: &Pg) -> u64 {
    let lsn = pg.value("select confirmed_flush_lsn from pg_replication_slots where slot_name = 's'");
    lsn.parse::<leftover_core::connection::Lsn>().unwrap().0
}

/// Whether `s` is held by somebody.
pub fn active(pg: &Pg) -> bool {
    pg.slots().iter().any(|(name, _, active)| name == "s" && *active)
}

/// Whether it took so long, and at most one step of the test's own look longer.
pub fn near(took: Duration, millis: u64) -> bool {
    (Duration::from_millis(millis)..Duration::from_millis(millis + 30)).contains(&took)
}

impl Client {
    /// Starts a stream, which must be accepted.
    pub async fn stream(&mut self, command: &str) {
        self.send(command).await;
        assert_eq!(self.next().await, Some(Said::CopyBoth), "{command}");
    }

    /// What the stream brings next; `None` at EOF or a reset.
    pub async fn streamed(&mut self) -> Option<Streamed> {
        self.next().await.map(Streamed::decode)
    }

    /// The next transaction that the stream brings, as its changes and its end; keepalives are passed over.
    pub async fn transaction(&mut self) -> (Vec<String>, u64) {
        let mut changes = Vec::new();
        let mut began = None;
        loop {
            match self.streamed().await.unwrap() {
                Streamed::Keepalive { .. } => {}
                Streamed::Begin { commit } => assert_eq!(began.replace(commit), None),
                Streamed::Change(change) => changes.push(change),
                Streamed::Commit { commit, end } => {
                    assert_eq!(began, Some(commit));
                    return (changes, end);
                }
                Streamed::Said(said) => panic!("{said:?}"),
            }
        }
    }

    /// Says how far this client has come.
    pub async fn confirm(&mut self, lsn: u64) {
        let mut status = BytesMut::new();
        status.put_u8(b'r');
        for _ in 0..3 {
            status.put_u64(lsn);
        }
        status.put_u64(0);
        status.put_u8(0);
        self.copy_data(&status).await;
    }

    /// What is said until ReadyForQuery, keepalives left out.
    pub async fn end_of_stream(&mut self) -> Vec<Streamed> {
        let said = self.until_ready().await.into_iter().map(Streamed::decode);
        said.filter(|said| !matches!(said, Streamed::Keepalive { .. }))
            .collect()
    }
}
