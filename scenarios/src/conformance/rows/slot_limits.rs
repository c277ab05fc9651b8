//! CREATE_REPLICATION_SLOT: which of the server's limits end its wait, and which do not.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::fixture::{CREATE, DROP, READ_ONLY, SLOT, WAITS, blocker, problem, terminate, waiting};
use crate::conformance::client::Leave;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Row, ensure_eq};
use crate::conformance::said::Said;

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-55",
        "lock_timeout ends the wait of a creation; the slot goes and the connection stays",
        |pg| lock_timeout(pg).boxed_local(),
    ),
    Row::plain(
        "OB-56",
        "an abandoned creation keeps its name until it is terminated",
        |pg| abandoned(pg).boxed_local(),
    ),
    Row::plain(
        "OB-57",
        "no other limit ends the wait, whatever its client does",
        |pg| no_limit(pg).boxed_local(),
    ),
    Row::plain(
        "OB-58",
        "the SQL function obeys the limits of SQL; without one its client's leaving leaves the slot",
        |pg| function(pg).boxed_local(),
    ),
    Row::plain(
        "OB-59",
        "client_connection_check_interval ends the wait when SQL has armed it just before",
        |pg| primed(pg).boxed_local(),
    ),
];

/// A limit, and three times that: never.
const LIMIT: Duration = Duration::from_millis(300);
const NEVER: Duration = Duration::from_millis(900);

const FUNCTION: &str = "SELECT pg_create_logical_replication_slot('s', 'pgoutput')";

async fn lock_timeout(pg: &Pg) -> Checked {
    let _blocker = blocker(pg).await?;
    let timed_out = Some(("55P03", "canceling statement due to lock timeout"));
    for options in ["-c lock_timeout=300ms", ""] {
        let mut walsender = pg.walsender(options).await?;
        if options.is_empty() {
            walsender.rows("SET lock_timeout = '300ms'").await?;
        }
        let start = pg.now();
        let said = walsender.query(CREATE).await?;
        let took = pg.now() - start;
        ensure_eq!(problem(&said), timed_out, "the wait");
        ensure_eq!((LIMIT..LIMIT + pg.at_once()).contains(&took), true, "{took:?}");
        ensure_eq!(pg.value(SLOT).await?, "", "the slot");
        ensure_eq!(walsender.value("SELECT 1").await?, "1", "afterwards");
        walsender.rows(READ_ONLY).await?;
        let said = walsender.query(&format!("{CREATE} USE_SNAPSHOT")).await?;
        ensure_eq!(problem(&said), timed_out, "in a transaction");
        ensure_eq!(said.last(), Some(&Said::Ready('E')), "it is aborted");
        walsender.close().await?;
    }
    Ok(())
}

async fn abandoned(pg: &Pg) -> Checked {
    let _blocker = blocker(pg).await?;
    let mut creator = waiting(pg, "", CREATE).await?;
    creator.leave(Leave::Fin).await?;
    let mut other = pg.walsender("").await?;
    other.fails(CREATE, "42710").await?;
    let message = other.fails("DROP_REPLICATION_SLOT s", "55006").await?;
    let active = format!("replication slot \"s\" is active for PID {}", creator.pid);
    ensure_eq!(message, active, "DROP");
    other.send("DROP_REPLICATION_SLOT s WAIT").await?;
    let waits = "active IPC/ReplicationSlotDrop";
    pg.until_doing(other.pid, waits).await?;
    pg.stays(other.pid, waits, LIMIT, "DROP WAIT").await?;
    let mut killer = pg.connect().await?;
    let terminate = format!("SELECT pg_terminate_backend({}, 2000)", creator.pid);
    ensure_eq!(killer.value(&terminate).await?, "t", "terminated");
    let missing = Some(("42704", "replication slot \"s\" does not exist"));
    let said = other.until_ready().await;
    ensure_eq!(problem(&said), missing, "DROP WAIT");
    Ok(())
}

const LIMITS: [&str; 6] = [
    "-c client_connection_check_interval=300ms",
    "-c statement_timeout=300ms",
    "-c idle_in_transaction_session_timeout=300ms",
    "-c idle_session_timeout=300ms",
    "-c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2",
    "-c tcp_user_timeout=300",
];

/// The keepalive takes whole seconds, so that its time is that of them all.
async fn no_limit(pg: &Pg) -> Checked {
    for how in ["stalled", "left", "silent"] {
        let _blocker = blocker(pg).await?;
        let mut creators = Vec::new();
        for (number, limit) in LIMITS.iter().enumerate() {
            let create = format!("CREATE_REPLICATION_SLOT s{number} LOGICAL pgoutput");
            let mut creator = waiting(pg, limit, &create).await?;
            match how {
                "left" => creator.leave(Leave::Fin).await?,
                "silent" => creator.silence()?,
                _ => {}
            }
            creators.push((creator, limit));
        }
        pg.sleep(Duration::from_secs(6)).await;
        for (creator, limit) in &creators {
            ensure_eq!(pg.doing(creator.pid).await?, WAITS, "{how}, {limit}");
            terminate(pg, creator.pid).await?;
            pg.gone_at_once(creator.pid, limit).await?;
        }
    }
    Ok(())
}

