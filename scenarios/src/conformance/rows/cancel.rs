//! Cancel requests: what they hit, and what they do not.

use std::time::Duration;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use postgres_protocol::message::frontend;

use super::fixture::{CREATE_TEMPORARY, EXPORTED, READ_ONLY, exported, problem, terminate};
use crate::conformance::client::Client;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem, Row, ensure, ensure_eq};
use crate::conformance::said::{Said, code};

pub(super) const ROWS: &[Row] = &[
    Row::race(
        "OB-72",
        "a cancel of a COPY OUT whose client does not read works when the socket has slack",
        &["cancelled", "still blocked"],
        4,
        |pg| unread(pg).boxed_local(),
    ),
    Row::race(
        "OB-73",
        "of a blocked COPY OUT whose client is silent a termination frees the server, a cancel need not",
        &["cancelled", "still blocked"],
        2,
        |pg| silent(pg).boxed_local(),
    ),
    Row::plain("OB-74", "a cancel of who runs nothing is ignored", |pg| {
        nothing_runs(pg).boxed_local()
    }),
    Row::plain(
        "OB-75",
        "a cancel of a COPY IN waits for its client's next data, a termination does not",
        |pg| copy_in(pg).boxed_local(),
    ),
    Row::race(
        "OB-76",
        "a late cancel hits its query, the next one, both, or nothing; never the next one behind its socket's EOF",
        &["its query", "the next one", "both", "nothing"],
        60,
        |pg| late(pg).boxed_local(),
    ),
    Row::plain(
        "OB-76b",
        "a cancel of a wrong pid or with a wrong secret is neither answered nor heeded",
        |pg| wrong(pg).boxed_local(),
    ),
];

/// More than the kernels on both sides hold.
const COPY: &str = "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 12000)) TO STDOUT";

const BLOCKED: &str = "active Client/ClientWrite";

/// A COPY OUT that is blocked by its client.
async fn copying(pg: &Pg) -> Checked<Client> {
    let mut client = pg.connect().await?;
    client.send(COPY).await?;
    pg.until_doing_within(client.pid, BLOCKED, pg.at_once() * 10)
        .await?;
    // The last that fits is on its way.
    pg.sleep(pg.at_once() / 5).await;
    pg.until_doing(client.pid, BLOCKED).await?;
    Ok(client)
}

/// What becomes of a blocked COPY after these cancels; each has its time.
async fn cancelled(pg: &Pg, client: &Client, cancels: u32) -> Checked<bool> {
    for _ in 0..cancels {
        pg.cancel(client.pid, client.secret).await?;
        let end = pg.now() + pg.at_once();
        while pg.now() < end {
            match pg.doing(client.pid).await? {
                doing if doing.starts_with("active") => pg.sleep(Duration::from_millis(5)).await,
                doing if doing.starts_with("idle") => return Ok(true),
                doing => return Err(Problem::differs(format!("a cancelled COPY is {doing}"))),
            }
        }
    }
    Ok(false)
}

async fn unread(pg: &Pg) -> Checked<&'static str> {
    let mut client = copying(pg).await?;
    let cancelled = cancelled(pg, &client, 1).await?;
    let said = client.until_ready().await;
    let rows = said.iter().filter(|said| matches!(said, Said::Data(_))).count();
    ensure_eq!(code(&said), Some("57014"), "after {rows} rows");
    ensure!(rows > 0 && rows < 12000, "{rows} rows were buffered");
    client.close().await?;
    Ok(if cancelled { "cancelled" } else { "still blocked" })
}

async fn silent(pg: &Pg) -> Checked<&'static str> {
    let mut client = copying(pg).await?;
    client.silence()?;
    let cancelled = cancelled(pg, &client, 4).await?;
    terminate(pg, client.pid).await?;
    pg.gone_at_once(client.pid, "silent").await?;

    let mut stalled = copying(pg).await?;
    terminate(pg, stalled.pid).await?;
    pg.gone_at_once(stalled.pid, "stalled").await?;
    let said = stalled.until_end().await;
    ensure_eq!(problem(&said), None, "there was no way to say it");
    Ok(if cancelled { "cancelled" } else { "still blocked" })
}

