//! Containers, through the testcontainers crate.
//!
//! On Linux a container gets the host's network and a port of its own on 127.0.0.1. Behind a mapped port
//! stands a proxy that turns a client's RST into a FIN; elsewhere that is all there is.

use leftover_harness::world::{Server, Shutdown};
use testcontainers::bollard::query_parameters::KillContainerOptionsBuilder;
use testcontainers::core::{CmdWaitFor, ExecCommand, IntoContainerPort as _, client::docker_client_instance};
use testcontainers::runners::AsyncRunner as _;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt as _};

use super::start::{Running, SETTINGS, STARTING, free_port, password, private_endpoint, signal, wait_for};
use crate::admin::Endpoint;
use crate::reaper::{WorldId, scope};

/// The environment variable that names an image of one's own.
const IMAGE_VARIABLE: &str = "LEFTOVER_POSTGRES_IMAGE";

/// The port inside a container that has a network of its own.
const INSIDE: u16 = 5432;

/// A running container.
#[derive(Debug)]
pub(crate) struct Container {
    /// `None` only while it is dropped.
    inner: Option<ContainerAsync<GenericImage>>,
    endpoint: Endpoint,
}

/// Starts two containers.
pub(super) async fn start(major: u32, id: &WorldId) -> Result<([Endpoint; 2], [Running; 2]), String> {
    let image = image(major).await?;
    let secret = password().map_err(|error| format!("no random numbers: {error}"))?;
    let [source, target] = Server::BOTH.map(|server| start_one(server, &image, id, &secret));
    let (source, target) = futures_util::future::join(source, target).await;
    let (source, target) = (source?, target?);
    let endpoints = [source.endpoint.clone(), target.endpoint.clone()];
    Ok((
        endpoints,
        [source, target].map(|container| Running::Container(Box::new(container))),
    ))
}

async fn start_one(server: Server, image: &str, id: &WorldId, secret: &str) -> Result<Container, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{image}: {error}");
    let host_network = cfg!(target_os = "linux");
    let port = if host_network {
        free_port().map_err(|error| failed(&error))?
    } else {
        INSIDE
    };
    let listen = if host_network { "127.0.0.1" } else { "*" };
    let request = request(image)
        .with_container_name(format!("{}-{server}", id.name()))
        .with_label("leftover.scope", scope())
        .with_env_var("POSTGRES_PASSWORD", secret)
        .with_env_var("PGPORT", port.to_string())
        .with_startup_timeout(STARTING)
        .with_cmd(arguments(listen));
    let request = if host_network {
        request.with_network("host")
    } else {
        request.with_mapped_port(0, INSIDE.tcp())
    };
    let inner = request.start().await.map_err(|error| failed(&error))?;
    let port = if host_network {
        port
    } else {
        inner
            .get_host_port_ipv4(INSIDE.tcp())
            .await
            .map_err(|error| failed(&error))?
    };
    let endpoint = private_endpoint(server, "127.0.0.1", port, secret);
    let container = Container {
        inner: Some(inner),
        endpoint,
    };
    container
        .wait_until_ready()
        .await
        .map_err(|problem| failed(&problem))?;
    Ok(container)
}

fn arguments(listen: &str) -> Vec<String> {
    let mut arguments = vec![
        "postgres".into(),
        "-c".into(),
        format!("listen_addresses={listen}"),
    ];
    for (name, value) in SETTINGS {
        arguments.extend(["-c".into(), format!("{name}={value}")]);
    }
    arguments
}

/// `NAME`, `NAME:TAG`, or `HOST:PORT/NAME:TAG`.
fn request(image: &str) -> ContainerRequest<GenericImage> {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => GenericImage::new(name, tag).into(),
        _ => GenericImage::new(image, "latest").into(),
    }
}

/// Which image to run.
async fn image(major: u32) -> Result<String, String> {
    let docker = docker_client_instance()
        .await
        .map_err(|error| format!("no container engine: {error}"))?;
    docker
        .ping()
        .await
        .map_err(|error| format!("the container engine does not answer: {error}"))?;
    if let Ok(image) = std::env::var(IMAGE_VARIABLE) {
        return Ok(image.replace("{major}", &major.to_string()));
    }
    let local = format!("leftover-postgres:{major}");
    let there = docker.inspect_image(&local).await.is_ok();
    Ok(if there { local } else { format!("postgres:{major}") })
}

impl Container {
    /// The signal that `pg_ctl` would send goes to the postmaster, which is the container's first process.
    pub(crate) async fn shut_down(&self, how: Shutdown) -> Result<(), String> {
        let docker = docker_client_instance()
            .await
            .map_err(|error| error.to_string())?;
        let signal = format!("SIG{}", signal(how));
        let options = KillContainerOptionsBuilder::new().signal(&signal).build();
        let told = docker.kill_container(self.inner().id(), Some(options)).await;
        told.map_err(|error| error.to_string())
    }

    pub(crate) async fn is_down(&self) -> Result<bool, String> {
        let running = self.inner().is_running().await;
        running.map(|running| !running).map_err(|error| error.to_string())
    }

    /// Kills a process that the container knows by this pid, which is how its server knows it.
    pub(crate) async fn kill(&self, pid: i32) -> Result<(), String> {
        let command = ExecCommand::new(["sh".to_owned(), "-c".to_owned(), format!("kill -KILL {pid}")])
            .with_cmd_ready_condition(CmdWaitFor::exit_code(0));
        let done = self.inner().exec(command).await;
        done.map(drop).map_err(|error| error.to_string())
    }

    pub(crate) async fn start(&self) -> Result<(), String> {
        self.inner().start().await.map_err(|error| error.to_string())?;
        self.wait_until_ready().await
    }

    pub(crate) async fn log(&self) -> Result<String, String> {
        let bytes = self
            .inner()
            .stderr_to_vec()
            .await
            .map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn wait_until_ready(&self) -> Result<(), String> {
        let ready = self.endpoint.wait_until_ready(STARTING).await;
        let Err(problem) = ready else { return Ok(()) };
        let log = self.log().await.unwrap_or_default();
        let end: Vec<&str> = log.lines().rev().take(5).collect();
        Err(format!(
            "{problem}; the end of its log, last line first: {}",
            end.join(" | ")
        ))
    }

    fn inner(&self) -> &ContainerAsync<GenericImage> {
        self.inner
            .as_ref()
            .expect("a container is there until it is dropped")
    }
}

impl Drop for Container {
    /// testcontainers removes a container inside a runtime, which a drop need not have around it.
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        match wait_for(inner.rm()) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a container was not removed; the reaper tries again"),
            Err(error) => tracing::warn!(%error, "no runtime to remove a container in; the reaper does it"),
        }
    }
}
