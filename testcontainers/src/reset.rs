//! Making a server as new, between two runs.

use std::time::Duration;

use leftover_core::error::ConnectionError;

use crate::admin::{Admin, Endpoint, NAME};
use crate::census::ours;

/// How long other sessions may take to go. A terminated backend is gone in milliseconds (OB-84), but for the
/// walsender that is stuck in sending its own farewell (OB-86), which the second round ends.
const LEAVING: Duration = Duration::from_secs(10);

/// Ends all other sessions, then drops slots, databases and roles, and makes the database anew.
pub(crate) async fn reset(endpoint: &Endpoint) -> Result<(), String> {
    let mut admin = endpoint
        .open(&endpoint.admin)
        .await
        .map_err(|error| error.to_string())?;
    tokio::time::timeout(LEAVING, end_sessions(&mut admin, endpoint))
        .await
        .map_err(|_| format!("other sessions did not leave within {LEAVING:?}"))?
        .map_err(|error| error.to_string())?;
    drop_slots(&mut admin, endpoint)
        .await
        .map_err(|error| format!("dropping slots: {error}"))?;
    recreate(&mut admin, endpoint)
        .await
        .map_err(|error| format!("making databases anew: {error}"))?;
    admin.close().await;
    Ok(())
}

async fn end_sessions(admin: &mut Admin, endpoint: &Endpoint) -> Result<(), ConnectionError> {
    let terminate = format!(
        "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE backend_type IN ('client backend', 'walsender') AND pid <> pg_backend_pid() \
         AND application_name <> '{NAME}' AND {}",
        ours(endpoint, "datname")
    );
    while !admin.query(&terminate).await?.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn drop_slots(admin: &mut Admin, endpoint: &Endpoint) -> Result<(), ConnectionError> {
    admin
        .query(&format!(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE {}",
            ours(endpoint, "database")
        ))
        .await?;
    Ok(())
}

async fn recreate(admin: &mut Admin, endpoint: &Endpoint) -> Result<(), ConnectionError> {
    let database = &endpoint.login.database;
    let mut doomed = vec![database.clone()];
    let mut roles = Vec::new();
    if endpoint.private {
        let kept = &endpoint.admin.database;
        let others = format!(
            "SELECT datname FROM pg_database WHERE NOT datistemplate AND datname NOT IN ('{kept}', '{database}')"
        );
        doomed.extend(
            admin
                .query(&others)
                .await?
                .into_iter()
                .filter_map(|row| row.get(0).map(str::to_owned)),
        );
        let strangers = format!(
            "SELECT rolname FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' AND rolname NOT IN ('{}', '{}')",
            endpoint.admin.user, endpoint.login.user
        );
        roles.extend(
            admin
                .query(&strangers)
                .await?
                .into_iter()
                .filter_map(|row| row.get(0).map(str::to_owned)),
        );
    }
    for name in doomed {
        admin
            .query(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote(&name)))
            .await?;
    }
    for name in roles {
        admin
            .query(&format!("DROP ROLE IF EXISTS {}", quote(&name)))
            .await?;
    }
    let user = quote(&endpoint.login.user);
    admin.query(&format!("ALTER ROLE {user} RESET ALL")).await?;
    admin
        .query(&format!("CREATE DATABASE {} OWNER {user}", quote(database)))
        .await?;
    Ok(())
}

/// An identifier, quoted.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
