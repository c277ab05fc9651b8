//! The simulated Postgres on a TCP port, and psql as its client.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};

/// A server of this test's own; it ends with the test.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(more: &[&str]) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leftover"));
        command
            .args(["serve", "--port", "0"])
            .args(more)
            .stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let mut line = String::new();
        let mut printed = BufReader::new(child.stdout.take().expect("it is piped"));
        printed.read_line(&mut line).expect("it says where it listens");
        let url = line.split(' ').find(|word| word.starts_with("postgres://"));
        let url = url.expect("it says where it listens").to_owned();
        Server { child, url }
    }

    fn psql(&self) -> Command {
        let mut command = Command::new("psql");
        command.args(["-X", "-A", "-t", "-v", "VERBOSITY=verbose", &self.url]);
        command
            .env("PSQL_PAGER", "")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What psql prints for these statements.
    fn shows(&self, sql: &str) -> String {
        let output = self.psql().args(["-c", sql]).output().expect("psql runs");
        assert!(output.status.success(), "{sql}: {output:?}");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// A psql that has started this statement.
    fn running(&self, sql: &str) -> Child {
        let child = self.psql().args(["-c", sql]).spawn().expect("psql runs");
        self.until(&format!(
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE query = $${sql}$$ AND state = 'active'"
        ));
        child
    }

    /// Asks until the answer is true.
    fn until(&self, sql: &str) {
        while self.shows(sql) != "t" {}
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn wait(child: Child) -> Output {
    child.wait_with_output().expect("it ends")
}

const SLEEP: &str = "SELECT pg_sleep(600)";

#[test]
fn the_documented_session_is_what_psql_shows() {
    let server = Server::start(&[]);
    let doc = include_str!("../../docs/serve.md");
    let block = |kind: &str| {
        let from = doc.split_once(kind).expect("the page has such a block").1;
        from.split_once("```").expect("it ends").0.to_owned()
    };
    let (script, shown) = (block("```sql\n"), block("```text\n"));
    let mut command = Command::new("psql");
    command.args(["-X", &server.url]).env("PSQL_PAGER", "");
    let mut psql = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql runs");
    let mut stdin = psql.stdin.take().expect("it is piped");
    stdin.write_all(script.as_bytes()).expect("psql reads");
    drop(stdin);
    let output = wait(psql);
    // psql prints errors to another stream; the page shows them at the end.
    let printed = String::from_utf8_lossy(&output.stdout).into_owned() + &errors(&output);
    assert_eq!(printed, shown, "{printed}");
}

#[test]
fn ctrl_c_in_psql_ends_what_runs() {
    let server = Server::start(&[]);
    let psql = server.running(SLEEP);
    let interrupted = Command::new("kill")
        .args(["-INT", &psql.id().to_string()])
        .status();
    assert!(interrupted.expect("kill runs").success());
    let output = wait(psql);
    assert!(
        errors(&output).contains("57014: canceling statement due to user request"),
        "{output:?}"
    );
    server.until("SELECT count(*) = 1 FROM pg_stat_activity");
}

#[test]
fn another_session_can_be_cancelled_and_terminated() {
    let server = Server::start(&[]);
    for (function, error) in [
        (
            "pg_cancel_backend",
            "57014: canceling statement due to user request",
        ),
        (
            "pg_terminate_backend",
            "57P01: terminating connection due to administrator command",
        ),
    ] {
        let psql = server.running(SLEEP);
        let sql = format!("SELECT {function}(pid) FROM pg_stat_activity WHERE query = '{SLEEP}'");
        assert_eq!(server.shows(&sql), "t");
        let output = wait(psql);
        assert!(
            !output.status.success() && errors(&output).contains(error),
            "{function}: {output:?}"
        );
    }
}

#[test]
fn one_psql_waits_for_the_lock_of_another() {
    let server = Server::start(&[]);
    server.shows("CREATE TABLE t (id integer); INSERT INTO t VALUES (1)");
    let holder = server.running("BEGIN; LOCK TABLE t IN EXCLUSIVE MODE; SELECT pg_sleep(600)");
    let waiter = server.running("UPDATE t SET id = 2");
    server.until("SELECT count(*) = 1 FROM pg_locks WHERE relation = 't'::regclass AND NOT granted");
    assert_eq!(server.shows("SELECT id FROM t"), "1");
    server.shows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
    assert!(!wait(holder).status.success());
    assert!(wait(waiter).status.success());
    assert_eq!(server.shows("SELECT id FROM t"), "2");
}

#[test]
fn a_password_is_asked_for_and_a_wrong_one_is_refused() {
    let server = Server::start(&["--password", "right"]);
    let login = |password: &str| {
        let mut psql = server.psql();
        let output = psql.env("PGPASSWORD", password).args(["-c", "SELECT 1"]).output();
        output.expect("psql runs")
    };
    assert!(login("right").status.success());
    let refused = login("wrong");
    assert!(
        errors(&refused).contains("password authentication failed"),
        "{refused:?}"
    );
}

#[test]
fn bad_input_is_refused_and_a_busy_port_is_named() {
    let serve = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leftover"));
        command.arg("serve").args(more).output().expect("the binary runs")
    };
    for setting in ["nonsense=1", "max_connections=many", "max_connections"] {
        let output = serve(&["--set", setting]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    let server = Server::start(&[]);
    let port = server.url.rsplit_once(':').expect("it has a port").1;
    let port = port.split_once('/').expect("and a database").0;
    let output = serve(&["--port", port]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(errors(&output).contains("--port names another one"), "{output:?}");
}
