//! What is left, in one line for people.

use std::fmt;

use super::{Call, Foreign, Leftover, SessionLeft, SlotLeft};
use crate::census::SessionSeen;

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Call::Run => "the run",
            Call::Drop => "the drop",
            Call::NextRun => "the next run",
            Call::LastDrop => "the last drop",
            Call::Neighbour => "the other pipeline beside",
        })
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Foreign::Session(name) => write!(f, "session `{name}`"),
            Foreign::Slot(name) => write!(f, "slot `{name}`"),
            Foreign::Publication(name) => write!(f, "publication `{name}`"),
        }
    }
}

impl fmt::Display for SessionLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SessionSeen {
            application_name,
            walsender,
            state,
            ..
        } = &self.seen;
        let kind = if *walsender { "walsender" } else { "session" };
        write!(
            f,
            "{}: {kind} `{application_name}` is left `{state}`",
            self.server
        )?;
        if self.seen.pinned_xmin_age.is_some() {
            f.write_str(" and pins xmin")?;
        }
        if self.seen.waits_for_lock {
            f.write_str(", waiting for a lock")?;
        }
        if self.rest_is_gone {
            f.write_str("; its slot and publication are gone")?;
        }
        Ok(())
    }
}

impl fmt::Display for SlotLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, state] = self.state();
        write!(
            f,
            "{}: {kind} slot `{}` is left, {state}",
            self.server, self.seen.name
        )
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leftover::Session(session) => session.fmt(f),
            Leftover::Slot(slot) => slot.fmt(f),
            Leftover::Publication { server, name } => write!(f, "{server}: publication `{name}` is left"),
            Leftover::Growth {
                server,
                role,
                sessions,
                partitions,
                allowed,
            } => write!(
                f,
                "{server}: sessions `{role}` grow with the number of partitions: \
                 {sessions} at once for {partitions} partitions, where {allowed} in all are allowed"
            ),
            Leftover::OverBudget {
                server,
                sessions,
                allowed,
            } => {
                write!(
                    f,
                    "{server}: {sessions} sessions at once, where {allowed} are allowed"
                )
            }
            Leftover::ForeignTouched { server, object } => {
                write!(f, "{server}: {object} of somebody else is gone")
            }
            Leftover::RowsDiffer {
                table,
                missing,
                surplus,
            } => {
                write!(
                    f,
                    "target: {table} lacks {missing} rows of the source and has {surplus} others"
                )
            }
            Leftover::DidNotEnd { call, bound } => write!(f, "{call} did not return within {bound:?}"),
            Leftover::Failed { call, error } => write!(f, "{call} failed with nothing in its way: {error}"),
            Leftover::NoPromise { call, may_be_left } => {
                write!(f, "{call} had both servers in reach, and says that may be left: ")?;
                f.write_str(&may_be_left.join(", "))
            }
        }
    }
}
