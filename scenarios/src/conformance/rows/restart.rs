//! What a slot knows after a restart of what its client had confirmed.

use futures_util::FutureExt as _;
use leftover_core::connection::Lsn;
use leftover_harness::world::Shutdown;

use super::fixture::DROP;
use super::stream::{ACTIVE, Transaction, confirmed, publish_anew, start_at, streaming};
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem, Row, ensure, ensure_eq};

const OUTCOMES: &[&str] = &["went back", "kept"];

pub(super) const ROWS: &[Row] = &[
    Row::race(
        "OB-101",
        "a crash takes a confirmation back, unless the log's running transactions came before it",
        OUTCOMES,
        2,
        |pg| confirmed_before(pg, Shutdown::Immediate, false).boxed_local(),
    ),
    Row::race("OB-102", "so does a fast restart", OUTCOMES, 2, |pg| {
        confirmed_before(pg, Shutdown::Fast, false).boxed_local()
    })
    .differs("17: a shutdown saves what was confirmed"),
    Row::race(
        "OB-103",
        "a CHECKPOINT behind the confirmation does not save it",
        OUTCOMES,
        2,
        |pg| confirmed_before(pg, Shutdown::Immediate, true).boxed_local(),
    ),
];

/// Stops the server and starts it again.
pub(super) async fn restart(pg: &Pg, how: Shutdown) -> Checked {
    pg.server().shut_down(how).await.map_err(Problem::CannotRun)?;
    let end = pg.now() + pg.at_once() * 20;
    while !pg.server().is_down().await.map_err(Problem::CannotRun)? {
        ensure!(pg.now() < end, "it does not stop: {how:?}");
        pg.sleep(pg.at_once() / 100).await;
    }
    pg.server().start().await.map_err(Problem::CannotRun)?;
    pg.look_again().await
}

/// Confirms a transaction and restarts. In every other turn the log's running transactions stand before the
/// confirmation, which is then saved with the slot's new `restart_lsn`.
async fn confirmed_before(pg: &Pg, how: Shutdown, checkpoint: bool) -> Checked<&'static str> {
    publish_anew(pg).await?;
    let saved = confirmed(pg).await?;
    let mut client = streaming(pg, "").await?;
    let mut sent = Transaction::default();
    for number in 1..=3 {
        if pg.turn() % 2 == 1 {
            pg.rows("CHECKPOINT").await?;
        }
        pg.setup(&format!("INSERT INTO t VALUES ({number})")).await?;
        sent = client.transaction().await?;
    }
    client.confirm(sent.end).await?;
    let moved = format!(
        "SELECT confirmed_flush_lsn = '{}' FROM pg_replication_slots",
        sent.end
    );
    pg.until_value(&moved, "t").await?;
    client.close().await?;
    if checkpoint {
        pg.rows("CHECKPOINT").await?;
    }
    restart(pg, how).await?;
    let after = confirmed(pg).await?;
    let outcome = if after == sent.end {
        "kept"
    } else {
        ensure!(
            (saved..sent.end).contains(&after),
            "{after}, saved before: {saved}"
        );
        "went back"
    };
    again(pg, &sent, outcome == "went back").await?;
    pg.value(DROP).await?;
    Ok(outcome)
}

/// From 0/0 what was forgotten is sent again; from the client's own position it is not.
async fn again(pg: &Pg, sent: &Transaction, forgotten: bool) -> Checked {
    pg.setup("INSERT INTO t VALUES (4)").await?;
    for (from, repeats) in [(Lsn(0), forgotten), (sent.end, false)] {
        let mut client = pg.walsender("").await?;
        client.start(&start_at(from)).await?;
        let mut rows = Vec::new();
        while rows.last().is_none_or(|row| row != "4,null") {
            rows.extend(client.transaction().await?.rows);
        }
        let repeated = rows.contains(&sent.rows.concat());
        ensure_eq!(repeated, repeats, "from {from}: {rows:?}");
        client.close().await?;
        pg.until_value(ACTIVE, "f").await?;
    }
    Ok(())
}
