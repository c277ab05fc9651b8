//! The end of the server: the ways to stop it, a killed backend, and what sessions and new clients hear.

use std::time::Duration;

use futures_util::FutureExt as _;
use leftover_core::connection::Lsn;
use leftover_harness::world::Shutdown;

use super::fixture::{CREATE_TEMPORARY, EXPORTED, REPEATABLE_READ, SLOT, exported, import, problem};
use super::stream::{at_tip, lsn, publish, streaming};
use crate::conformance::client::Client;
use crate::conformance::pg::Pg;
use crate::conformance::replication::Keepalive;
use crate::conformance::row::{Checked, Problem, Row, ensure, ensure_eq};
use crate::conformance::said::Said;

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-109",
        "a fast stop ends a stream whose client has acknowledged all with COPY 0 and no error",
        |pg| acknowledged(pg).boxed_local(),
    ),
    Row::plain(
        "OB-110",
        "a fast stop waits for a mute stream until wal_sender_timeout, and asks it meanwhile",
        |pg| mute(pg).boxed_local(),
    ),
    Row::plain(
        "OB-111",
        "what the three ways to stop say to sessions and to new clients",
        |pg| others(pg).boxed_local(),
    ),
    Row::plain(
        "OB-112",
        "a killed backend ends all others; permanent slots stay, the temporary and snapshots go",
        |pg| killed(pg).boxed_local(),
    ),
];

async fn stop(pg: &Pg, how: Shutdown) -> Checked {
    pg.server().shut_down(how).await.map_err(Problem::CannotRun)
}

