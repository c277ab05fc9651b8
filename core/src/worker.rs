//! Workers: each takes partitions from one queue until it is empty, with one reader and one writer.
//!
//! A worker that fails for a passing reason starts again with new sessions, but only once the old ones are
//! seen to be gone (law 3): a writer that looks dead may still commit.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::TryStreamExt;
use futures_util::stream::FuturesUnordered;

use crate::client::Context;
use crate::connection::{Closed, Connector};
use crate::copy::{Job, Pair};
use crate::failure::{Failure, Remedy, Side};
use crate::janitor;
use crate::load_error::LoadError;
use crate::names::{Role, SessionName};
use crate::plan::Partition;

/// Partitions that nobody copies yet.
struct Queue(Mutex<VecDeque<Partition>>);

impl Queue {
    fn next(&self) -> Option<Partition> {
        // Nothing can panic while the lock is held, so a poisoned queue is still a whole one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Copies all partitions, `workers` at a time. On return every session is closed, or its end was unknown
/// and it has been ended by name.
pub(crate) async fn copy_all<C: Connector>(
    job: &Job<C>,
    partitions: Vec<Partition>,
) -> Result<(), LoadError> {
    let workers = job.context.settings.workers.clamp(1, partitions.len().max(1));
    let queue = Queue(Mutex::new(partitions.into()));
    let running: FuturesUnordered<_> = (0..workers).map(|_| work(job, &queue)).collect();
    running.try_collect().await
}

/// The life of one worker.
async fn work<C: Connector>(job: &Job<C>, queue: &Queue) -> Result<(), LoadError> {
    let mut pair = None;
    while let Some(partition) = queue.next() {
        copy_with_retries(job, &mut pair, &partition).await?;
    }
    if let Some((names, Pair { reader, writer })) = pair {
        let closed = (reader.close().await, writer.close().await);
        if closed != (Closed::Released, Closed::Released) {
            janitor::end(&job.context, &names.by_side()).await?;
        }
    }
    Ok(())
}

/// The names of a pair, known before either session exists (law 1).
struct PairNames {
    reader: SessionName,
    writer: SessionName,
}

impl PairNames {
    fn new<C: Connector>(job: &Job<C>) -> PairNames {
        PairNames {
            reader: job.context.session_name(job.attempt, Role::Reader),
            writer: job.context.session_name(job.attempt, Role::Writer),
        }
    }

    fn by_side(&self) -> [(Side, &SessionName); 2] {
        [(Side::Source, &self.reader), (Side::Target, &self.writer)]
    }
}

async fn copy_with_retries<C: Connector>(
    job: &Job<C>,
    pair: &mut Option<(PairNames, Pair<C>)>,
    partition: &Partition,
) -> Result<(), LoadError> {
    let settings = &job.context.settings;
    for next in 2.. {
        let (names, open) = match pair.take() {
            Some((names, pair)) => (names, Some(pair)),
            None => (PairNames::new(job), None),
        };
        let failure = match copy_once(job, &names, open, partition).await {
            Ok(copied) => {
                *pair = Some((names, copied));
                return Ok(());
            }
            Err(LoadError::Failed(failure)) if failure.remedy() == Remedy::Retry => failure,
            Err(other) => return Err(other),
        };
        if next > settings.partition_tries {
            // A new snapshot would not help: it was not the snapshot that failed.
            return Err(LoadError::GaveUp {
                attempts: next - 1,
                last: Box::new(failure.into()),
            });
        }
        tracing::info!(%failure, %partition, "a worker starts again");
        job.context.clock.sleep(settings.backoff_before(next)).await;
        janitor::end(&job.context, &names.by_side()).await?;
    }
    Ok(())
}

async fn copy_once<C: Connector>(
    job: &Job<C>,
    names: &PairNames,
    pair: Option<Pair<C>>,
    partition: &Partition,
) -> Result<Pair<C>, LoadError> {
    let mut pair = match pair {
        Some(pair) => pair,
        None => open(&job.context, names).await?,
    };
    job.copy(&mut pair, partition).await?;
    Ok(pair)
}

async fn open<C: Connector>(context: &Arc<Context<C>>, names: &PairNames) -> Result<Pair<C>, Failure> {
    let reader = context.connect(Side::Source, names.reader.clone()).await?;
    let writer = context.connect(Side::Target, names.writer.clone()).await?;
    Ok(Pair { reader, writer })
}
