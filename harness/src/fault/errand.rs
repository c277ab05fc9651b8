//! What a strike has done to a server: out of band, by whoever drives the run, while the connection at whose
//! message it struck waits. So it has been done on the side of the message that the plan says, in both worlds.

use super::layer::{Layer, ProcessId};
use crate::world::Server;

/// Something that is done to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// An operator ends a session.
    Terminate {
        /// Where.
        server: Server,
        /// Its backend.
        pid: i32,
    },
    /// A server crashes and comes back.
    Crash {
        /// Which.
        server: Server,
    },
}

/// Tells the connection that waits for an errand from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u32);

impl Layer {
    /// A ticket that no connection has had.
    pub(super) fn ticket(&self) -> Ticket {
        let mut state = self.state();
        state.tickets += 1;
        Ticket(state.tickets)
    }

    /// What the connection with this ticket waits for has been done.
    pub fn resume(&self, ticket: Ticket) {
        let links: Vec<_> = {
            let state = self.state();
            state
                .connections
                .iter()
                .filter_map(|(.., link)| link.upgrade())
                .collect()
        };
        for link in links {
            link.resume(ticket);
        }
    }

    /// A server has crashed, and has ended every connection.
    pub fn crashed(&self, server: Server) {
        self.log().note(match server {
            Server::Source => "the source has crashed",
            Server::Target => "the target has crashed",
        });
        for process in &mut self.state().processes {
            let open = process.traffic[server as usize].open;
            process.severed[server as usize].closed += open;
        }
    }

    /// Counts connections that the server ends.
    pub(super) fn severed_by_server(&self, process: ProcessId, server: Server, count: usize) {
        self.state().processes[process.0].severed[server as usize].closed += count;
    }
}