/// Until the server is down, at most so long.
async fn until_down(pg: &Pg, time: Duration) -> Checked {
    let end = pg.now() + time + pg.at_once() * 5;
    while !pg.server().is_down().await.map_err(Problem::CannotRun)? {
        ensure!(pg.now() < end, "it is not down {time:?} later");
        pg.sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

async fn start(pg: &Pg) -> Checked {
    pg.server().start().await.map_err(Problem::CannotRun)?;
    pg.look_again().await
}

/// Answers every keepalive, as a client does that has everything.
async fn answer(client: &mut Client) -> Checked<Said> {
    loop {
        match client.next().await {
            Said::Data(data) => match Keepalive::parse(&data) {
                Some(keepalive) => {
                    client.confirm(Lsn(keepalive.end)).await?;
                }
                None => return Err(Problem::differs(format!("{data:?}"))),
            },
            said => return Ok(said),
        }
    }
}

async fn acknowledged(pg: &Pg) -> Checked {
    publish(pg).await?;
    let mut client = streaming(pg, "").await?;
    pg.until_doing(client.pid, at_tip(pg)).await?;
    let end = lsn(&pg.value("SELECT pg_current_wal_lsn()").await?)?;
    client.confirm(end).await?;
    let begun = pg.now();
    stop(pg, Shutdown::Fast).await?;
    ensure_eq!(
        answer(&mut client).await?,
        Said::Done("COPY 0".to_owned()),
        "the end of the stream"
    );
    // Of an answer that comes too late the server knows nothing: a RST.
    let said = client.until_end().await;
    ensure!(
        matches!(said.as_slice(), [end] if end.is_end()),
        "and no error: {said:?}"
    );
    until_down(pg, Duration::ZERO).await?;
    let took = pg.now() - begun;
    ensure!(took < pg.at_once() * 5, "the stop took {took:?}");
    start(pg).await
}

async fn mute(pg: &Pg) -> Checked {
    const TIMEOUT: Duration = Duration::from_secs(2);
    publish(pg).await?;
    let mut client = streaming(pg, "-c wal_sender_timeout=2s").await?;
    pg.until_doing(client.pid, at_tip(pg)).await?;
    let begun = pg.now();
    stop(pg, Shutdown::Fast).await?;
    let said = client.until_end().await;
    let took = pg.now() - begun;
    ensure!(took > TIMEOUT / 2, "it waited only {took:?}");
    let keepalives = said.iter().filter_map(|said| match said {
        Said::Data(data) => Keepalive::parse(data),
        _ => None,
    });
    ensure!(
        keepalives.last().is_some_and(|last| last.reply),
        "it was asked: {said:?}"
    );
    ensure_eq!(problem(&said), None, "no error");
    ensure_eq!(said.last(), Some(&Said::Eof), "the end");
    until_down(pg, Duration::ZERO).await?;
    let took = pg.now() - begun;
    ensure!(took < TIMEOUT + pg.at_once() * 5, "the stop took {took:?}");
    start(pg).await
}

const STOPPING: Option<(&str, &str)> = Some(("57P03", "the database system is shutting down"));

/// A new client is refused with this.
async fn refused(pg: &Pg, wanted: Option<(&str, &str)>) -> Checked {
    match pg.try_connect(&pg.server().login(), &[]).await? {
        Ok(_) => Err(Problem::differs("a new client was let in")),
        Err(said) => {
            ensure_eq!(problem(&said), wanted, "a new client");
            Ok(())
        }
    }
}

async fn others(pg: &Pg) -> Checked {
    fast(pg).await?;
    smart(pg).await?;
    immediate(pg).await
}

/// A stream that acknowledges nothing keeps the server stopping, so that new clients can be looked at.
async fn fast(pg: &Pg) -> Checked {
    publish(pg).await?;
    let mut mute = streaming(pg, "-c wal_sender_timeout=3s").await?;
    let (mut idle, mut active) = (pg.connect().await?, pg.connect().await?);
    let (mut holder, _) = exported(pg, &CREATE_TEMPORARY.replace(" s ", " h ")).await?;
    active.send("SELECT pg_sleep(60)").await?;
    pg.until_doing(active.pid, "active Timeout/PgSleep").await?;
    pg.until_doing(mute.pid, at_tip(pg)).await?;
    stop(pg, Shutdown::Fast).await?;
    let ended = Some(("57P01", "terminating connection due to administrator command"));
    for (client, who) in [
        (&mut idle, "idle"),
        (&mut active, "active"),
        (&mut holder, "exported"),
    ] {
        let said = client.until_end().await;
        ensure_eq!(problem(&said), ended, "{who}");
        ensure_eq!(said.last(), Some(&Said::Eof), "{who}");
    }
    refused(pg, STOPPING).await?;
    mute.until_end().await;
    until_down(pg, Duration::ZERO).await?;
    start(pg).await
}

async fn smart(pg: &Pg) -> Checked {
    let mut session = pg.connect().await?;
    let (mut holder, name) = exported(pg, &CREATE_TEMPORARY.replace(" s ", " h ")).await?;
    let mut waiting = pg.connect().await?;
    waiting.rows(REPEATABLE_READ).await?;
    stop(pg, Shutdown::Smart).await?;
    let end = pg.now() + pg.at_once();
    while pg.try_connect(&pg.server().login(), &[]).await?.is_ok() {
        ensure!(pg.now() < end, "new clients are still let in");
    }
    refused(pg, STOPPING).await?;
    ensure_eq!(session.value("SELECT 1").await?, "1", "a session goes on");
    waiting.rows(&import(&name)).await?;
    pg.until_doing(holder.pid, EXPORTED).await?;
    ensure_eq!(holder.value("SELECT 1").await?, "1", "a holder goes on");
    stop(pg, Shutdown::Fast).await?;
    until_down(pg, Duration::ZERO).await?;
    start(pg).await
}

async fn immediate(pg: &Pg) -> Checked {
    let mut idle = pg.connect().await?;
    let mut walsender = pg.walsender("").await?;
    stop(pg, Shutdown::Immediate).await?;
    let said = idle.until_end().await;
    let [Said::Notice(notice), end] = said.as_slice() else {
        return Err(Problem::differs(format!(
            "a client at an immediate stop: {said:?}"
        )));
    };
    let wanted = "terminating connection due to immediate shutdown command";
    let found = (
        notice.severity.as_str(),
        notice.code.as_str(),
        notice.message.as_str(),
    );
    ensure_eq!(found, ("WARNING", "57P01", wanted), "a client's notice");
    ensure!(end.is_end(), "{end:?}");
    let said = walsender.until_end().await;
    ensure!(
        matches!(said.as_slice(), [end] if end.is_end()),
        "a walsender: {said:?}"
    );
    until_down(pg, Duration::ZERO).await?;
    match pg.dial().await {
        Ok(_) => return Err(Problem::differs("a server that is down listens")),
        Err(Problem::Differs(words)) => ensure!(words.contains("refused"), "{words}"),
        Err(other) => return Err(other),
    }
    start(pg).await
}

async fn killed(pg: &Pg) -> Checked {
    publish(pg).await?;
    let mut stream = streaming(pg, "").await?;
    let (mut holder, name) = exported(pg, &CREATE_TEMPORARY.replace(" s ", " h ")).await?;
    let (mut idle, mut active, mut victim) = (pg.connect().await?, pg.connect().await?, pg.connect().await?);
    active.send("SELECT pg_sleep(60)").await?;
    pg.until_doing(active.pid, "active Timeout/PgSleep").await?;
    pg.server().kill(victim.pid).await.map_err(Problem::CannotRun)?;
    let wanted = "terminating connection because of crash of another server process";
    for (client, who) in [(&mut idle, "idle"), (&mut active, "active")] {
        let said = client.until_end().await;
        let notice = said.iter().find_map(|said| match said {
            Said::Notice(fields) => Some((&*fields.severity, &*fields.code, &*fields.message)),
            _ => None,
        });
        ensure_eq!(notice, Some(("WARNING", "57P02", wanted)), "{who}");
        ensure_eq!(problem(&said), None, "{who}");
    }
    for (client, who) in [
        (&mut victim, "the victim"),
        (&mut holder, "a holder"),
        (&mut stream, "a stream"),
    ] {
        let mut said = client.until_end().await;
        said.retain(|said| !matches!(said, Said::Data(_)));
        ensure!(
            matches!(said.as_slice(), [end] if end.is_end()),
            "{who}: {said:?}"
        );
    }
    recovering(pg).await?;
    pg.look_again().await?;
    ensure_eq!(pg.value(SLOT).await?, "permanent inactive", "the permanent slot");
    ensure_eq!(
        pg.value("SELECT count(*) FROM pg_replication_slots").await?,
        "1",
        "the temporary one"
    );
    let mut late = pg.connect().await?;
    late.rows(REPEATABLE_READ).await?;
    let said = late.query(&import(&name)).await?;
    ensure!(problem(&said).is_some(), "the snapshot: {said:?}");
    Ok(())
}

/// Until new clients are let in they hear 57P03, if they are let to speak at all.
async fn recovering(pg: &Pg) -> Checked {
    let end = pg.now() + pg.at_once() * 10;
    loop {
        match pg.try_connect(&pg.server().login(), &[]).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(said)) => {
                let words = problem(&said);
                ensure!(words.is_none_or(|(code, _)| code == "57P03"), "{words:?}");
            }
            Err(Problem::Differs(_)) => {}
            Err(other) => return Err(other),
        }
        ensure!(pg.now() < end, "nobody is let in again");
        pg.sleep(Duration::from_millis(10)).await;
    }
}