async fn nothing_runs(pg: &Pg) -> Checked {
    let states = [
        ("", "idle Client/ClientRead"),
        ("BEGIN", "idle in transaction Client/ClientRead"),
        (
            "BEGIN; SELECT 1/0",
            "idle in transaction (aborted) Client/ClientRead",
        ),
    ];
    for (sql, doing) in states {
        let mut client = pg.connect().await?;
        client.query(sql).await?;
        ignored(pg, &mut client, doing).await?;
        client.rows("ROLLBACK").await?;
    }
    let (mut exporter, _) = exported(pg, CREATE_TEMPORARY).await?;
    ignored(pg, &mut exporter, EXPORTED).await?;
    exporter.close().await?;
    let mut user = pg.walsender("").await?;
    ignored(pg, &mut user, "idle Client/ClientRead").await?;
    user.rows(READ_ONLY).await?;
    user.rows(&format!("{CREATE_TEMPORARY} USE_SNAPSHOT")).await?;
    ignored(pg, &mut user, EXPORTED).await?;

    let mut unsynced = pg.connect().await?;
    unsynced
        .send_with(|out| {
            frontend::parse("", "SELECT 1", [], out)?;
            frontend::flush(out);
            Ok(())
        })
        .await?;
    pg.until_doing(unsynced.pid, "active Client/ClientRead").await?;
    pg.cancel(unsynced.pid, unsynced.secret).await?;
    pg.stays(unsynced.pid, "active Client/ClientRead", NEVER, "no Sync")
        .await?;
    unsynced
        .send_with(|out| {
            frontend::sync(out);
            Ok(())
        })
        .await?;
    let said = unsynced.until_ready().await;
    ensure_eq!(problem(&said), None, "no Sync");
    Ok(())
}

const NEVER: Duration = Duration::from_millis(200);

/// Cancels in both ways; the session is as it was, and its next query is answered unless it is aborted.
async fn ignored(pg: &Pg, client: &mut Client, doing: &str) -> Checked {
    pg.until_doing(client.pid, doing).await?;
    pg.cancel(client.pid, client.secret).await?;
    let cancel = format!("SELECT pg_cancel_backend({})", client.pid);
    ensure_eq!(pg.value(&cancel).await?, "t", "{doing}");
    pg.stays(client.pid, doing, NEVER, "cancelled").await?;
    let said = client.query("SELECT 1").await?;
    let wanted = doing.contains("aborted").then_some("25P02");
    ensure_eq!(code(&said), wanted, "{doing}");
    Ok(())
}

async fn copy_in(pg: &Pg) -> Checked {
    pg.setup("CREATE TABLE t (a int)").await?;
    let waits = "active Client/ClientRead";
    let mut client = pg.connect().await?;
    client.send("COPY t FROM STDIN").await?;
    ensure_eq!(client.next().await, Said::CopyIn, "COPY");
    client.copy_data(b"1\n").await?;
    pg.until_doing(client.pid, waits).await?;
    pg.cancel(client.pid, client.secret).await?;
    pg.stays(client.pid, waits, Duration::from_millis(600), "cancelled")
        .await?;
    client.copy_data(b"2\n").await?;
    let said = client.until_ready().await;
    ensure_eq!(code(&said), Some("57014"), "with the next data");
    client.copy_done().await?;
    client.send("COPY t FROM STDIN").await?;
    client.until(|said| *said == Said::CopyIn).await;
    pg.until_doing(client.pid, waits).await?;
    terminate(pg, client.pid).await?;
    let said = client.until_end().await;
    ensure_eq!(code(&said), Some("57P01"), "terminated");
    pg.gone_at_once(client.pid, "terminated").await?;
    ensure_eq!(pg.value("SELECT count(*) FROM t").await?, "0", "rows");
    Ok(())
}

/// Cancels near the end of a short query, and sends the next one at once.
async fn late(pg: &Pg) -> Checked<&'static str> {
    let mut client = pg.connect().await?;
    client.send("SELECT pg_sleep(0.003)").await?;
    pg.sleep(Duration::from_micros(pg.turn() % 8 * 500)).await;
    let mut canceller = pg.dial().await?;
    let mut packet = BytesMut::new();
    frontend::cancel_request(client.pid, client.secret, &mut packet);
    canceller.send_raw(&packet).await?;
    let its = client.until_ready().await;
    let next = client.query("SELECT pg_sleep(0.05)").await?;
    ensure_eq!(canceller.next().await, Said::Eof, "a cancel's answer");

    client.send("SELECT pg_sleep(0.003)").await?;
    pg.sleep(Duration::from_micros(pg.turn() % 8 * 500)).await;
    pg.cancel(client.pid, client.secret).await?;
    client.until_ready().await;
    let behind = client.query("SELECT pg_sleep(0.01)").await?;
    ensure_eq!(problem(&behind), None, "behind the cancel's EOF");
    match (code(&its), code(&next)) {
        (Some("57014"), None) => Ok("its query"),
        (None, Some("57014")) => Ok("the next one"),
        // Two signals are sent, to the process and to its group.
        (Some("57014"), Some("57014")) => Ok("both"),
        (None, None) => Ok("nothing"),
        _ => Err(Problem::differs(format!("{its:?}, then {next:?}"))),
    }
}

async fn wrong(pg: &Pg) -> Checked {
    let mut client = pg.connect().await?;
    client.send("SELECT pg_sleep(0.5)").await?;
    pg.until_doing(client.pid, "active Timeout/PgSleep").await?;
    pg.cancel(client.pid, client.secret ^ 1).await?;
    pg.cancel(i32::MAX, client.secret).await?;
    let said = client.until_ready().await;
    ensure_eq!(problem(&said), None, "nothing hit it");
    Ok(())
}
