//! What the tests of the real world share: worlds that are started once, and a client of a few bytes.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use leftover_harness::census::SessionSeen;
use leftover_harness::world::{Server, World};
use leftover_testcontainers::link::TcpLink;
use leftover_testcontainers::{Options, Provider, RealWorld, installed_majors};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Long enough for anything that happens at all.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The oldest Postgres whose binaries this machine has.
pub fn local_major() -> u32 {
    *installed_majors()
        .first()
        .expect("there are Postgres binaries here; ci/test installs them")
}

/// Starts a world for one test.
pub fn start(provider: Provider, major: u32) -> RealWorld {
    RealWorld::start(Options { provider, major })
        .unwrap_or_else(|error| panic!("{error}\n(ci/test sets up what is missing)"))
}

/// Runs `test` on both worlds of this process, freshly reset, one test at a time: private clusters and
/// containers of 17, so that what holds does not depend on how a server was made.
pub fn on_both_worlds(test: impl AsyncFn(&RealWorld)) {
    static CLUSTERS: OnceLock<Mutex<RealWorld>> = OnceLock::new();
    static CONTAINERS: OnceLock<Mutex<RealWorld>> = OnceLock::new();
    for (world, provider, major) in [
        (&CLUSTERS, Provider::Local, local_major()),
        (&CONTAINERS, Provider::Container, 17),
    ] {
        let world = world.get_or_init(|| Mutex::new(start(provider, major)));
        let world = world.lock().unwrap_or_else(PoisonError::into_inner);
        block_on(async {
            world.reset().await.expect("a world can be reset");
            test(&world).await;
        });
    }
}

/// Runs `future` in a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be made").block_on(future)
}

/// A client that speaks just enough of the protocol.
pub struct Raw {
    pub link: TcpLink,
}

impl Raw {
    /// Logs in to the source as the role of the code under test, with `options` as libpq takes them.
    pub async fn login(world: &RealWorld, name: &str, options: &str) -> Raw {
        let mut raw = Raw {
            link: world.dial(Server::Source).await.expect("the server listens"),
        };
        let login = world.login(Server::Source);
        let mut body = 196_608_i32.to_be_bytes().to_vec();
        for text in [
            "user",
            &login.user,
            "database",
            &login.database,
            "application_name",
            name,
            "options",
            options,
        ] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        body.push(0);
        let length = i32::try_from(body.len() + 4).expect("short");
        raw.link.write_all(&length.to_be_bytes()).await.expect("open");
        raw.link.write_all(&body).await.expect("open");
        raw.read_until(b'Z').await;
        raw
    }

    /// Sends a simple query and does not wait for anything.
    pub async fn send(&mut self, sql: &str) {
        let length = i32::try_from(sql.len() + 5).expect("short");
        let mut message = vec![b'Q'];
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(sql.as_bytes());
        message.push(0);
        self.link.write_all(&message).await.expect("open");
    }

    /// Runs a statement.
    pub async fn run(&mut self, sql: &str) {
        self.send(sql).await;
        self.read_until(b'Z').await;
    }

    /// Reads messages until one of this kind; an error from the server fails the test.
    pub async fn read_until(&mut self, kind: u8) {
        loop {
            let mut head = [0; 5];
            self.link.read_exact(&mut head).await.expect("the server answers");
            let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize - 4;
            let mut body = vec![0; length];
            self.link.read_exact(&mut body).await.expect("the server answers");
            assert_ne!(
                head[0],
                b'E',
                "the server said {}",
                String::from_utf8_lossy(&body)
            );
            if head[0] == kind {
                return;
            }
        }
    }
}

/// The session called `name`, if the source has it.
pub async fn session(world: &RealWorld, name: &str) -> Option<SessionSeen> {
    let census = world.census(Server::Source).await.expect("the server answers");
    census
        .sessions
        .into_iter()
        .find(|session| session.application_name == name)
}

/// Waits until the source's session called `name` is as `wanted` says; fails after [`PATIENCE`].
pub async fn wait_for_session(world: &RealWorld, name: &str, wanted: impl Fn(Option<&SessionSeen>) -> bool) {
    let wait = async {
        while !wanted(session(world, name).await.as_ref()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, wait).await.is_err() {
        panic!("{name} is {:?} after {PATIENCE:?}", session(world, name).await);
    }
}

/// Waits until the source's session called `name` is gone.
pub async fn wait_until_gone(world: &RealWorld, name: &str) {
    wait_for_session(world, name, |session| session.is_none()).await;
}

/// Waits until the source's log has a line of `name` with `text`.
pub async fn wait_for_log(world: &RealWorld, name: &str, text: &str) {
    let wait = async {
        loop {
            let log = world.log(Server::Source).await.expect("the log can be read");
            if log
                .lines()
                .any(|line| line.contains(&format!("] {name} ")) && line.contains(text))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, wait).await.is_ok(),
        "the log has no line of {name} with {text:?}:\n{}",
        world.log(Server::Source).await.unwrap_or_default()
    );
}
