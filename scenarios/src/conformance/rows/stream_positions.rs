//! What a stream brings: which transactions, in which order, and from where.

use futures_util::FutureExt as _;
use leftover_core::connection::Lsn;

use super::fixture::{CREATE, WAITS, importer};
use super::stream::{
    ACTIVE, START, Streamed, Transaction, at_tip, confirmed, lsn, publish, start_at, streaming,
};
use crate::conformance::client::Client;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem, Row, ensure, ensure_eq};
use crate::conformance::said::Said;

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-95",
        "a new slot is confirmed at its consistent point, and streams the same from 0/0 and from there",
        |pg| consistent_point(pg).boxed_local(),
    ),
    Row::plain(
        "OB-96",
        "what commits around a creation is in its snapshot or in its stream, never in both or in none",
        |pg| no_gap(pg).boxed_local(),
    ),
    Row::plain(
        "OB-97",
        "a start below what is confirmed is moved up to it without a word",
        |pg| below(pg).boxed_local(),
    ),
    Row::plain(
        "OB-98",
        "a transaction is sent again from its commit's start, and not from its end; so with confirmations",
        |pg| boundaries(pg).boxed_local(),
    ),
    Row::plain(
        "OB-98b",
        "a start in the future is accepted: nothing is sent before the log is there",
        |pg| future(pg).boxed_local(),
    ),
    Row::plain(
        "OB-99",
        "a confirmation beyond the log is believed, and one that goes back is not",
        |pg| beyond(pg).boxed_local(),
    ),
    Row::plain(
        "OB-100",
        "transactions come whole, in the order of their commits",
        |pg| order(pg).boxed_local(),
    ),
];

/// The rows of the next so many transactions.
async fn rows(client: &mut Client, transactions: usize) -> Checked<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    for _ in 0..transactions {
        rows.push(client.transaction().await?.rows);
    }
    Ok(rows)
}

async fn consistent_point(pg: &Pg) -> Checked {
    pg.setup("CREATE TABLE t (a int PRIMARY KEY, b text); CREATE PUBLICATION p FOR TABLE t")
        .await?;
    pg.setup("INSERT INTO t VALUES (0)").await?;
    let mut walsender = pg.walsender("").await?;
    let created = walsender.rows(CREATE).await?;
    let point = lsn(created[0][1].as_deref().unwrap_or_default())?;
    ensure_eq!(confirmed(pg).await?, point, "confirmed");
    let restart = "SELECT restart_lsn <= confirmed_flush_lsn FROM pg_replication_slots";
    ensure_eq!(pg.value(restart).await?, "t", "restart_lsn is not later");
    walsender.close().await?;
    pg.setup("INSERT INTO t VALUES (1)").await?;
    pg.setup("INSERT INTO t VALUES (2)").await?;
    for from in [Lsn(0), point] {
        let mut client = pg.walsender("").await?;
        client.start(&start_at(from)).await?;
        ensure_eq!(
            rows(&mut client, 2).await?,
            [["1,null"], ["2,null"]],
            "from {from}"
        );
        client.close().await?;
        pg.until_value(ACTIVE, "f").await?;
    }
    Ok(())
}

async fn no_gap(pg: &Pg) -> Checked {
    pg.setup("CREATE TABLE t (a int PRIMARY KEY, b text); CREATE PUBLICATION p FOR TABLE t")
        .await?;
    pg.setup("INSERT INTO t VALUES (1, 'before')").await?;
    let mut first = pg.connect().await?;
    first
        .rows("BEGIN; INSERT INTO t VALUES (2, 'open at first')")
        .await?;
    let mut walsender = pg.walsender("").await?;
    walsender.send(CREATE).await?;
    pg.until_doing(walsender.pid, WAITS).await?;
    let blocked_by = |client: &Client| {
        format!(
            "SELECT {} = ANY (pg_blocking_pids({}))",
            client.pid, walsender.pid
        )
    };
    let mut second = pg.connect().await?;
    second
        .rows("BEGIN; INSERT INTO t VALUES (3, 'begun meanwhile')")
        .await?;
    let waits_for_second = blocked_by(&second);
    pg.setup("INSERT INTO t VALUES (4, 'committed meanwhile')")
        .await?;
    first.rows("COMMIT").await?;
    pg.until_value(&waits_for_second, "t").await?;
    let mut third = pg.connect().await?;
    third
        .rows("BEGIN; INSERT INTO t VALUES (5, 'begun in the second phase')")
        .await?;
    second.rows("COMMIT").await?;
    let said = walsender.until_ready().await;
    let snapshot = said.iter().find_map(|said| match said {
        Said::Row(row) => row[2].clone(),
        _ => None,
    });
    third.rows("COMMIT").await?;
    pg.setup("INSERT INTO t VALUES (6, 'after')").await?;
    let mut importer = importer(pg, &snapshot.unwrap_or_default()).await?;
    let copied = importer.rows("SELECT a FROM t ORDER BY a").await?;
    let copied: Vec<String> = copied.into_iter().filter_map(|mut row| row[0].take()).collect();
    ensure_eq!(copied, ["1", "2", "3", "4"], "in the snapshot");
    let mut client = streaming(pg, "").await?;
    let wanted = [["5,begun in the second phase"], ["6,after"]];
    ensure_eq!(rows(&mut client, 2).await?, wanted, "in the stream");
    Ok(())
}

/// Three transactions of one row each, and their stream.
async fn three(pg: &Pg) -> Checked<(Client, Vec<Transaction>)> {
    publish(pg).await?;
    for number in 1..=3 {
        pg.setup(&format!("INSERT INTO t VALUES ({number})")).await?;
    }
    let mut client = streaming(pg, "").await?;
    let mut sent = Vec::new();
    for _ in 0..3 {
        sent.push(client.transaction().await?);
    }
    Ok((client, sent))
}

