//! The world's own connections: out of band, not in any census, one for each call and closed with it.

use std::sync::Arc;
use std::time::Duration;

use leftover_core::connection::{Connector as _, Row, Session as _, Startup};
use leftover_core::error::ConnectionError;
use leftover_wire::login::Login;
use leftover_wire::session::Session;
use leftover_wire::tcp::{Address, Host, TcpDial};

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
        let address = Address {
            host: Host::Tcp(self.host.clone()),
            port: self.port,
        };
        let connector = leftover_wire::Connector::new(Arc::new(TcpDial::new(address)), login.clone());
        let startup = Startup {
            application_name: NAME.into(),
            settings: Vec::new(),
        };
        Ok(Admin(connector.session(&startup).await?))
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
            while let Err(error) = self.query(&self.admin, "SELECT 1").await {
                tracing::trace!(%error, "not ready yet");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let ready = tokio::time::timeout(at_most, ready).await;
        ready.map_err(|_| format!("port {} did not serve within {at_most:?}", self.port))
    }
}

/// A connection of the world's own.
pub(crate) struct Admin(Session);

impl Admin {
    /// Runs one or more statements and returns the rows of all of them.
    pub(crate) async fn query(&mut self, sql: &str) -> Result<Vec<Row>, ConnectionError> {
        self.0.query(sql).await
    }

    /// The connection itself.
    pub(crate) fn session(&mut self) -> &mut Session {
        &mut self.0
    }

    /// Closes and waits for the server's EOF. One that ends otherwise is in no census either.
    pub(crate) async fn close(self) {
        let _released_or_gone = self.0.close().await;
    }
}
