//! The client's side of a logical stream: as much of `pgoutput` as rows look at.

use bytes::{Buf as _, Bytes};
use leftover_core::connection::Lsn;

use super::fixture::make_slot;
use crate::conformance::client::Client;
use crate::conformance::pg::Pg;
use crate::conformance::replication::{Keepalive, standby_status};
use crate::conformance::row::{Checked, Problem};
use crate::conformance::said::Said;

/// Streams the slot `s` with the publication `p` from where it is confirmed.
pub(super) const START: &str =
    "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')";

/// The same from here.
pub(super) fn start_at(from: Lsn) -> String {
    START.replace("0/0", &from.to_string())
}

/// What a stream brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Streamed {
    /// How far the log is decoded, and whether an answer is wanted.
    Keepalive { end: Lsn, reply: bool },
    /// A transaction begins; where its commit record starts.
    Begin { commit: Lsn },
    /// A new row, as text, and where in the log it is.
    Insert { at: Lsn, row: Vec<String> },
    /// The transaction ends; where its commit record starts and ends.
    Commit { commit: Lsn, end: Lsn },
    /// A table's definition, or another change.
    Other(char),
    /// What is no part of the stream.
    Said(Said),
}

/// One transaction of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Transaction {
    /// The rows that it inserted, their columns joined by commas.
    pub rows: Vec<String>,
    /// Where in the log the first of them is.
    pub first: Lsn,
    /// Where its commit record starts.
    pub commit: Lsn,
    /// Where that ends.
    pub end: Lsn,
}

/// Up to where the slot `s` is confirmed.
pub(super) async fn confirmed(pg: &Pg) -> Checked<Lsn> {
    let confirmed = "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = 's'";
    lsn(&pg.value(confirmed).await?)
}

/// A place in the log, from text.
pub(super) fn lsn(text: &str) -> Checked<Lsn> {
    text.parse()
        .map_err(|_| Problem::differs(format!("{text:?} is no place in the log")))
}

/// Whether the slot `s` is held: `t` or `f`.
pub(super) const ACTIVE: &str = "SELECT active FROM pg_replication_slots WHERE slot_name = 's'";

/// A table `t`, its publication `p` and a permanent slot `s`.
pub(super) async fn publish(pg: &Pg) -> Checked {
    pg.setup("CREATE TABLE t (a int PRIMARY KEY, b text); CREATE PUBLICATION p FOR TABLE t")
        .await?;
    make_slot(pg).await
}

/// The same, in place of what an earlier try has left.
pub(super) async fn publish_anew(pg: &Pg) -> Checked {
    pg.setup("DROP TABLE IF EXISTS t; DROP PUBLICATION IF EXISTS p")
        .await?;
    publish(pg).await
}

/// A walsender that streams `s` from where it is confirmed.
pub(super) async fn streaming(pg: &Pg, options: &str) -> Checked<Client> {
    let mut client = pg.walsender(options).await?;
    client.start(START).await?;
    Ok(client)
}

/// What a walsender does at the end of the log.
pub(super) fn at_tip(pg: &Pg) -> &'static str {
    match pg.major() {
        ..=16 => "active Client/WalSenderWaitForWAL",
        _ => "active Client/WalSenderWaitForWal",
    }
}

/// What a walsender does whose client does not read.
pub(super) const BLOCKED: &str = "active Client/WalSenderWriteData";

/// A walsender that streams `s` and is blocked by its client, who does not read.
pub(super) async fn blocked(pg: &Pg, options: &str) -> Checked<Client> {
    // A real kernel gives a loopback connection up to 10 MB of buffers; the simulated one has 320 kB.
    let rows = if pg.server().simulated() { 2_000 } else { 40_000 };
    pg.setup(&format!(
        "INSERT INTO t SELECT a, repeat('x', 1000) FROM generate_series(1, {rows}) a"
    ))
    .await?;
    let client = streaming(pg, options).await?;
    pg.until_doing_within(client.pid, BLOCKED, pg.at_once() * 10)
        .await?;
    Ok(client)
}

/// What a client does in a stream.
impl Client {
    /// Starts a stream, which must be accepted.
    pub(super) async fn start(&mut self, command: &str) -> Checked {
        self.send(command).await?;
        match self.next().await {
            Said::CopyBoth => Ok(()),
            said => Err(Problem::differs(format!("{command}: {said:?}"))),
        }
    }

    /// What comes next.
    pub(super) async fn streamed(&mut self) -> Checked<Streamed> {
        match self.next().await {
            Said::Data(data) => {
                let words = format!("a message of the stream that ends too early: {data:?}");
                understand(data).ok_or_else(|| Problem::differs(words))
            }
            said => Ok(Streamed::Said(said)),
        }
    }

    /// The next transaction; keepalives are passed over.
    pub(super) async fn transaction(&mut self) -> Checked<Transaction> {
        let mut transaction = Transaction::default();
        loop {
            match self.streamed().await? {
                Streamed::Keepalive { .. } | Streamed::Other(_) => {}
                Streamed::Begin { commit } => transaction.commit = commit,
                Streamed::Insert { at, row } => {
                    if transaction.rows.is_empty() {
                        transaction.first = at;
                    }
                    transaction.rows.push(row.join(","));
                }
                Streamed::Commit { commit, end } if commit == transaction.commit => {
                    transaction.end = end;
                    return Ok(transaction);
                }
                other => return Err(Problem::differs(format!("{other:?} inside of {transaction:?}"))),
            }
        }
    }

    /// Says how far this client has come, all of it durable.
    pub(super) async fn confirm(&mut self, lsn: Lsn) -> Checked {
        self.copy_data(&standby_status(lsn.0)).await
    }

    /// What is said until ReadyForQuery or the end, the stream's own messages left out.
    pub(super) async fn after_the_stream(&mut self) -> Vec<Said> {
        let said = self.until_ready().await.into_iter();
        said.filter(|said| !matches!(said, Said::Data(_))).collect()
    }
}

/// A message of the stream; `None` when it ends too early.
fn understand(mut data: Bytes) -> Option<Streamed> {
    if let Some(Keepalive { end, reply }) = Keepalive::parse(&data) {
        return Some(Streamed::Keepalive { end: Lsn(end), reply });
    }
    data.try_get_u8().ok()?;
    let at = Lsn(data.try_get_u64().ok()?);
    data.try_get_u64().ok()?;
    data.try_get_i64().ok()?;
    change(at, data)
}

fn change(at: Lsn, mut data: Bytes) -> Option<Streamed> {
    let kind = data.try_get_u8().ok()?;
    Some(match kind {
        b'B' => Streamed::Begin {
            commit: Lsn(data.try_get_u64().ok()?),
        },
        b'C' => {
            data.try_get_u8().ok()?;
            Streamed::Commit {
                commit: Lsn(data.try_get_u64().ok()?),
                end: Lsn(data.try_get_u64().ok()?),
            }
        }
        b'I' => {
            // The table, and the `N` of a new row.
            data.try_get_u32().ok()?;
            data.try_get_u8().ok()?;
            let columns = data.try_get_u16().ok()?;
            let row = (0..columns).map(|_| cell(&mut data)).collect::<Option<_>>()?;
            Streamed::Insert { at, row }
        }
        other => Streamed::Other(char::from(other)),
    })
}

fn cell(data: &mut Bytes) -> Option<String> {
    match data.try_get_u8().ok()? {
        b't' => {
            let length = data.try_get_u32().ok()? as usize;
            let text = (data.len() >= length).then(|| data.split_to(length))?;
            Some(String::from_utf8_lossy(&text).into_owned())
        }
        _ => Some("null".to_owned()),
    }
}
