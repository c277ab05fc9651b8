//! The same place by meaning in another run: the same message of the same role, with the nearest ordinals.

use std::time::Duration;

use crate::fault::AwaitsAfter;
use crate::fault::plan::{At, Await, Passed, Point};
use crate::log::Way;
use crate::scenario::{Boundary, Recon};

/// Places of the run `there` that mean what `at` means in the run `here`: at most `most`, the nearest first,
/// and the first of the run among them.
pub(super) fn nearest(here: &Recon, there: &Recon, at: &At, most: usize) -> Vec<At> {
    match at {
        At::Message { point, when } => {
            let alike = alike(there, point, when.way(), most).into_iter();
            let point = alike.map(Boundary::point);
            point.map(|point| At::Message { point, when: *when }).collect()
        }
        At::Await(at) => awaits(there, at, most),
        At::Time { process, after } => times(here, there, process, *after, most),
    }
}

/// Messages of the same kind, direction, process, server and role.
fn alike<'a>(recon: &'a Recon, point: &Point, way: Way, most: usize) -> Vec<&'a Boundary> {
    let same = |known: &&Boundary| {
        known.way == way
            && *known.message == *point.message
            && known.actor.role == point.role
            && known.actor.server == point.server
            && known.actor.process == point.process
    };
    let mut alike: Vec<&Boundary> = recon.boundaries.iter().filter(same).collect();
    let first = alike.first().copied();
    alike.sort_by_key(|known| {
        let connection = known.actor.connection.abs_diff(point.connection);
        (connection, known.nth.abs_diff(point.nth))
    });
    alike.truncate(most);
    if let Some(first) = first
        && !alike.contains(&first)
    {
        alike.pop();
        alike.push(first);
    }
    alike
}

fn awaits(there: &Recon, at: &Await, most: usize) -> Vec<At> {
    let afters: Vec<Option<Passed>> = match &at.after {
        None => vec![None],
        Some(Passed { way, point }) => {
            let alike = alike(there, point, *way, usize::MAX).into_iter();
            alike.map(|known| Some(known.passed())).collect()
        }
    };
    let known = afters.into_iter().filter_map(|after| {
        let of = |known: &&AwaitsAfter| {
            *known.process == *at.process && known.after.as_ref().map(Boundary::passed) == after
        };
        let known = there.awaits.iter().find(of)?;
        Some(At::Await(known.nth(at.nth.min(known.count))))
    });
    known.take(most).collect()
}

/// As long after the same message, but before the next one.
fn times(here: &Recon, there: &Recon, process: &str, after: Duration, most: usize) -> Vec<At> {
    let of_process = |recon: &'_ Recon| -> Vec<Boundary> {
        let all = recon
            .boundaries
            .iter()
            .filter(|known| known.actor.process == process);
        all.cloned().collect()
    };
    let (before, all) = (of_process(here), of_process(there));
    let Some(anchor) = before.iter().rev().find(|known| known.at <= after) else {
        return Vec::new();
    };
    let alike = alike(there, &anchor.point(), anchor.way, most).into_iter();
    let time = |known: &Boundary| {
        let next = all.iter().find(|next| next.at > known.at);
        let pause = next.map_or(Duration::MAX, |next| next.at - known.at);
        At::Time {
            process: process.to_owned(),
            after: known.at + (after - anchor.at).min(pause / 2),
        }
    };
    alike.map(time).collect()
}
