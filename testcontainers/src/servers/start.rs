//! Starting the two servers of a world, and what all ways of doing so share.

use std::future::Future;
use std::time::Duration;

use leftover_core::error::ConnectionError;
use leftover_harness::world::{Server, Shutdown};
use leftover_wire::login::Login;

use super::container::Container;
use super::local::Cluster;
use super::{container, given, local};
use crate::admin::Endpoint;
use crate::options::{Options, Provider, StartError};
use crate::reaper::WorldId;
use crate::reset::quote;

/// How long a started server may take until it serves.
pub(crate) const STARTING: Duration = Duration::from_secs(60);

/// What every server of a world is started with: room for the scenarios, and no waiting for disks. A crash
/// here is the crash of processes, so nothing is lost by `fsync=off`.
pub(super) const SETTINGS: [(&str, &str); 8] = [
    ("wal_level", "logical"),
    ("max_replication_slots", "20"),
    ("max_wal_senders", "20"),
    ("max_connections", "60"),
    ("fsync", "off"),
    ("log_connections", "on"),
    ("log_disconnections", "on"),
    ("log_line_prefix", "%m [%p] %a "),
];

/// The superuser of a server that is there for one world alone.
pub(super) const SUPERUSER: &str = "postgres";

const NOT_OURS: &str = "a server that was given by its URL is not ours to stop";

/// The signal by which a postmaster is asked to shut down.
pub(super) fn signal(how: Shutdown) -> &'static str {
    match how {
        Shutdown::Smart => "TERM",
        Shutdown::Fast => "INT",
        Shutdown::Immediate => "QUIT",
    }
}

/// One running server.
#[derive(Debug)]
pub(crate) enum Running {
    /// A container.
    Container(Box<Container>),
    /// A private cluster.
    Cluster(Box<Cluster>),
    /// A server that is not ours.
    Given,
}

