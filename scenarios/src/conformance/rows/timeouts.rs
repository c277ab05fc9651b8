//! The server's own limits on sessions, transactions, statements and locks.

use std::time::Duration;

use futures_util::FutureExt as _;

use crate::conformance::client::Client;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem, Row, ensure, ensure_eq};
use crate::conformance::said::{Said, error};
use crate::conformance::states::{State, TABLE, sleep};
use crate::conformance::watch::{all_stay, enter, told};

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-38",
        "idle_in_transaction_session_timeout: transactions and holders of snapshots, 25P03; no COPY, pipeline, statement",
        |pg| idle_in_transaction(pg).boxed_local(),
    ),
    Row::plain(
        "OB-39",
        "idle_session_timeout: idle sessions and walsenders, 57P05; no holder of a snapshot, which is in a transaction",
        |pg| idle_session(pg).boxed_local(),
    ),
    Row::plain(
        "OB-40",
        "statement_timeout: 57014, and the session goes on; no COPY FROM, pipeline, slot command, stream",
        |pg| statement(pg).boxed_local(),
    ),
    Row::race(
        "OB-41",
        "statement_timeout of a COPY TO that nobody reads: honoured when the send buffer has slack, or not",
        &["honoured", "still blocked"],
        6,
        |pg| blocked_statement(pg).boxed_local(),
    ),
    Row::plain(
        "OB-42",
        "lock_timeout: 55P03 in waits for a table and in the wait of every way to create a slot",
        |pg| lock(pg).boxed_local(),
    ),
];

/// Long enough to see a state come, on a busy machine.
const LIMIT: Duration = Duration::from_secs(1);

/// Each of these is told so when its time is up, which began while it was entered.
async fn ended(pg: &Pg, states: &[State], options: &str, code: &str, message: &str) -> Checked {
    for state in states {
        let before = pg.now();
        let mut scene = state.enter(pg, options).await?;
        let entered = pg.now();
        told(&mut scene.client, code, message)
            .await
            .map_err(|problem| Problem::differs(format!("{state:?}: {problem}")))?;
        ensure!(pg.now() - before >= LIMIT, "{state:?}: too early");
        ensure!(pg.now() - entered <= LIMIT + pg.at_once(), "{state:?}: too late");
    }
    let slots = pg.value("SELECT count(*) FROM pg_replication_slots").await?;
    ensure_eq!(slots, "0", "slots that stay");
    Ok(())
}

async fn idle_in_transaction(pg: &Pg) -> Checked {
    let limit = "-c idle_in_transaction_session_timeout=1s";
    let ends = [State::InTransaction, State::Aborted, State::Exported, State::Used];
    let message = "terminating connection due to idle-in-transaction timeout";
    ended(pg, &ends, limit, "25P03", message).await?;
    let stay = [State::CopyIn, State::NoSync, State::Sleep, State::Idle];
    let scenes = enter(pg, &stay, limit).await?;
    all_stay(pg, &scenes, LIMIT * 3).await
}

async fn idle_session(pg: &Pg) -> Checked {
    let limit = "-c idle_session_timeout=1s";
    let message = "terminating connection due to idle-session timeout";
    ended(pg, &[State::Idle, State::IdleWalsender], limit, "57P05", message).await?;
    let stay = [State::Exported, State::Used, State::InTransaction];
    let scenes = enter(pg, &stay, limit).await?;
    all_stay(pg, &scenes, LIMIT * 3).await
}

async fn statement(pg: &Pg) -> Checked {
    let limit = "-c statement_timeout=1s";
    let message = "canceling statement due to statement timeout";
    for state in State::executing(pg) {
        let mut scene = state.enter(pg, limit).await?;
        fails(&mut scene.client, "57014", message).await?;
    }
    let mut walsender = pg.walsender(limit).await?;
    walsender.send(&sleep(LIMIT * 10)).await?;
    fails(&mut walsender, "57014", message).await?;
    let stay = [
        State::Streaming,
        State::DropWaits,
        State::CopyIn,
        State::NoSync,
        State::CreateWaits,
    ];
    let scenes = enter(pg, &stay, limit).await?;
    all_stay(pg, &scenes, LIMIT * 3).await
}

/// What a client sent fails with this ERROR, and its session goes on.
async fn fails(client: &mut Client, code: &str, message: &str) -> Checked {
    let said = client.until_ready().await;
    let found = error(&said).map(|fields| {
        (
            fields.severity.as_str(),
            fields.code.as_str(),
            fields.message.as_str(),
        )
    });
    ensure_eq!(found, Some(("ERROR", code, message)), "what failed");
    ensure!(matches!(said.last(), Some(Said::Ready(_))), "{said:?}");
    client.rows("ROLLBACK").await?;
    ensure_eq!(client.value("SELECT 1").await?, "1", "the session afterwards");
    Ok(())
}

/// Takes turns: a client that does not read, and one that goes silent while data flows.
async fn blocked_statement(pg: &Pg) -> Checked<&'static str> {
    let mut scene = State::BlockedCopy.enter(pg, "-c statement_timeout=500ms").await?;
    if pg.turn() % 2 == 1 {
        scene.client.silence()?;
    }
    pg.sleep(Duration::from_millis(1500)).await;
    let doing = pg.doing(scene.client.pid).await?;
    match doing.as_str() {
        "idle Client/ClientRead" => Ok("honoured"),
        "active Client/ClientWrite" => Ok("still blocked"),
        _ => Err(Problem::differs(doing)),
    }
}

async fn lock(pg: &Pg) -> Checked {
    let message = "canceling statement due to lock timeout";
    let limit = "-c lock_timeout=1s";
    let mut scene = State::LockWait.enter(pg, limit).await?;
    fails(&mut scene.client, "55P03", message).await?;
    pg.setup(TABLE).await?;
    let mut blocker = pg.connect().await?;
    blocker.rows("BEGIN; INSERT INTO t VALUES (0)").await?;
    let create = |snapshot: &str| format!("CREATE_REPLICATION_SLOT s LOGICAL pgoutput {snapshot}");
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    let function = "SELECT pg_create_logical_replication_slot('s', 'pgoutput')";
    for (mut client, begin, create) in [
        (pg.walsender(limit).await?, None, create("EXPORT_SNAPSHOT")),
        (pg.walsender(limit).await?, None, create("NOEXPORT_SNAPSHOT")),
        (pg.walsender(limit).await?, Some(begin), create("USE_SNAPSHOT")),
        (pg.connect_set(limit).await?, None, function.to_owned()),
    ] {
        if let Some(begin) = begin {
            client.rows(begin).await?;
        }
        client.send(&create).await?;
        pg.until_doing(client.pid, "active Lock/transactionid").await?;
        fails(&mut client, "55P03", message).await?;
        let slots = pg.value("SELECT count(*) FROM pg_replication_slots").await?;
        ensure_eq!(slots, "0", "{create}: slots that stay");
    }
    Ok(())
}
