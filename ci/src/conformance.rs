//! `leftover conformance`: does the simulated Postgres behave like Postgres, row by row?

use std::path::PathBuf;

use glob::Pattern;
use indicatif::{ProgressBar, ProgressStyle};
use leftover_scenarios::conformance::real::Real;
use leftover_scenarios::conformance::row::Row;
use leftover_scenarios::conformance::rows;
use leftover_scenarios::conformance::run::{Standing, on_real, on_simulator};

use crate::exit::Exit;
use crate::gate::World;

mod report;

use report::{Asked, Report};

/// What to compare.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The world to ask; both by default
    #[arg(long, value_enum)]
    world: Option<World>,
    /// The rows whose ids match one of these, such as 'OB-0?,OB-4*'; all by default
    #[arg(long, value_name = "GLOB", value_delimiter = ',', default_value = "*")]
    rows: Vec<Pattern>,
    /// How many seeds of each race on the simulator, and a tenth of that of each other row; with too few of them an
    /// outcome may not come up
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The versions of Postgres to ask in the real world
    #[arg(long, value_name = "MAJOR", value_delimiter = ',', default_values_t = [15, 17])]
    postgres: Vec<u32>,
    /// Write the result as JSON to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Asks every server about every row.
pub fn run(args: &Args) -> Exit {
    let chosen: Vec<&Row> = rows()
        .into_iter()
        .filter(|row| args.rows.iter().any(|pattern| pattern.matches(row.id)))
        .collect();
    if chosen.is_empty() {
        let patterns: Vec<&str> = args.rows.iter().map(Pattern::as_str).collect();
        eprintln!("error: no row is called {}", patterns.join(" or "));
        return Exit::Usage;
    }
    let (report, exit) = ask(args, &chosen);
    print!("{report}");
    let exit = match report.agrees() {
        true => exit,
        false => exit.worse(Exit::LeftBehind),
    };
    exit.worse(write_json(args, &report))
}

/// Asks them, all at the same time: a real server is mostly waited for. A version that does not start is said, and
/// the others are asked.
fn ask(args: &Args, rows: &[&Row]) -> (Report, Exit) {
    let whom = whom(args);
    let bar = bar((rows.len() * whom.len()) as u64);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let ask = |asked: &Asked| {
            let (asked, bar) = (*asked, &bar);
            scope.spawn(move || ask_one(asked, args.seeds, rows, bar))
        };
        let asking: Vec<_> = whom.iter().map(ask).collect();
        let joined = asking.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined
            .map(|answer| answer.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    bar.finish_and_clear();
    let (mut report, mut exit) = (Report::new(rows), Exit::Clean);
    for (asked, answer) in whom.into_iter().zip(answers) {
        let standings = answer.unwrap_or_else(|problem| {
            eprintln!("error: {problem}");
            exit = Exit::CouldNotRun;
            vec![Standing::NotRun(format!("no {asked} on this machine")); rows.len()]
        });
        report.add(asked, standings);
    }
    (report, exit)
}

/// Whom to ask.
fn whom(args: &Args) -> Vec<Asked> {
    let real = args.postgres.iter().copied().map(Asked::Real);
    match args.world {
        Some(World::Sim) => vec![Asked::Simulator],
        Some(World::Real) => real.collect(),
        None => std::iter::once(Asked::Simulator).chain(real).collect(),
    }
}

/// What one server shows of each row.
fn ask_one(asked: Asked, seeds: u64, rows: &[&Row], bar: &ProgressBar) -> Result<Vec<Standing>, String> {
    let all = |ask: &dyn Fn(&Row) -> Standing| {
        let one = |row: &&Row| {
            bar.set_message(format!("{} on {asked}", row.id));
            let standing = ask(row);
            bar.inc(1);
            standing
        };
        rows.iter().map(one).collect()
    };
    Ok(match asked {
        Asked::Simulator => all(&|row| on_simulator(row, seeds)),
        Asked::Real(major) => {
            let real = Real::start(major)?;
            all(&|row| on_real(row, &real))
        }
    })
}

/// A progress bar over so many rows.
fn bar(length: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{msg:24} {wide_bar} {pos}/{len} rows").expect("a valid template");
    ProgressBar::new(length).with_style(style)
}

fn write_json(args: &Args, report: &Report) -> Exit {
    let Some(path) = &args.json else {
        return Exit::Clean;
    };
    let text = serde_json::to_string_pretty(report).expect("a report is plain data");
    match std::fs::write(path, text + "\n") {
        Ok(()) => Exit::Clean,
        Err(error) => {
            eprintln!("error: cannot write {}: {error}", path.display());
            Exit::CouldNotRun
        }
    }
}
