//! A program on a server, and all that was answered.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{Either, select};
use leftover_core::clock::Instant;

use super::look;
use super::normalise::words;
use super::program::{Action, Kind, Program, Step};
use super::session::{At, Session};
use crate::conformance::client::Leave;
use crate::conformance::pg::Pg;
use crate::conformance::row::{Checked, Problem};
use crate::conformance::said::Said;

/// `deadlock_timeout`: a session that waits looks once for a deadlock, after this time.
const DEADLOCK_TIMEOUT: &str = "10ms";
/// Who waits for so long without anybody moving has looked for a deadlock, and goes on waiting.
const STABLE: Duration = Duration::from_millis(50);
/// How long a step may take to come to something.
const LIMIT: Duration = Duration::from_secs(10);
/// How long is listened for the next message before somebody looks at the server.
const EAR: Duration = Duration::from_millis(2);
/// The `lock_timeout` of impatient statements.
const IMPATIENCE: &str = "SET lock_timeout = '100ms'";

/// The tables of every program.
const TABLES: &str = "DROP TABLE IF EXISTS a, b; \
     CREATE TABLE a (id int PRIMARY KEY, v int NOT NULL DEFAULT 0); \
     CREATE TABLE b (id int PRIMARY KEY, t text); \
     INSERT INTO a VALUES (1, 10), (2, 20), (3, 30); \
     INSERT INTO b VALUES (1, 'x')";

/// What came of a program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transcript {
    /// The answers to each step, of whoever had one.
    pub steps: Vec<Vec<String>>,
    /// What the server held at the end, and what is in its tables.
    pub end: Vec<String>,
}

/// Runs a program; the server is as new for it, and is left so.
///
/// # Errors
/// When a step comes to nothing, or the observer fails.
pub async fn run(pg: &Pg, program: &Program) -> Checked<Transcript> {
    let mut run = Run::begin(pg, program).await?;
    let mut transcript = Transcript::default();
    for step in &program.steps {
        run.take(step).await?;
        run.settle().await?;
        run.calm(step).await?;
        transcript.steps.push(run.answers(step.session));
    }
    transcript.end = run.end().await?;
    Ok(transcript)
}

/// A program that runs.
struct Run<'a> {
    pg: &'a Pg,
    kinds: &'a [Kind],
    sessions: Vec<Session>,
    /// Whose a backend is or was.
    names: BTreeMap<i32, String>,
    /// Who waited for what when everybody was last known to wait.
    settled: BTreeMap<i32, String>,
    /// The last exported snapshot.
    snapshot: String,
    /// Who is about to strike whom, and whether for good.
    strike: Option<(usize, usize, bool)>,
}

impl<'a> Run<'a> {
    async fn begin(pg: &'a Pg, program: &'a Program) -> Checked<Run<'a>> {
        if pg.value("SHOW deadlock_timeout").await? != DEADLOCK_TIMEOUT {
            configure(pg, "deadlock_timeout", DEADLOCK_TIMEOUT).await?;
            if !pg.server().simulated() {
                configure(pg, "autovacuum", "off").await?;
            }
        }
        sweep(pg).await?;
        pg.rows("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
            .await?;
        pg.setup(TABLES).await?;
        sweep(pg).await?;
        let mut run = Run {
            pg,
            kinds: &program.sessions,
            sessions: Vec::new(),
            names: BTreeMap::new(),
            settled: BTreeMap::new(),
            snapshot: "none".to_owned(),
            strike: None,
        };
        for number in 0..program.sessions.len() {
            let session = run.connect(number).await?;
            run.sessions.push(session);
        }
        Ok(run)
    }

    async fn connect(&mut self, number: usize) -> Checked<Session> {
        let client = match self.kinds[number] {
            Kind::Client => self.pg.connect().await?,
            Kind::Walsender => self.pg.walsender("").await?,
        };
        self.names.insert(client.pid, format!("<session {number}>"));
        Ok(Session::new(client))
    }

