//! Who removes a world when nobody drops it.
//!
//! A child process waits for the end of its stdin, which comes with the end of this process however it ends,
//! and then removes everything that carries the world's id. A world that is dropped removes itself first and
//! then dismisses its reaper. What a killed reaper left is swept by the next world.

use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The script that removes things; see its head.
const CLEANUP: &str = include_str!("cleanup.sh");

/// How many worlds this process has started.
static WORLDS: AtomicU32 = AtomicU32::new(0);

/// A world's name: `PID-STARTED-NUMBER`. Everything that the world makes outside this process carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorldId(String);

impl WorldId {
    /// A name that no other world has.
    fn new() -> WorldId {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        WorldId(format!(
            "{}-{}-{number}",
            std::process::id(),
            started_after_boot()
        ))
    }

    /// The name of a thing of this world.
    pub(crate) fn name(&self) -> String {
        format!("leftover-{}", self.0)
    }

    /// The directory of this world's private clusters.
    pub(crate) fn directory(&self) -> PathBuf {
        std::env::temp_dir().join(self.name())
    }
}

/// The process namespace in which the world's pid means something.
pub(crate) fn scope() -> String {
    std::fs::read_link("/proc/self/ns/pid").map_or_else(|_| "none".into(), |link| link.display().to_string())
}

/// The second after boot in which this process started: a pid alone may be used again.
fn started_after_boot() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = after_name
        .split(' ')
        .nth(19)
        .and_then(|ticks| ticks.parse::<u64>().ok());
    ticks.unwrap_or(0) / 100
}

/// The process that cleans up when this one is killed.
#[derive(Debug)]
pub(crate) struct Reaper {
    id: WorldId,
    child: Child,
}

impl Reaper {
    /// Sweeps what killed worlds left, then starts the reaper of a new one.
    pub(crate) fn start() -> io::Result<Reaper> {
        script(&["sweep"]).stdin(Stdio::null()).status()?;
        let id = WorldId::new();
        let mut command = script(&["guard"]);
        command.arg(&id.0).stdin(Stdio::piped());
        Ok(Reaper {
            child: command.spawn()?,
            id,
        })
    }

    /// The world that it watches.
    pub(crate) fn id(&self) -> &WorldId {
        &self.id
    }
}

impl Drop for Reaper {
    /// Removes what is left of the world and dismisses the process.
    fn drop(&mut self) {
        let removed = script(&["now"]).arg(&self.id.0).stdin(Stdio::null()).status();
        if let (Ok(status), Some(stdin)) = (removed, self.child.stdin.as_mut())
            && status.success()
        {
            // A reaper that does not get the message removes what is already gone.
            let _unheard = stdin.write_all(b"done\n");
        }
        let _gone = self.child.wait();
    }
}

/// The cleanup script, out of reach of the terminal's Ctrl-C and of whoever reads our output.
fn script(arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", CLEANUP, "leftover-cleanup"])
        .args(arguments)
        .arg(std::env::temp_dir())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    command
}
