//! The mirror: what users of this crate call.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use futures_util::future::{Either, select};

use crate::attempt::Run;
use crate::clean;
use crate::client::{Client, Context};
use crate::clock::SharedClock;
use crate::connection::Connector;
use crate::failure::{Failure, Side};
use crate::janitor;
use crate::load;
use crate::load_error::LoadError;
use crate::names::{Attempt, MirrorName, Role};
use crate::progress::{Phase, Progress};
use crate::reclaim;
use crate::record::Record;
use crate::report::{Cleaned, LoadOutcome, Loaded, Located, Status, Thing};
use crate::settings::Settings;

/// A mirror of one database into another.
///
/// It holds nothing between calls: everything that exists is on the two servers and found by name. Dropping
/// the future of any call closes its sockets at once; what the servers then still hold ends by their own
/// limits ([`crate::settings::ServerLimits`]), and a slot, a publication and the record stay for the next
/// call to take over.
pub struct Mirror<C> {
    context: Arc<Context<C>>,
    progress: Arc<Progress>,
}

impl<C: Connector> Mirror<C> {
    /// A mirror of this name between these two databases. Nothing is done yet.
    pub fn new(name: MirrorName, source: C, target: C, clock: SharedClock, settings: Settings) -> Self {
        let sessions = AtomicU32::new(1);
        let context = Context {
            name,
            source,
            target,
            clock,
            settings,
            sessions,
        };
        Mirror {
            context: Arc::new(context),
            progress: Arc::default(),
        }
    }

    /// How far the load is; it can be read at any time.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Loads the target: creates publication, slot and snapshot, and copies every table. On return the slot
    /// and the publication stay, for streaming to go on from; nothing else of the mirror is on either server
    /// but its record on the target.
    ///
    /// # Errors
    /// See [`LoadError`]. What the failed load held has been removed, as far as the servers could be
    /// reached.
    pub async fn load(&self) -> Result<Loaded, LoadError> {
        let mut run = Run::default();
        let result = load::load(&self.context, &self.progress, &mut run).await;
        if let Err(error) = &result {
            load::clean_up_after(&self.context, &self.progress, &run, error).await;
        }
        self.progress.enter(Phase::Done);
        result
    }

    /// As [`Mirror::load`], until `stop` completes: then the load is given up and what it held is removed.
    ///
    /// # Errors
    /// As [`Mirror::load`].
    pub async fn load_until(&self, stop: impl Future<Output = ()> + Send) -> Result<LoadOutcome, LoadError> {
        let mut run = Run::default();
        let result = {
            let loading = pin!(load::load(&self.context, &self.progress, &mut run));
            match select(loading, pin!(stop)).await {
                Either::Left((result, _)) => Some(result),
                Either::Right(((), _)) => None,
            }
        };
        let outcome = match result {
            Some(Ok(loaded)) => Ok(LoadOutcome::Loaded(loaded)),
            Some(Err(error)) => {
                load::clean_up_after(&self.context, &self.progress, &run, &error).await;
                Err(error)
            }
            None => {
                let mut cleaned = load::clean_up(&self.context, &self.progress, &run).await;
                // Those of before the attempt were only closed.
                for left in clean::see_out(&self.context, run.attempt).await {
                    if !cleaned.may_be_left.iter().any(|known| known.side == left.side) {
                        cleaned.may_be_left.push(left);
                    }
                }
                Ok(LoadOutcome::Stopped(cleaned))
            }
        };
        self.progress.enter(Phase::Done);
        outcome
    }

    /// Drops the mirror, whoever runs it and wherever: ends its sessions, drops its slots, its publications
    /// and its record, and looks whether they are gone. The target's tables and their rows stay. What could
    /// not be verified is named in the answer; dropping again finishes the job.
    pub async fn drop_all(&self) -> Cleaned {
        clean::drop_mirror(&self.context).await
    }

    /// Removes what earlier attempts have left, and keeps a finished load's slot and publication.
    ///
    /// # Errors
    /// [`LoadError::AlreadyRunning`] while the mirror runs; [`LoadError::Failed`] when a server could not be
    /// asked.
    pub async fn sweep(&self) -> Result<Cleaned, LoadError> {
        clean::sweep(&self.context).await
    }

    /// Looks at both servers and changes nothing.
    ///
    /// # Errors
    /// When a server could not be asked.
    pub async fn status(&self) -> Result<Status, Failure> {
        let name = || self.context.session_name(Attempt::default(), Role::Status);
        let mut things = Vec::new();
        let mut source = self.context.connect(Side::Source, name()).await?;
        sessions(&mut source, &mut things).await?;
        for slot in reclaim::slot_names(&mut source).await? {
            things.push(Located {
                side: Side::Source,
                thing: Thing::Slot(slot),
            });
        }
        for (_, publication) in reclaim::publications(&mut source).await? {
            things.push(Located {
                side: Side::Source,
                thing: Thing::Publication(publication),
            });
        }
        janitor::release(&self.context, source).await?;
        let mut target = self.context.connect(Side::Target, name()).await?;
        sessions(&mut target, &mut things).await?;
        let attempt = Record::of(&self.context.name).newest(&mut target).await?;
        if attempt.is_some() {
            let record = Thing::Record(self.context.name.schema());
            things.push(Located {
                side: Side::Target,
                thing: record,
            });
        }
        janitor::release(&self.context, target).await?;
        Ok(Status {
            mirror: self.context.name.clone(),
            attempt,
            things,
        })
    }
}

async fn sessions<C: Connector>(on: &mut Client<C>, things: &mut Vec<Located>) -> Result<(), Failure> {
    for (_, name) in reclaim::sessions(on, |_| true).await? {
        things.push(Located {
            side: on.side,
            thing: Thing::Session(name),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_send<T: Send>(_: &T) {}

    /// Checked by the compiler: every call can run on a multi-threaded runtime.
    #[expect(dead_code, reason = "it only has to compile")]
    fn every_future_is_send<C: Connector>(mirror: &Mirror<C>) {
        is_send(&mirror.load());
        is_send(&mirror.load_until(std::future::pending()));
        is_send(&mirror.drop_all());
        is_send(&mirror.sweep());
        is_send(&mirror.status());
    }
}
