//! How many there may be, and who is refused.

use futures_util::FutureExt as _;
use leftover_wire::login::Login;

use super::fixture::{CREATE_NOTHING, CREATE_TEMPORARY, DROP, SLOT, other_role, problem};
use super::stream::{START, at_tip, publish, streaming};
use crate::conformance::client::Client;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem, Row, ensure, ensure_eq};
use crate::conformance::said::{Said, code};

pub(super) const ROWS: &[Row] = &[
    Row::plain(
        "OB-113",
        "ordinary sessions leave the reserved places free, and walsenders do not use any of them",
        |pg| full(pg).boxed_local(),
    )
    .differs("17: the reserved places are named otherwise"),
    Row::plain("OB-113b", "max_wal_senders holds for superusers too", |pg| {
        walsenders(pg).boxed_local()
    })
    .differs("17: the setting's name is quoted"),
    Row::plain(
        "OB-113c",
        "a role's and a database's limit do not count walsenders; superusers pass a database's",
        |pg| of_role_and_database(pg).boxed_local(),
    ),
    Row::plain(
        "OB-113d",
        "max_replication_slots holds for temporary slots too; a name that is taken is told first",
        |pg| slots(pg).boxed_local(),
    ),
    Row::plain(
        "OB-114",
        "a slot that keeps too much of the log is lost, and who streams it is terminated",
        |pg| lost(pg).boxed_local(),
    )
    .differs("17: START: can no longer get changes"),
    Row::plain(
        "OB-115",
        "DROP DATABASE: sessions and active slots are in its way, inactive slots go along",
        |pg| drop_database(pg).boxed_local(),
    ),
    Row::plain(
        "OB-115b",
        "a session goes on when its role is set NOLOGIN or dropped",
        |pg| role_gone(pg).boxed_local(),
    ),
];

/// Connects until it is refused; answers who came in, and the refusal.
async fn fill(pg: &Pg, login: &Login, parameters: &[(&str, &str)]) -> Checked<(Vec<Client>, Vec<Said>)> {
    let mut sessions = Vec::new();
    loop {
        match pg.try_connect(login, parameters).await? {
            Ok(session) => sessions.push(session),
            Err(said) => return Ok((sessions, said)),
        }
        ensure!(sessions.len() < 1000, "nobody is refused");
    }
}

async fn number(pg: &Pg, setting: &str) -> Checked<usize> {
    let value = pg.value(&format!("SHOW {setting}")).await?;
    value
        .parse()
        .map_err(|_| Problem::differs(format!("{setting}: {value}")))
}

async fn full(pg: &Pg) -> Checked {
    let places = number(pg, "max_connections").await?;
    let reserved = number(pg, "superuser_reserved_connections").await?;
    // The observer has a place.
    let (mut sessions, said) = fill(pg, &pg.server().login(), &[]).await?;
    let wanted = match pg.major() {
        ..=15 => "remaining connection slots are reserved for non-replication superuser connections",
        _ => "remaining connection slots are reserved for roles with the SUPERUSER attribute",
    };
    ensure_eq!(problem(&said), Some(("53300", wanted)), "an ordinary session");
    ensure!(sessions.len() <= places - reserved, "{} sessions", sessions.len());
    let (supers, said) = fill(pg, &pg.server().superuser(), &[]).await?;
    let wanted = Some(("53300", "sorry, too many clients already"));
    ensure_eq!(problem(&said), wanted, "a superuser");
    ensure!(!supers.is_empty(), "superusers have places of their own");
    pg.walsender("").await?.close().await?;
    let Some(mut client) = sessions.pop() else {
        return Err(Problem::differs("no session was let in"));
    };
    client.send("SELECT pg_sleep(60)").await?;
    pg.until_doing(client.pid, "active Timeout/PgSleep").await?;
    pg.cancel(client.pid, client.secret).await?;
    let said = client.until_ready().await;
    ensure_eq!(code(&said), Some("57014"), "a cancel needs no place");
    for session in sessions.into_iter().chain(supers) {
        session.close().await?;
    }
    Ok(())
}

async fn walsenders(pg: &Pg) -> Checked {
    let places = number(pg, "max_wal_senders").await?;
    let setting = match pg.major() {
        ..=16 => "max_wal_senders",
        _ => "\"max_wal_senders\"",
    };
    let wanted = format!("number of requested standby connections exceeds {setting} (currently {places})");
    let database = [("replication", "database")];
    let (walsenders, said) = fill(pg, &pg.server().login(), &database).await?;
    ensure_eq!(problem(&said), Some(("53300", &*wanted)), "an ordinary role");
    ensure_eq!(walsenders.len(), places, "walsenders");
    let (more, said) = fill(pg, &pg.server().superuser(), &database).await?;
    ensure_eq!(problem(&said), Some(("53300", &*wanted)), "a superuser");
    ensure_eq!(more.len(), 0, "a superuser's walsenders");
    for walsender in walsenders {
        walsender.close().await?;
    }
    Ok(())
}

