//! The `leftover` command: `list`, `gate`, `replay`, `shrink`, `verify`, `conformance`, `mirror`, `census`.
//!
//! [`cli`] is the map of what it can do; each command is a module of its name. Exit codes are in [`exit`].

use std::process::ExitCode;

use clap::Parser;

mod budget;
mod case_file;
mod cells;
mod census;
mod cli;
mod conformance;
mod exit;
mod explore;
mod findings;
mod gate;
mod guard;
mod list;
mod mirror;
mod reach;
mod replay;
mod report;
mod serve;
mod shrink;
mod sweep;
mod target;
mod url;
mod verify;
mod worlds;

/// A run makes tens of thousands of small allocations; this allocator is what makes them cheap.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
    cli::Cli::parse().run().into()
}