impl Running {
    /// Stops the server and returns when it is down.
    pub(crate) async fn stop(&self, how: Shutdown) -> Result<(), String> {
        self.shut_down(how).await?;
        while !self.is_down().await? {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Asks the server to shut down, and does not wait for it.
    pub(crate) async fn shut_down(&self, how: Shutdown) -> Result<(), String> {
        match self {
            Running::Container(container) => container.shut_down(how).await,
            Running::Cluster(cluster) => cluster.shut_down(how),
            Running::Given => Err(NOT_OURS.into()),
        }
    }

    /// Whether the server has stopped.
    pub(crate) async fn is_down(&self) -> Result<bool, String> {
        match self {
            Running::Container(container) => container.is_down().await,
            Running::Cluster(cluster) => cluster.is_down(),
            Running::Given => Err(NOT_OURS.into()),
        }
    }

    /// Ends one backend with SIGKILL.
    pub(crate) async fn kill(&self, pid: i32) -> Result<(), String> {
        match self {
            Running::Container(container) => container.kill(pid).await,
            Running::Cluster(_) => local::kill("KILL", pid),
            Running::Given => Err(NOT_OURS.into()),
        }
    }

    /// Starts the server again and returns when it serves.
    pub(crate) async fn start(&self) -> Result<(), String> {
        match self {
            Running::Container(container) => container.start().await,
            Running::Cluster(cluster) => cluster.start().await,
            Running::Given => Err(NOT_OURS.into()),
        }
    }

    /// The server's log so far.
    pub(crate) async fn log(&self) -> Result<String, String> {
        match self {
            Running::Container(container) => container.log().await,
            Running::Cluster(cluster) => cluster.log(),
            Running::Given => Err("the log of a server that was given by its URL is out of reach".into()),
        }
    }
}

/// The two servers of a world.
#[derive(Debug)]
pub(crate) struct Pair {
    /// Where they came from; never [`Provider::Auto`].
    pub(crate) provider: Provider,
    /// Their version, such as `17.5`.
    pub(crate) version: String,
    /// Where the source is, and the target.
    pub(crate) endpoints: [Endpoint; 2],
    /// What runs there.
    pub(crate) running: [Running; 2],
}

impl Pair {
    /// Starts two servers.
    pub(crate) async fn start(options: Options, id: &WorldId) -> Result<Pair, StartError> {
        match options.provider {
            Provider::Auto if std::env::var_os(given::VARIABLE).is_some() => {
                Pair::start_from(Provider::Url, options.major, id).await
            }
            Provider::Auto => {
                let mut tried = Vec::new();
                for provider in [Provider::Container, Provider::Local] {
                    match Pair::start_from(provider, options.major, id).await {
                        Ok(pair) => return Ok(pair),
                        Err(error) => tried.push(error),
                    }
                }
                Err(StartError::Nothing {
                    major: options.major,
                    tried,
                })
            }
            provider => Pair::start_from(provider, options.major, id).await,
        }
    }

    async fn start_from(provider: Provider, major: u32, id: &WorldId) -> Result<Pair, StartError> {
        let started = match provider {
            Provider::Container => container::start(major, id).await,
            Provider::Local => local::start(major, id).await,
            Provider::Url | Provider::Auto => given::start().await,
        };
        let (endpoints, running) = started.map_err(|problem| StartError::Provider {
            provider,
            major,
            problem,
        })?;
        let unusable = |problem: String| StartError::Unusable { provider, problem };
        let mut version = String::new();
        for endpoint in &endpoints {
            version = prepare(endpoint)
                .await
                .map_err(|error| unusable(error.to_string()))?;
            if provider != Provider::Url && version.split('.').next() != Some(&major.to_string()) {
                return Err(unusable(format!(
                    "it is Postgres {version}, and {major} was asked for"
                )));
            }
        }
        Ok(Pair {
            provider,
            version,
            endpoints,
            running,
        })
    }
}

/// The endpoint of a server that is there for one world alone.
pub(super) fn private_endpoint(server: Server, host: &str, port: u16, password: &str) -> Endpoint {
    Endpoint {
        host: host.to_owned(),
        port,
        admin: Login {
            user: SUPERUSER.into(),
            password: Some(password.to_owned()),
            database: "postgres".into(),
        },
        login: Login {
            user: "mirror".into(),
            password: None,
            database: server.to_string(),
        },
        private: true,
    }
}

/// Makes the role of the code under test and says who may come in; returns the server's version.
async fn prepare(endpoint: &Endpoint) -> Result<String, ConnectionError> {
    let mut admin = endpoint.open(&endpoint.admin).await?;
    let role = quote(&endpoint.login.user);
    let known = format!("SELECT FROM pg_roles WHERE rolname = '{}'", endpoint.login.user);
    let verb = if admin.query(&known).await?.is_empty() {
        "CREATE"
    } else {
        "ALTER"
    };
    let password = endpoint
        .login
        .password
        .as_deref()
        .map_or("NULL".into(), |secret| format!("'{secret}'"));
    admin
        .query(&format!(
            "{verb} ROLE {role} LOGIN REPLICATION NOSUPERUSER PASSWORD {password}"
        ))
        .await?;
    if endpoint.private {
        let hba = admin.query("SHOW hba_file").await?;
        let file = hba
            .first()
            .and_then(|row| row.get(0))
            .unwrap_or_default()
            .to_owned();
        // The superuser could run programs, so it needs its password; the mirror's role may come in from
        // this machine as it is, which spares each of many connections the cost of SCRAM.
        admin
            .query(&format!(
                "COPY (VALUES ('local all all scram-sha-256'), ('host all {SUPERUSER} all scram-sha-256'), \
                 ('host all {} all trust'), ('host all all all scram-sha-256')) TO '{file}'; \
                 SELECT pg_reload_conf()",
                endpoint.login.user
            ))
            .await?;
    } else {
        // To give databases away one must be a member of the role that gets them.
        admin.query(&format!("GRANT {role} TO CURRENT_USER")).await?;
    }
    let version = admin.query("SHOW server_version").await?;
    admin.close().await;
    let text = version.first().and_then(|row| row.get(0)).unwrap_or_default();
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}

/// A password that nobody guesses.
pub(super) fn password() -> std::io::Result<String> {
    use std::io::Read as _;
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A TCP port of 127.0.0.1 on which nobody listens now.
pub(super) fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?
        .local_addr()?
        .port())
}

/// Whether this process is root's.
pub(crate) fn we_are_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Waits for `future` on a thread and a runtime of its own, so that it can be waited for anywhere, also
/// inside another runtime.
pub(crate) fn wait_for<T: Send>(future: impl Future<Output = T> + Send) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(std::thread::scope(|scope| {
        // The runtime is dropped over there too: inside another runtime that is not allowed.
        let waiting = scope.spawn(move || runtime.block_on(future));
        match waiting.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }))
}
