//! CREATE_REPLICATION_SLOT: whom it waits for, where it may stand, and what ends a temporary slot.

use futures_util::FutureExt as _;
use leftover_wire::login::Login;
use postgres_protocol::message::frontend;

use super::fixture::{
    CREATE, CREATE_NOTHING, CREATE_TEMPORARY, DROP, READ_ONLY, REPEATABLE_READ, SLOT, blocker, problem,
    waiting,
};
use super::stream::START;
use crate::conformance::client::Client;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem, Row, ensure, ensure_eq};
use crate::conformance::said::{Said, code};

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-60",
        "a creation waits for two generations of transactions with an xid, of any database",
        |pg| generations(pg).boxed_local(),
    ),
    Row::plain("OB-61", "a creation in the wrong place is refused", |pg| {
        places(pg).boxed_local()
    })
    .differs("17: USE_SNAPSHOT only in a READ ONLY transaction"),
    Row::plain("OB-61b", "a physical walsender creates no logical slot", |pg| {
        physical(pg).boxed_local()
    })
    .not_modelled("connections with replication=true"),
    Row::plain(
        "OB-62",
        "any error in a session drops its temporary slots",
        |pg| errors(pg).boxed_local(),
    ),
    Row::plain(
        "OB-62b",
        "a slot's name is folded to lower case, checked, and cut to 63 bytes",
        |pg| names(pg).boxed_local(),
    ),
];

async fn generations(pg: &Pg) -> Checked {
    let elsewhere = Login {
        database: "postgres".to_owned(),
        ..pg.server().superuser()
    };
    let Ok(mut first) = pg.try_connect(&elsewhere, &[]).await? else {
        return Err(Problem::differs("the superuser was refused in another database"));
    };
    first.rows("BEGIN; SELECT pg_current_xact_id()").await?;
    let mut reader = pg.connect().await?;
    reader.rows(&format!("{REPEATABLE_READ}; SELECT 1")).await?;
    let mut walsender = waiting(pg, "", CREATE).await?;
    let mut second = blocker(pg).await?;
    let waits_for = |client: &Client| {
        format!(
            "SELECT {} = ANY (pg_blocking_pids({}))",
            client.pid, walsender.pid
        )
    };
    let (first_of_all, then) = (waits_for(&first), waits_for(&second));
    pg.until_value(&first_of_all, "t").await?;
    first.rows("COMMIT").await?;
    pg.until_value(&then, "t").await?;
    let third = blocker(pg).await?;
    second.rows("COMMIT").await?;
    let said = walsender.until_ready().await;
    ensure_eq!(code(&said), None, "in spite of {} and of the reader", third.pid);
    Ok(())
}

/// What is refused outside of its place.
fn misplaced(option: &str, rest: &str) -> String {
    format!("CREATE_REPLICATION_SLOT ... (SNAPSHOT '{option}') must {rest}")
}

async fn places(pg: &Pg) -> Checked {
    let used = format!("{CREATE} USE_SNAPSHOT");
    let in_tx = misplaced("use", "be called inside a transaction");
    let in_rr = misplaced("use", "be called in REPEATABLE READ isolation mode transaction");
    let first = misplaced("use", "be called before any query");
    let cases = [
        (
            &["BEGIN"][..],
            CREATE,
            misplaced("export", "not be called inside a transaction"),
        ),
        (&[], &used, in_tx),
        (&["BEGIN READ ONLY"], &used, in_rr),
        (&[READ_ONLY, "SELECT 1"], &used, first),
    ];
    for (before, create, wanted) in cases {
        let mut walsender = pg.walsender("").await?;
        for sql in before {
            walsender.rows(sql).await?;
        }
        let message = walsender.fails(create, "XX000").await?;
        ensure_eq!(message, wanted, "after {before:?}");
    }
    let mut writable = pg.walsender("").await?;
    writable.rows(REPEATABLE_READ).await?;
    let said = writable.query(&used).await?;
    let read_only = misplaced("use", "be called in a read-only transaction");
    let wanted = (pg.major() >= 17).then_some(("XX000", &*read_only));
    ensure_eq!(problem(&said), wanted, "in a transaction that may write");
    writable.close().await?;
    pg.value(&format!("{DROP} WHERE EXISTS ({SLOT})")).await?;
    let mut walsender = pg.walsender("").await?;
    walsender.fails(&format!("{CREATE}; SELECT 1"), "42601").await?;
    walsender
        .send_with(|out| {
            frontend::parse("", "SELECT 1", [], out)?;
            frontend::sync(out);
            Ok(())
        })
        .await?;
    let said = walsender.until_ready().await;
    let wanted = "extended query protocol not supported in a replication connection";
    ensure_eq!(problem(&said), Some(("08P01", wanted)), "the extended protocol");
    walsender.rows(&format!("  {CREATE}")).await?;
    Ok(())
}

