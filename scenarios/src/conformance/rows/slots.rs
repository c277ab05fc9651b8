//! CREATE_REPLICATION_SLOT: when the slot is there, what the creation waits for, and who may leave it.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::fixture::{
    CREATE, CREATE_NOTHING, CREATE_TEMPORARY, DROP, EXPORTED, SLOT, WAITS, blocker, terminate, waiting,
};
use crate::conformance::client::Leave;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem, Row, ensure, ensure_eq};
use crate::conformance::said::{Said, code};

pub(super) const ROWS: &[Row] = &[
    Row::plain("OB-49", "on a quiet server a slot is there at once", |pg| {
        quiet(pg).boxed_local()
    }),
    Row::plain(
        "OB-50",
        "a creation waits for whoever has an xid; its slot is listed already, as its creator's",
        |pg| listed(pg).boxed_local(),
    ),
    Row::plain(
        "OB-51",
        "a termination or a cancel ends the wait and takes the slot along",
        |pg| ended(pg).boxed_local(),
    ),
    Row::race(
        "OB-52",
        "a client that leaves a quiet creation leaves a slot or none",
        &["left", "none left"],
        60,
        |pg| leaving(pg).boxed_local(),
    ),
    Row::plain(
        "OB-53",
        "a client that leaves the wait is seen only after it, and then the slot goes",
        |pg| leaving_the_wait(pg).boxed_local(),
    ),
    Row::plain(
        "OB-54",
        "a client that falls silent in the wait leaves an orphan slot and a held snapshot",
        |pg| silent(pg).boxed_local(),
    ),
];

async fn quiet(pg: &Pg) -> Checked {
    for turn in 0..10 {
        let (create, exports) = [(CREATE, true), (CREATE_NOTHING, false)][turn % 2];
        let mut walsender = pg.walsender("").await?;
        let start = pg.now();
        let said = walsender.query(create).await?;
        let took = pg.now() - start;
        ensure!(took < pg.at_once(), "{create}: after {took:?}");
        let [
            Said::Columns(columns),
            Said::Row(row),
            Said::Done(tag),
            Said::Ready('I'),
        ] = &*said
        else {
            return Err(Problem::differs(format!("{create}: {said:?}")));
        };
        let names = ["slot_name", "consistent_point", "snapshot_name", "output_plugin"];
        ensure_eq!(columns[..], names, "columns");
        ensure_eq!(tag, "CREATE_REPLICATION_SLOT", "tag");
        let [name, point, snapshot, plugin] = &row[..] else {
            return Err(Problem::differs(format!("{create}: {row:?}")));
        };
        let words = (name.as_deref(), plugin.as_deref());
        ensure_eq!(words, (Some("s"), Some("pgoutput")), "{create}: the slot");
        ensure_eq!(
            snapshot.is_some(),
            exports,
            "{create}: whether there is a snapshot"
        );
        let confirmed = pg
            .value("SELECT confirmed_flush_lsn FROM pg_replication_slots")
            .await?;
        ensure_eq!(
            point.as_deref(),
            Some(&*confirmed),
            "{create}: the consistent point"
        );
        walsender.rows("DROP_REPLICATION_SLOT s").await?;
    }
    Ok(())
}

async fn listed(pg: &Pg) -> Checked {
    let _blocker = blocker(pg).await?;
    for (create, temporary) in [(CREATE, "f"), (CREATE_TEMPORARY, "t")] {
        let walsender = waiting(pg, "", create).await?;
        let pid = walsender.pid;
        pg.stays(pid, WAITS, Duration::from_millis(300), create).await?;
        let slot = "SELECT temporary, active, active_pid, catalog_xmin IS NOT NULL, restart_lsn IS NOT NULL, \
                    confirmed_flush_lsn FROM pg_replication_slots";
        let owner = pid.to_string();
        let wanted = [
            Some(temporary),
            Some("t"),
            Some(&owner),
            Some("t"),
            Some("t"),
            None,
        ];
        let wanted = wanted.map(|value| value.map(str::to_owned)).to_vec();
        ensure_eq!(pg.rows(slot).await?, [wanted], "{create}: the slot");
        let waits = format!("SELECT locktype || ' ' || mode FROM pg_locks WHERE pid = {pid} AND NOT granted");
        ensure_eq!(
            pg.value(&waits).await?,
            "transactionid ShareLock",
            "{create}: the lock"
        );
        terminate(pg, pid).await?;
        pg.gone_at_once(pid, create).await?;
    }
    Ok(())
}

