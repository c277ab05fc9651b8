//! The `leftover` command.
//!
//! [`cli`] is the map of what it can do; each command is a module of its name. Exit codes are in [`exit`].

use std::process::ExitCode;

use clap::Parser;

mod census;
mod cli;
mod exit;

fn main() -> ExitCode {
    cli::Cli::parse().run().into()
}
