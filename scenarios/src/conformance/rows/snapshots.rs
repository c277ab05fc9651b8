//! Exported snapshots: how long they can be imported, and by whom.

use std::time::Duration;

use futures_util::FutureExt as _;
use leftover_wire::login::Login;

use super::fixture::{
    CREATE, CREATE_NOTHING, CREATE_TEMPORARY, EXPORTED, READ_ONLY, REPEATABLE_READ, SLOT, exported, import,
    importer, problem, terminate,
};
use crate::conformance::client::{Client, Leave};
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem, Row, ensure, ensure_eq};
use crate::conformance::said::{Said, error};

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-63",
        "who exports a snapshot is idle in transaction and pins xmin, and is told that it is idle",
        |pg| holder(pg).boxed_local(),
    ),
    Row::plain(
        "OB-64",
        "any next message of its holder ends an exported snapshot",
        |pg| next_message(pg).boxed_local(),
    )
    .differs("17: 42704, snapshot … does not exist"),
    Row::plain(
        "OB-65",
        "who has imported a snapshot keeps it, whatever becomes of its holder",
        |pg| outlived(pg).boxed_local(),
    ),
    Row::plain("OB-66", "nobody imports a dead holder's snapshot", |pg| {
        dead_holder(pg).boxed_local()
    })
    .differs("17: 42704, snapshot … does not exist"),
    Row::plain(
        "OB-67",
        "a snapshot is imported first thing, at REPEATABLE READ, in its own database",
        |pg| rules(pg).boxed_local(),
    ),
    Row::plain(
        "OB-68",
        "dead rows stay while a holder or an importer may need them",
        |pg| held_rows(pg).boxed_local(),
    ),
    Row::plain(
        "OB-69",
        "a slot alone holds no user rows, only those of the catalog",
        |pg| slot_alone(pg).boxed_local(),
    ),
    Row::plain(
        "OB-70",
        "a permanent slot is inactive under its holder and can be dropped; a temporary one is its owner's",
        |pg| dropped_under_its_holder(pg).boxed_local(),
    ),
    Row::plain(
        "OB-71",
        "a holder that is fed outlives idle_in_transaction_session_timeout, and dies soon after its client",
        |pg| fed(pg).boxed_local(),
    )
    .differs("17: 42704, snapshot … does not exist"),
];

async fn holder(pg: &Pg) -> Checked {
    let mut walsender = pg.walsender("").await?;
    let said = walsender.query(CREATE_TEMPORARY).await?;
    ensure_eq!(said.last(), Some(&Said::Ready('I')), "what it is told");
    pg.until_doing(walsender.pid, EXPORTED).await?;
    let pid = walsender.pid;
    let xmin = format!("SELECT backend_xmin IS NOT NULL FROM pg_stat_activity WHERE pid = {pid}");
    ensure_eq!(pg.value(&xmin).await?, "t", "backend_xmin");
    let locks = format!("SELECT locktype FROM pg_locks WHERE pid = {pid}");
    let virtualxid = vec![Some("virtualxid".to_owned())];
    ensure_eq!(pg.rows(&locks).await?, [virtualxid], "its locks");
    Ok(())
}

async fn next_message(pg: &Pg) -> Checked {
    for next in ["", "IDENTIFY_SYSTEM", "SHOW lock_timeout", "SELECT 1", "BEGIN"] {
        let (mut holder, name) = exported(pg, CREATE_TEMPORARY).await?;
        importer(pg, &name).await?.close().await?;
        holder.rows(next).await?;
        let state = match next {
            "BEGIN" => EXPORTED,
            _ => "idle Client/ClientRead",
        };
        pg.until_doing(holder.pid, state).await?;
        let mut late = pg.connect().await?;
        late.rows(REPEATABLE_READ).await?;
        no_snapshot(pg, &mut late, &name).await?;
        holder.close().await?;
    }
    Ok(())
}

/// What whoever imports a snapshot hears that is no more.
async fn no_snapshot(pg: &Pg, late: &mut Client, name: &str) -> Checked {
    let (code, wanted) = match pg.major() {
        ..=16 => ("22023", format!("invalid snapshot identifier: \"{name}\"")),
        _ => ("42704", format!("snapshot \"{name}\" does not exist")),
    };
    let message = late.fails(&import(name), code).await?;
    ensure_eq!(message, wanted, "a snapshot that is no more");
    Ok(())
}

