//! Terminations: what they end, and who may ask for one.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::fixture::{DROP, make_slot, other_role, problem, terminate};
use super::stream::{ACTIVE, START, blocked, publish, publish_anew, streaming};
use crate::conformance::client::Client;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem, Row, ensure, ensure_eq};
use crate::conformance::said::{Said, code};
use crate::conformance::states::State;

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-84",
        "a termination ends every state but a blocked one at once, with a FATAL",
        |pg| every_state(pg).boxed_local(),
    ),
    Row::plain(
        "OB-85",
        "a cancelled stream releases its slot and leaves a connection that can stream again",
        |pg| cancelled_stream(pg).boxed_local(),
    ),
    Row::race(
        "OB-86",
        "a blocked walsender that is terminated is gone, or stuck with its last words",
        &["gone", "stuck"],
        12,
        |pg| last_words(pg).boxed_local(),
    ),
    Row::race(
        "OB-87",
        "a blocked walsender that is cancelled is idle, or stuck with its error: until terminated, or for good",
        &["idle", "stuck until terminated", "stuck for good"],
        12,
        |pg| cancelled_first(pg).boxed_local(),
    ),
    Row::plain("OB-88", "who may signal whom, and who may drop a slot", |pg| {
        rights(pg).boxed_local()
    })
    .differs("17: permission denied to terminate process, to use replication slots"),
];

/// Those that wait for a lock come last: nobody creates a slot behind them.
async fn every_state(pg: &Pg) -> Checked {
    let mut states = State::READING.to_vec();
    states.extend(State::executing(pg));
    states.push(State::CreateWaits);
    for state in states {
        let mut scene = state.enter(pg, "").await?;
        terminate(pg, scene.client.pid).await?;
        pg.gone_at_once(scene.client.pid, &format!("{state:?}")).await?;
        let said = scene.client.until_end().await;
        let fatal = "terminating connection due to administrator command";
        ensure_eq!(problem(&said), Some(("57P01", fatal)), "{state:?}");
        ensure_eq!(said.last(), Some(&Said::Eof), "{state:?}");
    }
    Ok(())
}

async fn cancelled_stream(pg: &Pg) -> Checked {
    publish(pg).await?;
    for by_function in [true, false] {
        let mut client = streaming(pg, "").await?;
        if by_function {
            let cancel = format!("SELECT pg_cancel_backend({})", client.pid);
            pg.value(&cancel).await?;
        } else {
            pg.cancel(client.pid, client.secret).await?;
        }
        let said = client.after_the_stream().await;
        let wanted = Some(("57014", "canceling statement due to user request"));
        ensure_eq!(problem(&said), wanted, "by function: {by_function}");
        ensure_eq!(said.last(), Some(&Said::Ready('I')), "by function: {by_function}");
        ensure_eq!(pg.value(ACTIVE).await?, "f", "the slot");
        ensure_eq!(client.value("SELECT 1").await?, "1", "afterwards");
        client.start(START).await?;
        let row = if by_function { "1,one" } else { "2,two" };
        let (number, word) = row.split_once(',').unwrap_or_default();
        pg.setup(&format!("INSERT INTO t VALUES ({number}, '{word}')"))
            .await?;
        let transaction = client.transaction().await?;
        ensure_eq!(
            transaction.rows.last().map(|row| &**row),
            Some(row),
            "it streams again"
        );
        client.confirm(transaction.end).await?;
        client.close().await?;
    }
    Ok(())
}

async fn last_words(pg: &Pg) -> Checked<&'static str> {
    publish_anew(pg).await?;
    let limits = match pg.turn() % 3 {
        0 => "-c wal_sender_timeout=3s",
        1 => "-c wal_sender_timeout=0",
        _ => "-c wal_sender_timeout=0 -c tcp_user_timeout=3000",
    };
    let mut client = blocked(pg, limits).await?;
    pg.sleep(pg.at_once() / 40 * (pg.turn() % 4) as u32).await;
    terminate(pg, client.pid).await?;
    let outcome = if pg.gone_within(client.pid, Duration::ZERO, "").await.is_ok() {
        "gone"
    } else {
        stuck(pg, &mut client).await?;
        "stuck"
    };
    pg.until_value(ACTIVE, "f").await?;
    pg.value(DROP).await?;
    Ok(outcome)
}

/// What a walsender does that is stuck with its last words.
const STUCK: &str = "active Client/ClientWrite";

/// `wal_sender_timeout`, in which a stream must come to be blocked.
const TIMEOUT: Duration = Duration::from_secs(3);

