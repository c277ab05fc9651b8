//! Private clusters: `initdb` and `postgres` from this machine, in a directory of the world's own.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use leftover_harness::world::{Server, Shutdown};

use super::binaries;
use super::start::{
    Running, SETTINGS, STARTING, SUPERUSER, free_port, password, private_endpoint, signal, we_are_root,
};
use crate::admin::Endpoint;
use crate::reaper::{WorldId, scope};

/// A running private cluster.
#[derive(Debug)]
pub(crate) struct Cluster {
    launch: Launch,
    postmaster: Mutex<Child>,
    endpoint: Endpoint,
}

/// How a cluster's postmaster is started.
#[derive(Debug, Clone)]
struct Launch {
    binaries: PathBuf,
    data: PathBuf,
    log: PathBuf,
    port: u16,
    run_as: Option<(u32, u32)>,
}

/// Makes two clusters and starts them.
pub(super) async fn start(major: u32, id: &WorldId) -> Result<([Endpoint; 2], [Running; 2]), String> {
    let binaries = binaries::find(major)?;
    let run_as = if we_are_root() {
        Some(unprivileged()?)
    } else {
        None
    };
    let directory = id.directory();
    let failed = |error: std::io::Error| format!("{}: {error}", directory.display());
    std::fs::create_dir_all(&directory).map_err(failed)?;
    // The sweep of a later world goes by this file.
    std::fs::write(directory.join("scope"), scope()).map_err(failed)?;
    if let Some((uid, gid)) = run_as {
        std::os::unix::fs::chown(&directory, Some(uid), Some(gid)).map_err(failed)?;
    }
    let secret = password().map_err(failed)?;
    let [source, target] = Server::BOTH.map(|server| directory.join(server.to_string()));
    make_cluster(&binaries, &directory, &source, &secret, run_as)?;
    // The second is a copy of the first: initdb is slow.
    run(as_user(Command::new("cp"), &directory, run_as)
        .arg("-a")
        .args([&source, &target]))?;

    let mut started = Vec::new();
    for (server, data) in Server::BOTH.into_iter().zip([source, target]) {
        let log = directory.join(format!("{server}.log"));
        let port = free_port().map_err(failed)?;
        let launch = Launch {
            binaries: binaries.clone(),
            data,
            log,
            port,
            run_as,
        };
        let endpoint = private_endpoint(server, "127.0.0.1", port, &secret);
        let postmaster = Mutex::new(launch.postmaster()?);
        started.push(Cluster {
            launch,
            postmaster,
            endpoint,
        });
    }
    for cluster in &started {
        cluster.wait_until_ready().await?;
    }
    let endpoints = [started[0].endpoint.clone(), started[1].endpoint.clone()];
    let mut running = started
        .into_iter()
        .map(|cluster| Running::Cluster(Box::new(cluster)));
    let both = [running.next(), running.next()].map(|cluster| cluster.expect("two clusters were started"));
    Ok((endpoints, both))
}

impl Cluster {
    pub(crate) async fn start(&self) -> Result<(), String> {
        *self.postmaster() = self.launch.postmaster()?;
        self.wait_until_ready().await
    }

    pub(crate) fn shut_down(&self, how: Shutdown) -> Result<(), String> {
        let mut postmaster = self.postmaster();
        // A postmaster that has ended was waited for: its pid may be somebody else's by now.
        if has_ended(&mut postmaster)? {
            return Ok(());
        }
        kill(signal(how), postmaster.id())
    }

    pub(crate) fn is_down(&self) -> Result<bool, String> {
        has_ended(&mut self.postmaster())
    }

    pub(crate) fn log(&self) -> Result<String, String> {
        std::fs::read_to_string(&self.launch.log).map_err(|error| error.to_string())
    }

    async fn wait_until_ready(&self) -> Result<(), String> {
        self.endpoint.wait_until_ready(STARTING).await.map_err(|problem| {
            let log = self.log().unwrap_or_default();
            let end: Vec<&str> = log.lines().rev().take(5).collect();
            format!(
                "{problem}; the end of its log, last line first: {}",
                end.join(" | ")
            )
        })
    }

    fn postmaster(&self) -> std::sync::MutexGuard<'_, Child> {
        self.postmaster.lock().expect("no panic while the lock is held")
    }
}

impl Drop for Cluster {
    /// Ends the postmaster; the directory goes with the world.
    fn drop(&mut self) {
        let told = self.shut_down(Shutdown::Immediate);
        if told.is_ok() {
            let _status = self.postmaster().wait();
        }
    }
}

fn has_ended(postmaster: &mut Child) -> Result<bool, String> {
    let status = postmaster.try_wait().map_err(|error| error.to_string())?;
    Ok(status.is_some())
}

/// Sends a signal to a process of a cluster.
pub(super) fn kill(signal: &str, pid: impl std::fmt::Display) -> Result<(), String> {
    run(Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]))
}

impl Launch {
    fn postmaster(&self) -> Result<Child, String> {
        let log = std::fs::File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|error| format!("{}: {error}", self.log.display()))?;
        let mut command = as_user(
            Command::new(self.binaries.join("postgres")),
            &self.data,
            self.run_as,
        );
        command
            .arg("-D")
            .arg(&self.data)
            .args(["-p", &self.port.to_string()]);
        for (name, value) in SETTINGS {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        command
            .args([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C in a terminal is for the tests, not for their servers.
            .process_group(0);
        command
            .spawn()
            .map_err(|error| format!("cannot start postgres: {error}"))
    }
}

fn make_cluster(
    binaries: &Path,
    directory: &Path,
    data: &Path,
    secret: &str,
    run_as: Option<(u32, u32)>,
) -> Result<(), String> {
    let secret_file = directory.join("password");
    std::fs::write(&secret_file, secret).map_err(|error| error.to_string())?;
    if let Some((uid, gid)) = run_as {
        std::os::unix::fs::chown(&secret_file, Some(uid), Some(gid)).map_err(|error| error.to_string())?;
    }
    let mut initdb = as_user(Command::new(binaries.join("initdb")), directory, run_as);
    initdb
        .arg("-D")
        .arg(data)
        .args(["-U", SUPERUSER, "-A", "scram-sha-256"]);
    initdb
        .args(["--no-sync", "--encoding=UTF8", "--locale=C"])
        .arg("--pwfile")
        .arg(&secret_file);
    run(&mut initdb)?;
    std::fs::remove_file(&secret_file).map_err(|error| error.to_string())
}

/// Postgres refuses to run as root: the user `postgres`, or else `nobody`.
fn unprivileged() -> Result<(u32, u32), String> {
    let id = |flag: &str, user: &str| -> Option<u32> {
        let output = Command::new("id").args([flag, user]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|user| Some((id("-u", user)?, id("-g", user)?)))
        .ok_or_else(|| "Postgres does not run as root, and there is no user postgres or nobody".into())
}

fn as_user(mut command: Command, directory: &Path, run_as: Option<(u32, u32)>) -> Command {
    command.current_dir(directory.parent().unwrap_or(directory));
    if let Some((uid, gid)) = run_as {
        command.uid(uid).gid(gid);
    }
    command
}

/// Runs a program to its end.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "{command:?}: {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}
