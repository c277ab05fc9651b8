//! One attempt at the initial load, from taking ownership to giving everything back.
//!
//! Each phase holds only what it needs (law 7): the sessions that check and prepare are closed before the
//! first reader opens, and while partitions are copied the source has one session more than there are
//! workers, the target none.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::{Either, select};

use crate::catalog::Table;
use crate::check;
use crate::client::{Client, Context};
use crate::connection::{Closed, Connector, Lsn};
use crate::copy::Job;
use crate::ddl;
use crate::failure::{Remedy, Side};
use crate::holder::Holder;
use crate::janitor;
use crate::load_error::LoadError;
use crate::names::{Attempt, Role, SessionName, TableName, quote_identifier};
use crate::owner;
use crate::plan::plan;
use crate::progress::{Phase, Progress};
use crate::reclaim;
use crate::record::{Record, Recorded};
use crate::refusal::Refusal;
use crate::report::{Loaded, Skipped, State};
use crate::worker;

/// How many tables are made in one transaction, which holds some locks for each until it ends: a server has room for
/// `max_locks_per_transaction` (64) times `max_connections` of them.
const TABLES_AT_ONCE: usize = 16;

/// What one process knows of the mirror while it tries to load it.
#[derive(Debug, Default)]
pub(crate) struct Run {
    /// The attempts one of whose publications must exist as long as nobody has dropped the mirror. Empty
    /// until this process has published anything.
    fence: BTreeSet<Attempt>,
    /// Whether a publication of this process is known to have existed.
    pub(crate) published: bool,
    /// The newest attempt that this process has recorded.
    pub(crate) attempt: Option<Attempt>,
    /// Whether the target may already say that the load is complete.
    pub(crate) maybe_complete: bool,
}

/// An attempt that has been recorded and published, and has not read anything yet.
struct Prepared {
    attempt: Attempt,
    record: Record,
    tables: Vec<Table>,
    skipped: Vec<Skipped>,
}

/// What preparing came to.
enum Preparation {
    /// An earlier run has finished the load.
    AlreadyLoaded(Loaded),
    /// There is work to do.
    Ready(Prepared),
}

/// Makes one attempt.
pub(crate) async fn make<C: Connector>(
    context: &Arc<Context<C>>,
    progress: &Arc<Progress>,
    run: &mut Run,
) -> Result<Loaded, LoadError> {
    progress.enter(Phase::Checking);
    let name = context.session_name(Attempt::default(), Role::Control);
    let mut control = context.connect(Side::Source, name).await?;
    if let Some(mine) = run.attempt {
        // Sessions of our own last attempt may still be there, and own the mirror: they are nobody else's.
        let is_mine = |name: &SessionName| name.attempt == mine && name.role != Role::Drop;
        reclaim::end_sessions(&mut control, is_mine, &mut Vec::new()).await?;
    }
    owner::take(&mut control, &context.clock, context.settings.bounds.owner).await?;
    let name = context.session_name(Attempt::default(), Role::Record);
    let mut keeper = context.connect(Side::Target, name).await?;
    let prepared = match prepare(context, progress, run, &mut control, &mut keeper).await? {
        Preparation::AlreadyLoaded(loaded) => {
            janitor::release(context, keeper).await?;
            janitor::release(context, control).await?;
            return Ok(loaded);
        }
        Preparation::Ready(prepared) => prepared,
    };
    janitor::release(context, keeper).await?;

    progress.enter(Phase::CreatingSlot);
    let mut holder = Holder::create(context, prepared.attempt).await?;
    // From here on the holder's lock says that the mirror is owned.
    janitor::release(context, control).await?;
    let Some(shared) = holder.share(&prepared.tables).await? else {
        return Err(LoadError::TablesChanged);
    };

    progress.enter(Phase::Copying);
    let partitions = plan(
        &shared.tables,
        context.settings.partition_bytes,
        shared.block_bytes,
    );
    progress.planned(partitions.len());
    let job = Job {
        context: Arc::clone(context),
        attempt: prepared.attempt,
        record: prepared.record.clone(),
        snapshot: shared.snapshot,
        progress: Arc::clone(progress),
    };
    copy_while_held(context, &mut holder, worker::copy_all(&job, partitions)).await?;

    progress.enter(Phase::Finishing);
    // The snapshot and the locks were held to the end, or this fails.
    holder.feed().await?;
    let consistent_point = holder.consistent_point;
    complete(context, run, &prepared, consistent_point).await?;
    if holder.release().await == Closed::Unknown {
        let is_holder = |name: &SessionName| name.role == Role::Holder && name.attempt == prepared.attempt;
        janitor::end_matching(context, Side::Source, prepared.attempt, is_holder).await?;
    }
    Ok(Loaded {
        attempt: prepared.attempt,
        slot: context.name.object(prepared.attempt),
        consistent_point,
        tables: shared.tables.len(),
        rows: progress.rows(),
        skipped: prepared.skipped,
    })
}

