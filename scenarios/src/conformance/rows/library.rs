//! tokio-postgres itself, in its usual shape: what becomes of a backend when a client gives up.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use leftover_core::clock::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem, Row, ensure, ensure_eq};
use crate::conformance::states::{TABLE, flood, sleep};
use crate::conformance::task::{Session, problem, value, with_task};

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-116",
        "a dropped idle client says Terminate and is gone",
        |pg| idle(pg).boxed_local(),
    ),
    Row::plain(
        "OB-117",
        "a query that was timed out, its client dropped, runs to its end",
        |pg| given_up(pg, false).boxed_local(),
    ),
    Row::plain(
        "OB-118",
        "so it does when the connection's task is aborted",
        |pg| given_up(pg, true).boxed_local(),
    ),
    Row::plain(
        "OB-119",
        "a cancelled query is over, and its client gone at once",
        |pg| cancelled(pg).boxed_local(),
    ),
    Row::plain(
        "OB-120",
        "the query behind one that was timed out waits for it",
        |pg| behind(pg).boxed_local(),
    ),
    Row::plain(
        "OB-121",
        "behind a dropped COPY OUT the task drains all of it before Terminate; aborted it goes at once",
        |pg| copy_out(pg).boxed_local(),
    ),
    Row::plain(
        "OB-122",
        "a stream or sink that is kept, or a transaction that is dropped, holds up what comes behind it",
        |pg| kept(pg).boxed_local(),
    ),
    Row::race(
        "OB-123",
        "a cancel_query that is not waited for may hit the next statement",
        &["the next one", "nothing more"],
        40,
        |pg| stray_cancel(pg).boxed_local(),
    ),
];

async fn idle(pg: &Pg) -> Checked {
    with_task(pg, async |session: Session| {
        drop(session.client);
        pg.gone_at_once(session.pid, "dropped").await
    })
    .await
}

/// How long the statement runs that is given up.
const LONG: Duration = Duration::from_millis(1200);

/// After how long it is given up.
const PATIENCE: Duration = Duration::from_millis(300);

/// Starts a long query and gives it up; answers when it would end.
async fn time_out(pg: &Pg, client: &Client) -> Checked<Instant> {
    let end = pg.now() + LONG;
    let sql = sleep(LONG);
    match select(pin!(client.simple_query(&sql)), pin!(pg.sleep(PATIENCE))).await {
        Either::Left((answer, _)) => Err(Problem::differs(format!("it did not sleep: {answer:?}"))),
        Either::Right(_) => Ok(end),
    }
}

async fn given_up(pg: &Pg, aborted: bool) -> Checked {
    with_task(pg, async |session: Session| {
        let end = time_out(pg, &session.client).await?;
        if aborted {
            session.task.abort();
        }
        drop(session.client);
        pg.gone(session.pid, end.saturating_sub(pg.now()), "given up")
            .await
    })
    .await
}

async fn cancel(pg: &Pg, client: &Client) -> Checked {
    let link = pg.server().dial().await?;
    client
        .cancel_token()
        .cancel_query_raw(link, NoTls)
        .await
        .map_err(problem)
}

async fn cancelled(pg: &Pg) -> Checked {
    with_task(pg, async |session: Session| {
        time_out(pg, &session.client).await?;
        cancel(pg, &session.client).await?;
        drop(session.client);
        pg.gone_at_once(session.pid, "cancelled").await
    })
    .await
}

async fn behind(pg: &Pg) -> Checked {
    with_task(pg, async |session: Session| {
        let end = time_out(pg, &session.client).await?;
        value(&session.client, "SELECT 1").await?;
        ensure!(pg.now() >= end, "{:?} too early", end - pg.now());
        Ok(())
    })
    .await
}

