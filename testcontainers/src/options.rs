//! What is asked of a real world, and why it may not start.

/// Where the servers of a real world come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Provider {
    /// The first of the others that this machine has: a given server, containers, a private cluster.
    #[default]
    Auto,
    /// Two containers: of `LEFTOVER_POSTGRES_IMAGE` (in which `{major}` stands for the version), else of
    /// `leftover-postgres:N` where the engine has it, else of `postgres:N`.
    Container,
    /// Two private clusters, from the Postgres binaries on this machine.
    Local,
    /// Two databases of the server that `LEFTOVER_POSTGRES_URL` names. Its role is a superuser, or at least
    /// `CREATEDB CREATEROLE REPLICATION` and a member of `pg_monitor` and `pg_signal_backend`.
    Url,
}

impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Provider::Auto => "any",
            Provider::Container => "containers",
            Provider::Local => "binaries on this machine",
            Provider::Url => "LEFTOVER_POSTGRES_URL",
        })
    }
}

/// What is asked of a real world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Where the servers come from.
    pub provider: Provider,
    /// The major version of Postgres: 15, 17, …. A given server has the version that it has.
    pub major: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            provider: Provider::Auto,
            major: 17,
        }
    }
}

/// Why a real world did not start: what was tried, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// One way of getting servers failed.
    #[error("Postgres {major} from {provider}: {problem}")]
    Provider {
        /// The way.
        provider: Provider,
        /// The version that was asked for.
        major: u32,
        /// What happened and what to do about it.
        problem: String,
    },
    /// No way of getting servers works on this machine.
    #[error(
        "no Postgres {major} on this machine. Tried:{}\nci/test installs what is missing; LEFTOVER_POSTGRES_URL \
         names a server that is already there.",
        .tried.iter().map(|error| format!("\n  - {error}")).collect::<String>()
    )]
    Nothing {
        /// The version that was asked for.
        major: u32,
        /// What was tried, in order.
        tried: Vec<StartError>,
    },
    /// The servers run, but could not be made ready.
    #[error("{provider} started, but could not be prepared: {problem}")]
    Unusable {
        /// Where the servers came from.
        provider: Provider,
        /// What happened.
        problem: String,
    },
    /// The process that cleans up behind a killed test could not be started, so nothing else was.
    #[error("cannot start the reaper (sh): {0}")]
    Reaper(#[source] std::io::Error),
}
