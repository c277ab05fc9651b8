//! What many rows set up and look at.

use leftover_wire::login::Login;

use crate::conformance::client::Client;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem};
use crate::conformance::said::{Fields, Said, error};

/// Creates the slot `s` and exports its snapshot.
pub(super) const CREATE: &str = "CREATE_REPLICATION_SLOT s LOGICAL pgoutput";

/// The same, temporary.
pub(super) const CREATE_TEMPORARY: &str = "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput";

/// Creates the slot `s` and no snapshot.
pub(super) const CREATE_NOTHING: &str = "CREATE_REPLICATION_SLOT s LOGICAL pgoutput NOEXPORT_SNAPSHOT";

/// Drops the slot `s`.
pub(super) const DROP: &str = "SELECT pg_drop_replication_slot('s')";

/// What the slot `s` is: `permanent inactive`, `temporary active`, ...; nothing when it is not there.
pub(super) const SLOT: &str = "SELECT CASE WHEN temporary THEN 'temporary ' ELSE 'permanent ' END || \
     CASE WHEN active THEN 'active' ELSE 'inactive' END FROM pg_replication_slots WHERE slot_name = 's'";

/// What a backend does that waits for a transaction's end.
pub(super) const WAITS: &str = "active Lock/transactionid";

/// What a walsender does whose snapshot is exported.
pub(super) const EXPORTED: &str = "idle in transaction Client/ClientRead";

/// An exported snapshot's importer begins.
pub(super) const REPEATABLE_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";

/// A transaction in which a slot's snapshot can be used; 17 insists on READ ONLY.
pub(super) const READ_ONLY: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Makes an ordinary role beside that of the rows.
pub(super) async fn other_role(pg: &Pg) -> Checked<Login> {
    pg.rows("CREATE ROLE other LOGIN PASSWORD 'secret'").await?;
    Ok(Login {
        user: "other".to_owned(),
        password: Some("secret".to_owned()),
        ..pg.server().login()
    })
}

/// A session with an open transaction that has an id.
pub(super) async fn blocker(pg: &Pg) -> Checked<Client> {
    let mut client = pg.connect().await?;
    client.rows("BEGIN; SELECT pg_current_xact_id()").await?;
    Ok(client)
}

/// A walsender that waits in the creation of a slot.
pub(super) async fn waiting(pg: &Pg, options: &str, create: &str) -> Checked<Client> {
    let mut walsender = pg.walsender(options).await?;
    walsender.send(create).await?;
    pg.until_doing(walsender.pid, WAITS).await?;
    Ok(walsender)
}

/// A walsender that has created the slot `s`, and the name of the snapshot that it exports.
pub(super) async fn exported(pg: &Pg, create: &str) -> Checked<(Client, String)> {
    let mut walsender = pg.walsender("").await?;
    let rows = walsender.rows(create).await?;
    let name = rows.first().and_then(|row| row.get(2).cloned().flatten());
    let name = name.ok_or_else(|| Problem::differs(format!("{create}: no snapshot in {rows:?}")))?;
    Ok((walsender, name))
}

/// Makes the permanent slot `s`.
pub(super) async fn make_slot(pg: &Pg) -> Checked {
    let mut walsender = pg.walsender("").await?;
    walsender.rows(CREATE_NOTHING).await?;
    walsender.close().await
}

/// Imports a snapshot.
pub(super) fn import(name: &str) -> String {
    format!("SET TRANSACTION SNAPSHOT '{name}'")
}

/// A session in a transaction that has imported this snapshot.
pub(super) async fn importer(pg: &Pg, name: &str) -> Checked<Client> {
    let mut client = pg.connect().await?;
    client.rows(REPEATABLE_READ).await?;
    client.rows(&import(name)).await?;
    Ok(client)
}

/// Terminates a backend, as a superuser, and does not wait for its end.
pub(super) async fn terminate(pg: &Pg, pid: i32) -> Checked {
    pg.value(&format!("SELECT pg_terminate_backend({pid})")).await?;
    Ok(())
}

/// The code and the message of the first error.
pub(super) fn problem(said: &[Said]) -> Option<(&str, &str)> {
    error(said).map(|Fields { code, message, .. }| (code.as_str(), message.as_str()))
}