/// Checks both servers, takes over from earlier attempts, and records and publishes a new one.
async fn prepare<C: Connector>(
    context: &Arc<Context<C>>,
    progress: &Progress,
    run: &mut Run,
    control: &mut Client<C>,
    keeper: &mut Client<C>,
) -> Result<Preparation, LoadError> {
    let published = reclaim::publications(control).await?;
    if run.published && !published.iter().any(|(attempt, _)| run.fence.contains(attempt)) {
        return Err(LoadError::Dropped {
            mirror: context.name.clone(),
        });
    }
    let source = check::source(control, &context.settings).await?;
    // A dead writer of the record may still commit: it must be gone before the record is read (law 3).
    let mut removed = Vec::new();
    reclaim::end_sessions(keeper, owner::is_dead, &mut removed).await?;
    let record = Record::of(&context.name);
    let recorded = record.read(keeper).await?;
    let slots = reclaim::slot_attempts(control)
        .await?
        .map_err(|(database, slot)| Refusal::NameInUse {
            mirror: context.name.clone(),
            database,
            slot,
        })?;
    if let Some((attempt, State::Loaded(point))) = recorded.newest
        && slots.contains(&attempt)
        && published.iter().any(|(of, _)| *of == attempt)
    {
        return Ok(Preparation::AlreadyLoaded(already(
            context, attempt, point, &source,
        )));
    }
    let missing = check::target(keeper, &context.settings, &source.tables, &recorded.tables).await?;

    progress.enter(Phase::Preparing);
    let known = [run.attempt, recorded.newest.map(|(attempt, _)| attempt)];
    let known = known
        .into_iter()
        .flatten()
        .chain(slots)
        .chain(published.iter().map(|(of, _)| *of));
    let attempt = known.max().unwrap_or_default().next();
    progress.begin(attempt.0);
    reclaim::end_sessions(control, owner::is_dead, &mut removed).await?;
    reclaim::drop_slots(control, |of| of < attempt, &mut removed).await?;
    if !removed.is_empty() {
        tracing::info!(?removed, "took over from an earlier attempt");
    }
    prepare_target(keeper, &record, attempt, &recorded, &source.tables, &missing).await?;
    run.attempt = Some(attempt);
    publish(context, run, control, attempt, &source.tables, &published).await?;
    Ok(Preparation::Ready(Prepared {
        attempt,
        record,
        tables: source.tables,
        skipped: source.skipped,
    }))
}

fn already<C: Connector>(
    context: &Context<C>,
    attempt: Attempt,
    consistent_point: Lsn,
    source: &check::Source,
) -> Loaded {
    Loaded {
        attempt,
        slot: context.name.object(attempt),
        consistent_point,
        tables: source.tables.len(),
        rows: 0,
        skipped: source.skipped.clone(),
    }
}

async fn prepare_target<C: Connector>(
    keeper: &mut Client<C>,
    record: &Record,
    attempt: Attempt,
    recorded: &Recorded,
    tables: &[Table],
    missing: &[Table],
) -> Result<(), LoadError> {
    for some in missing.chunks(TABLES_AT_ONCE) {
        let sql: Vec<String> = some.iter().map(|table| creation(table, tables)).collect();
        let names: Vec<String> = some.iter().map(|table| table.name.to_string()).collect();
        let step = format!("creating the tables {}", names.join(", "));
        keeper.query(&step, &sql.join("; ")).await?;
    }
    let names: Vec<TableName> = tables.iter().map(|t| t.name.clone()).collect();
    record.begin_attempt(keeper, attempt, recorded, &names).await?;
    Ok(())
}