async fn outlived(pg: &Pg) -> Checked {
    pg.setup("CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
        .await?;
    for end in ["SELECT 1", "Terminate", "RST"] {
        let (mut holder, name) = exported(pg, CREATE_TEMPORARY).await?;
        let mut importer = importer(pg, &name).await?;
        let before = importer.value("SELECT count(*) FROM t").await?;
        pg.setup("INSERT INTO t VALUES (2)").await?;
        match end {
            "Terminate" => holder.leave(Leave::Terminate).await?,
            "RST" => holder.leave(Leave::Rst).await?,
            sql => drop(holder.rows(sql).await?),
        }
        if end != "SELECT 1" {
            pg.gone_at_once(holder.pid, end).await?;
        }
        let after = importer.value("SELECT count(*) FROM t").await?;
        ensure_eq!(after, before, "after {end}");
        let xmin = "SELECT backend_xmin IS NOT NULL FROM pg_stat_activity WHERE pid";
        let xmin = pg.value(&format!("{xmin} = {}", importer.pid)).await?;
        ensure_eq!(xmin, "t", "after {end}: its xmin");
        importer.close().await?;
        if end == "SELECT 1" {
            holder.close().await?;
        }
    }
    Ok(())
}

async fn dead_holder(pg: &Pg) -> Checked {
    for end in ["Terminate", "RST", "pg_terminate_backend"] {
        let (mut holder, name) = exported(pg, CREATE_TEMPORARY).await?;
        match end {
            "Terminate" => holder.leave(Leave::Terminate).await?,
            "RST" => holder.leave(Leave::Rst).await?,
            _ => terminate(pg, holder.pid).await?,
        }
        pg.gone_at_once(holder.pid, end).await?;
        let mut late = pg.connect().await?;
        late.rows(REPEATABLE_READ).await?;
        no_snapshot(pg, &mut late, &name).await?;
    }
    let mut aborted = pg.connect().await?;
    aborted.rows(REPEATABLE_READ).await?;
    let name = aborted.value("SELECT pg_export_snapshot()").await?;
    aborted.fails("SELECT 1/0", "22012").await?;
    let mut late = pg.connect().await?;
    late.rows(REPEATABLE_READ).await?;
    let said = late.query(&import(&name)).await?;
    let Some(fields) = error(&said) else {
        return Err(Problem::differs(format!(
            "an aborted holder's snapshot: {said:?}"
        )));
    };
    let wanted = ("55000", "could not import the requested snapshot");
    ensure_eq!(
        (&*fields.code, &*fields.message),
        wanted,
        "an aborted holder's snapshot"
    );
    let wanted = format!(
        "The source process with PID {} is not running anymore.",
        aborted.pid
    );
    ensure_eq!(
        fields.detail.as_deref(),
        Some(&*wanted),
        "an aborted holder's snapshot"
    );
    Ok(())
}

async fn rules(pg: &Pg) -> Checked {
    let (_holder, name) = exported(pg, CREATE_TEMPORARY).await?;
    let import = import(&name);
    let level = "a snapshot-importing transaction must have isolation level SERIALIZABLE or REPEATABLE READ";
    let serializable =
        "a serializable transaction cannot import a snapshot from a non-serializable transaction";
    let first = "SET TRANSACTION SNAPSHOT must be called before any query";
    let cases = [
        (&["BEGIN"][..], ("0A000", level)),
        (&["BEGIN ISOLATION LEVEL SERIALIZABLE"], ("0A000", serializable)),
        (&[REPEATABLE_READ, "SELECT 1"], ("25001", first)),
        (&[REPEATABLE_READ, "SAVEPOINT s"], ("25001", "")),
    ];
    for (before, (code, message)) in cases {
        let mut client = pg.connect().await?;
        for sql in before {
            client.rows(sql).await?;
        }
        let found = client.fails(&import, code).await?;
        ensure!(
            message.is_empty() || found == message,
            "after {before:?}: {found}"
        );
    }
    let elsewhere = Login {
        database: "postgres".to_owned(),
        ..pg.server().superuser()
    };
    let Ok(mut elsewhere) = pg.try_connect(&elsewhere, &[]).await? else {
        return Err(Problem::differs("the superuser was refused in another database"));
    };
    elsewhere.rows(REPEATABLE_READ).await?;
    let message = elsewhere.fails(&import, "0A000").await?;
    ensure_eq!(
        message,
        "cannot import a snapshot from a different database",
        "elsewhere"
    );
    let mut good = pg.connect().await?;
    good.rows(READ_ONLY).await?;
    good.rows(&import).await?;
    Ok(())
}

/// How many dead rows a VACUUM of this table could not remove.
async fn kept_rows(admin: &mut Client, table: &str) -> Checked<u64> {
    let said = admin.query(&format!("VACUUM VERBOSE {table}")).await?;
    ensure_eq!(problem(&said), None, "VACUUM {table}");
    let words = said.iter().find_map(|said| match said {
        Said::Notice(fields) => fields.message.split_once(" are dead but not yet removable"),
        _ => None,
    });
    let number = words.and_then(|(before, _)| before.rsplit(' ').next()?.parse().ok());
    number.ok_or_else(|| Problem::differs(format!("VACUUM {table}: {said:?}")))
}

/// A table `t` of 1000 rows, of which nothing is dead.
const FILL: &str =
    "DROP TABLE IF EXISTS t; CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 1000)";

async fn held_rows(pg: &Pg) -> Checked {
    let mut admin = pg.superuser().await?;
    for who in ["exported", "importer", "half-open exported"] {
        pg.setup(FILL).await?;
        let (mut holder, name) = exported(pg, CREATE_TEMPORARY).await?;
        let mut kept = None;
        match who {
            "importer" => {
                kept = Some(importer(pg, &name).await?);
                holder.leave(Leave::Terminate).await?;
                pg.gone_at_once(holder.pid, who).await?;
            }
            "exported" => {}
            _ => holder.silence()?,
        }
        pg.setup("DELETE FROM t").await?;
        ensure_eq!(kept_rows(&mut admin, "t").await?, 1000, "{who}");
        terminate(pg, kept.map_or(holder.pid, |importer| importer.pid)).await?;
        pg.until_value(SLOT, "").await?;
        pg.until_value(HOLDERS, "0").await?;
        ensure_eq!(kept_rows(&mut admin, "t").await?, 0, "{who}: afterwards");
    }
    Ok(())
}

/// How many sessions hold a snapshot in a transaction.
const HOLDERS: &str = "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'";

async fn slot_alone(pg: &Pg) -> Checked {
    let mut admin = pg.superuser().await?;
    for create in [CREATE_NOTHING, &format!("{CREATE_TEMPORARY} NOEXPORT_SNAPSHOT")] {
        pg.setup(FILL).await?;
        let mut walsender = pg.walsender("").await?;
        walsender.rows(create).await?;
        pg.setup("DELETE FROM t").await?;
        ensure_eq!(kept_rows(&mut admin, "t").await?, 0, "{create}");
        let kept = "SELECT xmin IS NULL AND catalog_xmin IS NOT NULL FROM pg_replication_slots";
        ensure_eq!(pg.value(kept).await?, "t", "{create}: only catalog_xmin");
        pg.setup("CREATE TABLE d (a int)").await?;
        pg.setup("DROP TABLE d").await?;
        let catalog = kept_rows(&mut admin, "pg_class").await?;
        ensure!(catalog > 0, "{create}: pg_class keeps {catalog} rows");
        walsender.rows("DROP_REPLICATION_SLOT s").await?;
    }
    Ok(())
}

async fn dropped_under_its_holder(pg: &Pg) -> Checked {
    let (holder, name) = exported(pg, CREATE).await?;
    ensure_eq!(pg.value(SLOT).await?, "permanent inactive", "under its holder");
    let owner = "SELECT active_pid FROM pg_replication_slots";
    ensure_eq!(pg.value(owner).await?, "", "active_pid");
    pg.setup("SELECT pg_drop_replication_slot('s')").await?;
    pg.until_doing(holder.pid, EXPORTED).await?;
    importer(pg, &name).await?;
    holder.close().await?;

    let mut owner = pg.walsender("").await?;
    owner.rows(READ_ONLY).await?;
    owner.rows(&format!("{CREATE} USE_SNAPSHOT")).await?;
    ensure_eq!(pg.value(SLOT).await?, "permanent inactive", "in a transaction");
    pg.setup("SELECT pg_drop_replication_slot('s')").await?;
    owner.rows("COMMIT").await?;

    owner
        .rows(&format!("{CREATE_TEMPORARY} NOEXPORT_SNAPSHOT"))
        .await?;
    pg.until_doing(owner.pid, "idle Client/ClientRead").await?;
    ensure_eq!(pg.value(SLOT).await?, "temporary active", "a temporary one");
    let mut other = pg.connect().await?;
    let message = other
        .fails("SELECT pg_drop_replication_slot('s')", "55006")
        .await?;
    let wanted = format!("replication slot \"s\" is active for PID {}", owner.pid);
    ensure_eq!(message, wanted, "a temporary one");
    Ok(())
}

async fn fed(pg: &Pg) -> Checked {
    let limit = Duration::from_millis(600);
    let mut holder = pg
        .walsender("-c idle_in_transaction_session_timeout=600ms")
        .await?;
    holder.rows(READ_ONLY).await?;
    holder.rows(&format!("{CREATE} USE_SNAPSHOT")).await?;
    let name = holder.value("SELECT pg_export_snapshot()").await?;
    for _ in 0..6 {
        pg.sleep(limit / 2).await;
        holder.rows("SELECT 1").await?;
    }
    importer(pg, &name).await?;
    holder.silence()?;
    pg.gone_within(holder.pid, limit, "the silent holder").await?;
    let mut late = pg.connect().await?;
    late.rows(REPEATABLE_READ).await?;
    no_snapshot(pg, &mut late, &name).await?;
    ensure_eq!(pg.value(SLOT).await?, "permanent inactive", "its slot");
    Ok(())
}
