//! `leftover census`: what is held on a live server, by whom, since when, and what it costs.
//!
//! It works on any database, as any role, and shows everybody's connections. It looks once and changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use leftover_core::connection::{Connector as _, Session as _, Startup};
use leftover_core::error::ConnectionError;
use leftover_core::names::MirrorName;
use leftover_harness::census::{Census, sql};
use leftover_wire::url::Server;

use crate::url::Url;
use tokio::time::timeout;

use crate::exit::Exit;

mod finding;
mod only;
mod render;

/// How long the server may take to let us in and to answer.
const BOUND: Duration = Duration::from_secs(30);

/// Where to look, and for what.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The database, as libpq writes it: postgres://user@host:5432/database
    #[arg(value_name = "URL")]
    url: Url,
    /// Show only what this mirror holds
    #[arg(long, value_name = "MIRROR")]
    name: Option<MirrorName>,
    /// Print the census and its findings as JSON
    #[arg(long)]
    json: bool,
    /// Exit with 1 if the mirror holds anything here
    #[arg(long, requires = "name")]
    expect_nothing: bool,
}

/// What one look found.
#[derive(Debug, Clone, serde::Serialize)]
struct Look {
    /// Where, as `user@host:port/database`.
    server: String,
    /// The mirror that it was restricted to.
    mirror: Option<String>,
    #[serde(flatten)]
    census: Census,
    /// Where the clients are, by pid.
    clients: BTreeMap<i32, String>,
}

/// Looks, and prints what it finds.
pub async fn run(args: Args) -> Exit {
    let server = match args.url.server() {
        Ok(server) => server,
        Err(error) => {
            eprintln!("error: {error}");
            return Exit::Usage;
        }
    };
    let look = match timeout(BOUND, look(&server)).await {
        Ok(Ok((census, clients))) => {
            let census = match &args.name {
                Some(mirror) => only::of_mirror(census, mirror),
                None => census,
            };
            let mirror = args.name.as_ref().map(ToString::to_string);
            Look {
                server: server.to_string(),
                mirror,
                census,
                clients,
            }
        }
        Ok(Err(error)) => return could_not(&server, &error),
        Err(_) => return could_not(&server, &format_args!("no answer within {} s", BOUND.as_secs())),
    };
    if args.json {
        println!("{}", render::json(&look));
    } else {
        print!("{}", render::text(&look));
    }
    if args.expect_nothing && !only::is_nothing(&look.census) {
        Exit::LeftBehind
    } else {
        Exit::Clean
    }
}

async fn look(server: &Server) -> Result<(Census, BTreeMap<i32, String>), ConnectionError> {
    let mut session = leftover_wire::connector(server).session(&startup()).await?;
    let census = sql::take(&mut session).await?;
    let clients = sql::clients(&mut session).await?;
    // All has been read: it does not matter for the census how the session ends.
    let _ = session.close().await;
    Ok((census, clients))
}

/// We are a guest: we change nothing, wait for nobody and do not stay.
fn startup() -> Startup {
    let settings = [
        ("default_transaction_read_only", "on"),
        ("statement_timeout", "20s"),
        ("lock_timeout", "5s"),
        ("idle_session_timeout", "60s"),
        ("client_connection_check_interval", "5s"),
    ];
    Startup {
        application_name: "leftover census".to_owned(),
        settings: settings
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    }
}

fn could_not(server: &Server, why: &dyn std::fmt::Display) -> Exit {
    eprintln!("error: no census of {server}: {why}");
    Exit::CouldNotRun
}
