//! Leaving: who notices what, without any setting.

use std::time::Duration;

use futures_util::FutureExt as _;

use crate::conformance::client::Leave;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Row, ensure, ensure_eq};
use crate::conformance::said::Said;
use crate::conformance::states::{Scene, State, TABLE, cpu, sleep};

pub(super) const ROWS: &[Row] = &[
    Row::plain("OB-01", "idle: every way of leaving is noticed at once", |pg| {
        noticed(pg, State::Idle).boxed_local()
    }),
    Row::plain(
        "OB-02",
        "idle in transaction: noticed at once, and rolled back",
        |pg| rolled_back(pg, State::InTransaction).boxed_local(),
    ),
    Row::plain("OB-03", "in an aborted transaction: noticed at once", |pg| {
        noticed(pg, State::Aborted).boxed_local()
    }),
    Row::plain(
        "OB-04",
        "in pg_sleep: not noticed, its snapshot stays, until the sleep ends",
        |pg| to_its_end(pg, "active Timeout/PgSleep", sleep).boxed_local(),
    ),
    Row::plain("OB-05", "in a CPU loop: not noticed until the loop ends", |pg| {
        to_its_end(pg, "active", cpu).boxed_local()
    })
    .not_modelled("statements take no time of their own there; OB-04 is the same with a sleep"),
    Row::plain(
        "OB-06",
        "in the queue for a lock: never noticed while the lock waits; it stays queued and blocks others",
        |pg| queued(pg).boxed_local(),
    ),
    Row::plain(
        "OB-07",
        "blocked on a client that does not read: a close with unread data is a RST, noticed at once",
        |pg| blocked(pg).boxed_local(),
    ),
    Row::plain(
        "OB-08",
        "the same with a half-close, which goes on acknowledging: never noticed",
        |pg| blocked_half_closed(pg).boxed_local(),
    ),
    Row::plain(
        "OB-09",
        "COPY FROM STDIN waiting for data: noticed at once, its rows rolled back",
        |pg| rolled_back(pg, State::CopyIn).boxed_local(),
    ),
    Row::plain(
        "OB-10",
        "a pipeline without Sync: active with an xid; noticed at once, rolled back",
        |pg| rolled_back(pg, State::NoSync).boxed_local(),
    ),
    Row::plain(
        "OB-11",
        "a connection without a startup packet is never listed; its process ends with it",
        |pg| nothing_said(pg).boxed_local(),
    ),
];

/// Every way of leaving this state is noticed at once.
async fn noticed(pg: &Pg, state: State) -> Checked {
    for how in Leave::ALL {
        let mut scene = state.enter(pg, "").await?;
        scene.client.leave(how).await?;
        pg.gone_at_once(scene.client.pid, &format!("{how:?}")).await?;
    }
    Ok(())
}

/// As [`noticed`], and the rows that were written are rolled back.
async fn rolled_back(pg: &Pg, state: State) -> Checked {
    for how in Leave::ALL {
        let mut scene = state.enter(pg, "").await?;
        // COPY collects rows: two are not enough to begin to write them.
        let wanted = if state == State::CopyIn { "f" } else { "t" };
        ensure_eq!(has_xid(pg, &scene).await?, wanted, "{how:?}: it has an xid");
        scene.client.leave(how).await?;
        pg.gone_at_once(scene.client.pid, &format!("{how:?}")).await?;
        let rows = pg.value("SELECT count(*) FROM t").await?;
        ensure_eq!(rows, "0", "{how:?}: rows that stayed");
    }
    Ok(())
}

async fn has_xid(pg: &Pg, scene: &Scene) -> Checked<String> {
    let pid = scene.client.pid;
    let sql = format!("SELECT backend_xid IS NOT NULL FROM pg_stat_activity WHERE pid = {pid}");
    pg.value(&sql).await
}

