//! What a broken or hostile client sends: conversations that a server understands, bent in every way, and noise.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use postgres_protocol::message::frontend;
use proptest::prelude::*;
use proptest::sample::Index;

use super::client::{Leave, bind, parse};

/// Where in its life a connection is when the input comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// TCP is connected and nothing was said.
    FirstPacket,
    /// A session that is ready for a command.
    Session,
    /// A session in a transaction that holds rows and a lock.
    Transaction,
    /// A session in a failed transaction.
    Failed,
    /// A server that waits for COPY data.
    CopyIn,
    /// A walsender that is ready for a command.
    Walsender,
    /// A walsender that streams.
    CopyBoth,
}

const PLACES: [Place; 7] = [
    Place::FirstPacket,
    Place::Session,
    Place::Transaction,
    Place::Failed,
    Place::CopyIn,
    Place::Walsender,
    Place::CopyBoth,
];

/// One input and what becomes of its connection.
#[derive(Clone)]
pub struct Input {
    pub place: Place,
    /// What is sent, in the pieces in which it arrives.
    pub pieces: Vec<Vec<u8>>,
    pub leave: Leave,
    pub seed: u64,
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, then {:?} (seed {}):", self.place, self.leave, self.seed)?;
        for piece in &self.pieces {
            write!(f, "\n  b\"{}\"", piece.escape_ascii())?;
        }
        Ok(())
    }
}

type Message = Vec<u8>;

/// A message of this kind that says its own length.
fn framed(kind: u8, body: &[u8]) -> Message {
    let mut out = vec![kind];
    out.put_u32(u32::try_from(body.len()).unwrap() + 4);
    out.extend_from_slice(body);
    out
}

fn built(build: impl FnOnce(&mut BytesMut)) -> Message {
    let mut out = BytesMut::new();
    build(&mut out);
    out.to_vec()
}

fn query(sql: &str) -> Message {
    built(|out| frontend::query(sql, out).unwrap())
}

fn data(bytes: &'static [u8]) -> Message {
    built(|out| {
        frontend::CopyData::new(Bytes::from_static(bytes))
            .unwrap()
            .write(out)
    })
}

fn extended(sql: &str) -> Vec<Message> {
    vec![
        built(|out| parse(out, "s", sql)),
        built(|out| frontend::describe(b'S', "s", out).unwrap()),
        built(|out| bind(out, "p", "s")),
        built(|out| frontend::describe(b'P', "p", out).unwrap()),
        built(|out| frontend::execute("p", 2, out).unwrap()),
        built(|out| frontend::close(b'S', "s", out).unwrap()),
        built(frontend::flush),
        built(frontend::sync),
    ]
}

fn startup(parameters: &[(&str, &str)]) -> Message {
    built(|out| frontend::startup_message(parameters.iter().copied(), out).unwrap())
}

/// A standby's status: how far it has come, and a wish for an answer.
fn status() -> Message {
    let mut body = vec![b'r'];
    body.extend_from_slice(&[0; 32]);
    body.push(1);
    framed(b'd', &body)
}

const SLOT: &str = "CREATE_REPLICATION_SLOT spoilt TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')";
const STREAM: &str = "START_REPLICATION SLOT spoilt LOGICAL 0/0 (proto_version '1', publication_names 'p')";

