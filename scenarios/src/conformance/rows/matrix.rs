//! Which limit ends which state of a client that falls silent: the behaviours' matrix 2.1, a row for each column.

use std::time::Duration;

use futures_util::FutureExt as _;

use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Row, ensure};
use crate::conformance::states::{Scene, State};
use crate::conformance::watch::{enter, silence};

const CHECK: &str = "-c client_connection_check_interval=1s";
const IDLE_IN_TRANSACTION: &str = "-c idle_in_transaction_session_timeout=1s";
const IDLE_SESSION: &str = "-c idle_session_timeout=1s";
const STATEMENT: &str = "-c statement_timeout=1s";
const LOCK: &str = "-c lock_timeout=1s";
const WAL_SENDER: &str = "-c wal_sender_timeout=1s";
const KEEPALIVES: &str = "-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2";
const USER_TIMEOUT: &str = "-c tcp_user_timeout=1s";

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "S2.1-a",
        "silent clients and client_connection_check_interval: it ends nobody",
        |pg| silent(pg, &[CHECK], |_| Fate::Stays).boxed_local(),
    ),
    Row::plain(
        "S2.1-b",
        "... idle_in_transaction_session_timeout: transactions and holders of snapshots",
        |pg| silent(pg, &[IDLE_IN_TRANSACTION], idle_in_transaction).boxed_local(),
    ),
    Row::plain(
        "S2.1-c",
        "... idle_session_timeout: idle sessions and walsenders",
        |pg| silent(pg, &[IDLE_SESSION], idle_session).boxed_local(),
    ),
    Row::plain(
        "S2.1-d",
        "... statement_timeout: statements and waits for a table end, their sessions stay",
        |pg| silent(pg, &[STATEMENT], statement).boxed_local(),
    ),
    Row::plain(
        "S2.1-e",
        "... lock_timeout: waits for locks end, that of a slot's creation too; their sessions stay",
        |pg| silent(pg, &[LOCK], lock).boxed_local(),
    ),
    Row::plain("S2.1-f", "... wal_sender_timeout: streams", |pg| {
        silent(pg, &[WAL_SENDER], stream).boxed_local()
    }),
    Row::plain(
        "S2.1-g",
        "... keepalives: who reads and has nothing unacknowledged",
        |pg| silent(pg, &[KEEPALIVES], quiet).boxed_local(),
    ),
    Row::plain(
        "S2.1-h",
        "... a user timeout: who has something unacknowledged",
        |pg| silent(pg, &[USER_TIMEOUT], sending).boxed_local(),
    ),
    Row::plain("S2.1-i", "... keepalives and a user timeout: both", |pg| {
        let either = |state| quiet(state).or(sending(state));
        silent(pg, &[KEEPALIVES, USER_TIMEOUT], either).boxed_local()
    }),
    Row::plain(
        "S2.1-j",
        "... keepalives and the check: also who executes or waits for a table",
        |pg| {
            let either = |state| quiet(state).or(executing(state));
            silent(pg, &[CHECK, KEEPALIVES], either).boxed_local()
        },
    ),
    Row::plain(
        "S2.1-k",
        "... a user timeout and the check: no more than with the user timeout",
        |pg| silent(pg, &[CHECK, USER_TIMEOUT], sending).boxed_local(),
    ),
    Row::plain(
        "S2.1-l",
        "clients that live and are mute, and every limit: COPY FROM, pipelines and DROP ... WAIT have no cover",
        |pg| mute(pg).boxed_local(),
    ),
];

/// What becomes of a backend in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It does what it did.
    Stays,
    /// Its statement has failed, and it waits for the next.
    Idle,
    /// Either of these.
    StaysOrIdle,
    /// It is gone.
    Gone,
}

impl Fate {
    /// The fate under two limits.
    fn or(self, other: Fate) -> Fate {
        if self == Fate::Stays { other } else { self }
    }

    fn allows(self, scene: &Scene, found: &str) -> bool {
        let (stays, idle) = (found == scene.doing, found == "idle Client/ClientRead");
        match self {
            Fate::Stays => stays,
            Fate::Idle => idle,
            Fate::StaysOrIdle => stays || idle,
            Fate::Gone => found == "gone",
        }
    }
}

fn idle_in_transaction(state: State) -> Fate {
    match state {
        State::InTransaction | State::Aborted | State::Exported | State::Used => Fate::Gone,
        _ => Fate::Stays,
    }
}

fn idle_session(state: State) -> Fate {
    match state {
        State::Idle | State::IdleWalsender => Fate::Gone,
        _ => Fate::Stays,
    }
}

fn statement(state: State) -> Fate {
    match state {
        State::Sleep | State::Cpu | State::LockWait => Fate::Idle,
        // It depends on the send buffer (OB-41).
        State::BlockedSelect | State::BlockedCopy => Fate::StaysOrIdle,
        _ => Fate::Stays,
    }
}

fn lock(state: State) -> Fate {
    match state {
        State::LockWait | State::CreateWaits => Fate::Idle,
        _ => Fate::Stays,
    }
}

fn stream(state: State) -> Fate {
    match state {
        State::Streaming | State::BlockedStream => Fate::Gone,
        _ => Fate::Stays,
    }
}

fn quiet(state: State) -> Fate {
    if State::quiet().contains(&state) {
        Fate::Gone
    } else {
        Fate::Stays
    }
}

fn executing(state: State) -> Fate {
    match state {
        State::Sleep | State::Cpu | State::LockWait => Fate::Gone,
        _ => Fate::Stays,
    }
}

fn sending(state: State) -> Fate {
    match state {
        State::BlockedSelect | State::BlockedCopy | State::Streaming | State::BlockedStream => Fate::Gone,
        _ => Fate::Stays,
    }
}

/// No limit here takes longer.
const LONGEST: Duration = Duration::from_secs(4);

/// Clients in every state fall silent.
async fn silent(pg: &Pg, options: &[&str], fate: fn(State) -> Fate) -> Checked {
    let mut scenes = enter(pg, &State::all(pg), &options.join(" ")).await?;
    silence(pg, &mut scenes).await?;
    // Streams get something to send, which nobody acknowledges.
    pg.setup("INSERT INTO streamed VALUES ('more')").await?;
    all_meet(pg, &scenes, fate, LONGEST).await
}

/// Clients in every state live, and neither read nor write.
async fn mute(pg: &Pg) -> Checked {
    let options = [
        CHECK,
        IDLE_IN_TRANSACTION,
        IDLE_SESSION,
        STATEMENT,
        LOCK,
        WAL_SENDER,
        KEEPALIVES,
        USER_TIMEOUT,
    ];
    let scenes = enter(pg, &State::all(pg), &options.join(" ")).await?;
    let fate = |state| match state {
        State::CopyIn | State::NoSync | State::DropWaits => Fate::Stays,
        _ => Fate::Gone,
    };
    all_meet(pg, &scenes, fate, LONGEST).await
}

/// After this time each of them has met its fate.
async fn all_meet(pg: &Pg, scenes: &[Scene], fate: impl Fn(State) -> Fate, time: Duration) -> Checked {
    pg.sleep(time).await;
    let mut others = Vec::new();
    for scene in scenes {
        let found = pg.doing(scene.client.pid).await?;
        let fate = fate(scene.state);
        if !fate.allows(scene, &found) {
            others.push(format!("{:?}: {found} instead of {fate:?}", scene.state));
        }
    }
    ensure!(others.is_empty(), "{}", others.join("; "));
    Ok(())
}
