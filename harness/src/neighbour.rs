//! Objects of other owners beside the pipeline: they look like its own, and must stay untouched (law 5). And
//! other sessions' transactions, which slot creation must wait for.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, select};
use leftover_core::clock::Clock;
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

/// The `application_name` of sessions that write beside the pipeline.
pub const WRITER: &str = "somebody else's writer";

/// How long the first writer's transactions last; the second's twice as long, and so on.
const HOLD: Duration = Duration::from_millis(40);

/// How long a writer rests between two transactions.
const PAUSE: Duration = Duration::from_millis(25);

/// How long writers stay. A run that still goes on then has seen of them what there is to see; hours of their
/// transactions would only cost time.
const SHIFT: Duration = Duration::from_secs(600);

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

fn startup(name: &str) -> Startup {
    Startup {
        application_name: name.to_owned(),
        settings: Vec::new(),
    }
}

async fn open<W: World>(world: &Arc<W>, server: Server, name: &str) -> Result<Session, WorldError> {
    connector(world, server)
        .session(&startup(name))
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
        if let Some(name) = &names.session {
            for server in Server::BOTH {
                sessions.push(open(world, server, name).await?);
            }
        }
        if let Some(name) = &names.slot {
            // Not out of band: creating a slot waits.
            match sessions.first_mut() {
                Some(on_source) => make_slot(on_source, name).await?,
                None => {
                    let mut passing = open(world, Server::Source, PASSING).await?;
                    make_slot(&mut passing, name).await?;
                    let _end = passing.close().await;
                }
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

async fn make_slot(session: &mut Session, name: &str) -> Result<(), WorldError> {
    let sql = format!(
        "SELECT pg_create_logical_replication_slot({}, 'pgoutput')",
        quote_literal(name)
    );
    let made = session.query(&sql).await;
    made.map(drop).map_err(|error| failed(Server::Source, &error))
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

/// Sessions of others on the source that write in one transaction after the other, each open for a while: slot
/// creation waits for those that it meets. They go, and roll back what they had begun, when `until` says so and
/// when the returned future is dropped.
pub fn write_beside<W: World>(
    world: &Arc<W>,
    writers: u32,
    until: impl Future<Output = ()> + Send + 'static,
) -> BoxFuture<'static, ()> {
    let each = (1..=writers).map(|number| {
        let (connector, clock) = (connector(world, Server::Source), world.clock());
        async move {
            loop {
                // A server that is down or full has no writers for a moment.
                let _ = write_on(&connector, &*clock, HOLD * number).await;
                clock.sleep(PAUSE).await;
            }
        }
    });
    let all = futures_util::future::join_all(each);
    let shift = world.clock().sleep(SHIFT);
    Box::pin(async move {
        let _gone = select(select(pin!(until), shift), pin!(all)).await;
    })
}

async fn write_on(connector: &Connector, clock: &dyn Clock, hold: Duration) -> Result<(), ConnectionError> {
    let mut session = connector.session(&startup(WRITER)).await?;
    loop {
        session.query("BEGIN; SELECT pg_current_xact_id()").await?;
        clock.sleep(hold).await;
        session.query("COMMIT").await?;
        clock.sleep(PAUSE).await;
    }
}

fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
