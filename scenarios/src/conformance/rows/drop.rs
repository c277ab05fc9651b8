//! Dropping a slot: who is refused, who waits, and what ends the wait.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::fixture::{CREATE, DROP, SLOT, make_slot, problem, terminate};
use super::stream::{START, publish, streaming};
use crate::conformance::client::{Client, Leave};
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem, Row, ensure_eq};
use crate::conformance::said::code;

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-77",
        "a slot that is held is refused to everyone else, whose connection stays usable",
        |pg| refused(pg).boxed_local(),
    ),
    Row::plain("OB-78", "DROP … WAIT has the slot when its owner leaves", |pg| {
        waits(pg).boxed_local()
    }),
    Row::plain(
        "OB-79",
        "of all limits only a cancel ends DROP … WAIT, and the slot is kept",
        |pg| no_limit(pg).boxed_local(),
    ),
    Row::plain(
        "OB-80",
        "an abandoned DROP … WAIT takes the slot of an owner who only comes back",
        |pg| zombie(pg).boxed_local(),
    ),
    Row::race(
        "OB-81",
        "a drop right behind its owner's leaving may find the slot active",
        &["dropped", "still active"],
        60,
        |pg| behind_leaving(pg).boxed_local(),
    ),
    Row::race(
        "OB-82",
        "a drop right behind its owner's termination may find the slot active",
        &["dropped", "still active"],
        60,
        |pg| behind_termination(pg).boxed_local(),
    ),
    Row::plain(
        "OB-83",
        "behind a termination that was waited for the slot is free",
        |pg| behind_waited_termination(pg).boxed_local(),
    ),
];

const WAIT: &str = "DROP_REPLICATION_SLOT s WAIT";

const WAITS: &str = "active IPC/ReplicationSlotDrop";

async fn refused(pg: &Pg) -> Checked {
    publish(pg).await?;
    let owner = streaming(pg, "").await?;
    let wanted = format!("replication slot \"s\" is active for PID {}", owner.pid);
    let mut walsender = pg.walsender("").await?;
    let commands = [
        DROP,
        "DROP_REPLICATION_SLOT s",
        START,
        "SELECT pg_replication_slot_advance('s', pg_current_wal_lsn())",
        "SELECT pg_logical_slot_peek_binary_changes('s', NULL, NULL, 'proto_version', '1', \
         'publication_names', 'p')",
    ];
    for command in commands {
        ensure_eq!(walsender.fails(command, "55006").await?, wanted, "{command}");
    }
    walsender.fails(CREATE, "42710").await?;
    ensure_eq!(walsender.value("SELECT 1").await?, "1", "afterwards");
    Ok(())
}

/// A walsender that waits for the slot `s` to be free.
async fn dropper(pg: &Pg, options: &str) -> Checked<Client> {
    let mut dropper = pg.walsender(options).await?;
    dropper.send(WAIT).await?;
    pg.until_doing(dropper.pid, WAITS).await?;
    Ok(dropper)
}

async fn waits(pg: &Pg) -> Checked {
    for how in Leave::ALL {
        make_slot(pg).await?;
        let mut owner = streaming(pg, "").await?;
        let mut dropper = dropper(pg, "").await?;
        pg.stays(dropper.pid, WAITS, Duration::from_millis(300), "DROP WAIT")
            .await?;
        owner.leave(how).await?;
        let start = pg.now();
        let said = dropper.until_ready().await;
        let took = pg.now() - start;
        ensure_eq!(problem(&said), None, "{how:?}");
        ensure_eq!(took < pg.at_once(), true, "{how:?}: {took:?}");
        ensure_eq!(pg.value(SLOT).await?, "", "{how:?}");
    }
    Ok(())
}

async fn no_limit(pg: &Pg) -> Checked {
    make_slot(pg).await?;
    let _owner = streaming(pg, "").await?;
    let never = Duration::from_millis(900);
    let limits = [
        "-c statement_timeout=300ms",
        "-c lock_timeout=300ms",
        "-c client_connection_check_interval=300ms",
    ];
    for limit in limits {
        let mut dropper = dropper(pg, limit).await?;
        if limit.contains("client") {
            dropper.leave(Leave::Fin).await?;
            pg.stays(dropper.pid, WAITS, never, limit).await?;
            terminate(pg, dropper.pid).await?;
            pg.gone_at_once(dropper.pid, limit).await?;
            continue;
        }
        pg.stays(dropper.pid, WAITS, never, limit).await?;
        pg.cancel(dropper.pid, dropper.secret).await?;
        let said = dropper.until_ready().await;
        ensure_eq!(code(&said), Some("57014"), "{limit}: cancelled");
    }
    ensure_eq!(pg.value(SLOT).await?, "permanent active", "the slot");
    Ok(())
}

async fn zombie(pg: &Pg) -> Checked {
    make_slot(pg).await?;
    let owner = streaming(pg, "").await?;
    let mut dropper = dropper(pg, "").await?;
    dropper.leave(Leave::Fin).await?;
    pg.stays(dropper.pid, WAITS, Duration::from_millis(900), "abandoned")
        .await?;
    owner.close().await?;
    pg.until_value(SLOT, "").await?;
    let mut owner = pg.walsender("").await?;
    let message = owner.fails(START, "42704").await?;
    ensure_eq!(
        message,
        "replication slot \"s\" does not exist",
        "when it comes back"
    );
    Ok(())
}

/// Drops the slot at once, and, when it was too early, once it is free.
async fn drop_at_once(pg: &Pg, admin: &mut Client) -> Checked<&'static str> {
    let said = admin.query(DROP).await?;
    match code(&said) {
        None => Ok("dropped"),
        Some("55006") => {
            pg.until_value(SLOT, "permanent inactive").await?;
            admin.rows(DROP).await?;
            Ok("still active")
        }
        Some(_) => Err(Problem::differs(format!("{DROP}: {said:?}"))),
    }
}

async fn behind_leaving(pg: &Pg) -> Checked<&'static str> {
    make_slot(pg).await?;
    let mut admin = pg.connect().await?;
    let mut owner = streaming(pg, "").await?;
    owner.leave(Leave::CLOSED[(pg.turn() % 3) as usize]).await?;
    pg.sleep(Duration::from_micros(pg.turn() % 7 * 500)).await;
    drop_at_once(pg, &mut admin).await
}

async fn behind_termination(pg: &Pg) -> Checked<&'static str> {
    make_slot(pg).await?;
    let mut admin = pg.connect().await?;
    let owner = streaming(pg, "").await?;
    let terminate = format!("SELECT pg_terminate_backend({})", owner.pid);
    ensure_eq!(admin.value(&terminate).await?, "t", "terminated");
    drop_at_once(pg, &mut admin).await
}

async fn behind_waited_termination(pg: &Pg) -> Checked {
    let mut admin = pg.connect().await?;
    for _ in 0..10 {
        make_slot(pg).await?;
        let owner = streaming(pg, "").await?;
        let terminate = format!("SELECT pg_terminate_backend({}, 2000)", owner.pid);
        ensure_eq!(admin.value(&terminate).await?, "t", "terminated");
        admin.rows(DROP).await?;
    }
    Ok(())
}
