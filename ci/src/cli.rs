//! The command line.

use clap::{Parser, Subcommand};

use crate::exit::Exit;
use crate::{census, conformance, gate, list, mirror, replay, serve, shrink, sweep, verify};

/// Finds what Postgres replication code leaves behind: connections, transactions, snapshots, slots,
/// publications, running queries.
///
/// Exit codes: 0 clean, 1 something was left behind, 2 wrong usage, 3 it could not run.
#[derive(Debug, Parser)]
#[command(name = "leftover", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the scenarios
    List(list::Args),
    /// Run the scenarios under faults and fail if anything is left behind or a planted bug is not caught
    Gate(gate::Args),
    /// Run the scenarios with everything that can strike at every await and every message
    Sweep(sweep::Args),
    /// Run a case, or one scenario with one seed, again, and show what happened
    ///
    /// A case exits with 0 when the verdict is the expected one, and with 1 when it is another one or a fault
    /// of the case meets nothing. A seed exits with 0 when nothing was left, and with 1 when something was.
    /// Both exit with 3 when it could not run, as with a fault that the world has no means for.
    Replay(replay::Args),
    /// Find the smallest run that leaves the same behind, tell it, and write it as a case file
    Shrink(shrink::Args),
    /// Run a sample of scenarios and seeds twice, each in processes of its own, and compare every event
    Verify(verify::Args),
    /// One side of `verify`
    #[command(hide = true)]
    VerifyBatch(verify::batch::Args),
    /// Load one Postgres database into another, and leave nothing behind
    #[command(subcommand)]
    Mirror(mirror::Command),
    /// Check the simulated Postgres against real ones, row by row of the observed behaviours
    ///
    /// Exits with 0 when every server that was asked does what the rows say, and with 1 when one differs.
    Conformance(conformance::Args),
    /// Show what is held on a live server, by whom, since when, and what it costs
    Census(census::Args),
    /// Serve the simulated Postgres on a TCP port, in real time, for psql or any other client
    Serve(serve::Args),
}

impl Cli {
    /// Does what the command line says.
    pub fn run(self) -> Exit {
        match self.command {
            Command::List(args) => list::run(&args),
            Command::Gate(args) => gate::run(&args),
            Command::Sweep(args) => sweep::run(&args),
            Command::Replay(args) => replay::run(&args),
            Command::Shrink(args) => shrink::run(&args),
            Command::Verify(args) => verify::run(&args),
            Command::VerifyBatch(args) => verify::batch::run(&args),
            Command::Conformance(args) => conformance::run(&args),
            Command::Mirror(command) => on_tokio(mirror::run(command)),
            Command::Census(args) => on_tokio(census::run(args)),
            Command::Serve(args) => on_tokio(serve::run(&args)),
        }
    }
}

/// Runs on real time and real sockets, on this thread.
fn on_tokio(command: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            Exit::CouldNotRun
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bad_input_is_refused_before_anything_runs() {
        for bad in [
            &[
                "leftover",
                "mirror",
                "drop",
                "Bad-Name",
                "--source",
                "postgres://h/d",
                "--target",
                "postgres://h/d",
            ][..],
            &["leftover", "mirror", "run", "m", "--source", "postgres://h/d"],
            &["leftover", "replay"],
            &["leftover", "shrink", "initial-load", "--seed", "one"],
            &["leftover", "verify", "--runs", "0"],
            &["leftover", "gate", "--world", "moon"],
        ] {
            let error = Cli::try_parse_from(bad).expect_err("refused");
            assert_eq!(error.exit_code(), 2, "{bad:?}");
        }
    }

    /// The arguments of every `cargo leftover …` in a text, up to a comment or the end of its code.
    fn told(text: &str) -> Vec<Vec<String>> {
        let after = text.split("cargo leftover ").skip(1);
        let one = |rest: &str| {
            let code = rest.split(['`', '#', '\n']).next().unwrap_or_default();
            let words = code.split_whitespace().map(|word| word.trim_matches('\''));
            let url = |word: &str| word.replace("URL", "postgres://host/db");
            std::iter::once("leftover".to_owned())
                .chain(words.map(url))
                .collect()
        };
        after.map(one).collect()
    }

    #[test]
    fn every_command_that_the_documentation_tells_is_one() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let docs = std::fs::read_dir(format!("{root}/docs")).expect("it is there");
        let docs = docs.map(|entry| entry.expect("it can be read").path());
        let mut commands = 0;
        for file in docs.chain([format!("{root}/README.md").into()]) {
            for words in told(&std::fs::read_to_string(&file).expect("text")) {
                let parsed = Cli::try_parse_from(&words);
                assert!(
                    parsed.is_ok(),
                    "{}: {words:?}: {}",
                    file.display(),
                    parsed.err().map_or(String::new(), |e| e.to_string())
                );
                commands += 1;
            }
        }
        assert!(commands > 20, "only {commands}");
    }
}
