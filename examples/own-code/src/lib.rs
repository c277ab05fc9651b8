//! A small loader as one finds them: plain tokio-postgres, a detached task that keeps the snapshot's session
//! alive while tables are copied one after the other. It knows nothing of leftover.
//!
//! What it needs from outside comes in as functions: in production `connect` is `tokio_postgres::connect` with
//! its connection spawned, `spawn` is `tokio::spawn`, `sleep` is `tokio::time::sleep`. That is all that a test
//! needs to put it on other servers and another clock.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{AbortHandle, BoxFuture};
use futures_util::{SinkExt, StreamExt};
use tokio_postgres::{Client, Error};

/// Connects under an `application_name`.
pub type Connect = Arc<dyn Fn(&'static str) -> BoxFuture<'static, Result<Client, Error>> + Send + Sync>;
/// Starts a detached task; the handle ends it.
pub type Spawn = Arc<dyn Fn(BoxFuture<'static, ()>) -> AbortHandle + Send + Sync>;
/// Waits.
pub type Sleep = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// Who ends the task that keeps the snapshot's session alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// The last line of [`Loader::load`], which an error never reaches. This is the bug.
    EndedAtTheEnd,
    /// A guard, however the load ends.
    EndedByGuard,
}

/// Loads tables from one database into another.
#[derive(Clone)]
pub struct Loader {
    /// To the database that is read.
    pub source: Connect,
    /// To the database that is written.
    pub target: Connect,
    /// The runtime's spawn.
    pub spawn: Spawn,
    /// The runtime's sleep.
    pub sleep: Sleep,
    /// Who ends the keep-alive.
    pub keep_alive: KeepAlive,
}

impl Loader {
    /// Copies `tables` as they are at one moment, and returns the number of rows.
    ///
    /// # Errors
    /// When a connection or a statement fails.
    pub async fn load(&self, tables: &[&str]) -> Result<u64, Error> {
        let holder = (self.source)("loader/holder").await?;
        holder
            .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await?;
        let snapshot: String = holder.query_one("SELECT pg_export_snapshot()", &[]).await?.get(0);
        let task = (self.spawn)(Box::pin(keep_alive(holder, self.sleep.clone())));
        let guard = (self.keep_alive == KeepAlive::EndedByGuard).then(|| AbortOnDrop(task.clone()));
        let mut rows = 0;
        for table in tables {
            rows += self.copy(table, &snapshot).await?;
        }
        drop(guard);
        task.abort();
        Ok(rows)
    }

    async fn copy(&self, table: &str, snapshot: &str) -> Result<u64, Error> {
        let reader = (self.source)("loader/reader").await?;
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT";
        reader.batch_execute(&format!("{begin} '{snapshot}'")).await?;
        let writer = (self.target)("loader/writer").await?;
        let mut from = pin!(reader.copy_out(&format!("COPY {table} TO STDOUT")).await?);
        let mut into = pin!(writer.copy_in(&format!("COPY {table} FROM STDIN")).await?);
        while let Some(chunk) = from.next().await {
            into.send(chunk?).await?;
        }
        into.finish().await
    }
}

/// Asks the server something now and then, so that no firewall forgets the session.
async fn keep_alive(holder: Client, sleep: Sleep) {
    while holder.batch_execute("SELECT 1").await.is_ok() {
        sleep(Duration::from_secs(10)).await;
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
