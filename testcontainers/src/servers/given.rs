//! A server that is already there: source and target are two databases of it.

use leftover_harness::world::Server;
use leftover_wire::login::Login;
use leftover_wire::tcp::Host;

use super::start::{Running, STARTING, password};
use crate::admin::Endpoint;

/// The environment variable that names the server.
pub(super) const VARIABLE: &str = "LEFTOVER_POSTGRES_URL";

/// The role of the code under test, on a server where `mirror` may be somebody.
const ROLE: &str = "leftover_mirror";

pub(super) async fn start() -> Result<([Endpoint; 2], [Running; 2]), String> {
    let url = std::env::var(VARIABLE).map_err(|_| format!("{VARIABLE} is not set"))?;
    let server = leftover_wire::url::parse(&url).map_err(|error| format!("{VARIABLE}: {error}"))?;
    let Host::Tcp(host) = &server.address.host else {
        return Err(format!(
            "{VARIABLE} must name a host: faults are made on TCP connections"
        ));
    };
    let secret = password().map_err(|error| format!("no random numbers: {error}"))?;
    let endpoint = |side: Server| Endpoint {
        host: host.clone(),
        port: server.address.port,
        admin: server.login.clone(),
        login: Login {
            user: ROLE.into(),
            password: Some(secret.clone()),
            database: format!("leftover_{side}"),
        },
        private: false,
    };
    let endpoints = Server::BOTH.map(endpoint);
    endpoints[0].wait_until_ready(STARTING).await?;
    Ok((endpoints, [Running::Given, Running::Given]))
}
