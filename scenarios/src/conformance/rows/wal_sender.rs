//! `wal_sender_timeout`, and the limits that are set for a connection.

use std::time::Duration;

use futures_util::FutureExt as _;

use crate::conformance::pg::Pg;
use crate::conformance::replication::{Keepalive, standby_status};
use crate::conformance::row::{Checked, Problem, Row, ensure, ensure_eq};
use crate::conformance::said::Said;
use crate::conformance::states::State;
use crate::conformance::watch::{all_go, all_stay, enter};

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-43",
        "wal_sender_timeout: a keepalive that wants a reply at half of it, EOF without a word at its end",
        |pg| mute(pg).boxed_local(),
    ),
    Row::plain(
        "OB-44",
        "a client that does not read and sends status is not ended by it",
        |pg| reporting(pg).boxed_local(),
    ),
    Row::plain("OB-46", "outside a stream it has no effect", |pg| {
        elsewhere(pg).boxed_local()
    }),
    Row::plain(
        "OB-47",
        "an ordinary role can set every limit of its own connection in its options",
        |pg| settable(pg).boxed_local(),
    ),
    Row::plain(
        "OB-48",
        "authentication_timeout: EOF without a word to a connection that says nothing",
        |pg| unauthenticated(pg).boxed_local(),
    ),
];

const TIMEOUT: Duration = Duration::from_secs(1);
const OPTION: &str = "-c wal_sender_timeout=1s";

async fn mute(pg: &Pg) -> Checked {
    let before = pg.now();
    let mut scene = State::Streaming.enter(pg, OPTION).await?;
    let started = pg.now();
    let asked = scene
        .client
        .until(|said| matches!(said, Said::Data(data) if Keepalive::parse(data).is_some_and(|k| k.reply)))
        .await;
    ensure!(
        matches!(asked.last(), Some(Said::Data(_))),
        "it is not asked: {asked:?}"
    );
    ensure!(pg.now() - before >= TIMEOUT / 2, "asked too early");
    ensure!(pg.now() - started <= TIMEOUT / 2 + pg.at_once(), "asked too late");
    let end = scene.client.until_end().await;
    ensure_eq!(end, [Said::Eof], "the end");
    ensure!(pg.now() - before >= TIMEOUT, "ended too early");
    ensure!(pg.now() - started <= TIMEOUT + pg.at_once(), "ended too late");
    let active = "SELECT count(*) FROM pg_replication_slots WHERE active";
    pg.until_value(active, "0").await?;
    let mut silent = enter(pg, &[State::Streaming], OPTION).await?;
    silent[0].client.silence()?;
    all_go(pg, &silent, Duration::ZERO..=TIMEOUT).await
}

async fn reporting(pg: &Pg) -> Checked {
    let mut scene = State::BlockedStream.enter(pg, OPTION).await?;
    let end = pg.now() + TIMEOUT * 3;
    while pg.now() < end {
        scene.client.copy_data(&standby_status(0)).await?;
        pg.sleep(TIMEOUT / 4).await;
    }
    pg.until_doing(scene.client.pid, &scene.doing).await
}

async fn elsewhere(pg: &Pg) -> Checked {
    let states = [State::Exported, State::Used, State::IdleWalsender];
    let scenes = enter(pg, &states, OPTION).await?;
    all_stay(pg, &scenes, TIMEOUT * 3).await
}

async fn settable(pg: &Pg) -> Checked {
    let settings = [
        ("client_connection_check_interval", "5s", "5s"),
        ("idle_in_transaction_session_timeout", "60s", "1min"),
        ("idle_session_timeout", "0", "0"),
        ("tcp_keepalives_idle", "15", "15"),
        ("tcp_keepalives_interval", "5", "5"),
        ("tcp_keepalives_count", "3", "3"),
        ("tcp_user_timeout", "60000", "60000"),
        ("wal_sender_timeout", "30s", "30s"),
        ("statement_timeout", "90s", "90s"),
        ("lock_timeout", "10s", "10s"),
    ];
    let set: Vec<String> = settings
        .iter()
        .map(|(name, value, _)| format!("-c {name}={value}"))
        .collect();
    let options = set.join(" ");
    for mut client in [pg.connect_set(&options).await?, pg.walsender(&options).await?] {
        for (name, _, shown) in settings {
            let found = client.value(&format!("SHOW {name}")).await?;
            ensure_eq!(found, shown, "{name}");
        }
    }
    // A socket's settings are shown as the kernel has them: its own values where nothing was set.
    let mut plain = pg.connect().await?;
    for (name, kernel) in [
        ("tcp_keepalives_idle", "7200"),
        ("tcp_keepalives_interval", "75"),
        ("tcp_keepalives_count", "9"),
        ("tcp_user_timeout", "0"),
    ] {
        let found = plain.value(&format!("SHOW {name}")).await?;
        ensure_eq!(found, kernel, "{name}, not set");
    }
    Ok(())
}

async fn unauthenticated(pg: &Pg) -> Checked {
    let configured = pg.server().configure("authentication_timeout", "1s").await;
    configured.map_err(Problem::CannotRun)?;
    let before = pg.now();
    let mut client = pg.dial().await?;
    let said = client.until_end().await;
    let took = pg.now() - before;
    ensure_eq!(said, [Said::Eof], "what it says");
    ensure!(
        (TIMEOUT..TIMEOUT + pg.at_once()).contains(&took),
        "it took {took:?}"
    );
    Ok(())
}
