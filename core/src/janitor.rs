//! Follows up what a broken session may have left: on a connection of its own, with a bound of its own
//! (law 4), until the session is seen to be gone (law 3).

use std::sync::Arc;

use crate::client::{Client, Context};
use crate::connection::{Closed, Connector};
use crate::failure::{Failure, Side};
use crate::names::{Attempt, Role, SessionName};
use crate::reclaim;

/// Tries before the server counts as unreachable.
const TRIES: u32 = 3;

/// Ends these sessions, wherever they may still be.
///
/// # Errors
/// When a server could not be asked; the sessions may then still be there, until the server's own limits
/// end them.
pub(crate) async fn end<C: Connector>(
    context: &Arc<Context<C>>,
    sessions: &[(Side, &SessionName)],
) -> Result<(), Failure> {
    for (side, name) in sessions {
        end_matching(context, *side, name.attempt, |other| other == *name).await?;
    }
    Ok(())
}

/// Ends the sessions of the mirror on `side` for which `ours` holds.
///
/// # Errors
/// As [`end`].
pub(crate) async fn end_matching<C: Connector>(
    context: &Arc<Context<C>>,
    side: Side,
    attempt: Attempt,
    ours: impl Fn(&SessionName) -> bool + Send + Sync,
) -> Result<(), Failure> {
    let mut next = 2;
    loop {
        let janitor = context.session_name(attempt, Role::Janitor);
        match end_as(context, side, janitor, &ours).await {
            Ok(()) => return Ok(()),
            Err(failure) if next > TRIES => return Err(failure),
            Err(failure) => tracing::info!(%failure, "the janitor tries again"),
        }
        context.clock.sleep(context.settings.backoff_before(next)).await;
        next += 1;
    }
}

async fn end_as<C: Connector>(
    context: &Arc<Context<C>>,
    side: Side,
    janitor: SessionName,
    ours: &(impl Fn(&SessionName) -> bool + Send + Sync),
) -> Result<(), Failure> {
    let mut client = context.connect(side, janitor).await?;
    reclaim::end_sessions(&mut client, ours, &mut Vec::new()).await?;
    // A janitor whose own end is unknown holds nothing: it is idle, and the server's limits end it.
    let _ = client.close().await;
    Ok(())
}

/// Closes a session and, when its end is unknown, ends it by name.
pub(crate) async fn release<C: Connector>(
    context: &Arc<Context<C>>,
    client: Client<C>,
) -> Result<(), Failure> {
    let (side, name) = (client.side, client.name.clone());
    match client.close().await {
        Closed::Released => Ok(()),
        Closed::Unknown => end(context, &[(side, &name)]).await,
    }
}
