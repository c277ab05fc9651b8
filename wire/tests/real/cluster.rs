//! A private Postgres cluster, shared by the tests that run at the same time and gone when the last one ends.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};

use leftover_core::connection::{Connector as _, Session as _, Startup};
use leftover_wire::session::Session;
use leftover_wire::url;

const SERVER_USER: &str = "postgres";

const HBA: &str = "\
local all all trust
host all in_clear 127.0.0.1/32 password
host all by_md5 127.0.0.1/32 md5
host all by_scram 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
";

const CONF: &str = "
listen_addresses = '127.0.0.1'
fsync = off
wal_level = logical
max_connections = 60
max_wal_senders = 20
max_replication_slots = 20
";

const ROLES: &str = "
SET password_encryption = 'md5'; CREATE ROLE by_md5 LOGIN REPLICATION PASSWORD 'se cret';
SET password_encryption = 'scram-sha-256'; CREATE ROLE by_scram LOGIN REPLICATION PASSWORD 'se cret';
CREATE ROLE in_clear LOGIN REPLICATION PASSWORD 'se cret';
";

pub struct Cluster {
    directory: PathBuf,
    server: Child,
    port: u16,
    roles: tokio::sync::OnceCell<()>,
}

static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
static STARTED: AtomicU32 = AtomicU32::new(0);

/// The cluster of all tests that harm it in no way.
pub async fn shared() -> Arc<Cluster> {
    let cluster = {
        let mut shared = SHARED.lock().unwrap();
        shared.upgrade().unwrap_or_else(|| {
            let cluster = Arc::new(Cluster::start());
            *shared = Arc::downgrade(&cluster);
            cluster
        })
    };
    cluster.with_roles().await;
    cluster
}

impl Cluster {
    /// A cluster of one's own.
    pub fn start() -> Cluster {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("leftover-wire-{}-{number}", std::process::id()));
        std::fs::create_dir(&directory).expect("a directory for the cluster");
        if is_root() {
            run(Command::new("chown").arg(SERVER_USER).arg(&directory));
        }
        let data = directory.join("data");
        let arguments = [
            "--no-sync",
            "--auth=trust",
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            "-D",
        ];
        run(as_server_user("initdb").args(arguments).arg(&data));
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let sockets = format!(
            "unix_socket_directories = '{}'\nport = {port}\n",
            directory.display()
        );
        std::fs::write(data.join("postgresql.conf"), format!("{CONF}{sockets}")).unwrap();
        std::fs::write(data.join("pg_hba.conf"), HBA).unwrap();
        let server = serve(&data);
        Cluster {
            directory,
            server,
            port,
            roles: tokio::sync::OnceCell::new(),
        }
    }

    async fn with_roles(&self) {
        let create = || async {
            self.session()
                .await
                .query(ROLES)
                .await
                .expect("roles can be created");
        };
        self.roles.get_or_init(create).await;
    }

    /// The superuser's connection string.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    pub fn url_as(&self, user: &str, password: &str) -> String {
        format!("postgres://{user}:{password}@127.0.0.1:{}/postgres", self.port)
    }

    pub fn socket_url(&self) -> String {
        format!(
            "postgres:///postgres?user=postgres&port={}&host={}",
            self.port,
            self.directory.display()
        )
    }

    pub fn connector(&self) -> leftover_wire::Connector {
        leftover_wire::connector(&url::parse(&self.url()).unwrap())
    }

    pub async fn session(&self) -> Session {
        self.connector()
            .session(&Startup::default())
            .await
            .expect("the cluster takes sessions")
    }

    /// Ends a process of the server as a crash does.
    pub fn kill(&self, pid: i32) {
        run(Command::new("kill").args(["-KILL", &pid.to_string()]));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGQUIT is an immediate shutdown: nothing here is worth a checkpoint.
        run(Command::new("kill").args(["-QUIT", &self.server.id().to_string()]));
        self.server.wait().expect("the server can be waited for");
        std::fs::remove_dir_all(&self.directory).expect("the cluster's directory can be removed");
    }
}

/// Starts the server and returns when it says that it is ready.
fn serve(data: &Path) -> Child {
    let mut server = as_server_user("postgres")
        .arg("-D")
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("postgres can be started");
    let log = BufReader::new(server.stderr.take().expect("stderr is piped"));
    let (ready, is_ready) = mpsc::channel();
    std::thread::spawn(move || {
        let mut seen = String::new();
        // To the end: a server whose log nobody reads stops.
        for line in log.lines().map_while(Result::ok) {
            if line.contains("ready to accept connections") {
                let _ = ready.send(());
            }
            if seen.len() < 10_000 {
                seen = seen + &line + "\n";
            }
        }
        seen
    });
    if is_ready.recv().is_err() {
        panic!("postgres ended before it was ready: see {}", data.display());
    }
    server
}

fn as_server_user(program: &str) -> Command {
    let program = binaries().join(program);
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let user = [
        format!("--reuid={SERVER_USER}"),
        format!("--regid={SERVER_USER}"),
        "--init-groups".to_owned(),
    ];
    command.args(user).arg(program);
    command
}

/// The newest Postgres of the machine.
fn binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let numbers = versions.filter_map(|version| version.file_name().to_str()?.parse::<u32>().ok());
    match numbers.max() {
        Some(version) => PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")),
        None => PathBuf::from(
            output(Command::new("pg_config").arg("--bindir"))
                .expect("these tests need the binaries of Postgres (initdb, postgres): install postgresql")
                .trim(),
        ),
    }
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_some_and(|uid| uid.trim() == "0")
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Looks until `sql` answers `expected`, at most 1000 times, with the server's own pauses between.
pub async fn wait_for(observer: &mut Session, sql: &str, expected: &str) {
    for _ in 0..1000 {
        let rows = observer.query(sql).await.unwrap();
        if rows.first().and_then(|row| row.get(0)) == Some(expected) {
            return;
        }
        observer.query("SELECT pg_sleep(0.01)").await.unwrap();
    }
    panic!("{sql} never answered {expected}");
}

/// How many backends have this pid: `0` or `1`.
pub fn count_of(pid: i32) -> String {
    format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}")
}