/// Conversations that make sense at this place. They touch nothing of the witness.
fn conversations(place: Place) -> Vec<Vec<Message>> {
    match place {
        Place::FirstPacket => first_packets(),
        Place::Session | Place::Transaction | Place::Failed => commands(),
        Place::CopyIn => vec![
            vec![
                data(b"5\n"),
                data(b"6\n"),
                built(frontend::copy_done),
                query("SELECT 1"),
            ],
            vec![
                data(b"5"),
                built(|out| frontend::copy_fail("enough", out).unwrap()),
                query("SELECT 1"),
            ],
            vec![
                built(frontend::sync),
                built(frontend::flush),
                data(b"\\.\n"),
                built(frontend::copy_done),
            ],
        ],
        Place::Walsender => vec![
            vec![query("IDENTIFY_SYSTEM"), query("SHOW wal_sender_timeout")],
            vec![
                query(SLOT),
                query(STREAM),
                status(),
                built(frontend::copy_done),
                query("SELECT 1"),
            ],
            vec![
                query("BEGIN ISOLATION LEVEL REPEATABLE READ"),
                query("DROP_REPLICATION_SLOT spoilt"),
            ],
        ],
        Place::CopyBoth => vec![
            vec![status(), status(), built(frontend::copy_done), query("SELECT 1")],
            vec![framed(b'd', &[b'h'; 25]), status(), built(frontend::terminate)],
        ],
    }
}

fn first_packets() -> Vec<Vec<Message>> {
    let user = [("user", "mirror"), ("database", "app")];
    let options = ("options", "-c lock_timeout=1s --application-name=x");
    let walsender = [user[0], user[1], ("replication", "database")];
    vec![
        vec![startup(&user), query("SELECT 1")],
        vec![
            startup(&[user[0], user[1], options]),
            query("INSERT INTO u VALUES (9)"),
        ],
        vec![startup(&walsender), query("IDENTIFY_SYSTEM")],
        vec![built(frontend::ssl_request), startup(&user), query("SELECT 1")],
        vec![built(|out| frontend::cancel_request(1, 2, out))],
    ]
}

fn commands() -> Vec<Vec<Message>> {
    vec![
        vec![
            query("SELECT * FROM u ORDER BY id"),
            query("INSERT INTO u VALUES (5)"),
        ],
        vec![
            query("BEGIN; INSERT INTO u VALUES (6); SAVEPOINT a"),
            query("ROLLBACK TO a"),
            query("COMMIT"),
        ],
        vec![
            query("COPY u FROM STDIN"),
            data(b"7\n8\n"),
            built(frontend::copy_done),
            query("SELECT 1"),
        ],
        vec![
            query("COPY u TO STDOUT"),
            query("SELECT 1/0"),
            query("LOCK TABLE u"),
        ],
        extended("SELECT id, $1 FROM u"),
        extended("UPDATE u SET id = id + 10"),
        vec![
            query("SET lock_timeout = '1s'; SELECT pg_advisory_lock(9)"),
            query("SHOW lock_timeout"),
        ],
    ]
}

/// What is done to a conversation.
#[derive(Debug, Clone)]
enum Mutation {
    /// A bit is turned.
    Flip(Index, u8),
    /// The rest is cut off.
    Truncate(Index),
    /// A message says another length.
    Length(Index, u32),
    /// A message says another type.
    Kind(Index, u8),
    Swap(Index, Index),
    Duplicate(Index),
    Remove(Index),
    /// A message of another conversation comes between.
    Splice(Index, Index, Index),
    /// Noise comes between.
    Noise(Index, Vec<u8>),
    /// A message of any type comes between.
    Stranger(Index, Message),
}

impl Mutation {
    fn apply(&self, messages: &mut Vec<Message>) {
        if messages.is_empty() {
            messages.push(Vec::new());
        }
        let count = messages.len();
        match self {
            Mutation::Flip(at, bit) => {
                let message = at.get_mut(messages);
                let place = usize::from(*bit) % message.len().max(1);
                if let Some(byte) = message.get_mut(place) {
                    *byte ^= 1 << (bit % 8);
                }
            }
            Mutation::Truncate(at) => {
                let all: Vec<u8> = messages.concat();
                *messages = vec![all[..at.index(all.len() + 1)].to_vec()];
            }
            Mutation::Length(at, length) => {
                if let Some(word) = at.get_mut(messages).get_mut(1..5) {
                    word.copy_from_slice(&length.to_be_bytes());
                }
            }
            Mutation::Kind(at, kind) => {
                if let Some(byte) = at.get_mut(messages).first_mut() {
                    *byte = *kind;
                }
            }
            Mutation::Swap(one, other) => messages.swap(one.index(count), other.index(count)),
            Mutation::Duplicate(at) => messages.insert(at.index(count), at.get(messages).clone()),
            Mutation::Remove(at) => drop(messages.remove(at.index(count))),
            Mutation::Splice(at, place, message) => {
                let others = conversations(*place.get(&PLACES)).concat();
                messages.insert(at.index(count), message.get(&others).clone());
            }
            Mutation::Noise(at, bytes) | Mutation::Stranger(at, bytes) => {
                messages.insert(at.index(count), bytes.clone());
            }
        }
    }
}

