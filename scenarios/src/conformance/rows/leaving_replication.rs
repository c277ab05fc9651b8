//! Leaving a walsender: holders of snapshots, and streams.

use std::time::Duration;

use futures_util::FutureExt as _;

use crate::conformance::client::Leave;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Row, ensure_eq};
use crate::conformance::states::{Scene, State};

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-12",
        "holding an exported snapshot: noticed at once, the temporary slot goes",
        |pg| holder(pg, State::Exported).boxed_local(),
    ),
    Row::plain(
        "OB-13",
        "holding a used snapshot: noticed at once, the temporary slot goes",
        |pg| holder(pg, State::Used).boxed_local(),
    )
    .differs("17: USE_SNAPSHOT needs a READ ONLY transaction (XX000 otherwise)"),
    Row::plain(
        "OB-14",
        "streaming at the tip: noticed at once; the slot is inactive, its confirmed position as it was",
        |pg| streaming(pg).boxed_local(),
    ),
    Row::plain(
        "OB-15",
        "streaming to a client that does not read: noticed at the next touch of the socket, also a half-close",
        |pg| blocked(pg).boxed_local(),
    ),
    Row::plain(
        "OB-16",
        "decoding a large transaction of which nothing is sent: noticed at once",
        |pg| decoding(pg).boxed_local(),
    ),
    Row::plain("OB-17", "a silent client is noticed in no state", |pg| {
        silent(pg).boxed_local()
    }),
];

async fn holder(pg: &Pg, state: State) -> Checked {
    for how in Leave::ALL {
        let mut scene = state.enter(pg, "").await?;
        let pid = scene.client.pid;
        let mine = "SELECT temporary AND active_pid IS NOT NULL FROM pg_replication_slots";
        ensure_eq!(pg.value(mine).await?, "t", "{how:?}: its slot");
        let xmin = format!("SELECT backend_xmin IS NOT NULL FROM pg_stat_activity WHERE pid = {pid}");
        ensure_eq!(pg.value(&xmin).await?, "t", "{how:?}: it pins a snapshot");
        scene.client.leave(how).await?;
        pg.gone_at_once(pid, &format!("{how:?}")).await?;
        let slots = pg.value("SELECT count(*) FROM pg_replication_slots").await?;
        ensure_eq!(slots, "0", "{how:?}: slots that stay");
    }
    Ok(())
}

/// `active confirmed_flush_lsn` of a scene's slot.
async fn slot(pg: &Pg, scene: &Scene) -> Checked<String> {
    let name = scene.slot.as_deref().unwrap_or_default();
    let sql = format!(
        "SELECT active::text || ' ' || confirmed_flush_lsn::text FROM pg_replication_slots WHERE slot_name = '{name}'"
    );
    pg.value(&sql).await
}

async fn streaming(pg: &Pg) -> Checked {
    for how in Leave::ALL {
        let mut scene = State::Streaming.enter(pg, "").await?;
        let before = slot(pg, &scene).await?;
        scene.client.leave(how).await?;
        pg.gone_at_once(scene.client.pid, &format!("{how:?}")).await?;
        let wanted = before.replace("true", "false");
        ensure_eq!(
            slot(pg, &scene).await?,
            wanted,
            "{how:?}: the slot, before {before}"
        );
    }
    Ok(())
}

async fn blocked(pg: &Pg) -> Checked {
    let touch = Duration::from_secs(1);
    for how in Leave::ALL {
        let mut scene = State::BlockedStream.enter(pg, "").await?;
        scene.client.leave(how).await?;
        pg.gone_within(scene.client.pid, touch, &format!("{how:?}"))
            .await?;
    }
    Ok(())
}

/// A table that no publication has, changed in one transaction that takes a while to decode.
async fn decoding(pg: &Pg) -> Checked {
    let rows = if pg.server().simulated() { 20_000 } else { 300_000 };
    let mut writer = pg.connect().await?;
    writer.rows("CREATE TABLE other (a int)").await?;
    for how in [Leave::Fin, Leave::Rst] {
        let mut scene = State::Streaming.enter(pg, "").await?;
        let insert = format!("INSERT INTO other SELECT * FROM generate_series(1, {rows})");
        writer.rows(&insert).await?;
        pg.until_doing(scene.client.pid, "active").await?;
        scene.client.leave(how).await?;
        pg.gone_at_once(scene.client.pid, &format!("{how:?}")).await?;
    }
    Ok(())
}

async fn silent(pg: &Pg) -> Checked {
    let mut scenes = Vec::new();
    for state in State::all(pg) {
        scenes.push(state.enter(pg, "").await?);
    }
    for scene in &mut scenes {
        scene.client.silence()?;
    }
    pg.sleep(Duration::from_secs(3)).await;
    for scene in &scenes {
        let doing = pg.doing(scene.client.pid).await?;
        ensure_eq!(doing, scene.doing, "{:?}", scene.state);
    }
    Ok(())
}