    /// Does a step, if it fits.
    async fn take(&mut self, step: &Step) -> Checked {
        let number = step.session;
        match (&step.action, self.sessions[number].at) {
            (Action::Query(sql), At::Ready) => self.query(number, sql).await,
            (Action::Impatient(sql), At::Ready) => {
                self.aside(number, IMPATIENCE).await?;
                self.query(number, sql).await?;
                self.sessions[number].struck = true;
                Ok(())
            }
            (Action::Copy(data), At::CopyIn) => self.copy(number, data, true).await,
            (Action::CopyFail(data), At::CopyIn) => self.copy(number, data, false).await,
            (Action::Cancel, At::Ready | At::Busy | At::CopyIn | At::HalfClosed) => {
                let session = &mut self.sessions[number];
                session.struck |= session.at == At::Busy || session.at == At::HalfClosed;
                self.pg.cancel(session.pid, session.secret).await
            }
            (Action::Leave(how), At::Ready | At::Busy | At::CopyIn) => self.leave(number, *how).await,
            (Action::Connect, At::Gone) => {
                self.sessions[number] = self.connect(number).await?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn query(&mut self, number: usize, sql: &str) -> Checked {
        let sql = self.written(number, sql);
        let session = &mut self.sessions[number];
        session.at = At::Busy;
        match &mut session.client {
            Some(client) => client.send(&sql).await,
            None => Ok(()),
        }
    }

    /// A query with what its words in braces stand for.
    fn written(&mut self, by: usize, sql: &str) -> String {
        let mut written = sql.replace("{snapshot}", &self.snapshot);
        for (number, session) in self.sessions.iter().enumerate() {
            let word = format!("{{pid {number}}}");
            if written.contains(&word) {
                self.strike = Some((by, number, sql.contains("pg_terminate_backend")));
                written = written.replace(&word, &session.pid.to_string());
            }
        }
        written
    }

    /// Runs a query that waits for nobody, and adds its answer to what is heard.
    async fn aside(&mut self, number: usize, sql: &str) -> Checked {
        let session = &mut self.sessions[number];
        if let Some(client) = &mut session.client {
            for said in client.query(sql).await? {
                session.hear(said);
            }
        }
        Ok(())
    }

    async fn copy(&mut self, number: usize, data: &str, all: bool) -> Checked {
        let session = &mut self.sessions[number];
        session.at = At::Busy;
        let Some(client) = &mut session.client else {
            return Ok(());
        };
        client.copy_data(data.as_bytes()).await?;
        if all {
            client.copy_done().await
        } else {
            client
                .send_with(|out| postgres_protocol::message::frontend::copy_fail("given up", out))
                .await
        }
    }

    async fn leave(&mut self, number: usize, how: Leave) -> Checked {
        let session = &mut self.sessions[number];
        if let Some(client) = &mut session.client {
            client.leave(how).await?;
        }
        if how == Leave::HalfClose {
            session.at = At::HalfClosed;
        } else {
            session.client = None;
            session.at = At::Left;
        }
        Ok(())
    }

    /// After an impatient statement patience comes back.
    async fn calm(&mut self, step: &Step) -> Checked {
        if matches!(step.action, Action::Impatient(_)) && self.sessions[step.session].at == At::Ready {
            self.aside(step.session, "SET lock_timeout = 0").await?;
        }
        Ok(())
    }

    /// Waits until every session has answered, or waits for another one.
    async fn settle(&mut self) -> Checked {
        let end = self.pg.now() + LIMIT;
        let mut still: Option<(BTreeMap<i32, String>, Instant)> = None;
        loop {
            self.listen().await;
            self.find_the_gone().await?;
            if !self.sessions.iter().any(Session::is_open) {
                return Ok(());
            }
            let mut waiting = look::waiting(self.pg).await?;
            waiting.retain(|pid, _| self.sessions.iter().any(|session| session.pid == *pid));
            let now = self.pg.now();
            let stuck = |session: &Session| !session.struck && waiting.contains_key(&session.pid);
            if self
                .sessions
                .iter()
                .all(|session| !session.is_open() || stuck(session))
            {
                if waiting == self.settled {
                    return Ok(());
                }
                match &still {
                    Some((before, since)) if *before == waiting => {
                        if now > *since + STABLE {
                            self.settled = waiting;
                            return Ok(());
                        }
                    }
                    _ => still = Some((waiting, now)),
                }
            } else {
                still = None;
            }
            if now > end {
                let at: Vec<At> = self.sessions.iter().map(|session| session.at).collect();
                return Err(Problem::differs(format!("nothing comes of this step: {at:?}")));
            }
        }
    }

    /// Takes what the server says to sessions of which something must still come.
    async fn listen(&mut self) {
        for number in 0..self.sessions.len() {
            loop {
                let session = &mut self.sessions[number];
                if !session.is_open() {
                    break;
                }
                let Some(client) = &mut session.client else {
                    break;
                };
                let (next, pause) = (Box::pin(client.next()), Box::pin(self.pg.sleep(EAR)));
                let said = match select(next, pause).await {
                    Either::Left((said, _)) => said,
                    Either::Right(_) => break,
                };
                self.note(number, &said);
                self.sessions[number].hear(said);
            }
        }
    }

    /// What follows for others from what one is told.
    fn note(&mut self, number: usize, said: &Said) {
        let Said::Row(row) = said else { return };
        for value in row.iter().flatten() {
            if value.len() > 8 && value.matches('-').count() == 2 {
                self.snapshot.clone_from(value);
            }
        }
        if let Some((by, whom, for_good)) = self.strike
            && by == number
            && row.first().and_then(Option::as_deref) == Some("t")
        {
            let session = &mut self.sessions[whom];
            let waits = matches!(session.at, At::Busy | At::HalfClosed | At::Left);
            session.struck |= session.at != At::Gone && (for_good || waits);
            self.strike = None;
        }
    }

    /// Whose backend is no longer there.
    async fn find_the_gone(&mut self) -> Checked {
        if self.sessions.iter().all(|session| session.at != At::Left) {
            return Ok(());
        }
        let pids = look::pids(self.pg).await?;
        for session in &mut self.sessions {
            if session.at == At::Left && !pids.contains(&session.pid) {
                (session.at, session.struck) = (At::Gone, false);
                session.left = true;
            }
        }
        Ok(())
    }

    /// What was answered since the last step, first to the one whose step it was.
    fn answers(&mut self, first: usize) -> Vec<String> {
        self.strike = None;
        let names = &self.names;
        let name = |pid| names.get(&pid).cloned();
        let mut lines = Vec::new();
        let others = (0..self.sessions.len()).filter(|number| *number != first);
        for number in std::iter::once(first).chain(others) {
            let session = &mut self.sessions[number];
            let heard = std::mem::take(&mut session.heard);
            let mut told = words(&heard, &name);
            if session.at == At::Busy && number == first {
                told.push("waits".to_owned());
            }
            if std::mem::take(&mut session.left) {
                told.push("is gone".to_owned());
            }
            lines.extend(told.into_iter().map(|line| format!("{number}: {line}")));
        }
        lines
    }

    /// What is there at the end; then everybody leaves.
    async fn end(self) -> Checked<Vec<String>> {
        let names = self.names.clone();
        let mut seen = look::census(self.pg, &|pid| names.get(&pid).cloned()).await?;
        // First who waits: what they wait for must not end before them.
        let waiting = |session: &&Session| matches!(session.at, At::Busy | At::HalfClosed | At::Left);
        for session in self.sessions.iter().filter(waiting) {
            end(self.pg, &format!("pid = {}", session.pid)).await?;
        }
        sweep(self.pg).await?;
        seen.extend(look::tables(self.pg).await?);
        Ok(seen)
    }
}

async fn configure(pg: &Pg, name: &str, value: &str) -> Checked {
    let configured = pg.server().configure(name, value).await;
    configured.map_err(Problem::CannotRun)
}

/// Ends the sessions of programs.
async fn sweep(pg: &Pg) -> Checked {
    end(pg, &format!("usename = '{}'", pg.server().login().user)).await
}

/// Ends the sessions of which this is so, and waits until they are gone.
async fn end(pg: &Pg, which: &str) -> Checked {
    let sql = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {which}");
    let end = pg.now() + LIMIT;
    pg.rows(&sql).await?;
    loop {
        let left = pg
            .value(&format!("SELECT count(*) FROM pg_stat_activity WHERE {which}"))
            .await?;
        if left == "0" {
            return Ok(());
        }
        if pg.now() > end {
            return Err(Problem::differs(format!("after {LIMIT:?} still there: {left}")));
        }
        pg.sleep(Duration::from_micros(300)).await;
    }
}
