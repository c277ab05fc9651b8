//! A process: everything that the code under test gets, and how it is killed.

use std::sync::Arc;

use leftover_core::clock::SharedClock;
use leftover_wire::Connector;

use crate::fault::{FaultDial, Layer, ProcessId, Spawner, Stop};
use crate::world::{Server, World};

/// Everything that the code under test gets.
#[derive(Clone)]
pub struct Env {
    /// The server that is read.
    pub source: Connector,
    /// The server that is written.
    pub target: Connector,
    /// The time of this world.
    pub clock: SharedClock,
    /// What code with detached tasks spawns them with, in place of `tokio::spawn`.
    pub spawner: Spawner,
    /// Completes when the process is asked to stop.
    pub stop: Stop,
}

/// One of the processes of a run: the run itself, the drop from another terminal, the next run.
#[derive(Clone)]
pub struct Process {
    label: String,
    id: ProcessId,
    layer: Arc<Layer>,
    env: Env,
}

impl Process {
    /// Starts a process in `world`. Its label is what [`crate::fault::plan::Point::process`] says.
    pub fn start<W: World>(world: &Arc<W>, layer: &Arc<Layer>, label: &str) -> Self {
        let id = layer.process(label);
        let connector = |server| {
            let dial = FaultDial::new(world.clone(), server, id, layer.clone());
            Connector::new(Arc::new(dial), world.login(server))
        };
        let env = Env {
            source: connector(Server::Source),
            target: connector(Server::Target),
            clock: layer.clock().clone(),
            spawner: Spawner::new(layer.clone(), id),
            stop: layer.stop_of(id),
        };
        Process {
            label: label.to_owned(),
            id,
            layer: layer.clone(),
            env,
        }
    }

    /// Its label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// What this process has.
    pub fn env(&self) -> Env {
        self.env.clone()
    }

    /// The fault layer that it goes through.
    pub fn layer(&self) -> &Layer {
        &self.layer
    }

    /// Its id in the fault layer.
    pub fn id(&self) -> ProcessId {
        self.id
    }

    /// Kills it: its links are closed as a dying kernel closes them, and nothing that still runs of it, not
    /// even in a `Drop`, reaches a server.
    pub fn kill(&self) {
        self.layer.kill(self.id);
    }
}
