//! tokio-postgres in its usual shape: a client, and its connection in a task of its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use futures_util::future::{AbortHandle, abortable, join};
use leftover_harness::world::Link;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};

use super::pg::Pg;
use super::row::{Checked, Problem};

/// A client of the library, and its connection's task.
pub struct Session {
    /// The client.
    pub client: Client,
    /// Its backend.
    pub pid: i32,
    /// Aborts the task, and with it the connection.
    pub task: AbortHandle,
    /// How many bytes the task has read.
    pub read: Arc<AtomicUsize>,
}

/// Connects as the ordinary role and takes these steps while the connection's task runs beside them. The task outlives
/// the client as it does in a program; it ends with the steps at the latest.
///
/// # Errors
/// As the steps do.
pub async fn with_task(pg: &Pg, steps: impl AsyncFnOnce(Session) -> Checked) -> Checked {
    let read = Arc::new(AtomicUsize::new(0));
    let link = Counted {
        link: pg.server().dial().await?,
        read: Arc::clone(&read),
    };
    let connected = config(pg).connect_raw(link, NoTls).await;
    let (client, connection) = connected.map_err(problem)?;
    let (connection, task) = abortable(connection);
    let end = task.clone();
    let steps = async {
        let pid = value(&client, "SELECT pg_backend_pid()").await;
        let pid = pid.and_then(|pid| {
            pid.parse()
                .map_err(|_| Problem::differs(format!("the pid {pid}")))
        });
        let session = |pid| Session {
            client,
            pid,
            task,
            read,
        };
        let done = match pid {
            Ok(pid) => steps(session(pid)).await,
            Err(problem) => Err(problem),
        };
        end.abort();
        done
    };
    let (done, _task) = join(steps, connection).await;
    done
}

fn config(pg: &Pg) -> Config {
    let login = pg.server().login();
    let mut config = Config::new();
    config
        .user(&login.user)
        .dbname(&login.database)
        .ssl_mode(SslMode::Disable);
    if let Some(password) = &login.password {
        config.password(password);
    }
    config
}

/// The first value of a query.
///
/// # Errors
/// When it fails, or has none.
pub async fn value(client: &Client, sql: &str) -> Checked<String> {
    let messages = client.simple_query(sql).await.map_err(problem)?;
    let value = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    value.ok_or_else(|| Problem::differs(format!("{sql}: {messages:?}")))
}

/// What the library says went wrong.
pub fn problem(error: Error) -> Problem {
    Problem::differs(format!("tokio-postgres: {error:?}"))
}

/// A link that counts what is read.
struct Counted {
    link: Box<dyn Link>,
    read: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut self.link).poll_read(cx, buf));
        self.read
            .fetch_add(buf.filled().len() - before, Ordering::Relaxed);
        Poll::Ready(read)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.link).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.link).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.link).poll_shutdown(cx)
    }
}
