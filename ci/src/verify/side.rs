//! A fresh process that runs one side, as the other end of its pipes sees it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;

use super::batch::{Item, Ran};

/// A process that runs one side.
pub(super) struct Side {
    process: Child,
    asks: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl Side {
    /// Starts a process that runs these.
    pub(super) fn start(items: &[Item]) -> Result<Side, String> {
        let program =
            std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        let items = items
            .iter()
            .map(|item| format!("{}={}", item.scenario, item.seed));
        let mut process = Command::new(program)
            .arg("verify-batch")
            .args(items)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start this program again: {error}"))?;
        let asks = process.stdin.take().expect("its standard input is a pipe");
        let says = process.stdout.take().expect("its standard output is a pipe");
        Ok(Side {
            process,
            asks,
            says: BufReader::new(says),
        })
    }

    /// How its runs ended, in its order.
    pub(super) fn ran(&mut self, count: usize) -> Result<Vec<Ran>, String> {
        (0..count).map(|_| self.line()).collect()
    }

    /// The log of one of its runs.
    pub(super) fn log(&mut self, index: usize) -> Result<Vec<String>, String> {
        writeln!(self.asks, "{index}").map_err(|error| format!("a fresh process is gone: {error}"))?;
        self.line()
    }

    fn line<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        let mut line = String::new();
        let read = self.says.read_line(&mut line);
        read.map_err(|error| format!("a fresh process is gone: {error}"))?;
        serde_json::from_str(&line).map_err(|error| format!("a fresh process said {line:?}: {error}"))
    }

    /// Ends it.
    pub(super) fn end(self) -> Result<(), String> {
        let Side {
            mut process, asks, ..
        } = self;
        drop(asks);
        match process.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("a fresh process ended with {status}")),
            Err(error) => Err(format!("a fresh process cannot be waited for: {error}")),
        }
    }
}