/// A statement that runs so long notices no leaving, and keeps its snapshot.
async fn to_its_end(pg: &Pg, doing: &str, statement: fn(Duration) -> String) -> Checked {
    let time = Duration::from_millis(600);
    for how in Leave::ALL {
        let mut client = pg.connect().await?;
        let start = pg.now();
        client.send(&statement(time)).await?;
        pg.until_doing(client.pid, doing).await?;
        client.leave(how).await?;
        let pid = client.pid;
        let xmin = format!("SELECT backend_xmin IS NOT NULL FROM pg_stat_activity WHERE pid = {pid}");
        ensure_eq!(pg.value(&xmin).await?, "t", "{how:?}: it has a snapshot");
        let left = (start + time).saturating_sub(pg.now());
        pg.gone(pid, left, &format!("{how:?}")).await?;
    }
    Ok(())
}

async fn queued(pg: &Pg) -> Checked {
    for how in Leave::ALL {
        let mut scene = State::LockWait.enter(pg, "").await?;
        let pid = scene.client.pid;
        scene.client.leave(how).await?;
        let never = Duration::from_secs(1);
        pg.stays(pid, &scene.doing, never, &format!("{how:?}")).await?;
        if let Some(holder) = scene.blocker {
            holder.close().await?;
        }
        pg.gone_at_once(pid, "when it gets the lock").await?;
    }
    blocks_others(pg).await
}

/// A dead waiter for ACCESS EXCLUSIVE lets no reader past.
async fn blocks_others(pg: &Pg) -> Checked {
    pg.setup(TABLE).await?;
    let (mut holder, mut waiter, mut reader) =
        (pg.connect().await?, pg.connect().await?, pg.connect().await?);
    holder.rows("BEGIN; SELECT count(*) FROM t").await?;
    waiter.send("DROP TABLE t").await?;
    pg.until_doing(waiter.pid, "active Lock/relation").await?;
    waiter.leave(Leave::Rst).await?;
    reader.send("SELECT count(*) FROM t").await?;
    pg.until_doing(reader.pid, "active Lock/relation").await?;
    let blockers = format!("SELECT pg_blocking_pids({})", reader.pid);
    ensure_eq!(
        pg.value(&blockers).await?,
        format!("{{{}}}", waiter.pid),
        "who blocks the reader"
    );
    Ok(())
}

async fn blocked(pg: &Pg) -> Checked {
    for state in [State::BlockedSelect, State::BlockedCopy] {
        for how in Leave::CLOSED {
            let mut scene = state.enter(pg, "").await?;
            scene.client.leave(how).await?;
            pg.gone_at_once(scene.client.pid, &format!("{state:?} {how:?}"))
                .await?;
        }
    }
    Ok(())
}

async fn blocked_half_closed(pg: &Pg) -> Checked {
    for state in [State::BlockedSelect, State::BlockedCopy] {
        let mut scene = state.enter(pg, "").await?;
        scene.client.leave(Leave::HalfClose).await?;
        let never = Duration::from_secs(1);
        let pid = scene.client.pid;
        pg.stays(pid, &scene.doing, never, &format!("{state:?}")).await?;
    }
    Ok(())
}

/// The end of the connection's process is seen by its end of the connection.
async fn nothing_said(pg: &Pg) -> Checked {
    let listed = "SELECT count(*) FROM pg_stat_activity WHERE backend_type IN ('client backend', 'walsender') \
        AND application_name <> 'leftover-world'";
    let before = pg.value(listed).await?;
    for how in [Leave::Terminate, Leave::HalfClose] {
        let mut client = pg.dial().await?;
        pg.sleep(Duration::from_millis(100)).await;
        ensure_eq!(pg.value(listed).await?, before, "sessions that are listed");
        let start = pg.now();
        match how {
            Leave::HalfClose => client.leave(how).await?,
            _ => client.terminate().await?,
        }
        let end = client.until_end().await;
        ensure_eq!(end, [Said::Eof], "{how:?}: the server's answer");
        ensure!(
            pg.now() - start < pg.at_once(),
            "{how:?}: only after {:?}",
            pg.now() - start
        );
    }
    Ok(())
}
