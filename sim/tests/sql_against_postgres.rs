//! The executor says what Postgres 15 says: the same script, run by both, query by query. What differs here
//! would be a bug that only the simulator shows, or one that it hides.

#[path = "support/mod.rs"]
mod support;

use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use support::{Memory, as_psql};

const BIN: &str = "/usr/lib/postgresql/15/bin";

/// A cluster of its own, stopped when dropped.
struct Cluster {
    directory: PathBuf,
    port: u16,
}

fn as_postgres(program: &str) -> Command {
    let root =
        std::env::var("USER").is_ok_and(|user| user == "root") || PathBuf::from("/root").read_dir().is_ok();
    let path = format!("{BIN}/{program}");
    if root {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--", &path]).current_dir("/tmp");
        command
    } else {
        Command::new(path)
    }
}

impl Cluster {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .expect("a free port")
            .port();
        let directory = PathBuf::from(format!("/tmp/leftover-sql-{}-{port}", std::process::id()));
        let data = directory.display().to_string();
        let done = as_postgres("initdb")
            .args([
                "-D",
                &data,
                "-A",
                "trust",
                "-U",
                "postgres",
                "-N",
                "--locale=C",
                "-E",
                "UTF8",
            ])
            .output()
            .expect("initdb runs");
        assert!(
            done.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off -c timezone=UTC"
        );
        let cluster = Self { directory, port };
        let done = as_postgres("pg_ctl")
            .args([
                "-D",
                &data,
                "-w",
                "-l",
                &format!("{data}/log"),
                "-o",
                &options,
                "start",
            ])
            .stdout(Stdio::null())
            .status()
            .expect("pg_ctl runs");
        assert!(done.success(), "the cluster starts");
        cluster
    }

    /// What psql prints for each statement, or the SQLSTATE of its error.
    fn run(&self, statements: &[&str]) -> Vec<String> {
        let mut script = String::from("\\set VERBOSITY sqlstate\n");
        for statement in statements {
            script.push_str(statement);
            script.push_str(";\n\\echo ==end==\n");
        }
        let mut child = Command::new(format!("{BIN}/psql"))
            .args([
                "-h",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
                "-U",
                "postgres",
                "-qAtX",
                "-f",
                "-",
                "postgres",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql runs");
        let mut input = child.stdin.take().expect("stdin is piped");
        let writer = std::thread::spawn(move || input.write_all(script.as_bytes()));
        let output = child.wait_with_output().expect("psql ends");
        writer
            .join()
            .expect("the writer ends")
            .expect("psql reads its script");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let mut errors = errors
            .lines()
            .filter_map(|line| line.rsplit_once("ERROR:  ").map(|(_, code)| code));
        let text = String::from_utf8(output.stdout).expect("psql prints UTF-8");
        let mut parts: Vec<String> = text
            .split("==end==\n")
            .map(|part| part.strip_suffix('\n').unwrap_or(part).to_owned())
            .collect();
        parts.pop();
        assert_eq!(parts.len(), statements.len(), "one answer a statement");
        // A failed statement prints nothing: the SQLSTATEs go to the caller behind the answers.
        let failed: Vec<&str> = errors.by_ref().collect();
        parts.push(failed.join("\n"));
        parts
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.directory.display().to_string();
        let _ = as_postgres("pg_ctl")
            .args(["-D", &data, "-m", "immediate", "-w", "stop"])
            .stdout(Stdio::null())
            .status();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn every_query_prints_what_postgres_prints() {
    let script = include_str!("support/queries.sql");
    let statements: Vec<&str> = script
        .split(";\n")
        .map(|text| text.trim().trim_end_matches(';'))
        .filter(|text| !text.is_empty())
        .collect();
    let cluster = Cluster::start();
    let mut real = cluster.run(&statements);
    let errors = real.pop().unwrap_or_default();
    let mut errors = errors.lines();
    let mut memory = Memory::default();
    let mut differences = Vec::new();
    for (statement, real) in statements.iter().zip(real) {
        let ours = as_psql(memory.run(statement));
        // A statement that is marked, or that fails here, takes the next SQLSTATE that psql reported.
        let fails = ours.starts_with("ERROR ") || statement.contains("/* fails */");
        let real = if fails && real.is_empty() {
            format!("ERROR {}", errors.next().unwrap_or("none"))
        } else {
            real
        };
        if ours != real {
            differences.push(format!("{statement}\n  ours: {ours}\n  real: {real}"));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        statements.len(),
        differences.join("\n")
    );
    assert_eq!(errors.next(), None, "no statement failed on Postgres alone");
}
