//! The initial load: attempts, with backoff and a cap, and the cleaning up after the last one.

use std::sync::Arc;

use crate::attempt::{self, Run};
use crate::clean;
use crate::client::Context;
use crate::connection::Connector;
use crate::load_error::LoadError;
use crate::progress::{Phase, Progress};
use crate::report::{Cleaned, Loaded};

/// Makes attempts until one succeeds, none can, or there have been enough.
pub(crate) async fn load<C: Connector>(
    context: &Arc<Context<C>>,
    progress: &Arc<Progress>,
    run: &mut Run,
) -> Result<Loaded, LoadError> {
    let settings = &context.settings;
    for next in 2.. {
        let error = match attempt::make(context, progress, run).await {
            Ok(loaded) => return Ok(loaded),
            Err(error) => error,
        };
        // Before this process has published anything, nothing tells a mirror that was dropped meanwhile
        // from one that was never there: so nothing is tried again.
        if !error.is_passing() || !run.published {
            return Err(error);
        }
        if next > settings.attempts {
            return Err(LoadError::GaveUp {
                attempts: next - 1,
                last: Box::new(error),
            });
        }
        tracing::info!(%error, "the load starts again");
        context.clock.sleep(settings.backoff_before(next)).await;
    }
    unreachable!("the loop above ends by returning")
}

/// Cleans up after a load that failed. Whoever dropped the mirror or took it over has removed what it knew of
/// and may be about to say so: then the sessions that this load has just given up are seen out, no more.
pub(crate) async fn clean_up_after<C: Connector>(
    context: &Arc<Context<C>>,
    progress: &Progress,
    run: &Run,
    error: &LoadError,
) {
    if matches!(error, LoadError::Dropped { .. }) {
        let may_be_left = clean::see_out(context, run.attempt).await;
        tracing::info!(?may_be_left, %error, "gave up a mirror that is somebody else's or nobody's");
        return;
    }
    let cleaned = clean_up(context, progress, run).await;
    tracing::info!(?cleaned, %error, "cleaned up after a failed load");
}

/// Removes what a load that failed or was stopped has left: its sessions, and its slot, which would retain
/// write-ahead log for a snapshot that nobody holds any more.
pub(crate) async fn clean_up<C: Connector>(
    context: &Arc<Context<C>>,
    progress: &Progress,
    run: &Run,
) -> Cleaned {
    progress.enter(Phase::Cleaning);
    match run.attempt {
        Some(attempt) => clean::after_attempt(context, attempt, run.maybe_complete).await,
        None => Cleaned::default(),
    }
}
