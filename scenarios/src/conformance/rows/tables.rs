//! Tables under snapshots: what DDL does to those who read an older snapshot, and whom it waits for.

use futures_util::FutureExt as _;

use super::fixture::{CREATE_TEMPORARY, exported, importer, problem};
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Row, ensure, ensure_eq};
use crate::conformance::said::Said;

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-105",
        "a TRUNCATE or a rewrite empties a table for older snapshots, without an error",
        |pg| emptied(pg).boxed_local(),
    ),
    Row::plain(
        "OB-105b",
        "VACUUM FULL keeps the rows that older snapshots see",
        |pg| vacuum_full(pg).boxed_local(),
    ),
    Row::plain(
        "OB-106",
        "an importer sees a column that came later, and does not see a table that is gone",
        |pg| changed(pg).boxed_local(),
    ),
    Row::plain(
        "OB-107",
        "a COPY's lock is kept to the end of its transaction; readers queue behind an ALTER that waits for it",
        |pg| locked(pg).boxed_local(),
    ),
    Row::plain(
        "OB-107b",
        "CREATE INDEX CONCURRENTLY waits for the importer and then for the holder",
        |pg| index(pg).boxed_local(),
    )
    .not_modelled("waits for virtual transactions"),
    Row::plain(
        "OB-108",
        "ranges of ctid split a table; a published table without replica identity refuses UPDATE and DELETE",
        |pg| ranges(pg).boxed_local(),
    ),
    Row::plain("OB-108b", "a range of ctid is a Tid Range Scan", |pg| {
        plan(pg).boxed_local()
    })
    .not_modelled("EXPLAIN"),
];

/// A table `t` of ten rows, and a table `d`.
async fn tables(pg: &Pg) -> Checked {
    pg.setup("DROP TABLE IF EXISTS t, d; CREATE TABLE t (a int); CREATE TABLE d (a int)")
        .await?;
    pg.setup("INSERT INTO t SELECT generate_series(1, 10); INSERT INTO d VALUES (1)")
        .await
}

/// What an importer counts in `t` after this.
async fn counted_after(pg: &Pg, ddl: &str) -> Checked<String> {
    tables(pg).await?;
    let (holder, name) = exported(pg, CREATE_TEMPORARY).await?;
    pg.setup(ddl).await?;
    let mut importer = importer(pg, &name).await?;
    let count = importer.value("SELECT count(*) FROM t").await?;
    importer.close().await?;
    holder.close().await?;
    Ok(count)
}

async fn emptied(pg: &Pg) -> Checked {
    for ddl in ["TRUNCATE t", "ALTER TABLE t ALTER COLUMN a TYPE bigint"] {
        ensure_eq!(counted_after(pg, ddl).await?, "0", "{ddl}");
    }
    Ok(())
}

async fn vacuum_full(pg: &Pg) -> Checked {
    ensure_eq!(counted_after(pg, "VACUUM FULL t").await?, "10", "VACUUM FULL");
    Ok(())
}

async fn changed(pg: &Pg) -> Checked {
    tables(pg).await?;
    let (_holder, name) = exported(pg, CREATE_TEMPORARY).await?;
    pg.setup("ALTER TABLE t ADD COLUMN b int DEFAULT 7").await?;
    pg.setup("DROP TABLE d").await?;
    let mut importer = importer(pg, &name).await?;
    ensure_eq!(
        importer.value("SELECT count(b) FROM t").await?,
        "10",
        "the column's values"
    );
    let message = importer.fails("SELECT count(*) FROM d", "42P01").await?;
    ensure_eq!(message, "relation \"d\" does not exist", "the table");
    Ok(())
}

