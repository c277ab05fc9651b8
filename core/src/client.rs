//! A mirror's connection: a session with its name, its server and the bound of each of its waits.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};

use crate::clock::SharedClock;
use crate::connection::{Closed, Connector, Row, Session, Startup, Walsender};
use crate::error::ConnectionError;
use crate::failure::{Failure, Side};
use crate::names::{Attempt, MirrorName, Role, SessionName};
use crate::settings::Settings;

/// Runs `future` for at most `bound`. Every wait of the mirror goes through here and has a name.
///
/// # Errors
/// What the future answers, or [`ConnectionError::TimedOut`]; the future has then been dropped, and the
/// connection that it used must be given up.
pub(crate) async fn bounded<T>(
    clock: &SharedClock,
    wait: &'static str,
    bound: Duration,
    future: impl Future<Output = Result<T, ConnectionError>>,
) -> Result<T, ConnectionError> {
    match select(pin!(future), clock.sleep(bound)).await {
        Either::Left((result, _)) => result,
        Either::Right(((), _)) => Err(ConnectionError::TimedOut { wait, bound }),
    }
}

/// What all parts of one mirror share.
pub(crate) struct Context<C> {
    pub(crate) name: MirrorName,
    pub(crate) source: C,
    pub(crate) target: C,
    pub(crate) clock: SharedClock,
    pub(crate) settings: Settings,
    /// Numbers the sessions of this process, so that no two of one role and attempt share a name.
    pub(crate) sessions: AtomicU32,
}

impl<C: Connector> Context<C> {
    fn connector(&self, side: Side) -> &C {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    /// A name for one more session.
    pub(crate) fn session_name(&self, attempt: Attempt, role: Role) -> SessionName {
        let number = self.sessions.fetch_add(1, Ordering::Relaxed);
        SessionName {
            mirror: self.name.clone(),
            attempt,
            role,
            number,
        }
    }

    fn startup(&self, name: &SessionName) -> Startup {
        let settings = self.settings.limits.startup(name.role, &self.settings.bounds);
        Startup {
            application_name: name.to_string(),
            settings,
        }
    }

    /// Opens an ordinary connection.
    pub(crate) async fn connect(
        self: &Arc<Self>,
        side: Side,
        name: SessionName,
    ) -> Result<Client<C>, Failure> {
        let startup = self.startup(&name);
        let opening = self.connector(side).session(&startup);
        let session = bounded(&self.clock, "connecting", self.settings.bounds.connect, opening)
            .await
            .map_err(|error| failed(side, format!("connecting as {name}"), error))?;
        Ok(Client {
            session,
            side,
            name,
            context: Arc::clone(self),
        })
    }

    /// Opens a walsender connection to the source.
    pub(crate) async fn connect_walsender(&self, name: &SessionName) -> Result<C::Walsender, Failure> {
        let startup = self.startup(name);
        let opening = self.source.walsender(&startup);
        bounded(
            &self.clock,
            "connecting a walsender",
            self.settings.bounds.connect,
            opening,
        )
        .await
        .map_err(|error| failed(Side::Source, format!("connecting as {name}"), error))
    }
}

/// Says what failed.
pub(crate) fn failed(side: Side, step: impl Into<String>, error: ConnectionError) -> Failure {
    Failure {
        step: step.into(),
        side,
        error,
    }
}

/// An ordinary connection of the mirror. Dropping it closes its socket at once (law 2).
pub(crate) struct Client<C: Connector> {
    session: C::Session,
    pub(crate) side: Side,
    pub(crate) name: SessionName,
    context: Arc<Context<C>>,
}

impl<C: Connector> Client<C> {
    /// Runs SQL and returns its rows.
    pub(crate) async fn query(&mut self, step: &str, sql: &str) -> Result<Vec<Row>, Failure> {
        let bound = self.context.settings.bounds.query;
        let side = self.side;
        bounded(&self.context.clock, "a query", bound, self.session.query(sql))
            .await
            .map_err(|error| failed(side, step, error))
    }

    /// The session itself, for COPY.
    pub(crate) fn session(&mut self) -> &mut C::Session {
        &mut self.session
    }

    /// Closes the connection and says whether the server has released it.
    pub(crate) async fn close(self) -> Closed {
        let bound = self.context.settings.bounds.close;
        close_within(&self.context.clock, bound, self.session.close()).await
    }
}

/// Closes a walsender and says whether the server has released it.
pub(crate) async fn close_walsender<W: Walsender>(
    clock: &SharedClock,
    bound: Duration,
    walsender: W,
) -> Closed {
    close_within(clock, bound, walsender.close()).await
}

async fn close_within(clock: &SharedClock, bound: Duration, closing: impl Future<Output = Closed>) -> Closed {
    match select(pin!(closing), clock.sleep(bound)).await {
        Either::Left((closed, _)) => closed,
        Either::Right(((), _)) => Closed::Unknown,
    }
}