fn noise(at_most: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![2 => any::<u8>(), 1 => Just(0), 1 => Just(b' ')];
    prop::collection::vec(byte, 0..at_most)
}

fn length() -> impl Strategy<Value = u32> {
    prop_oneof![
        0_u32..40,
        9_990_u32..10_010,
        Just(0x3fff_ffff),
        Just(0x4000_0000),
        Just(0x7fff_ffff),
        Just(u32::MAX),
        any::<u32>(),
    ]
}

/// Oversized too: longer than short kinds may be.
fn stranger() -> impl Strategy<Value = Message> {
    let kind = prop_oneof![3 => prop::sample::select(b"QPBDECHSdcfpFX".to_vec()), 1 => any::<u8>()];
    let body = prop_oneof![
        8 => noise(40),
        1 => (9_000_usize..20_000, any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
    ];
    (kind, body).prop_map(|(kind, body)| framed(kind, &body))
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = || any::<Index>();
    prop_oneof![
        3 => (at(), any::<u8>()).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        1 => at().prop_map(Mutation::Truncate),
        2 => (at(), length()).prop_map(|(at, length)| Mutation::Length(at, length)),
        2 => (at(), any::<u8>()).prop_map(|(at, kind)| Mutation::Kind(at, kind)),
        1 => (at(), at()).prop_map(|(one, other)| Mutation::Swap(one, other)),
        1 => at().prop_map(Mutation::Duplicate),
        1 => at().prop_map(Mutation::Remove),
        2 => (at(), at(), at()).prop_map(|(at, place, message)| Mutation::Splice(at, place, message)),
        1 => (at(), noise(30)).prop_map(|(at, bytes)| Mutation::Noise(at, bytes)),
        2 => (at(), stranger()).prop_map(|(at, message)| Mutation::Stranger(at, message)),
    ]
}

/// Any input.
pub fn input() -> impl Strategy<Value = Input> {
    let messages = |place: Place| {
        prop_oneof![
            6 => prop::sample::select(conversations(place)),
            2 => prop::collection::vec(stranger(), 1..6),
            2 => noise(200).prop_map(|bytes| vec![bytes]),
        ]
    };
    let place = prop::sample::select(PLACES.to_vec());
    let conversation = place.prop_flat_map(move |place| (Just(place), messages(place)));
    let mutations = prop::collection::vec(mutation(), 0..4);
    let cut = any::<Option<Index>>();
    (
        conversation,
        mutations,
        cut,
        prop::sample::select(Leave::ALL.to_vec()),
        0_u64..1000,
    )
        .prop_map(|((place, mut messages), mutations, cut, leave, seed)| {
            mutations
                .iter()
                .for_each(|mutation| mutation.apply(&mut messages));
            let pieces = match cut {
                // All at once, in two pieces, or message by message.
                None => messages,
                Some(at) => {
                    let all = messages.concat();
                    let (head, tail) = all.split_at(at.index(all.len() + 1));
                    vec![head.to_vec(), tail.to_vec()]
                }
            };
            Input {
                place,
                pieces,
                leave,
                seed,
            }
        })
}
