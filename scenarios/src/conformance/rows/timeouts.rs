//! What the server's own limits end.

use std::time::Duration;

use futures_util::FutureExt as _;

use crate::conformance::client::Leave;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Row};

pub(super) const ROWS: &[Row] = &[Row::plain(
    "OB-30",
    "client_connection_check_interval notices leaving while a statement runs, at its next tick",
    |pg| checked(pg).boxed_local(),
)];

async fn checked(pg: &Pg) -> Checked {
    let interval = Duration::from_millis(300);
    for how in [Leave::Fin, Leave::HalfClose, Leave::Rst] {
        let mut client = pg
            .connect_set("-c client_connection_check_interval=300ms")
            .await?;
        client.send("SELECT pg_sleep(60)").await?;
        pg.until_doing(client.pid, "active Timeout/PgSleep").await?;
        client.leave(how).await?;
        pg.gone_within(client.pid, interval, &format!("{how:?}")).await?;
    }
    Ok(())
}