async fn of_role_and_database(pg: &Pg) -> Checked {
    let login = pg.server().login();
    let user = login.user.as_str();
    pg.rows(&format!("ALTER ROLE {user} CONNECTION LIMIT 2")).await?;
    let _walsender = pg.walsender("").await?;
    let (sessions, said) = fill(pg, &login, &[]).await?;
    let wanted = format!("too many connections for role \"{user}\"");
    ensure_eq!(problem(&said), Some(("53300", &*wanted)), "the role's limit");
    ensure_eq!(sessions.len(), 2, "the role's sessions");
    let _another = pg.walsender("").await?;
    pg.rows(&format!("ALTER ROLE {user} CONNECTION LIMIT -1")).await?;

    pg.rows("CREATE DATABASE small CONNECTION LIMIT 2").await?;
    let inside = |login: Login| Login {
        database: "small".to_owned(),
        ..login
    };
    let walsender = pg
        .try_connect(&inside(login.clone()), &[("replication", "database")])
        .await?;
    ensure!(walsender.is_ok(), "a walsender of the database");
    let (more, said) = fill(pg, &inside(login.clone()), &[]).await?;
    let wanted = Some(("53300", "too many connections for database \"small\""));
    ensure_eq!(problem(&said), wanted, "the database's limit");
    ensure_eq!(more.len(), 2, "the database's sessions");
    let superuser = pg.try_connect(&inside(pg.server().superuser()), &[]).await?;
    ensure!(superuser.is_ok(), "a superuser passes the database's limit");
    Ok(())
}

async fn slots(pg: &Pg) -> Checked {
    let places = number(pg, "max_replication_slots").await?;
    let mut walsender = pg.walsender("").await?;
    for number in 1..places {
        walsender
            .rows(&CREATE_NOTHING.replace(" s ", &format!(" s{number} ")))
            .await?;
    }
    walsender.rows(CREATE_NOTHING).await?;
    let message = walsender.fails(CREATE_NOTHING, "42710").await?;
    ensure_eq!(
        message,
        "replication slot \"s\" already exists",
        "a name that is taken"
    );
    for create in [CREATE_NOTHING, CREATE_TEMPORARY] {
        let message = walsender.fails(&create.replace(" s ", " more "), "53400").await?;
        ensure_eq!(message, "all replication slots are in use", "{create}");
    }
    Ok(())
}

const LOST: &str =
    "SELECT count(*) FROM pg_replication_slots WHERE wal_status = 'lost' AND restart_lsn IS NULL";

async fn lost(pg: &Pg) -> Checked {
    publish(pg).await?;
    let mut other = pg.walsender("").await?;
    other.rows(&CREATE_NOTHING.replace(" s ", " unused ")).await?;
    let mut client = streaming(pg, "").await?;
    pg.until_doing(client.pid, at_tip(pg)).await?;
    let configured = pg.server().configure("max_slot_wal_keep_size", "1").await;
    configured.map_err(Problem::CannotRun)?;
    for number in 0..4 {
        pg.setup(&format!("INSERT INTO t VALUES ({number})")).await?;
        pg.rows("SELECT pg_switch_wal()").await?;
    }
    pg.rows("CHECKPOINT").await?;
    pg.until_value(LOST, "2").await?;
    let said = client.until_end().await;
    let wanted = Some(("57P01", "terminating connection due to administrator command"));
    ensure_eq!(problem(&said), wanted, "who streams it");
    pg.until_value(SLOT, "permanent inactive").await?;
    let message = other.fails(START, "55000").await?;
    let wanted = match pg.major() {
        ..=15 => "cannot read from logical replication slot \"s\"",
        _ => "can no longer get changes from replication slot \"s\"",
    };
    ensure_eq!(message, wanted, "START");
    pg.value(DROP).await?;
    ensure_eq!(pg.value(SLOT).await?, "", "dropped");
    Ok(())
}

async fn drop_database(pg: &Pg) -> Checked {
    let login = pg.server().login();
    let inside = Login {
        database: "doomed".to_owned(),
        ..login
    };
    let mut admin = pg.superuser().await?;
    admin.rows("CREATE DATABASE doomed").await?;
    let session = pg.connect_as(&inside, &[]).await?;
    let message = admin.fails("DROP DATABASE doomed", "55006").await?;
    ensure_eq!(
        message,
        "database \"doomed\" is being accessed by other users",
        "a session"
    );
    let mut walsender = pg.connect_as(&inside, &[("replication", "database")]).await?;
    walsender.rows(CREATE_NOTHING).await?;
    walsender.start(START).await?;
    for sql in ["DROP DATABASE doomed", "DROP DATABASE doomed WITH (FORCE)"] {
        let message = admin.fails(sql, "55006").await?;
        let wanted = "database \"doomed\" is used by an active logical replication slot";
        ensure_eq!(message, wanted, "an active slot: {sql}");
    }
    pg.until_doing(session.pid, "idle Client/ClientRead").await?;
    walsender.close().await?;
    pg.until_value(SLOT, "permanent inactive").await?;
    let mut killed = session;
    admin.rows("DROP DATABASE doomed WITH (FORCE)").await?;
    let said = killed.until_end().await;
    ensure_eq!(code(&said), Some("57P01"), "a session, by force");
    ensure_eq!(pg.value(SLOT).await?, "", "its slot");
    Ok(())
}

async fn role_gone(pg: &Pg) -> Checked {
    let other = other_role(pg).await?;
    let mut session = pg.connect_as(&other, &[]).await?;
    for change in ["ALTER ROLE other NOLOGIN", "DROP ROLE other"] {
        pg.rows(change).await?;
        ensure_eq!(session.value("SELECT 1").await?, "1", "{change}");
        let refused = pg.try_connect(&other, &[]).await?;
        ensure!(refused.is_err(), "{change}: a new session");
    }
    Ok(())
}