async fn copy_out(pg: &Pg) -> Checked {
    for aborted in [false, true] {
        with_task(pg, async |session: Session| {
            let copy = format!("COPY ({}) TO STDOUT", flood(pg));
            let stream = session.client.copy_out(&copy).await.map_err(problem)?;
            let mut stream = Box::pin(stream);
            let first = stream.next().await;
            ensure!(matches!(first, Some(Ok(_))), "the first row: {first:?}");
            if aborted {
                session.task.abort();
            }
            drop(stream);
            drop(session.client);
            pg.gone_within(session.pid, pg.at_once() * 10, "dropped").await?;
            let (read, all) = (session.read.load(Ordering::Relaxed), bytes(pg));
            ensure_eq!(read >= all, !aborted, "it has read {read} of {all} bytes");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// How much a flood's rows are, at the least.
fn bytes(pg: &Pg) -> usize {
    const ROW_BYTES: usize = 1000;
    let sql = flood(pg);
    let rows = sql.trim_end_matches(')').rsplit(' ').next();
    rows.and_then(|rows| rows.parse::<usize>().ok()).unwrap_or(0) * ROW_BYTES
}

async fn kept(pg: &Pg) -> Checked {
    with_task(pg, async |session: Session| kept_stream(pg, session).await).await?;
    with_task(pg, async |session: Session| {
        dropped_transaction(pg, session).await
    })
    .await?;
    with_task(pg, async |session: Session| kept_sink(pg, session).await).await
}

const NEVER: Duration = Duration::from_millis(900);

async fn kept_stream(pg: &Pg, session: Session) -> Checked {
    let copy = format!("COPY ({}) TO STDOUT", flood(pg));
    let stream = session.client.copy_out(&copy).await.map_err(problem)?;
    drop(session.client);
    let blocked = "active Client/ClientWrite";
    pg.until_doing(session.pid, blocked).await?;
    // Until the kernels have taken all that they take.
    pg.sleep(pg.at_once() / 5).await;
    pg.until_doing(session.pid, blocked).await?;
    pg.stays(session.pid, blocked, NEVER, "a stream that is kept")
        .await?;
    drop(stream);
    pg.gone_within(session.pid, pg.at_once() * 10, "a stream that is dropped")
        .await
}

async fn dropped_transaction(pg: &Pg, mut session: Session) -> Checked {
    let transaction = session.client.transaction().await.map_err(problem)?;
    let end = pg.now() + LONG;
    let sql = sleep(LONG);
    if let Either::Left((answer, _)) =
        select(pin!(transaction.simple_query(&sql)), pin!(pg.sleep(PATIENCE))).await
    {
        return Err(Problem::differs(format!("it did not sleep: {answer:?}")));
    }
    drop(transaction);
    let in_transaction = "SELECT now() = statement_timestamp()";
    let outside = value(&session.client, in_transaction).await?;
    ensure!(pg.now() >= end, "{:?} too early", end - pg.now());
    ensure_eq!(outside, "t", "behind ROLLBACK");
    Ok(())
}

async fn kept_sink(pg: &Pg, session: Session) -> Checked {
    pg.setup(TABLE).await?;
    let sink = session
        .client
        .copy_in("COPY t FROM STDIN")
        .await
        .map_err(problem)?;
    let mut sink = Box::pin(sink);
    sink.send(Bytes::from_static(b"1\n")).await.map_err(problem)?;
    drop(session.client);
    let waits = "active Client/ClientRead";
    pg.until_doing(session.pid, waits).await?;
    pg.stays(session.pid, waits, NEVER, "a sink that is kept").await?;
    drop(sink);
    pg.gone_at_once(session.pid, "a sink that is dropped").await?;
    ensure_eq!(pg.value("SELECT count(*) FROM t").await?, "0", "its rows");
    Ok(())
}

/// A query is timed out near its end and cancelled, and the client is used again.
async fn stray_cancel(pg: &Pg) -> Checked<&'static str> {
    let mut outcome = "nothing more";
    with_task(pg, async |session: Session| {
        let client = &session.client;
        let patience = Duration::from_micros(1500 + pg.turn() % 6 * 500);
        let query = client.simple_query("SELECT pg_sleep(0.003)");
        drop(select(pin!(query), pin!(pg.sleep(patience))).await);
        cancel(pg, client).await?;
        match client.simple_query("SELECT pg_sleep(0.05)").await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => {
                outcome = "the next one";
                Ok(())
            }
            Err(error) => Err(problem(error)),
        }
    })
    .await?;
    Ok(outcome)
}
