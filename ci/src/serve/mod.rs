//! `leftover serve`: the simulated Postgres on a TCP port, in real time, for psql or any other client.

mod clock;
mod socket;

use std::future::Future as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use leftover_sim::chooser::Chooser;
use leftover_sim::postgres::options::ServerOptions;
use leftover_sim::postgres::server::PgServer;
use leftover_sim::postgres::settings::at_rest;
use tokio::net::TcpListener;

use crate::exit::Exit;
use clock::PromptClock;
use socket::TcpSocket;

/// What to serve.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The port to listen on, on the loopback interface; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 5433)]
    port: u16,
    /// What decides every choice of the server, such as how long a statement takes
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The role that may log in; it may replicate and is no superuser
    #[arg(long, value_name = "ROLE", default_value = "mirror")]
    user: String,
    /// Its password (SCRAM); without one every connection is trusted
    #[arg(long, value_name = "TEXT")]
    password: Option<String>,
    /// The database that is there, owned by that role
    #[arg(long, value_name = "NAME", default_value = "app")]
    database: String,
    /// A setting of the server, as in postgresql.conf; it can be repeated
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, String)>,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a setting is NAME=VALUE")?;
    let (name, value) = (name.trim(), value.trim());
    at_rest(name, value)?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Serves until Ctrl-C.
pub async fn run(args: &Args) -> Exit {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let bound = TcpListener::bind(address).await;
    let listening = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = match listening {
        Ok(listening) => listening,
        Err(error) => {
            eprintln!("error: cannot listen on {address}: {error}; --port names another one");
            return Exit::CouldNotRun;
        }
    };
    println!(
        "the simulated Postgres listens on postgres://{}@{address}/{} until Ctrl-C",
        args.user, args.database
    );
    serve(&server(args), &listener).await
}

fn server(args: &Args) -> PgServer {
    let options = ServerOptions {
        role: args.user.clone(),
        password: args.password.clone(),
        database: args.database.clone(),
        settings: args.settings.clone(),
        ..ServerOptions::default()
    };
    PgServer::new(options, Arc::new(PromptClock::default()), Chooser::new(args.seed))
}

/// Every connection's life is part of this future: when it ends, they end.
async fn serve(server: &PgServer, listener: &TcpListener) -> Exit {
    let mut connections = FuturesUnordered::new();
    let mut stop = pin!(tokio::signal::ctrl_c());
    std::future::poll_fn(|cx| {
        if stop.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Exit::Clean);
        }
        while let Poll::Ready(accepted) = listener.poll_accept(cx) {
            match accepted.and_then(|(stream, _)| TcpSocket::new(stream)) {
                Ok(socket) => connections.push(server.serve(socket)),
                // The client went away between connecting and being accepted.
                Err(error) => eprintln!("a connection failed before it was accepted: {error}"),
            }
        }
        while let Poll::Ready(Some(())) = connections.poll_next_unpin(cx) {}
        Poll::Pending
    })
    .await
}
