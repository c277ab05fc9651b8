//! A server that is already there: source and target are two databases of it.

use leftover_harness::world::Server;
use leftover_wire::login::Login;
use tokio_postgres::config::Host;

use super::start::{Running, STARTING, password};
use crate::admin::Endpoint;

/// The environment variable that names the server.
pub(super) const VARIABLE: &str = "LEFTOVER_POSTGRES_URL";

/// The role of the code under test, on a server where `mirror` may be somebody.
const ROLE: &str = "leftover_mirror";

pub(super) async fn start() -> Result<([Endpoint; 2], [Running; 2]), String> {
    let url = std::env::var(VARIABLE).map_err(|_| format!("{VARIABLE} is not set"))?;
    let config: tokio_postgres::Config = url.parse().map_err(|error| format!("{VARIABLE}: {error}"))?;
    let Some(Host::Tcp(host)) = config.get_hosts().first() else {
        return Err(format!(
            "{VARIABLE} must name a host: faults are made on TCP connections"
        ));
    };
    let user = config
        .get_user()
        .ok_or_else(|| format!("{VARIABLE} must name a role"))?;
    let admin = Login {
        user: user.to_owned(),
        password: config
            .get_password()
            .map(|secret| String::from_utf8_lossy(secret).into_owned()),
        database: config.get_dbname().unwrap_or(user).to_owned(),
    };
    let secret = password().map_err(|error| format!("no random numbers: {error}"))?;
    let endpoint = |server: Server| Endpoint {
        host: host.clone(),
        port: config.get_ports().first().copied().unwrap_or(5432),
        admin: admin.clone(),
        login: Login {
            user: ROLE.into(),
            password: Some(secret.clone()),
            database: format!("leftover_{server}"),
        },
        private: false,
    };
    let endpoints = Server::BOTH.map(endpoint);
    endpoints[0].wait_until_ready(STARTING).await?;
    Ok((endpoints, [Running::Given, Running::Given]))
}
