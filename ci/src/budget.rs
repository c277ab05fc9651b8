//! How much is explored, from which seed, by how many at a time; and the memory that it takes.

use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use leftover_harness::verdict::{Outcome, Verdict};

/// How much is explored.
#[derive(Debug, Clone, Args)]
pub struct Budget {
    /// How many runs at a time in the simulated world [default: the machine's cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=256))]
    pub jobs: Option<u64>,
    /// The first seed
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        conflicts_with = "seed_from_commit"
    )]
    pub seed: u64,
    /// Take the first seed from the commit that is checked out: every commit explores elsewhere, and anybody
    /// who has the commit can do it again
    #[arg(long)]
    pub seed_from_commit: bool,
}

/// How many at a time by default: the machine's cores.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

impl Budget {
    /// How many runs at a time.
    pub fn jobs(&self) -> usize {
        self.jobs
            .map_or_else(cores, |jobs| usize::try_from(jobs).expect("at most 256"))
    }

    /// The first seed.
    ///
    /// # Errors
    /// When there is no commit to take it from.
    pub fn first_seed(&self) -> Result<u64, String> {
        if !self.seed_from_commit {
            return Ok(self.seed);
        }
        let help = "--seed-from-commit needs git and a commit that is checked out here; or give --seed";
        let output = Command::new("git")
            .args(["rev-parse", "HEAD"])
            .output()
            .map_err(|error| format!("git does not run: {error}; {help}"))?;
        let commit = String::from_utf8_lossy(&output.stdout);
        // Twelve digits: far from the end of what a seed can be, and still one a commit.
        let digits = commit.get(..12).ok_or(help)?;
        u64::from_str_radix(digits, 16).map_err(|_| help.to_owned())
    }
}

/// A duration as people write it.
///
/// # Errors
/// When it is none, or 0.
pub fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        Ok(_) => Err("no time at all".to_owned()),
        Err(error) => Err(format!("{error}; write it as 60s, 10m or 1h")),
    }
}

/// The progress of many runs: how many a second, how many faults struck, how many left something.
pub struct Watch {
    bar: ProgressBar,
    struck: AtomicU64,
    left: AtomicU64,
    time: Option<Duration>,
    after_a_minute: AtomicU64,
}

/// When the memory is looked at for the first time.
const MINUTE: Duration = Duration::from_secs(60);

impl Watch {
    /// Shows progress until `time` is up, when there is such a time.
    pub fn new(time: Option<Duration>) -> Self {
        let style = ProgressStyle::with_template("{spinner} {elapsed} {msg} · {human_pos} runs, {per_sec}");
        Watch {
            bar: ProgressBar::new_spinner().with_style(style.expect("a valid template")),
            struck: AtomicU64::new(0),
            left: AtomicU64::new(0),
            time,
            after_a_minute: AtomicU64::new(0),
        }
    }

    /// What is going on now.
    pub fn on(&self, what: &str) {
        self.bar.set_prefix(what.to_owned());
        self.bar.set_message(what.to_owned());
    }

    /// Whether the time is up.
    pub fn is_up(&self) -> bool {
        self.time.is_some_and(|time| self.bar.elapsed() >= time)
    }

    /// Counts a run.
    pub fn see(&self, outcome: &Outcome) {
        let struck = outcome.struck.iter().map(|struck| u64::from(struck.times)).sum();
        let struck = self.struck.fetch_add(struck, Ordering::Relaxed) + struck;
        let left = u64::from(matches!(outcome.verdict, Verdict::Left(_)));
        let left = self.left.fetch_add(left, Ordering::Relaxed) + left;
        self.bar.inc(1);
        if self.bar.position().is_multiple_of(64) {
            let what = self.bar.prefix();
            self.bar
                .set_message(format!("{what} · {struck} faults struck, {left} left something"));
            if self.bar.elapsed() >= MINUTE && self.after_a_minute.load(Ordering::Relaxed) == 0 {
                self.after_a_minute
                    .store(resident().unwrap_or(0), Ordering::Relaxed);
            }
        }
    }

    /// Ends the progress; what it came to, in a line.
    pub fn finish(self) -> String {
        let (runs, elapsed) = (self.bar.position(), self.bar.elapsed());
        self.bar.finish_and_clear();
        let rate = runs as f64 / elapsed.as_secs_f64();
        let struck = self.struck.into_inner();
        let mut line = format!(
            "{runs} runs in {:.1} s, {rate:.0} a second; {struck} faults struck",
            elapsed.as_secs_f64()
        );
        let mebi = |bytes: u64| bytes / (1024 * 1024);
        let after_a_minute = self.after_a_minute.into_inner();
        if let Some(now) = resident() {
            line += &format!("; {} MiB of memory", mebi(now));
            if after_a_minute > 0 {
                line += &format!(", {} MiB after one minute", mebi(after_a_minute));
            }
        }
        line
    }
}

/// This process's resident memory in bytes, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibi: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibi * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_reads_as_people_write_it_and_is_not_nothing() {
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        for bad in ["", "0s", "10", "ten minutes"] {
            assert!(duration(bad).is_err(), "{bad:?}");
        }
    }
}
