//! Two real servers, a table, a held load, and what can be seen of it.

use std::fmt;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use leftover_harness::census::{Census, SessionSeen};
use leftover_harness::world::{Server, World};
use leftover_testcontainers::{Options, RealWorld};

/// How many rows the table has: half a minute behind the gate, in dozens of partitions of a MiB.
const ROWS: u64 = 200_000;

/// How many workers copy.
const WORKERS: usize = 2;

/// B1 of the design: how soon nothing runs on behalf of a process that is gone.
const B1: Duration = Duration::from_secs(5);

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs `test` on freshly reset real servers of this process, one test at a time.
pub fn on_a_world(test: impl AsyncFnOnce(&RealWorld)) {
    static WORLD: OnceLock<Mutex<RealWorld>> = OnceLock::new();
    let start = || {
        RealWorld::start(Options {
            major: 15,
            ..Options::default()
        })
    };
    let world = WORLD.get_or_init(|| Mutex::new(start().unwrap_or_else(|error| panic!("{error}"))));
    let world = world.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(async {
        world.reset().await.expect("a world can be reset");
        test(&world).await;
    });
}

/// A source with a table, and a target that lets no row of it in yet.
pub struct Scene<'a> {
    world: &'a RealWorld,
}

impl<'a> Scene<'a> {
    /// Makes the table, and the closed gate.
    pub async fn set(world: &'a RealWorld) -> Scene<'a> {
        let table = "CREATE TABLE item (id bigint PRIMARY KEY, body text NOT NULL)";
        let fill =
            format!("INSERT INTO item SELECT i, repeat(md5(i::text), 8) FROM generate_series(1, {ROWS}) i");
        let gate = "CREATE TABLE gate (closed boolean); INSERT INTO gate VALUES (true); \
            CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
            WHILE EXISTS (SELECT FROM public.gate WHERE closed) LOOP PERFORM pg_sleep(0.01); END LOOP; \
            IF NEW.id % 4 = 0 AND EXISTS (SELECT FROM public.gate) THEN PERFORM pg_sleep(0.001); END IF; \
            RETURN NEW; END $$; \
            CREATE TRIGGER gate BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate()";
        for (server, sql) in [
            (Server::Source, table),
            (Server::Source, fill.as_str()),
            (Server::Source, "ANALYZE item"),
            (Server::Target, table),
            (Server::Target, gate),
        ] {
            world.sql(server, sql).await.expect("the scene can be set");
        }
        Scene { world }
    }

    /// Lets rows trickle in, so that the load goes on and lasts for half a minute.
    pub async fn leave_the_gate_ajar(&self) {
        let ajar = self
            .world
            .sql(Server::Target, "UPDATE gate SET closed = false")
            .await;
        ajar.expect("the gate is ours");
    }

    /// Starts the load.
    pub fn run(&self) -> Load {
        let mut command = self.command("run");
        command.args(["--workers", &WORKERS.to_string(), "--partition-mib", "1"]);
        Load::start(&mut command)
    }

    /// `leftover mirror drop`, to its end.
    pub fn drop_mirror(&self) -> Ended {
        Load::start(&mut self.command("drop")).end()
    }

    fn command(&self, what: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_leftover"));
        command.args(["mirror", what, "shop", "--source", &self.url(Server::Source)]);
        command.args(["--target", &self.url(Server::Target)]);
        command
    }

    fn url(&self, server: Server) -> String {
        let (host, port) = self.world.address(server);
        let login = self.world.login(server);
        let secret = login
            .password
            .map_or(String::new(), |password| format!(":{password}"));
        format!(
            "postgres://{}{secret}@{host}:{port}/{}",
            login.user, login.database
        )
    }

    /// Lets rows in.
    pub async fn open_the_gate(&self) {
        self.world
            .sql(Server::Target, "DELETE FROM gate")
            .await
            .expect("the target serves");
    }

    /// What the server holds. The world is all ours, so whatever is there is the mirror's.
    pub async fn census(&self, server: Server) -> Census {
        self.world.census(server).await.expect("the server serves")
    }

    /// Ends a session as an operator does.
    pub async fn terminate(&self, server: Server, pid: i32) {
        let sql = format!("SELECT pg_terminate_backend({pid}, 5000)");
        self.world
            .admin_sql(server, &sql)
            .await
            .expect("the server serves");
    }

    /// Waits until all workers are inside a COPY, on the target at the gate.
    pub async fn until_copying(&self, load: &mut Load) {
        let copying = |session: &&SessionSeen| session.state == "active" && session.query.starts_with("COPY");
        self.until("all workers copy", PATIENCE, async || {
            load.has_not_ended();
            let target = self.census(Server::Target).await;
            let source = self.census(Server::Source).await;
            let writers = target.sessions.iter().filter(copying).count();
            (writers == WORKERS && source.sessions.len() > WORKERS)
                .then_some(())
                .ok_or((source, target))
        })
        .await;
    }

    /// Waits, for B1 at most, until the mirror has no session on either server.
    pub async fn until_sessions_are_gone(&self) {
        self.until("nothing runs on either server", B1, async || {
            let (source, target) = (
                self.census(Server::Source).await,
                self.census(Server::Target).await,
            );
            let gone = source.sessions.is_empty() && target.sessions.is_empty();
            gone.then_some(()).ok_or((source, target))
        })
        .await;
    }

    /// The same while the target is away.
    pub async fn until_sessions_of_source_are_gone(&self) {
        self.until("nothing runs on the source", B1, async || {
            let source = self.census(Server::Source).await;
            source.sessions.is_empty().then_some(()).ok_or(source)
        })
        .await;
    }

    async fn until<Seen: fmt::Debug>(
        &self,
        what: &str,
        at_most: Duration,
        mut look: impl AsyncFnMut() -> Result<(), Seen>,
    ) {
        let deadline = tokio::time::Instant::now() + at_most;
        while let Err(seen) = look().await {
            assert!(
                tokio::time::Instant::now() < deadline,
                "not within {at_most:?}: {what}; seen: {seen:#?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Drops the mirror and finds both servers as if it had never been.
    pub async fn drop_leaves_nothing(&self) {
        let dropped = self.drop_mirror();
        assert_eq!(dropped.code, Some(0), "{dropped}");
        self.nothing_is_left().await;
    }

    /// Neither server holds anything of the mirror.
    pub async fn nothing_is_left(&self) {
        let schemas = "SELECT nspname FROM pg_namespace WHERE nspname ~ '^leftover'";
        for server in Server::BOTH {
            assert_eq!(
                self.census(server).await,
                Census::default(),
                "the {server} holds something"
            );
            let records = self.world.sql(server, schemas).await.expect("the server serves");
            assert_eq!(
                records,
                [],
                "the {server} has a record of a mirror that was dropped"
            );
        }
    }

    /// The target has the source's rows, each once.
    pub async fn is_loaded_once(&self) {
        let sum = "SELECT count(*), sum(hashtextextended(item::text, 0)) FROM item";
        let source = self
            .world
            .sql(Server::Source, sum)
            .await
            .expect("the source serves");
        let target = self
            .world
            .sql(Server::Target, sum)
            .await
            .expect("the target serves");
        assert_eq!(source[0].parse::<u64>(0), Some(ROWS));
        assert_eq!(source, target);
    }
}

/// A running `leftover`.
pub struct Load {
    child: Child,
}

/// One that has ended.
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {:?}, and it said:\n{}", self.code, self.out)
    }
}

impl Load {
    fn start(command: &mut Command) -> Load {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Load {
            child: command.spawn().expect("the binary can be run"),
        }
    }

    /// Fails the test when it has ended.
    fn has_not_ended(&mut self) {
        if self.child.try_wait().expect("our own child").is_some() {
            let mut said = String::new();
            for pipe in [
                self.child
                    .stdout
                    .take()
                    .map(|pipe| Box::new(pipe) as Box<dyn Read>),
                self.child
                    .stderr
                    .take()
                    .map(|pipe| Box::new(pipe) as Box<dyn Read>),
            ] {
                let _read = pipe.expect("it was piped").read_to_string(&mut said);
            }
            panic!("the load ended too early: {said}");
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status();
        assert!(status.expect("there is a shell").success());
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.child.try_wait().expect("our own child").is_none() {
            if tokio::time::Instant::now() >= deadline {
                self.child.kill().expect("our own child");
                let output = self.child.wait_with_output().expect("our own child");
                panic!(
                    "it did not end within {PATIENCE:?}: {}",
                    String::from_utf8_lossy(&output.stderr)
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = self.child.wait_with_output().expect("our own child");
        let out = [output.stdout, output.stderr].concat();
        Ended {
            code: output.status.code(),
            out: String::from_utf8_lossy(&out).into_owned(),
        }
    }
}
