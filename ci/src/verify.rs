//! `leftover verify`: a run is a function of scenario and seed, in whatever process and after whatever else.
//!
//! Each run is made twice, in two fresh processes ([`batch`]): one runs its share forwards, the other
//! backwards, so that what one run leaves in its process meets other runs. Hash, end, verdict and length must
//! be the same. Where they are not, both processes still have the log, and [`difference`] shows where they
//! part.

pub mod batch;
mod difference;
mod side;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use glob::Pattern;
use leftover_harness::scenario::Scenario;

use crate::budget::cores;
use crate::exit::Exit;
use crate::gate::bar;
use crate::target::matching;
use batch::{Item, Ran};
use difference::Difference;
use side::Side;

/// How many runs follow one another in a process.
const BATCH: usize = 50;

/// How many differences are shown in full.
const SHOWN: usize = 3;

/// What to verify.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many runs, spread over the scenarios
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    runs: u64,
    /// The scenarios whose names match, such as 'peerdb-*'; all by default
    #[arg(long, value_name = "GLOB", default_value = "*")]
    scenario: Pattern,
    /// How many processes at a time [default: the machine's cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=256))]
    jobs: Option<u64>,
}

/// Verifies.
pub fn run(args: &Args) -> Exit {
    let scenarios = match matching(&args.scenario) {
        Ok(scenarios) => scenarios,
        Err(problem) => {
            eprintln!("error: {problem}");
            return Exit::Usage;
        }
    };
    let items = sample(&scenarios, args.runs);
    match compared(&items, args.jobs.unwrap_or_else(|| cores() as u64)) {
        Ok(found) => report(&items, scenarios.len(), &found),
        Err(problem) => {
            eprintln!("error: could not run: {problem}");
            Exit::CouldNotRun
        }
    }
}

/// So many runs: the first seed of each scenario, then the second of each, and so on.
fn sample(scenarios: &[Scenario], runs: u64) -> Vec<Item> {
    let all = (0..).flat_map(|seed| {
        let of_seed = move |scenario: &Scenario| Item {
            scenario: scenario.name.to_owned(),
            seed,
        };
        scenarios.iter().map(of_seed)
    });
    all.take(usize::try_from(runs).unwrap_or(usize::MAX)).collect()
}

/// What the comparison found.
#[derive(Default)]
struct Found {
    differences: Vec<Difference>,
    /// Runs without a verdict, twice for the same reason.
    failed: Vec<(Item, String)>,
}

/// Compares batch by batch, `jobs` at a time.
fn compared(items: &[Item], jobs: u64) -> Result<Found, String> {
    let batches: Vec<&[Item]> = items.chunks(BATCH).collect();
    let (next, bar) = (AtomicUsize::new(0), bar(items.len() as u64));
    bar.set_message("each run twice");
    let results = Mutex::new(Vec::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(batch) = batches.get(index) else { return };
            let result = compare(batch);
            bar.inc(batch.len() as u64);
            let mut results = results.lock().expect("no other job has panicked");
            results.push((index, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(batches.len() as u64) {
            scope.spawn(work);
        }
    });
    bar.finish_and_clear();
    let mut results = results.into_inner().expect("no job has panicked");
    results.sort_by_key(|(index, _)| *index);
    let mut found = Found::default();
    for (_, result) in results {
        let Found { differences, failed } = result?;
        found.differences.extend(differences);
        found.failed.extend(failed);
    }
    Ok(found)
}

fn compare(batch: &[Item]) -> Result<Found, String> {
    let backwards: Vec<Item> = batch.iter().rev().cloned().collect();
    let (mut forth, mut back) = (Side::start(batch)?, Side::start(&backwards)?);
    let (ran_forth, mut ran_back) = (forth.ran(batch.len())?, back.ran(batch.len())?);
    ran_back.reverse();
    let mut found = Found::default();
    for (index, (item, (one, other))) in batch.iter().zip(ran_forth.into_iter().zip(ran_back)).enumerate() {
        if one != other {
            found.differences.push(Difference {
                item: item.clone(),
                ran: [one, other],
                logs: [forth.log(index)?, back.log(batch.len() - 1 - index)?],
            });
        } else if let Ran::Failed(problem) = one {
            found.failed.push((item.clone(), problem));
        }
    }
    forth.end()?;
    back.end()?;
    Ok(found)
}

fn report(items: &[Item], scenarios: usize, found: &Found) -> Exit {
    for difference in found.differences.iter().take(SHOWN) {
        println!("{difference}\n");
    }
    let more: Vec<String> = {
        let rest = found.differences.iter().skip(SHOWN);
        rest.map(|difference| difference.item.to_string()).collect()
    };
    if !more.is_empty() {
        println!("and {} more: {}\n", more.len(), more.join(", "));
    }
    for (item, problem) in &found.failed {
        eprintln!("error: could not run {item}: {problem}");
    }
    println!(
        "{} runs of {scenarios} scenario{}, each in two fresh processes, forwards and backwards: {}",
        items.len(),
        if scenarios == 1 { "" } else { "s" },
        match found.differences.len() {
            0 => "identical".to_owned(),
            count => format!("{count} DIFFER"),
        }
    );
    if !found.differences.is_empty() {
        Exit::LeftBehind
    } else if !found.failed.is_empty() {
        Exit::CouldNotRun
    } else {
        Exit::Clean
    }
}