async fn ended(pg: &Pg) -> Checked {
    let _blocker = blocker(pg).await?;
    for create in [CREATE, CREATE_TEMPORARY] {
        let mut walsender = waiting(pg, "", create).await?;
        terminate(pg, walsender.pid).await?;
        let said = walsender.until_end().await;
        ensure_eq!(code(&said), Some("57P01"), "{create}: terminated");
        pg.gone_at_once(walsender.pid, create).await?;
        ensure_eq!(pg.value(SLOT).await?, "", "{create}: terminated");
        for by_function in [true, false] {
            let mut walsender = waiting(pg, "", create).await?;
            if by_function {
                pg.value(&format!("SELECT pg_cancel_backend({})", walsender.pid))
                    .await?;
            } else {
                pg.cancel(walsender.pid, walsender.secret).await?;
            }
            let said = walsender.until_ready().await;
            ensure_eq!(code(&said), Some("57014"), "{create}: cancelled");
            ensure_eq!(pg.value(SLOT).await?, "", "{create}: cancelled");
            ensure_eq!(walsender.value("SELECT 1").await?, "1", "{create}: afterwards");
            walsender.close().await?;
        }
    }
    Ok(())
}

/// The window is inside the command: it looks at its client only while it waits for the log.
async fn leaving(pg: &Pg) -> Checked<&'static str> {
    let create = [CREATE, CREATE_NOTHING][(pg.turn() % 2) as usize];
    let mut walsender = pg.walsender("").await?;
    walsender.send(create).await?;
    pg.sleep(Duration::from_micros(pg.turn() % 17 * 500)).await;
    walsender.leave(Leave::Fin).await?;
    pg.gone_at_once(walsender.pid, create).await?;
    let slot = pg.value(SLOT).await?;
    if slot.is_empty() {
        return Ok("none left");
    }
    ensure_eq!(slot, "permanent inactive", "what is left");
    pg.value(DROP).await?;
    Ok("left")
}

async fn leaving_the_wait(pg: &Pg) -> Checked {
    for (create, slot) in [
        (CREATE, "permanent active"),
        (CREATE_TEMPORARY, "temporary active"),
    ] {
        for how in [Leave::Fin, Leave::Rst, Leave::Terminate] {
            let mut blocker = blocker(pg).await?;
            let mut walsender = waiting(pg, "", create).await?;
            walsender.leave(how).await?;
            let what = format!("{create}, {how:?}");
            pg.stays(walsender.pid, WAITS, Duration::from_millis(300), &what)
                .await?;
            ensure_eq!(pg.value(SLOT).await?, slot, "{what}");
            blocker.rows("COMMIT").await?;
            pg.gone_at_once(walsender.pid, &what).await?;
            ensure_eq!(pg.value(SLOT).await?, "", "{what}");
        }
    }
    Ok(())
}

async fn silent(pg: &Pg) -> Checked {
    let mut blocker = blocker(pg).await?;
    let mut walsender = waiting(pg, "", CREATE).await?;
    walsender.silence()?;
    blocker.rows("COMMIT").await?;
    pg.until_doing(walsender.pid, EXPORTED).await?;
    ensure_eq!(pg.value(SLOT).await?, "permanent inactive", "the slot");
    let held = format!(
        "SELECT a.backend_xmin IS NOT NULL AND s.confirmed_flush_lsn IS NOT NULL \
         FROM pg_stat_activity a, pg_replication_slots s WHERE a.pid = {}",
        walsender.pid
    );
    ensure_eq!(
        pg.value(&held).await?,
        "t",
        "the snapshot is held, the slot confirmed"
    );
    let time = Duration::from_millis(900);
    pg.stays(walsender.pid, EXPORTED, time, "the holder").await?;
    terminate(pg, walsender.pid).await?;
    pg.gone_at_once(walsender.pid, "the holder").await?;
    ensure_eq!(pg.value(SLOT).await?, "permanent inactive", "the orphan");
    Ok(())
}
