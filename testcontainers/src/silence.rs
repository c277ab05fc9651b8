//! Silence: packets of one connection vanish, by rules of the packet filter.
//!
//! Each world has a chain of its own, made when it is first needed, so that taking all its rules away is one
//! flush. Loopback only: rules are for packets that arrive on `lo`.

use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Mutex;

use leftover_harness::world::Silence;

/// A world's chain of rules.
#[derive(Debug)]
pub(crate) struct Chain {
    name: String,
    made: Mutex<bool>,
}

impl Chain {
    /// A chain called `name`; nothing is asked of the kernel yet.
    pub(crate) fn new(name: String) -> Chain {
        Chain {
            name,
            made: Mutex::new(false),
        }
    }

    /// Drops the packets of the connection between `client` and `server`.
    pub(crate) fn silence(&self, client: SocketAddr, server: SocketAddr, which: Silence) -> io::Result<()> {
        let on_loopback = |address: SocketAddr| address.is_ipv4() && address.ip().is_loopback();
        if !on_loopback(client) || !on_loopback(server) {
            return Err(unsupported(format!(
                "{client} to {server} is not IPv4 on the loopback interface"
            )));
        }
        self.make()?;
        if matches!(which, Silence::ToServer | Silence::Both) {
            self.drop_packets(client.port(), server.port())?;
        }
        if matches!(which, Silence::ToClient | Silence::Both) {
            self.drop_packets(server.port(), client.port())?;
        }
        Ok(())
    }

    /// Lets all packets through again.
    pub(crate) fn flush(&self) -> io::Result<()> {
        if *self.made.lock().expect("no panic while the lock is held") {
            packet_filter(&["-F", &self.name])?;
        }
        Ok(())
    }

    fn make(&self) -> io::Result<()> {
        let mut made = self.made.lock().expect("no panic while the lock is held");
        if !*made {
            packet_filter(&["-N", &self.name])?;
            packet_filter(&["-I", "INPUT", "1", "-i", "lo", "-j", &self.name])?;
            *made = true;
        }
        Ok(())
    }

    fn drop_packets(&self, from: u16, to: u16) -> io::Result<()> {
        let (from, to) = (from.to_string(), to.to_string());
        packet_filter(&[
            "-A", &self.name, "-p", "tcp", "--sport", &from, "--dport", &to, "-j", "DROP",
        ])
    }
}

fn packet_filter(arguments: &[&str]) -> io::Result<()> {
    let mut command = if crate::servers::we_are_root() {
        Command::new("iptables")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "iptables"]);
        sudo
    };
    let output = command
        .args(["-w", "5"])
        .args(arguments)
        .output()
        .map_err(|error| unsupported(format!("cannot run iptables: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(unsupported(format!(
        "iptables {}: {}",
        arguments.join(" "),
        said.trim()
    )))
}

fn unsupported(problem: String) -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        format!("packets cannot be dropped here (it takes iptables, as root or with sudo): {problem}"),
    )
}
