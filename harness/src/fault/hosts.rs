//! Faults of the way between a process and a server: all connections on it, and those to come.

use super::layer::{Layer, ProcessId};
use super::plan::{Fault, Persistence};
use crate::world::Server;

/// How many connections the plan's faults ended without the client's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Severed {
    /// Their servers knew at once, or could.
    pub closed: usize,
    /// Their servers could not know: silence, stall.
    pub unnoticed: usize,
}

/// What a new connection of a process to a server meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Open,
    /// It opens, and stalls.
    Stalled,
    Refused,
    Hangs,
}

impl Layer {
    /// A fault strikes every connection of `process` to `server`, and those to come where it lasts.
    pub(super) fn strike_host(
        &self,
        process: ProcessId,
        server: Server,
        fault: Fault,
        persistence: Persistence,
    ) {
        let links: Vec<_> = {
            let mut state = self.state();
            if persistence == Persistence::FromThenOn {
                state.processes[process.0].hosts[server as usize] = Some(fault);
            }
            let of_host = state
                .connections
                .iter()
                .filter(|(p, s, _)| *p == process && *s == server);
            of_host.filter_map(|(.., link)| link.upgrade()).collect()
        };
        for link in links {
            link.strike(fault);
        }
    }

    /// What a new connection meets now.
    pub(super) fn admission(&self, process: ProcessId, server: Server) -> Admission {
        let state = self.state();
        let process = &state.processes[process.0];
        if process.killed {
            return Admission::Hangs;
        }
        match process.hosts[server as usize] {
            None | Some(Fault::Delay(_)) => Admission::Open,
            Some(Fault::Fin | Fault::Reset | Fault::HalfClose) => Admission::Refused,
            Some(Fault::Silence(_)) => Admission::Hangs,
            Some(Fault::Stall) => Admission::Stalled,
        }
    }

    /// Ends every lasting fault of the network: new connections are as without the plan.
    pub fn heal(&self) {
        for process in &mut self.state().processes {
            process.hosts = [None; 2];
        }
    }

    /// Counts a connection that a fault has ended.
    pub(super) fn sever(&self, process: ProcessId, server: Server, fault: Fault) {
        let severed = &mut self.state().processes[process.0].severed[server as usize];
        match fault {
            Fault::Fin | Fault::Reset | Fault::HalfClose => severed.closed += 1,
            Fault::Silence(_) | Fault::Stall => severed.unnoticed += 1,
            Fault::Delay(_) => {}
        }
    }

    /// How many connections of `process` to `server` the plan's faults have ended.
    pub fn severed(&self, process: ProcessId, server: Server) -> Severed {
        self.state().processes[process.0].severed[server as usize]
    }
}
