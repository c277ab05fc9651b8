//! How many simulated runs a second one core makes.
//!
//! `cargo bench -p leftover-scenarios --bench runs_per_second` runs `drop-during-initial-load` (2 tables of 4
//! partitions, 3 workers) on one thread with one seed after the other, for 10 seconds, and prints the runs
//! per second of the median second. A run is one world from empty to its verdict; a seed makes two, one
//! without faults, which tells where a fault can strike, and one with.

use std::process::ExitCode;
use std::time::Duration;

use leftover_core::clock::Clock;
use leftover_harness::config::Config;
use leftover_harness::run::Settings;
use leftover_sim::scenario;
use leftover_wire::tokio_clock::TokioClock;

const SCENARIO: &str = "drop-during-initial-load";
const SECONDS: u64 = 10;

/// A run makes tens of thousands of small allocations; this allocator is what makes them cheap.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let scenario = leftover_scenarios::find(SCENARIO).expect("it is in the catalogue");
    let clock = TokioClock::new();
    let (mut seed, mut rates) = (0, Vec::new());
    for second in 1..=SECONDS {
        let (start, mut runs) = (clock.now(), 0_u32);
        while clock.now() < Duration::from_secs(second) {
            match scenario::run(&scenario, seed, &Config::default(), &Settings::default()) {
                Ok(outcome) if outcome.verdict.is_clean() => runs += 2,
                Ok(outcome) => {
                    eprintln!("error: seed {seed}: {}", outcome.verdict);
                    return ExitCode::FAILURE;
                }
                Err(error) => {
                    eprintln!("error: seed {seed}: {error}");
                    return ExitCode::FAILURE;
                }
            }
            seed += 1;
        }
        rates.push(f64::from(runs) / (clock.now() - start).as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    println!(
        "{SCENARIO}: {:.0} runs per second and core (median of {SECONDS} seconds)",
        rates[rates.len() / 2]
    );
    ExitCode::SUCCESS
}
