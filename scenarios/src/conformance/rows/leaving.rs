//! Leaving: who notices what, without any setting.

use std::time::Duration;

use futures_util::FutureExt as _;

use crate::conformance::client::Leave;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Row, ensure, ensure_eq};
use crate::conformance::said::code;

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-01",
        "an idle session's leaving is noticed at once, in every way",
        |pg| idle(pg).boxed_local(),
    ),
    Row::plain(
        "OB-04",
        "a sleeping statement notices no leaving and keeps its snapshot to its end",
        |pg| sleeping(pg).boxed_local(),
    ),
    Row::race(
        "OB-18",
        "closing is not release: what a closed connection held may still be held",
        &["still held", "released"],
        40,
        |pg| closing(pg).boxed_local(),
    ),
];

async fn idle(pg: &Pg) -> Checked {
    for how in Leave::ALL {
        let mut client = pg.connect().await?;
        pg.until_doing(client.pid, "idle Client/ClientRead").await?;
        client.leave(how).await?;
        pg.gone_at_once(client.pid, &format!("{how:?}")).await?;
    }
    Ok(())
}

async fn sleeping(pg: &Pg) -> Checked {
    let sleep = Duration::from_millis(600);
    for how in Leave::ALL {
        let mut client = pg.connect().await?;
        let start = pg.now();
        client
            .send(&format!("SELECT pg_sleep({})", sleep.as_secs_f64()))
            .await?;
        pg.until_doing(client.pid, "active Timeout/PgSleep").await?;
        client.leave(how).await?;
        let xmin = format!(
            "SELECT backend_xmin IS NOT NULL FROM pg_stat_activity WHERE pid = {}",
            client.pid
        );
        ensure_eq!(pg.value(&xmin).await?, "t", "{how:?}: it has a snapshot");
        let left = (start + sleep).saturating_sub(pg.now());
        pg.gone(client.pid, left, &format!("{how:?}")).await?;
    }
    Ok(())
}

/// Behind Terminate and the server's EOF it is always released.
async fn closing(pg: &Pg) -> Checked<&'static str> {
    pg.setup("CREATE TABLE IF NOT EXISTS t (a int)").await?;
    let (mut closed, mut ended, mut next) = (pg.connect().await?, pg.connect().await?, pg.connect().await?);
    ended.rows("BEGIN; LOCK TABLE t").await?;
    ended.close().await?;
    next.rows(NOWAIT).await?;
    closed.rows("BEGIN; LOCK TABLE t").await?;
    closed.leave(Leave::Fin).await?;
    pg.sleep(Duration::from_millis(pg.turn() % 4)).await;
    let said = next.query(NOWAIT).await?;
    pg.gone_at_once(closed.pid, "closed").await?;
    let still_held = code(&said) == Some("55P03");
    ensure!(still_held || code(&said).is_none(), "{said:?}");
    next.rows("ROLLBACK").await?;
    Ok(if still_held { "still held" } else { "released" })
}

const NOWAIT: &str = "BEGIN; LOCK TABLE t NOWAIT; ROLLBACK";
