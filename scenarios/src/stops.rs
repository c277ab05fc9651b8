//! The mirror's initial load, stopped in every way.

use leftover_harness::reach::{Promises, Situation};
use leftover_harness::scenario::Scenario;
use leftover_harness::space::Family;

use crate::load::of_mirror;
use crate::mirror::PHASES_OF_A_LOAD;

/// A scenario in which things of these families strike anywhere: in every phase that a run without faults has.
fn struck(
    name: &'static str,
    about: &'static str,
    families: &'static [Family],
    situations: &'static [Situation],
) -> Scenario {
    Scenario {
        families,
        promises: Promises {
            phases: PHASES_OF_A_LOAD,
            situations,
        },
        ..of_mirror(name, about)
    }
}

/// `drop-during-initial-load`.
pub(crate) fn dropped() -> Scenario {
    let about = "somebody drops the mirror from another terminal while it loads";
    struck("drop-during-initial-load", about, &[Family::Drop], &[])
}

/// `cancel-during-initial-load`.
pub(crate) fn cancelled() -> Scenario {
    let about = "the load's future is dropped, at an await or at a message";
    let families = &[Family::Cancel, Family::CancelAtMessage];
    let situations = &[
        Situation::CopyInLostClient,
        Situation::CommitUnknown,
        Situation::CleanupCancelled,
    ];
    struck("cancel-during-initial-load", about, families, situations)
}

/// `timeout-during-initial-load`.
pub(crate) fn timed_out() -> Scenario {
    let about = "a deadline around the load passes";
    struck(
        "timeout-during-initial-load",
        about,
        &[Family::Timeout],
        &[Situation::CopyInLostClient],
    )
}

/// `stopped-during-initial-load`.
pub(crate) fn stopped() -> Scenario {
    let about = "the process is asked to stop (SIGTERM) while it loads, and cleans up";
    struck(
        "stopped-during-initial-load",
        about,
        &[Family::Stop],
        &[Situation::CleanupCancelled],
    )
}

/// `kill-during-initial-load`.
pub(crate) fn killed() -> Scenario {
    let about = "the process is killed at a message";
    struck(
        "kill-during-initial-load",
        about,
        &[Family::Kill],
        &[Situation::CopyInLostClient, Situation::CommitUnknown],
    )
}

/// `connection-lost-during-initial-load`.
pub(crate) fn connection_lost() -> Scenario {
    let about = "a connection, or all to one server, is closed, reset, half-closed, silent, stalled or late";
    struck(
        "connection-lost-during-initial-load",
        about,
        &Family::NETWORK,
        &[
            Situation::CopyInLostClient,
            Situation::CommitUnknown,
            Situation::EndedByServerLimit,
        ],
    )
}

/// `terminated-during-initial-load`.
pub(crate) fn terminated() -> Scenario {
    let about = "an operator ends one of the load's sessions with pg_terminate_backend";
    struck("terminated-during-initial-load", about, &[Family::Terminate], &[])
}

/// `server-error-during-initial-load`.
pub(crate) fn server_error() -> Scenario {
    let about = "a server answers a statement with an error that it may answer it with";
    struck(
        "server-error-during-initial-load",
        about,
        &[Family::Error],
        &[Situation::CopyInLostClient],
    )
}

/// `server-crash-during-initial-load`.
pub(crate) fn crashed() -> Scenario {
    let about = "a server crashes and comes back while the mirror loads";
    struck(
        "server-crash-during-initial-load",
        about,
        &[Family::Crash],
        &[Situation::CopyInLostClient],
    )
}
