//! `leftover mirror`: loads one database into another, drops what that made, and says how things stand.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use futures_util::future::{Either, select};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use leftover_core::mirror::Mirror;
use leftover_core::names::{MirrorName, TableName};
use leftover_core::progress::{Phase, Progress};
use leftover_core::report::{Cleaned, LoadOutcome, Loaded, Status};
use leftover_core::settings::{Settings, Tables};
use leftover_wire::tokio_clock::TokioClock;

use crate::exit::Exit;
use crate::url::Url;

/// What to do with a mirror.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load the target with the source's tables; the slot and the publication stay, for streaming to go on
    ///
    /// Ctrl-C stops the load and removes what it held; a second Ctrl-C ends the process at once.
    Run(RunArgs),
    /// End the mirror wherever it runs and remove everything of it but the target's tables
    Drop(Which),
    /// Remove what dead attempts have left; keep a finished load's slot and publication
    Sweep(Which),
    /// Look at both servers and change nothing
    Status(Which),
}

/// Which mirror, between which databases.
#[derive(Debug, Args)]
pub struct Which {
    /// The mirror's name: 1 to 24 lower-case letters, digits and underscores
    name: MirrorName,
    /// The database that is read, as libpq writes it: postgres://user@host:5432/database
    #[arg(long, value_name = "URL")]
    source: Url,
    /// The database that is written
    #[arg(long, value_name = "URL")]
    target: Url,
}

/// How to load.
#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    which: Which,
    /// A table to load, schema.table (public is the default schema); may be given more than once. Without it,
    /// all tables are loaded
    #[arg(long = "table", value_name = "TABLE", value_parser = table_name)]
    tables: Vec<TableName>,
    /// How many partitions are copied at a time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
    /// The size of a partition in MiB
    #[arg(long, value_name = "MIB", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    partition_mib: u32,
}

fn table_name(text: &str) -> Result<TableName, String> {
    let (schema, name) = text.split_once('.').unwrap_or(("public", text));
    if schema.is_empty() || name.is_empty() {
        return Err("write it as schema.table".to_owned());
    }
    Ok(TableName::new(schema, name))
}

impl Which {
    fn mirror(&self, settings: Settings) -> Result<Mirror<leftover_wire::Connector>, Exit> {
        let connector = |option: &str, url: &Url| match url.server() {
            Ok(server) => Ok(leftover_wire::connector(&server)),
            Err(error) => {
                eprintln!("error: --{option}: {error}");
                Err(Exit::Usage)
            }
        };
        let source = connector("source", &self.source)?;
        let target = connector("target", &self.target)?;
        let clock = Arc::new(TokioClock::new());
        Ok(Mirror::new(self.name.clone(), source, target, clock, settings))
    }
}

/// Runs the command.
pub async fn run(command: Command) -> Exit {
    let ended = match command {
        Command::Run(args) => load(&args).await,
        Command::Drop(which) => drop_mirror(&which).await,
        Command::Sweep(which) => sweep(&which).await,
        Command::Status(which) => status(&which).await,
    };
    ended.unwrap_or_else(|exit| exit)
}

async fn drop_mirror(which: &Which) -> Result<Exit, Exit> {
    let cleaned = which.mirror(Settings::default())?.drop_all().await;
    print!("{}", render_cleaned(&cleaned));
    Ok(left(&cleaned))
}

async fn sweep(which: &Which) -> Result<Exit, Exit> {
    let cleaned = which
        .mirror(Settings::default())?
        .sweep()
        .await
        .map_err(|error| failed(&error))?;
    print!("{}", render_cleaned(&cleaned));
    Ok(left(&cleaned))
}

async fn status(which: &Which) -> Result<Exit, Exit> {
    let status = which
        .mirror(Settings::default())?
        .status()
        .await
        .map_err(|error| failed(&error))?;
    print!("{}", render_status(&status));
    Ok(Exit::Clean)
}

fn left(cleaned: &Cleaned) -> Exit {
    if cleaned.is_verified() {
        Exit::Clean
    } else {
        Exit::LeftBehind
    }
}

fn failed(error: &impl std::fmt::Display) -> Exit {
    eprintln!("error: {error}");
    Exit::CouldNotRun
}

async fn load(args: &RunArgs) -> Result<Exit, Exit> {
    let tables = if args.tables.is_empty() {
        Tables::All
    } else {
        Tables::Only(args.tables.clone())
    };
    let settings = Settings {
        tables,
        workers: usize::from(args.workers),
        partition_bytes: u64::from(args.partition_mib) << 20,
        ..Settings::default()
    };
    let mirror = args.which.mirror(settings)?;
    let progress = mirror.progress();
    let stop = async {
        interrupt().await;
        eprintln!("stopping: removing what the load held (again to end at once)");
    };
    let Some(outcome) = watched(mirror.load_until(stop), &progress).await else {
        eprintln!(
            "ended at once; `leftover mirror drop {}` removes what is left",
            args.which.name
        );
        return Err(Exit::CouldNotRun);
    };
    Ok(match outcome {
        Ok(LoadOutcome::Loaded(loaded)) => {
            println!("{}", render_loaded(&args.which.name, &loaded));
            Exit::Clean
        }
        Ok(LoadOutcome::Stopped(cleaned)) => {
            println!("stopped; mirror {} is not loaded", args.which.name);
            print!("{}", render_cleaned(&cleaned));
            left(&cleaned)
        }
        Err(error) => failed(&error),
    })
}

const REFRESH: Duration = Duration::from_millis(100);

