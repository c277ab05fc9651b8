//! What was confirmed and what a restart goes back to; who gets a slot that others want, or hold half-open.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use leftover_core::connection::Lsn;

use super::stream::{ACTIVE, START, Streamed, confirmed, lsn, publish, streaming};
use crate::conformance::client::Leave;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem, Row, ensure, ensure_eq};
use crate::conformance::said::Said;

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-104",
        "keepalives carry the end of a log of which nothing is published; confirming it moves the slot",
        |pg| unpublished(pg).boxed_local(),
    ),
    Row::plain(
        "OB-104b",
        "of six that start one slot exactly one streams",
        |pg| consumers(pg).boxed_local(),
    ),
    Row::plain(
        "OB-104c",
        "who comes back is refused until the timeout of its half-open walsender",
        |pg| half_open(pg).boxed_local(),
    ),
    Row::plain(
        "OB-104d",
        "an advisory lock of a streaming session is freed by its RST, and held while it is half-open",
        |pg| advisory(pg).boxed_local(),
    ),
];

async fn unpublished(pg: &Pg) -> Checked {
    publish(pg).await?;
    let mut client = streaming(pg, "").await?;
    let before = confirmed(pg).await?;
    pg.setup("CREATE TABLE other (a int); INSERT INTO other SELECT generate_series(1, 100)")
        .await?;
    let end = lsn(&pg.value("SELECT pg_current_wal_lsn()").await?)?;
    let sent = loop {
        match client.streamed().await? {
            Streamed::Keepalive { end: sent, .. } if sent >= end => break sent,
            Streamed::Keepalive { .. } => {}
            other => return Err(Problem::differs(format!("nothing is published: {other:?}"))),
        }
    };
    ensure!(
        sent > before,
        "a keepalive with {sent}, confirmed before: {before}"
    );
    client.confirm(sent).await?;
    let moved = format!("SELECT confirmed_flush_lsn = '{sent}' FROM pg_replication_slots");
    pg.until_value(&moved, "t").await
}

async fn consumers(pg: &Pg) -> Checked {
    publish(pg).await?;
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push(pg.walsender("").await?);
    }
    for client in &mut clients {
        client.send(START).await?;
    }
    let said = join_all(clients.iter_mut().map(|client| client.next())).await;
    let streams = said.iter().filter(|said| **said == Said::CopyBoth).count();
    let refused = said
        .iter()
        .filter(|said| matches!(said, Said::Error(fields) if fields.code == "55006"))
        .count();
    ensure_eq!((streams, refused), (1, 5), "streams and refusals");
    Ok(())
}

async fn half_open(pg: &Pg) -> Checked {
    const TIMEOUT: Duration = Duration::from_secs(2);
    publish(pg).await?;
    let mut lost = streaming(pg, "-c wal_sender_timeout=2s").await?;
    lost.confirm(Lsn(0)).await?;
    let start = pg.now();
    lost.silence()?;
    let mut client = pg.walsender("").await?;
    let mut refusals = 0;
    loop {
        client.send(START).await?;
        match client.next().await {
            Said::CopyBoth => break,
            Said::Error(fields) if fields.code == "55006" => refusals += 1,
            said => return Err(Problem::differs(format!("{said:?}"))),
        }
        client.until_ready().await;
        let took = pg.now() - start;
        ensure!(took < TIMEOUT + pg.at_once(), "refused after {took:?}");
        pg.sleep(Duration::from_millis(50)).await;
    }
    let took = pg.now() - start;
    ensure!(
        took > TIMEOUT * 9 / 10,
        "streamed after {took:?} and {refusals} refusals"
    );
    Ok(())
}

const LOCK: &str = "SELECT pg_try_advisory_lock(42)";

async fn advisory(pg: &Pg) -> Checked {
    publish(pg).await?;
    for silent in [false, true] {
        let mut holder = pg.walsender("").await?;
        ensure_eq!(holder.value(LOCK).await?, "t", "taken");
        holder.start(START).await?;
        let mut other = pg.connect().await?;
        ensure_eq!(other.value(LOCK).await?, "f", "while it streams");
        if silent {
            holder.silence()?;
            pg.sleep(Duration::from_millis(900)).await;
            ensure_eq!(other.value(LOCK).await?, "f", "while it is half-open");
            ensure_eq!(pg.value(ACTIVE).await?, "t", "while it is half-open");
        } else {
            holder.leave(Leave::Rst).await?;
            pg.gone_at_once(holder.pid, "RST").await?;
            ensure_eq!(other.value(LOCK).await?, "t", "after RST");
        }
        other.close().await?;
    }
    Ok(())
}