/// What ends it: a second termination, a client that reads, or `tcp_user_timeout`; not `wal_sender_timeout`.
async fn stuck(pg: &Pg, client: &mut Client) -> Checked {
    pg.until_doing(client.pid, STUCK).await?;
    ensure_eq!(pg.value(ACTIVE).await?, "t", "the slot of who is stuck");
    let pid = client.pid;
    match pg.turn() % 3 {
        0 => {
            if pg.stays(pid, STUCK, TIMEOUT * 3, "stuck").await.is_err() {
                // The kernels have found room after all. `wal_sender_timeout` would not have let it speak.
                let said = client.until_end().await;
                ensure_eq!(code(&said), Some("57P01"), "its last words");
                return pg.gone_at_once(pid, "stuck").await;
            }
            terminate(pg, pid).await?;
            pg.gone_at_once(pid, "terminated twice").await
        }
        1 => {
            let said = client.until_end().await;
            ensure_eq!(code(&said), Some("57P01"), "its last words");
            pg.gone_at_once(pid, "a client that reads").await
        }
        _ => {
            pg.gone_within(pid, Duration::from_secs(4), "tcp_user_timeout")
                .await
        }
    }
}

/// A termination makes who is stuck try again, for which there may be room by now. Where there is none it holds its
/// slot until its client reads or is gone, however often it is terminated.
async fn cancelled_first(pg: &Pg) -> Checked<&'static str> {
    publish_anew(pg).await?;
    let mut client = blocked(pg, "-c wal_sender_timeout=0").await?;
    let pid = client.pid;
    pg.sleep(pg.at_once() / 40 * (pg.turn() % 10) as u32).await;
    pg.cancel(pid, client.secret).await?;
    let idle = pg.until_doing(pid, "idle Client/ClientRead").await.is_ok();
    if !idle {
        pg.until_doing(pid, STUCK).await?;
    }
    ensure_eq!(pg.value(ACTIVE).await?, if idle { "f" } else { "t" }, "the slot");
    let mut gone = Err(Problem::differs("nobody was terminated"));
    for _ in 0..2 {
        terminate(pg, pid).await?;
        gone = pg.gone_at_once(pid, "terminated").await;
        if gone.is_ok() {
            break;
        }
    }
    let outcome = match (idle, gone) {
        (true, Ok(())) => "idle",
        (false, Ok(())) => "stuck until terminated",
        (true, Err(problem)) => return Err(problem),
        (false, Err(_)) => {
            ensure_eq!(pg.value(ACTIVE).await?, "t", "the slot of who is stuck");
            let said = client.until_end().await;
            ensure_eq!(code(&said), Some("57014"), "its error");
            "stuck for good"
        }
    };
    pg.until_value(ACTIVE, "f").await?;
    pg.value(DROP).await?;
    Ok(outcome)
}

async fn rights(pg: &Pg) -> Checked {
    let mut other = pg.connect_as(&other_role(pg).await?, &[]).await?;
    let (own, mut client) = (pg.connect().await?, pg.connect().await?);
    let superuser = pg.superuser().await?;
    let signal = |pid: i32| format!("SELECT pg_terminate_backend({pid})");
    let old = pg.major() < 16;
    let message = client.fails(&signal(superuser.pid), "42501").await?;
    let wanted = if old {
        "must be a superuser to terminate superuser process"
    } else {
        "permission denied to terminate process"
    };
    ensure_eq!(message, wanted, "a superuser's");
    let message = other.fails(&signal(own.pid), "42501").await?;
    let wanted = if old {
        "must be a member of the role whose process is being terminated or member of pg_signal_backend"
    } else {
        "permission denied to terminate process"
    };
    ensure_eq!(message, wanted, "another role's");
    ensure_eq!(client.value(&signal(own.pid)).await?, "t", "its own role's");
    pg.gone_at_once(own.pid, "its own role's").await?;
    let said = client.query(&signal(i32::MAX)).await?;
    let warned = said.iter().any(|said| {
        matches!(said, Said::Notice(fields) if fields.severity == "WARNING"
            && fields.message.ends_with("is not a PostgreSQL backend process"))
    });
    let answered = said.contains(&Said::Row(vec![Some("f".to_owned())]));
    ensure!(warned && answered, "nobody's: {said:?}");
    make_slot(pg).await?;
    let message = other.fails(DROP, "42501").await?;
    let wanted = if old {
        "must be superuser or replication role to use replication slots"
    } else {
        "permission denied to use replication slots"
    };
    ensure_eq!(message, wanted, "without REPLICATION");
    Ok(())
}