async fn locked(pg: &Pg) -> Checked {
    tables(pg).await?;
    let (_holder, name) = exported(pg, CREATE_TEMPORARY).await?;
    let mut importer = importer(pg, &name).await?;
    let said = importer.query("COPY t TO STDOUT").await?;
    let rows = said.iter().filter(|said| matches!(said, Said::Data(_))).count();
    ensure_eq!(rows, 10, "copied");
    let mode = "SELECT mode FROM pg_locks WHERE locktype = 'relation' AND relation = 't'::regclass AND pid";
    let mode = pg.value(&format!("{mode} = {}", importer.pid)).await?;
    ensure_eq!(mode, "AccessShareLock", "the copier's lock");
    let waits = "active Lock/relation";
    let mut alters = pg.connect().await?;
    alters.send("ALTER TABLE t ADD COLUMN c int").await?;
    pg.until_doing(alters.pid, waits).await?;
    let mut reads = pg.connect().await?;
    reads.send("SELECT count(*) FROM t").await?;
    pg.until_doing(reads.pid, waits).await?;
    let blockers = format!("SELECT pg_blocking_pids({})::text", reads.pid);
    ensure_eq!(
        pg.value(&blockers).await?,
        format!("{{{}}}", alters.pid),
        "the reader's blocker"
    );
    importer.rows("COMMIT").await?;
    for (client, who) in [(&mut alters, "ALTER"), (&mut reads, "the reader")] {
        let said = client.until_ready().await;
        ensure_eq!(problem(&said), None, "{who}");
    }
    Ok(())
}

async fn index(pg: &Pg) -> Checked {
    tables(pg).await?;
    let (holder, name) = exported(pg, CREATE_TEMPORARY).await?;
    let mut importer = importer(pg, &name).await?;
    importer.rows("SELECT count(*) FROM t").await?;
    let mut builder = pg.connect().await?;
    builder.send("CREATE INDEX CONCURRENTLY i ON t (a)").await?;
    pg.until_doing(builder.pid, "active Lock/virtualxid").await?;
    let blocked_by = |pid: i32| format!("SELECT {pid} = ANY (pg_blocking_pids({}))", builder.pid);
    pg.until_value(&blocked_by(importer.pid), "t").await?;
    importer.rows("COMMIT").await?;
    pg.until_value(&blocked_by(holder.pid), "t").await?;
    holder.close().await?;
    let said = builder.until_ready().await;
    ensure_eq!(problem(&said), None, "the index");
    Ok(())
}

async fn ranges(pg: &Pg) -> Checked {
    pg.setup("CREATE TABLE t (a int, b text)").await?;
    pg.setup("INSERT INTO t SELECT a, repeat('x', 500) FROM generate_series(1, 100) a")
        .await?;
    let (_holder, name) = exported(pg, CREATE_TEMPORARY).await?;
    let mut importer = importer(pg, &name).await?;
    let low = importer
        .value("SELECT count(*) FROM t WHERE ctid < '(2,0)'")
        .await?;
    let middle = importer
        .value("SELECT count(*) FROM t WHERE ctid >= '(2,0)' AND ctid < '(4,0)'")
        .await?;
    let high = importer
        .value("SELECT count(*) FROM t WHERE ctid >= '(4,0)'")
        .await?;
    let counts = [low, middle, high].map(|count| count.parse().unwrap_or(0));
    ensure_eq!(counts.iter().sum::<u32>(), 100, "{counts:?}");
    ensure!(counts.iter().all(|count| *count > 0), "{counts:?}");

    pg.setup("CREATE PUBLICATION p FOR TABLE t").await?;
    let mut client = pg.connect().await?;
    for (sql, words) in [("UPDATE t SET a = 0", "update"), ("DELETE FROM t", "delete from")] {
        let message = client.fails(sql, "55000").await?;
        let wanted = format!(
            "cannot {words} table \"t\" because it does not have a replica identity and publishes {}s",
            words.split(' ').next().unwrap_or_default()
        );
        ensure_eq!(message, wanted, "{sql}");
    }
    client.rows("INSERT INTO t VALUES (0)").await?;
    Ok(())
}

async fn plan(pg: &Pg) -> Checked {
    pg.setup("CREATE TABLE t (a int)").await?;
    let plan = "EXPLAIN SELECT * FROM t WHERE ctid >= '(2,0)' AND ctid < '(4,0)'";
    let plan = pg.value(plan).await?;
    ensure!(plan.starts_with("Tid Range Scan on t"), "{plan}");
    Ok(())
}
