//! Connection strings as libpq writes them: `postgres://…` and `key=value …`.
//!
//! What is not given has libpq's defaults: the user is the operating system's, the database is named like the
//! user, the host is the local Unix socket where there is one and `localhost` elsewhere, the port is 5432. The
//! environment (`PGHOST`, …), password files and services are not read. What would need TLS is refused, and so
//! is a list of hosts: a mirror must know which server it talks to. Timeouts and keepalives are not taken from
//! here: the caller bounds every wait, and tells the server its own bounds.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslMode, SslNegotiation, TargetSessionAttrs};

use crate::login::Login;
use crate::tcp::{Address, Host, socket_path};

const DEFAULT_PORT: u16 = 5432;

/// Where Postgres puts its socket: Debian's packages, and everybody else's.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// What a connection string says. `Debug` and `Display` do not show the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where the server listens.
    pub address: Address,
    /// How to log in.
    pub login: Login,
    /// The `options` of the connection string, which go before those of the connection.
    pub options: Option<String>,
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}/{}", self.login.user, self.address, self.login.database)
    }
}

/// Why a connection string cannot be used. None of these shows it, for it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It is not a connection string.
    #[error("not a connection string such as postgres://user@host:5432/database: {0}")]
    Invalid(String),
    /// It asks for TLS.
    #[error(
        "{0}: TLS is not supported yet; sslmode may be disable, allow or prefer, all of which mean plain text"
    )]
    TlsRequired(&'static str),
    /// It names several hosts.
    #[error("{0} hosts are given, but a mirror reads and writes one server: name that one")]
    SeveralHosts(usize),
    /// It asks for one server among several.
    #[error("target_session_attrs is not supported: name the server itself")]
    TargetSessionAttrs,
    /// It has no user and the operating system names none.
    #[error("no user is given, and the operating system has no name for this process's user")]
    NoUser,
    /// The password is not text.
    #[error("the password is not UTF-8")]
    PasswordNotText,
}

/// Reads a connection string.
///
/// # Errors
/// When it is none, or asks for something that is not supported.
pub fn parse(url: &str) -> Result<Server, UrlError> {
    let config: Config = with_known_sslmode(url).parse().map_err(|error| invalid(&error))?;
    if config.get_ssl_mode() == SslMode::Require {
        return Err(UrlError::TlsRequired("sslmode"));
    }
    if config.get_ssl_negotiation() == SslNegotiation::Direct {
        return Err(UrlError::TlsRequired("sslnegotiation=direct"));
    }
    if config.get_channel_binding() == ChannelBinding::Require {
        return Err(UrlError::TlsRequired("channel_binding=require"));
    }
    if config.get_target_session_attrs() != TargetSessionAttrs::Any {
        return Err(UrlError::TargetSessionAttrs);
    }
    let address = address(&config)?;
    let user = match config.get_user() {
        Some(user) if !user.is_empty() => user.to_owned(),
        _ => system_user().ok_or(UrlError::NoUser)?,
    };
    let password = config
        .get_password()
        .map(|bytes| String::from_utf8(bytes.to_vec()));
    let password = password.transpose().map_err(|_| UrlError::PasswordNotText)?;
    let database = match config.get_dbname() {
        Some(database) if !database.is_empty() => database.to_owned(),
        _ => user.clone(),
    };
    let options = config
        .get_options()
        .filter(|options| !options.is_empty())
        .map(str::to_owned);
    Ok(Server {
        address,
        login: Login {
            user,
            password,
            database,
        },
        options,
    })
}

fn invalid(error: &tokio_postgres::Error) -> UrlError {
    let cause = std::error::Error::source(error);
    UrlError::Invalid(cause.map_or_else(|| error.to_string(), ToString::to_string))
}

/// tokio-postgres knows three of libpq's six modes. The others are written as the nearest of those.
fn with_known_sslmode(url: &str) -> String {
    // In a URL only what follows the question mark can be a parameter; before it may be a password.
    let parameters = match url.split_once("://") {
        Some(_) => url.find('?').unwrap_or(url.len()),
        None => 0,
    };
    let (head, tail) = url.split_at(parameters);
    let tail = tail
        .replace("sslmode=allow", "sslmode=prefer")
        .replace("sslmode=verify-ca", "sslmode=require")
        .replace("sslmode=verify-full", "sslmode=require");
    format!("{head}{tail}")
}

fn address(config: &Config) -> Result<Address, UrlError> {
    let (hosts, addresses, ports) = (config.get_hosts(), config.get_hostaddrs(), config.get_ports());
    let several = hosts.len().max(addresses.len()).max(ports.len());
    if several > 1 {
        return Err(UrlError::SeveralHosts(several));
    }
    let port = ports.first().copied().unwrap_or(DEFAULT_PORT);
    let host = match (addresses.first(), hosts.first()) {
        (Some(address), _) => Host::Tcp(address.to_string()),
        (None, Some(tokio_postgres::config::Host::Tcp(name))) if !name.is_empty() => Host::Tcp(name.clone()),
        (None, Some(tokio_postgres::config::Host::Unix(directory))) => Host::Unix(directory.clone()),
        (None, _) => default_host(port),
    };
    Ok(Address { host, port })
}

fn default_host(port: u16) -> Host {
    let directories = SOCKET_DIRECTORIES.into_iter().map(Path::new);
    let found = directories
        .into_iter()
        .find(|directory| socket_path(directory, port).exists());
    found.map_or_else(
        || Host::Tcp("localhost".to_owned()),
        |directory| Host::Unix(directory.to_owned()),
    )
}

/// The name of the user that this process runs as.
fn system_user() -> Option<String> {
    let named = || {
        ["USER", "LOGNAME"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok())
    };
    account_name().or_else(named).filter(|user| !user.is_empty())
}

fn account_name() -> Option<String> {
    let uid = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").ok()?;
    let mut fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let account = fields.find(|fields| fields.get(2) == Some(&uid.as_str()))?;
    account.first().map(|&name| name.to_owned())
}
