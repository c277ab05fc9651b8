//! The world's own connections: out of band, not in any census, one for each call and closed with it.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use leftover_core::connection::Row;
use leftover_core::error::{ConnectionError, ServerError};
use leftover_wire::login::Login;
use tokio::net::TcpStream;
use tokio_postgres::{Client, Connection, SimpleQueryMessage, tls::NoTlsStream};

/// The `application_name` of the world's own connections.
pub(crate) const NAME: &str = "leftover-world";

/// Where a server is and who may do what there.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// The host, as TCP knows it.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
    /// The role that resets and looks, in a database that is never dropped.
    pub(crate) admin: Login,
    /// The role of the code under test, in the database that is dropped at each reset.
    pub(crate) login: Login,
    /// Whether the server is there for this world alone. Otherwise only what is in the database of `login`
    /// is the world's to see or to touch.
    pub(crate) private: bool,
}

impl Endpoint {
    /// The admin's login in the database of the code under test.
    pub(crate) fn admin_inside(&self) -> Login {
        Login {
            database: self.login.database.clone(),
            ..self.admin.clone()
        }
    }

    /// Opens a connection.
    pub(crate) async fn open(&self, login: &Login) -> Result<Admin, ConnectionError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|error| ConnectionError::Unreachable {
                reason: error.to_string(),
            })?;
        let mut config = tokio_postgres::Config::new();
        config
            .user(&login.user)
            .dbname(&login.database)
            .application_name(NAME);
        if let Some(password) = &login.password {
            config.password(password);
        }
        let (client, connection) = config
            .connect_raw(stream, tokio_postgres::NoTls)
            .await
            .map_err(|error| translate(&error))?;
        Ok(Admin { client, connection })
    }

    /// Runs `sql` on a connection of its own.
    pub(crate) async fn query(&self, login: &Login, sql: &str) -> Result<Vec<Row>, ConnectionError> {
        let mut admin = self.open(login).await?;
        let rows = admin.query(sql).await?;
        admin.close().await;
        Ok(rows)
    }

    /// Waits until the server lets the admin in.
    pub(crate) async fn wait_until_ready(&self, at_most: Duration) -> Result<(), String> {
        let ready = async {
            let mut last;
            loop {
                match self.query(&self.admin, "SELECT 1").await {
                    Ok(_) => return,
                    Err(error) => last = error,
                }
                tracing::trace!(error = %last, "not ready yet");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(at_most, ready)
            .await
            .map_err(|_| format!("port {} did not serve within {at_most:?}", self.port))
    }
}

/// A connection of the world's own.
pub(crate) struct Admin {
    client: Client,
    connection: Connection<TcpStream, NoTlsStream>,
}

impl Admin {
    /// Runs one or more statements and returns the rows of all of them.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Vec<Row>, ConnectionError> {
        let mut query = pin!(self.client.simple_query(sql));
        let mut connection = pin!(&mut self.connection);
        let messages = std::future::poll_fn(|cx| {
            let ended = connection.as_mut().poll(cx);
            match (query.as_mut().poll(cx), ended) {
                (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
                (polled, _) => polled,
            }
        })
        .await
        .map_err(|error| translate(&error))?;
        Ok(messages.iter().filter_map(as_row).collect())
    }

    /// Closes and waits for the server's EOF.
    pub(crate) async fn close(self) {
        drop(self.client);
        let _eof = self.connection.await;
    }
}

fn as_row(message: &SimpleQueryMessage) -> Option<Row> {
    match message {
        SimpleQueryMessage::Row(row) => Some(Row((0..row.len())
            .map(|column| row.get(column).map(str::to_owned))
            .collect())),
        _ => None,
    }
}

fn translate(error: &tokio_postgres::Error) -> ConnectionError {
    match error.as_db_error() {
        Some(db) => ConnectionError::Server(ServerError {
            severity: db.severity().to_owned(),
            code: db.code().code().to_owned(),
            message: db.message().to_owned(),
            detail: db.detail().map(str::to_owned),
            hint: db.hint().map(str::to_owned),
        }),
        None => ConnectionError::Lost {
            reason: error.to_string(),
        },
    }
}
