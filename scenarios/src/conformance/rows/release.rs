//! What a client that leaves knows: what is released when, and what it still hears.

use std::time::Duration;

use futures_util::FutureExt as _;

use crate::conformance::client::{Client, Leave};
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem, Row, ensure, ensure_eq};
use crate::conformance::said::{Said, code, error};
use crate::conformance::states::{State, TABLE, sleep};

pub(super) const ROWS: &[Row] = &[
    Row::race(
        "OB-18",
        "closing is not release: what was held may still be; after Terminate and EOF it never is",
        &["lock held", "pid listed", "released", "slot active"],
        30,
        |pg| closing(pg).boxed_local(),
    ),
    Row::plain(
        "OB-19",
        "a half-closed client still gets its answer, unless client_connection_check_interval ends it",
        |pg| half_closed(pg).boxed_local(),
    ),
    Row::plain(
        "OB-20",
        "a close with unread data is a RST: the server's log says so",
        |pg| unread(pg).boxed_local(),
    )
    .not_modelled("the simulated server writes no log"),
    Row::plain("OB-21", "what the log says of each way of leaving", |pg| {
        logged(pg).boxed_local()
    })
    .not_modelled("the simulated server writes no log"),
    Row::plain(
        "OB-22",
        "a FATAL to an idle client can be read although it has written twice since",
        |pg| farewell(pg).boxed_local(),
    ),
];

/// Takes turns with what is held: a table's lock, a slot, a place in the view.
async fn closing(pg: &Pg) -> Checked<&'static str> {
    pg.setup(TABLE).await?;
    if after_leaving(pg, true).await?.is_some() {
        return Err(Problem::differs("still held after Terminate and EOF"));
    }
    Ok(after_leaving(pg, false).await?.unwrap_or("released"))
}

/// A client leaves, with proof of release or with a close; what is still held then.
async fn after_leaving(pg: &Pg, proved: bool) -> Checked<Option<&'static str>> {
    let mut next = pg.connect().await?;
    match pg.turn() % 3 {
        0 => {
            let mut holder = pg.connect().await?;
            holder.rows("BEGIN; LOCK TABLE t").await?;
            leave(pg, holder, proved).await?;
            let said = next.query("BEGIN; LOCK TABLE t NOWAIT").await?;
            held(&said, "55P03", "lock held")
        }
        1 => {
            let scene = State::Streaming.enter(pg, "").await?;
            leave(pg, scene.client, proved).await?;
            let drop = format!(
                "SELECT pg_drop_replication_slot('{}')",
                scene.slot.unwrap_or_default()
            );
            let said = next.query(&drop).await?;
            let held = held(&said, "55006", "slot active");
            if let Ok(Some(_)) = held {
                let free = "SELECT count(*) FROM pg_replication_slots WHERE active";
                pg.until_value(free, "0").await?;
                next.rows(&drop).await?;
            }
            held
        }
        _ => {
            let client = pg.connect().await?;
            let pid = client.pid;
            leave(pg, client, proved).await?;
            let listed = pg.doing(pid).await? != "gone";
            pg.gone_at_once(pid, "closed").await?;
            Ok(listed.then_some("pid listed"))
        }
    }
}

/// Leaves: with proof of release, or by a close and a moment that differs from turn to turn.
async fn leave(pg: &Pg, client: Client, proved: bool) -> Checked {
    if proved {
        return client.close().await;
    }
    drop(client);
    pg.sleep(Duration::from_micros(pg.turn() % 7 * 700)).await;
    Ok(())
}

/// An act on what was held either fails with this SQLSTATE, because it still is, or does not fail.
fn held(said: &[Said], busy: &str, what: &'static str) -> Checked<Option<&'static str>> {
    match code(said) {
        None => Ok(None),
        Some(found) if found == busy => Ok(Some(what)),
        Some(_) => Err(Problem::differs(format!("{said:?}"))),
    }
}

async fn half_closed(pg: &Pg) -> Checked {
    let time = Duration::from_millis(700);
    for (options, answered) in [("", true), ("-c client_connection_check_interval=200ms", false)] {
        let mut client = pg.connect_set(options).await?;
        let start = pg.now();
        client.send(&sleep(time)).await?;
        client.leave(Leave::HalfClose).await?;
        let said = client.until_end().await;
        let took = pg.now() - start;
        if answered {
            let ends = matches!(
                said.as_slice(),
                [
                    Said::Columns(_),
                    Said::Row(_),
                    Said::Done(_),
                    Said::Ready('I'),
                    Said::Eof
                ]
            );
            ensure!(ends && took >= time, "after {took:?}: {said:?}");
        } else {
            ensure_eq!(said, [Said::Eof], "with the check, after {took:?}");
            ensure!(took < time, "only after {took:?}");
        }
    }
    Ok(())
}

/// Waits until the log has a line of this backend with these words.
async fn until_logged(pg: &Pg, pid: i32, words: &str) -> Checked {
    let end = pg.now() + pg.at_once();
    loop {
        let log = pg.server().log().await.map_err(Problem::CannotRun)?;
        let process = format!("[{pid}]");
        let of_it = log.lines().filter(|line| line.contains(&process));
        let lines: Vec<&str> = of_it.collect();
        if lines.iter().any(|line| line.contains(words)) {
            return Ok(());
        }
        if pg.now() > end {
            return Err(Problem::differs(format!("no {words:?} in {lines:?}")));
        }
        pg.sleep(Duration::from_millis(10)).await;
    }
}

async fn unread(pg: &Pg) -> Checked {
    let mut client = pg.connect().await?;
    client.send("SELECT repeat('x', 10000)").await?;
    let pid = client.pid;
    let answered =
        format!("SELECT state = 'idle' AND query LIKE '%repeat%' FROM pg_stat_activity WHERE pid = {pid}");
    pg.until_value(&answered, "t").await?;
    client.leave(Leave::Fin).await?;
    let words = "could not receive data from client: Connection reset by peer";
    until_logged(pg, client.pid, words).await
}

async fn logged(pg: &Pg) -> Checked {
    let lost = "could not receive data from client: Connection reset by peer";
    for (state, how, words) in [
        (
            State::InTransaction,
            Leave::Fin,
            "unexpected EOF on client connection with an open transaction",
        ),
        (State::Idle, Leave::Fin, "disconnection: session time"),
        (State::Idle, Leave::Terminate, "disconnection: session time"),
        (State::Idle, Leave::Rst, lost),
    ] {
        let mut scene = state.enter(pg, "").await?;
        scene.client.leave(how).await?;
        until_logged(pg, scene.client.pid, words).await?;
    }
    let mut scene = State::Sleep
        .enter(pg, "-c client_connection_check_interval=100ms")
        .await?;
    scene.client.leave(Leave::Fin).await?;
    until_logged(pg, scene.client.pid, "FATAL:  connection to client lost").await
}

async fn farewell(pg: &Pg) -> Checked {
    let mut client = pg.connect().await?;
    let pid = client.pid;
    pg.rows(&format!("SELECT pg_terminate_backend({pid})")).await?;
    pg.gone_at_once(pid, "terminated").await?;
    client.send("SELECT 1").await?;
    pg.sleep(Duration::from_millis(50)).await;
    let second = client.send("SELECT 1").await;
    ensure!(second.is_err(), "the second write went through");
    let said = client.until_end().await;
    let message = "terminating connection due to administrator command";
    let last = error(&said).map(|fields| (fields.code.as_str(), fields.message.as_str()));
    ensure_eq!(last, Some(("57P01", message)), "what is still to be read");
    ensure!(said.len() == 2, "{said:?}");
    Ok(())
}
