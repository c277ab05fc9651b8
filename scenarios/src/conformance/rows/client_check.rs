//! A backend that executes looks at its client only when `client_connection_check_interval` tells it to.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::KEEPALIVES;
use crate::conformance::client::Leave;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Row};
use crate::conformance::states::{State, sleep};
use crate::conformance::watch::{all_go, all_stay, enter, silence};

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-30",
        "client_connection_check_interval notices FIN, RST and half-close in a statement at its next tick",
        |pg| checked(pg).boxed_local(),
    ),
    Row::plain("OB-31", "it never notices silence", |pg| silent(pg).boxed_local()),
    Row::plain(
        "OB-32",
        "with keepalives it does, when they have found the connection dead",
        |pg| kept_alive(pg).boxed_local(),
    ),
    Row::plain(
        "OB-33",
        "keepalives alone: a statement in which the client went silent runs to its end",
        |pg| unlooked(pg).boxed_local(),
    ),
];

const CHECK: &str = "-c client_connection_check_interval=300ms";
const INTERVAL: Duration = Duration::from_millis(300);

async fn checked(pg: &Pg) -> Checked {
    let mut states = State::executing(pg).to_vec();
    states.extend([State::BlockedSelect, State::BlockedCopy]);
    for how in [Leave::Fin, Leave::HalfClose, Leave::Rst] {
        let mut scenes = enter(pg, &states, CHECK).await?;
        for scene in &mut scenes {
            scene.client.leave(how).await?;
        }
        all_go(pg, &scenes, Duration::ZERO..=INTERVAL).await?;
    }
    Ok(())
}

async fn silent(pg: &Pg) -> Checked {
    let mut scenes = enter(pg, State::executing(pg), CHECK).await?;
    silence(pg, &mut scenes).await?;
    all_stay(pg, &scenes, INTERVAL * 3).await
}

async fn kept_alive(pg: &Pg) -> Checked {
    let mut scenes = enter(
        pg,
        State::executing(pg),
        &format!("{CHECK} {}", KEEPALIVES.options),
    )
    .await?;
    silence(pg, &mut scenes).await?;
    let latest = *KEEPALIVES.dead.end() + INTERVAL;
    all_go(pg, &scenes, *KEEPALIVES.dead.start()..=latest).await
}

async fn unlooked(pg: &Pg) -> Checked {
    let dead = *KEEPALIVES.dead.end();
    let time = dead + Duration::from_secs(1);
    let mut sleeper = pg.connect_set(KEEPALIVES.options).await?;
    let start = pg.now();
    sleeper.send(&sleep(time)).await?;
    pg.until_doing(sleeper.pid, "active Timeout/PgSleep").await?;
    let mut waiter = State::LockWait.enter(pg, KEEPALIVES.options).await?;
    sleeper.silence()?;
    waiter.client.silence()?;
    let left = (start + time).saturating_sub(pg.now());
    pg.gone(sleeper.pid, left, "when the sleep ends").await?;
    let queued = std::slice::from_ref(&waiter);
    all_stay(pg, queued, Duration::ZERO).await?;
    if let Some(holder) = waiter.blocker {
        holder.close().await?;
    }
    pg.gone_at_once(waiter.client.pid, "when it has the lock").await
}
