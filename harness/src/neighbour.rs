//! Objects of other owners beside the pipeline: they look like its own, and must stay untouched (law 5). And
//! another session's long transaction, which slot creation must wait for.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use leftover_core::connection::{Connector as _, Session as _, Startup};
use leftover_core::error::ConnectionError;
use leftover_wire::Connector;
use leftover_wire::dial::{BoxedStream, Dial};
use leftover_wire::session::Session;

use crate::pipeline::Lookalikes;
use crate::scenario::Blocker;
use crate::world::{Server, World, WorldError};

/// The `application_name` of the session that slot creation waits for.
pub const BLOCKER: &str = "somebody else's long transaction";

/// The `application_name` of the session that makes somebody else's slot, and leaves.
const PASSING: &str = "somebody else";

/// Connections that no fault touches.
struct PlainDial<W> {
    world: Arc<W>,
    server: Server,
}

impl<W: World> Dial for PlainDial<W> {
    fn dial(&self) -> Pin<Box<dyn Future<Output = io::Result<BoxedStream>> + Send + '_>> {
        let dial = self.world.dial(self.server);
        Box::pin(async move { dial.await.map(|link| -> BoxedStream { Box::new(link) }) })
    }
}

fn connector<W: World>(world: &Arc<W>, server: Server) -> Connector {
    let dial = PlainDial {
        world: world.clone(),
        server,
    };
    Connector::new(Arc::new(dial), world.login(server))
}

async fn open<W: World>(world: &Arc<W>, server: Server, name: &str) -> Result<Session, WorldError> {
    let startup = Startup {
        application_name: name.to_owned(),
        settings: Vec::new(),
    };
    connector(world, server)
        .session(&startup)
        .await
        .map_err(|error| failed(server, &error))
}

fn failed(server: Server, error: &ConnectionError) -> WorldError {
    WorldError::Server {
        server,
        problem: format!("a session of the harness failed: {error}"),
    }
}

/// Sessions, slots and publications of other owners.
pub struct Neighbours {
    sessions: Vec<Session>,
}

impl Neighbours {
    /// Puts them on both servers; the slot only on the source, which is the one that has slots of ours.
    ///
    /// # Errors
    /// When the world fails.
    pub async fn settle<W: World>(world: &Arc<W>, names: &Lookalikes) -> Result<Self, WorldError> {
        let mut sessions = Vec::new();
        if let Some(name) = &names.publication {
            let sql = format!("CREATE PUBLICATION {}", quote_identifier(name));
            world.sql(Server::Source, &sql).await?;
        }
        if let Some(name) = &names.slot {
            // Not out of band: creating a slot waits.
            let mut session = open(world, Server::Source, PASSING).await?;
            let sql = format!(
                "SELECT pg_create_logical_replication_slot({}, 'pgoutput')",
                quote_literal(name)
            );
            session
                .query(&sql)
                .await
                .map_err(|error| failed(Server::Source, &error))?;
            let _end = session.close().await;
        }
        if let Some(name) = &names.session {
            for server in Server::BOTH {
                sessions.push(open(world, server, name).await?);
            }
        }
        Ok(Neighbours { sessions })
    }

    /// Ends their sessions.
    pub async fn leave(self) {
        for session in self.sessions {
            let _end = session.close().await;
        }
    }
}

/// Opens the transaction that slot creation must wait for; the returned future holds it for as long as the
/// scenario says, and then commits.
///
/// # Errors
/// When the world fails.
pub async fn block<W: World>(
    world: &Arc<W>,
    blocker: Blocker,
) -> Result<BoxFuture<'static, Result<(), WorldError>>, WorldError> {
    let mut session = open(world, Server::Source, BLOCKER).await?;
    session
        .query(blocker.begin)
        .await
        .map_err(|error| failed(Server::Source, &error))?;
    let hold = world.clock().sleep(blocker.hold);
    Ok(Box::pin(async move {
        hold.await;
        session
            .query("COMMIT")
            .await
            .map_err(|error| failed(Server::Source, &error))?;
        let _end = session.close().await;
        Ok(())
    }))
}

fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
