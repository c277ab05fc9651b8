//! What a run has instead of a place that it has not: the same message with other ordinals, other messages of
//! the same role, other roles.

use std::collections::{BTreeMap, BTreeSet};

use crate::fault::plan::{At, Await, Point};
use crate::log::Way;
use crate::scenario::{Boundary, Recon};

/// How many messages or roles are named.
const NAMED: usize = 10;

/// What is near `at` in `recon`, for people.
pub fn near(recon: &Recon, at: &At) -> String {
    match at {
        At::Message { point, when } => near_message(recon, point, when.way()),
        At::Await(at) => near_await(recon, at),
        At::Time { process, .. } => {
            let of_process = recon.boundaries.iter().filter(|at| at.actor.process == *process);
            match of_process.map(|boundary| boundary.at).max() {
                Some(last) => format!("the last message of {process} passed at {last:?}"),
                None => processes(recon, process),
            }
        }
    }
}

fn near_await(recon: &Recon, at: &Await) -> String {
    let same = |known: &&crate::fault::AwaitsAfter| {
        let after = known.after.as_ref().map(Boundary::passed);
        *known.process == *at.process && after == at.after
    };
    let count: u32 = recon
        .awaits
        .iter()
        .filter(same)
        .map(|known| known.count)
        .max()
        .unwrap_or(0);
    match &at.after {
        _ if count > 0 => format!("there are {count} awaits there"),
        None if recon
            .boundaries
            .iter()
            .any(|known| known.actor.process == at.process) =>
        {
            format!("{} awaits nothing before its first message", at.process)
        }
        None => processes(recon, &at.process),
        Some(after) => {
            let passed = |known: &Boundary| known.passed() == *after;
            if recon.boundaries.iter().any(passed) {
                return "that message passed, and nothing was awaited before the next".to_owned();
            }
            near_message(recon, &after.point, after.way)
        }
    }
}

fn near_message(recon: &Recon, point: &Point, way: Way) -> String {
    let of_process: Vec<&Boundary> = {
        let all = recon.boundaries.iter();
        all.filter(|known| known.actor.process == point.process).collect()
    };
    if of_process.is_empty() {
        return processes(recon, &point.process);
    }
    let of_role: Vec<&&Boundary> = of_process
        .iter()
        .filter(|known| known.actor.server == point.server && known.actor.role == point.role)
        .collect();
    if of_role.is_empty() {
        let roles = of_process
            .iter()
            .map(|known| format!("{} {}", known.actor.server, known.actor.role));
        return format!("connections of {} are {}", point.process, listed(roles));
    }
    let mut same: BTreeMap<u32, u32> = BTreeMap::new();
    for known in of_role
        .iter()
        .filter(|known| known.way == way && *known.message == *point.message)
    {
        let most = same.entry(known.actor.connection).or_default();
        *most = (*most).max(known.nth);
    }
    if same.is_empty() {
        let direction = match way {
            Way::Sent => "sends",
            Way::Received => "receives",
        };
        let messages = of_role.iter().filter(|known| known.way == way);
        let messages = messages.map(|known| known.message.to_string());
        return format!("{} {} {direction} {}", point.server, point.role, listed(messages));
    }
    let ordinals = same.iter().map(|(connection, most)| match most {
        1 => format!("connection {connection}, nth 1"),
        most => format!("connection {connection}, nth 1 to {most}"),
    });
    let ordinals: Vec<String> = ordinals.collect();
    format!("there is {} with {}", point.message, cut(&ordinals, "; "))
}

fn processes(recon: &Recon, process: &str) -> String {
    let known = recon.boundaries.iter().map(|known| known.actor.process.clone());
    format!("{process:?} sends nothing; the processes are {}", listed(known))
}

/// Each of them once, in order.
fn listed(names: impl Iterator<Item = String>) -> String {
    let names: BTreeSet<String> = names.collect();
    cut(&names.into_iter().collect::<Vec<_>>(), ", ")
}

fn cut(names: &[String], between: &str) -> String {
    let text = names[..names.len().min(NAMED)].join(between);
    match names.len().saturating_sub(NAMED) {
        0 => text,
        more => format!("{text}{between}and {more} more"),
    }
}
