//! How the kernel comes to know that a peer is dead, and which backends hear of it.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::{KEEPALIVES, USER_TIMEOUT};
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Row, ensure_eq};
use crate::conformance::said::Said;
use crate::conformance::states::State;
use crate::conformance::watch::{all_go, all_stay, enter, silence};

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-34",
        "keepalives end a silent client's backend wherever it reads; a user timeout does it sooner",
        |pg| kept_alive(pg).boxed_local(),
    ),
    Row::plain(
        "OB-35",
        "a user timeout alone never notices silence while nothing is unacknowledged",
        |pg| nothing_sent(pg).boxed_local(),
    ),
    Row::plain(
        "OB-36",
        "a user timeout ends what sends to a silent client",
        |pg| unacknowledged(pg).boxed_local(),
    ),
    Row::plain(
        "OB-37",
        "keepalives alone never notice silence while data is unacknowledged",
        |pg| no_probes(pg).boxed_local(),
    ),
    Row::plain(
        "OB-45",
        "a user timeout ends what sends to a client that lives and does not read, which sees a RST",
        |pg| unread(pg).boxed_local(),
    ),
];

async fn kept_alive(pg: &Pg) -> Checked {
    let mut alone = enter(pg, &State::quiet(), KEEPALIVES.options).await?;
    silence(pg, &mut alone).await?;
    all_go(pg, &alone, KEEPALIVES.dead).await?;
    let both = format!("{} {}", KEEPALIVES.options, USER_TIMEOUT.options);
    let mut sooner = enter(pg, &State::quiet(), &both).await?;
    silence(pg, &mut sooner).await?;
    all_go(pg, &sooner, Duration::from_millis(500)..=Duration::from_secs(2)).await
}

async fn nothing_sent(pg: &Pg) -> Checked {
    let mut scenes = enter(pg, &State::quiet(), USER_TIMEOUT.options).await?;
    silence(pg, &mut scenes).await?;
    all_stay(pg, &scenes, USER_TIMEOUT.time * 3).await
}

async fn unacknowledged(pg: &Pg) -> Checked {
    let mut scenes = enter(pg, &State::BLOCKED, USER_TIMEOUT.options).await?;
    silence(pg, &mut scenes).await?;
    all_go(pg, &scenes, Duration::ZERO..=USER_TIMEOUT.noticed).await
}

async fn no_probes(pg: &Pg) -> Checked {
    let mut scenes = enter(pg, &State::BLOCKED, KEEPALIVES.options).await?;
    silence(pg, &mut scenes).await?;
    all_stay(pg, &scenes, *KEEPALIVES.dead.end() * 3).await
}

async fn unread(pg: &Pg) -> Checked {
    let mut scenes = enter(pg, &State::BLOCKED, USER_TIMEOUT.options).await?;
    all_go(pg, &scenes, Duration::ZERO..=USER_TIMEOUT.noticed).await?;
    for scene in &mut scenes {
        let last = scene.client.until_end().await.pop();
        ensure_eq!(last, Some(Said::Reset), "{:?}: the end", scene.state);
    }
    Ok(())
}
