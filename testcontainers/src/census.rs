//! The census of a real world: the harness's own, without what the world itself holds.

use leftover_core::error::ConnectionError;
use leftover_harness::census::{Census, sql};

use crate::admin::{Endpoint, NAME};

/// What the server holds now, without the world's own connections. Of a server that others use too, only
/// what belongs to the world's database.
pub(crate) async fn take(endpoint: &Endpoint) -> Result<Census, ConnectionError> {
    let mut admin = endpoint.open(&endpoint.admin_inside()).await?;
    let mut census = sql::take(admin.session()).await?;
    admin.close().await;
    let ours =
        |database: &Option<String>| endpoint.private || database.as_ref() == Some(&endpoint.login.database);
    census
        .sessions
        .retain(|session| session.application_name != NAME && ours(&session.database));
    census.slots.retain(|slot| ours(&slot.database));
    Ok(census)
}

/// The same choice as a condition on a column that names a database.
pub(crate) fn ours(endpoint: &Endpoint, column: &str) -> String {
    if endpoint.private {
        "true".into()
    } else {
        format!("{column} = '{}'", endpoint.login.database)
    }
}
