//! A stream's life: how it begins and ends, and what ends it.

use std::time::Duration;

use futures_util::FutureExt as _;
use postgres_protocol::message::frontend;

use super::fixture::{SLOT, make_slot, problem};
use super::stream::{ACTIVE, START, at_tip, publish, streaming};
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Row, ensure, ensure_eq};
use crate::conformance::said::Said;

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-89",
        "CopyDone ends a stream, and its connection goes on",
        |pg| copy_done(pg).boxed_local(),
    ),
    Row::plain("OB-90", "a stream bears no other message", |pg| {
        other_message(pg).boxed_local()
    }),
    Row::plain(
        "OB-91",
        "a second stream on the connection ends at once behind CopyDone, and not behind a cancel",
        |pg| second_stream(pg).boxed_local(),
    ),
    Row::plain(
        "OB-92",
        "a missing publication fails the stream at its first change, not at its start",
        |pg| missing_publication(pg).boxed_local(),
    ),
    Row::plain(
        "OB-93",
        "a publication made behind the slot is missing for what came before it",
        |pg| late_publication(pg).boxed_local(),
    ),
    Row::plain(
        "OB-94",
        "bad options are refused, and the connection goes on",
        |pg| bad_options(pg).boxed_local(),
    )
    .differs("17: protocol 4 or lower, a missing proto_version is 22023, other words"),
];

async fn copy_done(pg: &Pg) -> Checked {
    publish(pg).await?;
    let mut client = streaming(pg, "").await?;
    pg.until_doing(client.pid, at_tip(pg)).await?;
    client.copy_done().await?;
    let done = |tag: &str| Said::Done(tag.to_owned());
    let wanted = [
        Said::CopyDone,
        done("COPY 0"),
        done("START_REPLICATION"),
        Said::Ready('I'),
    ];
    ensure_eq!(client.after_the_stream().await, wanted, "CopyDone");
    ensure_eq!(pg.value(ACTIVE).await?, "f", "the slot");
    client.rows("DROP_REPLICATION_SLOT s").await?;
    ensure_eq!(pg.value(SLOT).await?, "", "dropped");
    Ok(())
}

async fn other_message(pg: &Pg) -> Checked {
    publish(pg).await?;
    for (kind, what) in [('f', "CopyFail"), ('Q', "Query")] {
        let mut client = streaming(pg, "").await?;
        match kind {
            'f' => client.send_with(|out| frontend::copy_fail("enough", out)).await?,
            _ => client.send("SELECT 1").await?,
        }
        let said = client.until_end().await;
        let message = format!("invalid standby message type \"{kind}\"");
        ensure_eq!(problem(&said), Some(("08P01", &*message)), "{what}");
        pg.gone_at_once(client.pid, what).await?;
        ensure_eq!(pg.value(ACTIVE).await?, "f", "{what}: the slot");
    }
    Ok(())
}

async fn second_stream(pg: &Pg) -> Checked {
    publish(pg).await?;
    for by_cancel in [false, true] {
        let mut client = streaming(pg, "").await?;
        if by_cancel {
            pg.cancel(client.pid, client.secret).await?;
        } else {
            client.copy_done().await?;
        }
        client.after_the_stream().await;
        let number = u8::from(by_cancel);
        pg.setup(&format!("INSERT INTO t VALUES ({number})")).await?;
        client.start(START).await?;
        if by_cancel {
            let transaction = client.transaction().await?;
            ensure_eq!(transaction.rows, ["0,null"], "behind a cancel");
            continue;
        }
        let said = client.until_ready().await;
        let done = |tag: &str| Said::Done(tag.to_owned());
        let wanted = [done("COPY 0"), done("START_REPLICATION"), Said::Ready('I')];
        ensure_eq!(said, wanted, "behind CopyDone");
    }
    Ok(())
}

const MISSING: Option<(&str, &str)> = Some(("42704", "publication \"p\" does not exist"));

async fn missing_publication(pg: &Pg) -> Checked {
    pg.setup("CREATE TABLE t (a int PRIMARY KEY, b text)").await?;
    make_slot(pg).await?;
    let mut client = streaming(pg, "").await?;
    pg.until_doing(client.pid, at_tip(pg)).await?;
    pg.stays(
        client.pid,
        at_tip(pg),
        Duration::from_millis(300),
        "nothing changes",
    )
    .await?;
    pg.setup("INSERT INTO t VALUES (1)").await?;
    let said = client.after_the_stream().await;
    ensure_eq!(problem(&said), MISSING, "the first change");
    ensure_eq!(pg.value(ACTIVE).await?, "f", "the slot");
    ensure_eq!(client.value("SELECT 1").await?, "1", "afterwards");
    Ok(())
}

async fn late_publication(pg: &Pg) -> Checked {
    pg.setup("CREATE TABLE t (a int PRIMARY KEY, b text)").await?;
    make_slot(pg).await?;
    pg.setup("INSERT INTO t VALUES (1)").await?;
    pg.setup("CREATE PUBLICATION p FOR TABLE t").await?;
    let mut client = streaming(pg, "").await?;
    let said = client.after_the_stream().await;
    ensure_eq!(problem(&said), MISSING, "it was not there then");
    Ok(())
}

async fn bad_options(pg: &Pg) -> Checked {
    publish(pg).await?;
    let too_new = match pg.major() {
        ..=15 => "client sent proto_version=9 but we only support protocol 3 or lower",
        _ => "client sent proto_version=9 but server only supports protocol 4 or lower",
    };
    let no_names = match pg.major() {
        ..=15 => "publication_names parameter missing",
        _ => "option \"publication_names\" missing",
    };
    let no_version = match pg.major() {
        ..=15 => (
            "0A000",
            "client sent proto_version=0 but we only support protocol 1 or higher",
        ),
        _ => ("22023", "option \"proto_version\" missing"),
    };
    let names = "publication_names 'p'";
    let cases = [
        ("proto_version '1'".to_owned(), ("22023", no_names)),
        (
            format!("proto_version '1', {names}, nosuch 'x'"),
            ("XX000", "unrecognized pgoutput option: nosuch"),
        ),
        (format!("proto_version '9', {names}"), ("0A000", too_new)),
        (names.to_owned(), no_version),
        (
            format!("proto_version '1', {names}, streaming 'on'"),
            (
                "22023",
                "requested proto_version=1 does not support streaming, need 2 or higher",
            ),
        ),
    ];
    let mut client = pg.walsender("").await?;
    for (options, wanted) in cases {
        let said = client
            .query(&format!("START_REPLICATION SLOT s LOGICAL 0/0 ({options})"))
            .await?;
        ensure_eq!(problem(&said), Some(wanted), "{options}");
        ensure!(!said.contains(&Said::CopyBoth), "{options}: {said:?}");
        ensure_eq!(pg.value(ACTIVE).await?, "f", "{options}: the slot");
    }
    client.start(START).await
}