async fn function(pg: &Pg) -> Checked {
    let mut blocker_of_all = blocker(pg).await?;
    let limits = [
        ("-c statement_timeout=300ms", "57014"),
        ("-c lock_timeout=300ms", "55P03"),
    ];
    for (limit, wanted) in limits {
        let mut client = pg.connect_set(limit).await?;
        client.fails(FUNCTION, wanted).await?;
        ensure_eq!(pg.value(SLOT).await?, "", "{limit}");
    }
    let mut client = pg
        .connect_set("-c client_connection_check_interval=300ms")
        .await?;
    client.send(FUNCTION).await?;
    pg.until_doing(client.pid, WAITS).await?;
    client.leave(Leave::Fin).await?;
    pg.gone_within(client.pid, LIMIT, "checked").await?;
    ensure_eq!(pg.value(SLOT).await?, "", "checked");

    let mut client = pg.connect().await?;
    client.send(FUNCTION).await?;
    pg.until_doing(client.pid, WAITS).await?;
    client.leave(Leave::Fin).await?;
    pg.stays(client.pid, WAITS, NEVER, "unchecked").await?;
    blocker_of_all.rows("COMMIT").await?;
    pg.gone_at_once(client.pid, "unchecked").await?;
    ensure_eq!(pg.value(SLOT).await?, "permanent inactive", "unlike OB-53");
    pg.value(DROP).await?;

    let mut client = pg.connect().await?;
    client.rows(&format!("BEGIN; {FUNCTION}; ROLLBACK")).await?;
    ensure_eq!(pg.value(SLOT).await?, "permanent inactive", "not undone");
    client.rows("BEGIN; SELECT pg_current_xact_id()").await?;
    let message = client.fails(&FUNCTION.replace("'s'", "'w'"), "25001").await?;
    let wanted = "cannot create logical replication slot in transaction that has performed writes";
    ensure_eq!(message, wanted, "after writes");
    Ok(())
}

/// What is said right before; whether that arms the check of the client.
const BEFORE: [(&str, bool); 5] = [
    ("SELECT 1", true),
    ("SET application_name = 'x'", true),
    (READ_ONLY, true),
    ("SHOW lock_timeout", false),
    ("IDENTIFY_SYSTEM", false),
];

async fn primed(pg: &Pg) -> Checked {
    let check = "-c client_connection_check_interval=300ms";
    let _blocker = blocker(pg).await?;
    for ((before, armed), gap) in BEFORE
        .into_iter()
        .map(|case| (case, false))
        .chain([(BEFORE[0], true)])
    {
        let mut walsender = pg.walsender(check).await?;
        walsender.rows(before).await?;
        if gap {
            pg.sleep(LIMIT * 3 / 2).await;
        }
        let used = if before.starts_with("BEGIN") {
            " USE_SNAPSHOT"
        } else {
            ""
        };
        walsender.send(&format!("{CREATE}{used}")).await?;
        let what = format!("{before}, a gap: {gap}");
        pg.until_doing(walsender.pid, WAITS).await?;
        walsender.leave(Leave::Fin).await?;
        if armed && !gap {
            pg.gone_within(walsender.pid, LIMIT, &what).await?;
            ensure_eq!(pg.value(SLOT).await?, "", "{what}");
        } else {
            pg.stays(walsender.pid, WAITS, NEVER, &what).await?;
            terminate(pg, walsender.pid).await?;
            pg.gone_at_once(walsender.pid, &what).await?;
        }
    }
    dropper(pg, check).await?;
    silent(pg).await
}

/// The same for DROP WAIT: the dropper goes, and the slot stays.
async fn dropper(pg: &Pg, check: &str) -> Checked {
    let owner = waiting(pg, "", CREATE).await?;
    let mut dropper = pg.walsender(check).await?;
    dropper.rows("SELECT 1").await?;
    dropper.send("DROP_REPLICATION_SLOT s WAIT").await?;
    pg.until_doing(dropper.pid, "active IPC/ReplicationSlotDrop")
        .await?;
    dropper.leave(Leave::Fin).await?;
    pg.gone_within(dropper.pid, LIMIT, "the dropper").await?;
    ensure_eq!(pg.value(SLOT).await?, "permanent active", "its slot");
    terminate(pg, owner.pid).await?;
    pg.gone_at_once(owner.pid, "the owner").await
}

/// Of a silent client the check learns when the keepalive has given it up.
async fn silent(pg: &Pg) -> Checked {
    let limits = "-c client_connection_check_interval=1s -c tcp_keepalives_idle=1 \
                  -c tcp_keepalives_interval=1 -c tcp_keepalives_count=2";
    let mut walsender = pg.walsender(limits).await?;
    walsender.rows("SELECT 1").await?;
    walsender.send(CREATE).await?;
    pg.until_doing(walsender.pid, WAITS).await?;
    walsender.silence()?;
    let time = Duration::from_secs(4);
    pg.gone_within(walsender.pid, time, "silent").await?;
    ensure_eq!(pg.value(SLOT).await?, "", "silent");
    Ok(())
}
