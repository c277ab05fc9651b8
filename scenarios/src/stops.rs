//! The mirror's initial load, stopped in every way.

use std::time::Duration;

use leftover_harness::fault::plan::{Act, At, Fault, Persistence, Plan, Scope, Strike, Then};
use leftover_harness::scenario::{Draw, Recon, Scenario};
use leftover_harness::world::Silence;

use crate::load::of_mirror;

/// `drop-during-initial-load`.
pub(crate) fn dropped() -> Scenario {
    let about = "somebody drops the mirror from another terminal while it loads";
    let plan = |draw: &mut Draw, recon: &Recon| Plan::one(message(draw, recon), Act::Drop);
    Scenario {
        plan,
        ..of_mirror("drop-during-initial-load", about)
    }
}

/// `cancel-during-initial-load`.
pub(crate) fn cancelled() -> Scenario {
    let about = "the load's future is dropped, at an await point or at a message";
    let plan = |draw: &mut Draw, recon: &Recon| {
        let at = if draw.below(2) == 0 {
            draw.await_point(recon)
        } else {
            message(draw, recon)
        };
        stop(draw, at, Act::Cancel)
    };
    Scenario {
        plan,
        ..of_mirror("cancel-during-initial-load", about)
    }
}

/// `timeout-during-initial-load`.
pub(crate) fn timed_out() -> Scenario {
    let about = "a deadline around the load passes";
    let plan = |draw: &mut Draw, recon: &Recon| {
        let at = draw.time(recon);
        stop(draw, at, Act::Cancel)
    };
    Scenario {
        plan,
        ..of_mirror("timeout-during-initial-load", about)
    }
}

/// `kill-during-initial-load`.
pub(crate) fn killed() -> Scenario {
    let about = "the process is killed at a message";
    let plan = |draw: &mut Draw, recon: &Recon| {
        let at = message(draw, recon);
        stop(draw, at, Act::Kill)
    };
    Scenario {
        plan,
        ..of_mirror("kill-during-initial-load", about)
    }
}

/// `connection-lost-during-initial-load`.
pub(crate) fn connection_lost() -> Scenario {
    let about = "a connection, or all to one server, is closed, reset, half-closed, silent, stalled or late";
    Scenario {
        plan: lose_a_connection,
        ..of_mirror("connection-lost-during-initial-load", about)
    }
}

fn lose_a_connection(draw: &mut Draw, recon: &Recon) -> Plan {
    let at = message(draw, recon);
    let fault = *draw.one_of(&[
        Fault::Fin,
        Fault::Reset,
        Fault::HalfClose,
        Fault::Silence(Silence::Both),
        Fault::Silence(Silence::ToServer),
        Fault::Silence(Silence::ToClient),
        Fault::Stall,
        Fault::Delay(Duration::from_secs(2)),
    ]);
    let (scope, persistence) = *draw.one_of(&[
        (Scope::Connection, Persistence::Once),
        (Scope::Connection, Persistence::FromThenOn),
        (Scope::Host, Persistence::Once),
        (Scope::Host, Persistence::FromThenOn),
    ]);
    stop(
        draw,
        at,
        Act::Fault {
            fault,
            scope,
            persistence,
        },
    )
}

/// Any message of the run.
fn message(draw: &mut Draw, recon: &Recon) -> At {
    draw.boundary(recon, |_| true).unwrap_or(At::Poll(1))
}

fn stop(draw: &mut Draw, at: At, act: Act) -> Plan {
    let then = *draw.one_of(&[Then::Drop, Then::RunThenDrop]);
    Plan {
        strikes: vec![Strike { at, act }],
        then,
    }
}