/// Shows the progress of `loading` until it ends; `None` when it was interrupted twice.
async fn watched<T>(loading: impl Future<Output = T>, progress: &Progress) -> Option<T> {
    let bar = bar();
    let mut loading = std::pin::pin!(loading);
    let mut twice = std::pin::pin!(async {
        interrupt().await;
        interrupt().await;
    });
    loop {
        let tick = std::pin::pin!(tokio::time::sleep(REFRESH));
        let ended = match select(loading.as_mut(), select(twice.as_mut(), tick)).await {
            Either::Left((outcome, _)) => Some(outcome),
            Either::Right((Either::Left(_), _)) => None,
            Either::Right((Either::Right(_), _)) => {
                show(&bar, progress);
                continue;
            }
        };
        bar.finish_and_clear();
        return ended;
    }
}

/// Completes at the next Ctrl-C or SIGTERM.
async fn interrupt() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    select(std::pin::pin!(tokio::signal::ctrl_c()), std::pin::pin!(terminate)).await;
}

fn bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{spinner} {msg:20} {wide_bar} {pos}/{len} partitions  {prefix}")
            .expect("a valid template");
    let bar = ProgressBar::new(0).with_style(style);
    bar.enable_steady_tick(REFRESH);
    bar
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let phase = progress.phase();
    bar.set_message(phase.as_str());
    bar.set_length(progress.partitions());
    bar.set_position(progress.partitions_loaded());
    if phase >= Phase::Copying {
        bar.set_prefix(format!(
            "{} rows, {}",
            HumanCount(progress.rows()),
            HumanBytes(progress.bytes())
        ));
    }
}

/// What a finished load says.
fn render_loaded(name: &MirrorName, loaded: &Loaded) -> String {
    let Loaded {
        slot,
        consistent_point,
        tables,
        rows,
        ..
    } = loaded;
    let mut text = format!(
        "mirror {name} is loaded: {tables} tables, {} rows, as of {consistent_point}\n\
        slot and publication {slot} stay for streaming; `leftover mirror drop {name} …` removes them",
        HumanCount(*rows)
    );
    for skipped in &loaded.skipped {
        text += &format!("\nnot loaded: {}: {}", skipped.table, skipped.reason);
    }
    text
}

/// What a drop, a stop or a sweep removed, and what it could not verify.
fn render_cleaned(cleaned: &Cleaned) -> String {
    let mut text = String::new();
    if !cleaned.removed.is_empty() {
        let mut table = table(["server", "removed"]);
        for located in &cleaned.removed {
            table.add_row([located.side.to_string(), located.thing.to_string()]);
        }
        text += &format!("{table}\n");
    }
    for left in &cleaned.may_be_left {
        let things: Vec<String> = left.things.iter().map(ToString::to_string).collect();
        text += &format!(
            "may be left on the {}: {} ({})\n",
            left.side,
            things.join(", "),
            left.because
        );
    }
    text += match (cleaned.is_verified(), cleaned.removed.is_empty()) {
        (true, true) => "nothing was there\n",
        (true, false) => "nothing is left\n",
        (false, _) => "run `leftover mirror drop` again when the servers can be reached\n",
    };
    text
}

/// How a mirror stands.
fn render_status(status: &Status) -> String {
    let mut text = match &status.attempt {
        Some((attempt, state)) => format!("mirror {}: attempt {attempt}, {state}\n", status.mirror),
        None => format!("mirror {}: not in the target's record\n", status.mirror),
    };
    if status.things.is_empty() {
        return text + "nothing of it is on either server\n";
    }
    let mut table = table(["server", "holds"]);
    for located in &status.things {
        table.add_row([located.side.to_string(), located.thing.to_string()]);
    }
    text += &format!("{table}\n");
    text
}

fn table(header: [&str; 2]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table
}

#[cfg(test)]
mod tests {
    use leftover_core::connection::Lsn;
    use leftover_core::error::ConnectionError;
    use leftover_core::failure::{Failure, Side};
    use leftover_core::names::Attempt;
    use leftover_core::report::{Located, MayBeLeft, Skipped, State, Thing};

    use super::*;

    fn name() -> MirrorName {
        "shop".parse().expect("a valid name")
    }

    #[test]
    fn a_drop_names_what_it_removed_and_what_may_be_left() {
        let slot = Thing::Slot("leftover_shop_3".into());
        let because = Failure {
            step: "connecting as leftover/shop/0/drop/1".into(),
            side: Side::Source,
            error: ConnectionError::Unreachable {
                reason: "connection refused".into(),
            },
        };
        let cleaned = Cleaned {
            removed: vec![Located {
                side: Side::Target,
                thing: Thing::Session("leftover/shop/3/writer/7".into()),
            }],
            may_be_left: vec![MayBeLeft {
                side: Side::Source,
                things: vec![slot],
                because,
            }],
        };
        insta::assert_snapshot!(render_cleaned(&cleaned));
        insta::assert_snapshot!(render_cleaned(&Cleaned::default()), @"nothing was there");
    }

    #[test]
    fn a_finished_load_says_what_stays_and_what_was_not_loaded() {
        let loaded = Loaded {
            attempt: Attempt(1),
            slot: "leftover_shop_1".into(),
            consistent_point: Lsn(0x1_0000_0010),
            tables: 3,
            rows: 4_000_000,
            skipped: vec![Skipped {
                table: TableName::new("public", "cache"),
                reason: "it is unlogged",
            }],
        };
        insta::assert_snapshot!(render_loaded(&name(), &loaded));
    }

    #[test]
    fn a_status_lists_what_either_server_holds() {
        let things = vec![Located {
            side: Side::Source,
            thing: Thing::Slot("leftover_shop_1".into()),
        }];
        let attempt = Some((Attempt(1), State::Loaded(Lsn(16))));
        insta::assert_snapshot!(render_status(&Status {
            mirror: name(),
            attempt,
            things
        }));
    }
}
