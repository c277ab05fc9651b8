//! Statements in flight when their client leaves.

use std::time::Duration;

use futures_util::FutureExt as _;
use postgres_protocol::message::frontend;

use crate::conformance::client::Leave;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem, Row, ensure_eq};
use crate::conformance::states::{TABLE, copy_in};

pub(super) const ROWS: &[Row] = &[
    Row::plain("OB-23", "INSERT, and leave at once: executed and durable", |pg| {
        durable(pg, "", "INSERT INTO t VALUES (1)", Duration::ZERO).boxed_local()
    }),
    Row::plain("OB-24", "an INSERT that takes 50 ms, and leave: durable", |pg| {
        let slow = "INSERT INTO t SELECT 1 FROM pg_sleep(0.05)";
        durable(pg, "", slow, Duration::from_millis(10)).boxed_local()
    }),
    Row::plain("OB-25", "COMMIT, and leave at once: committed", |pg| {
        let begin = "BEGIN; INSERT INTO t VALUES (1)";
        durable(pg, begin, "COMMIT", Duration::ZERO).boxed_local()
    }),
    Row::race(
        "OB-26",
        "three INSERTs in one write, and leave: a prefix of them is executed, and never none",
        &["1 of 3", "2 of 3", "3 of 3"],
        60,
        |pg| pipelined(pg).boxed_local(),
    ),
    Row::plain(
        "OB-27",
        "a transaction without COMMIT, COPY FROM without CopyDone: no rows",
        |pg| unfinished(pg).boxed_local(),
    ),
    Row::plain(
        "OB-28",
        "COPY FROM with CopyDone, and leave at once: committed",
        |pg| copied(pg).boxed_local(),
    ),
    Row::plain(
        "OB-29",
        "client_connection_check_interval turns what would finish into what is rolled back",
        |pg| rolled_back(pg).boxed_local(),
    ),
];

/// How often each way of leaving is tried.
const TIMES: usize = 10;

const COUNT: &str = "SELECT count(*) FROM t";

/// Runs `first`, sends `last` and leaves: what was sent is done, always.
async fn durable(pg: &Pg, first: &str, last: &str, after: Duration) -> Checked {
    pg.setup(TABLE).await?;
    for how in Leave::CLOSED {
        for _ in 0..TIMES {
            let mut client = pg.connect().await?;
            if !first.is_empty() {
                client.rows(first).await?;
            }
            client.send(last).await?;
            pg.sleep(after).await;
            client.leave(how).await?;
            pg.gone_at_once(client.pid, "leaving").await?;
        }
        let found = pg.value(COUNT).await?;
        ensure_eq!(found, TIMES.to_string(), "{how:?}: rows");
        pg.setup("TRUNCATE t").await?;
    }
    Ok(())
}

async fn pipelined(pg: &Pg) -> Checked<&'static str> {
    pg.setup(&format!("{TABLE}; TRUNCATE t")).await?;
    let how = Leave::CLOSED[(pg.turn() % 3) as usize];
    let mut client = pg.connect().await?;
    client
        .send_with(|out| {
            for number in 1..=3 {
                frontend::query(&format!("INSERT INTO t VALUES ({number})"), out)?;
            }
            Ok(())
        })
        .await?;
    client.leave(how).await?;
    pg.gone_at_once(client.pid, "leaving").await?;
    let rows = pg
        .value("SELECT string_agg(a::text, ',' ORDER BY a) FROM t")
        .await?;
    match rows.as_str() {
        "1" => Ok("1 of 3"),
        "1,2" => Ok("2 of 3"),
        "1,2,3" => Ok("3 of 3"),
        _ => Err(Problem::differs(format!("{how:?}: rows {rows:?}"))),
    }
}

async fn unfinished(pg: &Pg) -> Checked {
    pg.setup(TABLE).await?;
    for how in Leave::ALL {
        let mut open = pg.connect().await?;
        open.rows("BEGIN; INSERT INTO t VALUES (1)").await?;
        let mut copying = pg.connect().await?;
        copy_in(&mut copying).await?;
        for mut client in [open, copying] {
            client.leave(how).await?;
            pg.gone_at_once(client.pid, "leaving").await?;
        }
        ensure_eq!(pg.value(COUNT).await?, "0", "{how:?}: rows");
    }
    Ok(())
}

async fn copied(pg: &Pg) -> Checked {
    pg.setup(TABLE).await?;
    for how in Leave::CLOSED {
        for _ in 0..TIMES {
            let mut client = pg.connect().await?;
            copy_in(&mut client).await?;
            client.copy_done().await?;
            client.leave(how).await?;
            pg.gone_at_once(client.pid, "leaving").await?;
        }
        let found = pg.value(COUNT).await?;
        ensure_eq!(found, (2 * TIMES).to_string(), "{how:?}: rows");
        pg.setup("TRUNCATE t").await?;
    }
    Ok(())
}

async fn rolled_back(pg: &Pg) -> Checked {
    pg.setup(TABLE).await?;
    let mut client = pg.connect_set("-c client_connection_check_interval=20ms").await?;
    client.send("INSERT INTO t SELECT 1 FROM pg_sleep(2)").await?;
    pg.until_doing(client.pid, "active Timeout/PgSleep").await?;
    client.leave(Leave::Fin).await?;
    pg.gone_at_once(client.pid, "leaving").await?;
    ensure_eq!(pg.value(COUNT).await?, "0", "rows");
    Ok(())
}
