//! The mirror as a pipeline.

use std::time::Duration;

use futures_util::future::BoxFuture;
use leftover_core::mirror::Mirror;
use leftover_core::names::{MirrorName, Role, TableName};
use leftover_core::progress::Progress;
use leftover_core::report::LoadOutcome;
use leftover_core::settings::{Bounds, Settings, Tables};
use leftover_harness::fault::plan::Point;
use leftover_harness::pipeline::{
    Budget, DropReport, Lookalikes, Ours, Pipeline, PipelineError, RunReport, Stopped, TablePair,
};
use leftover_harness::process::Env;
use leftover_harness::reach::CLEAN_UP;
use leftover_wire::Connector;

use crate::fixture::BLOCK_BYTES;

/// The phases of a load that nothing stops.
pub(crate) const PHASES_OF_A_LOAD: &[&str] = &[
    "check",
    "publication",
    "slot",
    "plan",
    "copy",
    "record",
    "release",
];

/// The phases of a load.
const PHASES: [&str; 8] = [
    "check",
    "publication",
    "slot",
    "plan",
    "copy",
    "record",
    "release",
    CLEAN_UP,
];

/// In which phase a session of this role sends or gets this message. What the message does not tell belongs
/// to what its role does first.
fn phase(role: &str, message: &str) -> &'static str {
    let is = |known: Role| role == known.as_str();
    match message {
        "Terminate" if is(Role::Control) || is(Role::Record) || is(Role::Holder) => "release",
        "Query COMMIT" | "CommandComplete COMMIT" if is(Role::Holder) => "release",
        "Query SELECT pg_export_snapshot" | "CommandComplete LOCK" | "Query SELECT" if is(Role::Holder) => {
            "plan"
        }
        _ if is(Role::Holder) => "slot",
        _ if is(Role::Reader) || is(Role::Writer) => "copy",
        _ if is(Role::Record) => "record",
        // A janitor, and the cancel requests with which sessions are ended.
        _ if is(Role::Janitor) || role == "cancel" => CLEAN_UP,
        // The sessions that are left have `control`, which creates and drops nothing else by a command.
        "CommandComplete CREATE" | "CommandComplete DROP" => "publication",
        _ if message.contains("PUBLICATION") => "publication",
        _ => "check",
    }
}

/// The mirror of one name, and what it mirrors.
pub struct MirrorPipeline {
    name: MirrorName,
    tables: Vec<TableName>,
    settings: Settings,
    partitions: usize,
}

impl MirrorPipeline {
    /// A mirror of these tables with so many workers, in partitions of one block. `partitions` is how many
    /// those are in all.
    ///
    /// # Panics
    /// When `name` cannot name a mirror.
    pub fn new(name: &str, workers: u32, tables: &[(&str, &str)], partitions: usize) -> Self {
        let table = |(schema, name): &(&str, &str)| TableName::new(*schema, *name);
        let tables: Vec<TableName> = tables.iter().map(table).collect();
        let settings = Settings {
            tables: Tables::Only(tables.clone()),
            workers: workers as usize,
            partition_bytes: BLOCK_BYTES,
            // A fault that lasts is met by each try of each attempt: fewer of them show the same.
            attempts: 3,
            partition_tries: 3,
            ..Settings::default()
        };
        let name = name.parse().expect("a scenario's mirror has a valid name");
        MirrorPipeline {
            name,
            tables,
            settings,
            partitions,
        }
    }

    /// As it is, but of every table of the source.
    pub fn of_all_tables(mut self) -> Self {
        self.settings.tables = Tables::All;
        self
    }

    /// As it is, but with these bounds.
    pub fn bounded(mut self, bounds: Bounds) -> Self {
        self.settings.bounds = bounds;
        self
    }

    fn mirror(&self, env: Env) -> Mirror<Connector> {
        Mirror::new(
            self.name.clone(),
            env.source,
            env.target,
            env.clock,
            self.settings.clone(),
        )
    }
}

/// What a load says that was stopped. Once all of its partitions are loaded it may be complete.
fn stopped(progress: &Progress) -> RunReport {
    let (partitions, loaded) = (progress.partitions(), progress.partitions_loaded());
    let all = partitions > 0 && loaded == partitions;
    RunReport {
        partitions: usize::try_from(loaded).expect("as many as there are blocks"),
        rows: progress.rows(),
        stopped: Some(if all { Stopped::MayGoOn } else { Stopped::Undone }),
    }
}

impl Pipeline for MirrorPipeline {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn run(&self, env: Env) -> BoxFuture<'_, Result<RunReport, PipelineError>> {
        Box::pin(async move {
            let stop = env.stop.clone();
            let mirror = self.mirror(env);
            match mirror.load_until(stop).await.map_err(PipelineError::new)? {
                LoadOutcome::Loaded(loaded) => Ok(RunReport::loaded(self.partitions, loaded.rows)),
                LoadOutcome::Stopped(_) => Ok(stopped(&mirror.progress())),
            }
        })
    }

    fn drop_all(&self, env: Env) -> BoxFuture<'_, Result<DropReport, PipelineError>> {
        Box::pin(async move {
            let cleaned = self.mirror(env).drop_all().await;
            let removed = cleaned
                .removed
                .iter()
                .map(|known| format!("{}: {}", known.side, known.thing));
            let may_be_left = cleaned.may_be_left.iter().flat_map(|left| {
                left.things
                    .iter()
                    .map(move |thing| format!("{}: {thing}", left.side))
            });
            Ok(DropReport {
                removed: removed.collect(),
                may_be_left: may_be_left.collect(),
            })
        })
    }

    fn phases(&self) -> &'static [&'static str] {
        &PHASES
    }

    fn phase(&self, at: &Point) -> &'static str {
        phase(&at.role, &at.message)
    }

    /// The COMMIT is in the message of the COPY.
    fn commit(&self) -> &'static str {
        "CopyDone"
    }

    fn ours(&self) -> Ours {
        let mine = |name: MirrorName| move |object: &str| name.attempt_of(object).is_some();
        // `_` is a wildcard of LIKE: a pattern made of our name matches these, which are not ours.
        let similar = match self.name.as_str() {
            name if name.contains('_') => name.replace('_', "x"),
            name => format!("{name}x"),
        };
        let lookalikes = Lookalikes {
            session: Some(format!("leftover/{similar}/1/reader/1")),
            slot: Some(format!("leftover_{similar}_1")),
            publication: Some(format!("leftover_{similar}_1")),
        };
        Ours {
            session_prefix: format!("leftover/{}/", self.name),
            slot: std::sync::Arc::new(mine(self.name.clone())),
            publication: std::sync::Arc::new(mine(self.name.clone())),
            lookalikes,
        }
    }

    fn budget(&self) -> Budget {
        // While it copies: the holder and the readers on the source, the writers on the target; and one
        // session that sets up, records, or ends what a broken one may have left.
        Budget {
            source_sessions: self.settings.workers + 2,
            target_sessions: self.settings.workers + 2,
            drop_sessions: 1,
            slot_creation: self.settings.bounds.create_slot,
            closing: Duration::ZERO,
        }
    }

    fn tables(&self) -> Vec<TablePair> {
        let pair = |table: &TableName| TablePair {
            source: table.sql(),
            target: table.sql(),
        };
        self.tables.iter().map(pair).collect()
    }
}