/// Leaves the stream, and streams again from there; answers the first transaction's row.
async fn first_from(pg: &Pg, client: Client, from: Lsn) -> Checked<(Client, String)> {
    client.close().await?;
    pg.until_value(ACTIVE, "f").await?;
    let mut client = pg.walsender("").await?;
    client.start(&start_at(from)).await?;
    let rows = client.transaction().await?.rows;
    Ok((client, rows.concat()))
}

async fn below(pg: &Pg) -> Checked {
    let (mut client, sent) = three(pg).await?;
    client.confirm(sent[1].end).await?;
    until_confirmed(pg, sent[1].end).await?;
    for from in [Lsn(1), sent[0].commit] {
        let (next, row) = first_from(pg, client, from).await?;
        ensure_eq!(row, "3,null", "from {from}");
        client = next;
    }
    Ok(())
}

async fn until_confirmed(pg: &Pg, to: Lsn) -> Checked {
    pg.until_value(
        "SELECT confirmed_flush_lsn FROM pg_replication_slots",
        &to.to_string(),
    )
    .await
}

async fn boundaries(pg: &Pg) -> Checked {
    let (client, sent) = three(pg).await?;
    let (client, row) = first_from(pg, client, sent[1].commit).await?;
    ensure_eq!(row, "2,null", "from the commit's start");
    let (mut client, row) = first_from(pg, client, sent[1].end).await?;
    ensure_eq!(row, "3,null", "from its end");
    client.confirm(sent[1].commit).await?;
    until_confirmed(pg, sent[1].commit).await?;
    let (mut client, row) = first_from(pg, client, Lsn(0)).await?;
    ensure_eq!(row, "2,null", "when the commit's start is confirmed");
    client.confirm(sent[1].end).await?;
    until_confirmed(pg, sent[1].end).await?;
    let (_, row) = first_from(pg, client, Lsn(0)).await?;
    ensure_eq!(row, "3,null", "when its end is confirmed");
    Ok(())
}

/// The log's end, so many bytes further.
async fn later(pg: &Pg, bytes: u64) -> Checked<Lsn> {
    Ok(Lsn(
        lsn(&pg.value("SELECT pg_current_wal_lsn()").await?)?.0 + bytes
    ))
}

/// What of these rows the stream brings until it is at the end of the log.
async fn until_tip(pg: &Pg, client: &mut Client) -> Checked<Vec<String>> {
    let mut brought = Vec::new();
    let end = later(pg, 0).await?;
    loop {
        match client.streamed().await? {
            Streamed::Insert { row, .. } => brought.push(row[0].clone()),
            Streamed::Keepalive { end: sent, .. } if sent >= end => return Ok(brought),
            Streamed::Said(said) => {
                return Err(Problem::differs(format!("{said:?}")));
            }
            _ => {}
        }
    }
}

async fn future(pg: &Pg) -> Checked {
    publish(pg).await?;
    let before = confirmed(pg).await?;
    let from = later(pg, 64 * 1024).await?;
    let mut client = pg.walsender("").await?;
    client.start(&start_at(from)).await?;
    pg.setup("INSERT INTO t VALUES (1)").await?;
    ensure_eq!(
        until_tip(pg, &mut client).await?.len(),
        0,
        "before the log is there"
    );
    ensure_eq!(confirmed(pg).await?, before, "the slot");
    pg.setup("INSERT INTO t SELECT generate_series(10, 3000)").await?;
    pg.setup("INSERT INTO t VALUES (2)").await?;
    let brought = until_tip(pg, &mut client).await?;
    ensure_eq!(brought.last().map(|row| &**row), Some("2"), "once it is there");
    ensure!(!brought.contains(&"1".to_owned()), "{brought:?}");
    Ok(())
}

async fn beyond(pg: &Pg) -> Checked {
    const GIGABYTE: u64 = 1 << 30;
    let (mut client, sent) = three(pg).await?;
    let beyond = later(pg, GIGABYTE).await?;
    client.confirm(beyond).await?;
    until_confirmed(pg, beyond).await?;
    client.confirm(sent[0].end).await?;
    client.close().await?;
    pg.until_value(ACTIVE, "f").await?;
    ensure_eq!(confirmed(pg).await?, beyond, "going back");
    pg.setup("INSERT INTO t VALUES (4)").await?;
    let mut client = streaming(pg, "").await?;
    ensure_eq!(until_tip(pg, &mut client).await?.len(), 0, "new rows");
    pg.until_doing(client.pid, at_tip(pg)).await?;
    Ok(())
}

async fn order(pg: &Pg) -> Checked {
    publish(pg).await?;
    let (mut one, mut two) = (pg.connect().await?, pg.connect().await?);
    one.rows("BEGIN; INSERT INTO t VALUES (1)").await?;
    two.rows("BEGIN; INSERT INTO t VALUES (2)").await?;
    one.rows("INSERT INTO t VALUES (3)").await?;
    two.rows("COMMIT").await?;
    one.rows("COMMIT").await?;
    let mut client = pg.walsender("").await?;
    client.start(START).await?;
    let (first, second) = (client.transaction().await?, client.transaction().await?);
    ensure_eq!(first.rows, ["2,null"], "who commits first");
    ensure_eq!(second.rows, ["1,null", "3,null"], "who commits second");
    ensure!(
        second.first < first.commit,
        "its change at {} is not before the other's commit at {}",
        second.first,
        first.commit
    );
    Ok(())
}