/// The statements that make `table` on the target.
fn creation(table: &Table, all: &[Table]) -> String {
    let parent = table
        .partition_of
        .as_ref()
        .and_then(|p| all.iter().find(|t| t.oid == p.parent));
    let create = ddl::create_table(table, parent.map(|t| &t.name));
    if table.name.schema == "public" {
        return create;
    }
    let schema = quote_identifier(&table.name.schema);
    format!("CREATE SCHEMA IF NOT EXISTS {schema}; {create}")
}

/// Puts the attempt's publication in the place of those of earlier ones, in one transaction, so that at any time
/// one of them says that the mirror exists.
async fn publish<C: Connector>(
    context: &Context<C>,
    run: &mut Run,
    control: &mut Client<C>,
    attempt: Attempt,
    tables: &[Table],
    published: &[(Attempt, String)],
) -> Result<(), LoadError> {
    let name = context.name.object(attempt);
    let earlier: Vec<String> = published
        .iter()
        .filter(|(of, _)| *of < attempt)
        .map(|(_, name)| quote_identifier(name))
        .collect();
    // A partitioned table brings its partitions, which may be in the list as well.
    let list = tables.iter().map(|t| t.name.sql()).collect::<Vec<_>>().join(", ");
    let tables = if list.is_empty() {
        String::new()
    } else {
        format!(" FOR TABLE {list}")
    };
    let mut sql = format!("CREATE PUBLICATION {}{tables}", quote_identifier(&name));
    if !earlier.is_empty() {
        sql += &format!("; DROP PUBLICATION IF EXISTS {}", earlier.join(", "));
    }
    run.fence.insert(attempt);
    control
        .query(&format!("creating publication {name}"), &sql)
        .await?;
    run.published = true;
    run.fence.retain(|of| *of == attempt);
    Ok(())
}

/// Runs `copying` to its end and keeps the holder's transaction alive meanwhile.
async fn copy_while_held<C: Connector>(
    context: &Context<C>,
    holder: &mut Holder<C>,
    copying: impl Future<Output = Result<(), LoadError>>,
) -> Result<(), LoadError> {
    let mut copying = pin!(copying);
    let every = context.settings.limits.keep_alive_every();
    loop {
        if let Either::Left((copied, _)) = select(copying.as_mut(), context.clock.sleep(every)).await {
            return copied;
        }
        match select(pin!(holder.feed()), copying.as_mut()).await {
            Either::Left((fed, _)) => fed?,
            Either::Right((copied, feeding)) => {
                copied?;
                return Ok(feeding.await?);
            }
        }
    }
}

/// Marks the load complete. The outcome of a statement whose connection broke is unknown (law 9), so it is
/// repeated, which is harmless, on new sessions.
async fn complete<C: Connector>(
    context: &Arc<Context<C>>,
    run: &mut Run,
    prepared: &Prepared,
    consistent_point: Lsn,
) -> Result<(), LoadError> {
    let mut next = 2;
    loop {
        let name = context.session_name(prepared.attempt, Role::Record);
        let failure = match complete_once(context, run, prepared, consistent_point, name.clone()).await {
            Ok(true) => return Ok(()),
            Ok(false) => {
                return Err(LoadError::Dropped {
                    mirror: context.name.clone(),
                });
            }
            Err(failure) => failure,
        };
        if failure.remedy() != Remedy::Retry || next > context.settings.partition_tries {
            return Err(failure.into());
        }
        context.clock.sleep(context.settings.backoff_before(next)).await;
        janitor::end(context, &[(Side::Target, &name)]).await?;
        next += 1;
    }
}

async fn complete_once<C: Connector>(
    context: &Arc<Context<C>>,
    run: &mut Run,
    prepared: &Prepared,
    consistent_point: Lsn,
    name: SessionName,
) -> Result<bool, crate::failure::Failure> {
    let mut keeper = context.connect(Side::Target, name).await?;
    run.maybe_complete = true;
    let current = prepared
        .record
        .complete(&mut keeper, prepared.attempt, consistent_point)
        .await?;
    janitor::release(context, keeper).await?;
    Ok(current)
}
