//! Opens connections to one database of one server.

use std::sync::Arc;

use leftover_core::connection::{BackendKey, Startup};
use leftover_core::error::ConnectionError;

use crate::cancel;
use crate::conversation::Conversation;
use crate::dial::{BoxedStream, SharedDial};
use crate::error::unreachable;
use crate::login::Login;
use crate::session::Session;
use crate::startup::Parameters;
use crate::tcp::TcpDial;
use crate::url::Server;
use crate::walsender::Walsender;

/// Opens connections to one database of one server, as one role.
#[derive(Clone)]
pub struct Connector {
    dial: SharedDial,
    login: Login,
    options: Option<String>,
}

/// A connector to a real server, over TCP or a Unix socket.
pub fn connector(server: &Server) -> Connector {
    let dial = Arc::new(TcpDial::new(server.address.clone()));
    Connector {
        dial,
        login: server.login.clone(),
        options: server.options.clone(),
    }
}

impl Connector {
    /// A connector that logs in as `login` on the byte streams that `dial` opens.
    pub fn new(dial: SharedDial, login: Login) -> Connector {
        Connector {
            dial,
            login,
            options: None,
        }
    }

    /// A new byte stream to the server, for code that speaks the protocol itself, such as
    /// `tokio_postgres::Config::connect_raw`.
    ///
    /// # Errors
    /// When the server is out of reach.
    pub async fn stream(&self) -> std::io::Result<BoxedStream> {
        self.dial.dial().await
    }

    /// How to log in.
    pub fn login(&self) -> &Login {
        &self.login
    }

    async fn open(&self) -> Result<BoxedStream, ConnectionError> {
        self.dial.dial().await.map_err(|error| unreachable(&error))
    }

    async fn converse(&self, startup: &Startup, replication: bool) -> Result<Conversation, ConnectionError> {
        let stream = self.open().await?;
        let parameters = Parameters::new(&self.login, startup, self.options.as_deref(), replication);
        Conversation::start(stream, &parameters).await
    }
}

impl leftover_core::connection::Connector for Connector {
    type Session = Session;
    type Walsender = Walsender;

    async fn session(&self, startup: &Startup) -> Result<Session, ConnectionError> {
        Ok(Session::new(self.converse(startup, false).await?))
    }

    async fn walsender(&self, startup: &Startup) -> Result<Walsender, ConnectionError> {
        Ok(Walsender::new(self.converse(startup, true).await?))
    }

    async fn cancel(&self, target: BackendKey) -> Result<(), ConnectionError> {
        let stream = self.open().await?;
        cancel::cancel(stream, target).await
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connector({:?})", self.login)
    }
}