/// A line `host all` lets `replication=database` in, and `replication=true` only where a line says `replication`.
async fn physical(pg: &Pg) -> Checked {
    let login = pg.server().superuser();
    let (message, wanted) = match pg.try_connect(&login, &[("replication", "true")]).await? {
        Ok(mut walsender) => {
            let message = walsender.fails(CREATE, "55000").await?;
            (message, "logical decoding requires a database connection")
        }
        Err(said) => {
            let (_, message) = problem(&said).unwrap_or_default();
            (
                message.to_owned(),
                "no pg_hba.conf entry for replication connection",
            )
        }
    };
    ensure!(message.starts_with(wanted), "{message}");
    Ok(())
}

async fn errors(pg: &Pg) -> Checked {
    pg.setup("CREATE TABLE t (a int)").await?;
    pg.rows("CREATE PUBLICATION p FOR ALL TABLES").await?;
    let mut walsender = pg.walsender("").await?;
    walsender
        .rows("CREATE_REPLICATION_SLOT kept LOGICAL pgoutput NOEXPORT_SNAPSHOT")
        .await?;
    let bad_option = "START_REPLICATION SLOT s LOGICAL 0/0 (nosuch '1')";
    for (sql, wanted) in [
        ("SELECT 1/0", "22012"),
        ("SELECT nosuch", "42703"),
        (bad_option, "XX000"),
    ] {
        walsender
            .rows(&format!("{CREATE_TEMPORARY} NOEXPORT_SNAPSHOT"))
            .await?;
        ensure_eq!(pg.value(SLOT).await?, "temporary active", "before {sql}");
        walsender.fails(sql, wanted).await?;
        ensure_eq!(pg.value(SLOT).await?, "", "{sql}");
    }
    walsender
        .rows(&format!("{CREATE_TEMPORARY} NOEXPORT_SNAPSHOT"))
        .await?;
    walsender.start(START).await?;
    pg.cancel(walsender.pid, walsender.secret).await?;
    let said = walsender.until_ready().await;
    ensure_eq!(code(&said), Some("57014"), "a stream's cancel");
    ensure_eq!(pg.value(SLOT).await?, "", "a stream's cancel");

    let mut client = pg.connect().await?;
    client
        .rows("SELECT pg_create_logical_replication_slot('s', 'pgoutput', true)")
        .await?;
    ensure_eq!(pg.value(SLOT).await?, "temporary active", "an ordinary session's");
    client.fails("SELECT 1/0", "22012").await?;
    ensure_eq!(pg.value(SLOT).await?, "", "an ordinary session's");
    let kept = "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'kept'";
    ensure_eq!(pg.value(kept).await?, "1", "the permanent one");
    Ok(())
}

async fn names(pg: &Pg) -> Checked {
    let mut walsender = pg.walsender("").await?;
    walsender.rows(&CREATE_NOTHING.replace(" s ", " S ")).await?;
    ensure_eq!(pg.value(SLOT).await?, "permanent inactive", "folded");
    walsender.rows("DROP_REPLICATION_SLOT S").await?;
    let message = walsender
        .fails(&CREATE.replace(" s ", " \"E1\" "), "42602")
        .await?;
    let wanted = "replication slot name \"E1\" contains invalid character";
    ensure_eq!(message, wanted, "an upper-case letter");
    let (long, cut) = ("n".repeat(70), "n".repeat(63));
    let said = walsender
        .query(&CREATE_NOTHING.replace(" s ", &format!(" {long} ")))
        .await?;
    let created = said.iter().find_map(|said| match said {
        Said::Row(row) => row[0].clone(),
        _ => None,
    });
    ensure_eq!(created.as_deref(), Some(&*cut), "70 bytes");
    let named = format!("SELECT count(*) FROM pg_replication_slots WHERE slot_name = '{cut}'");
    ensure_eq!(pg.value(&named).await?, "1", "70 bytes");
    ensure!(code(&said).is_none(), "cut without an error: {said:?}");
    Ok(())
}
