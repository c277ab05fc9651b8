//! What should not be there, and the one place that says so to people.
//!
//! The words are the same in both worlds: no pids, no ages; those are in [`Leftover::detail`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::census::{BlockerSeen, SessionSeen, SlotSeen};
use crate::fault::message;
use crate::world::Server;

mod display;

/// A session that is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLeft {
    /// Where.
    pub server: Server,
    /// What the census saw.
    pub seen: SessionSeen,
    /// Whether no slot and no publication of the pipeline is left on that server: an oracle that looks at
    /// those alone finds nothing.
    pub rest_is_gone: bool,
}

/// A replication slot that is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotLeft {
    /// Where.
    pub server: Server,
    /// What the census saw.
    pub seen: SlotSeen,
}

/// A call of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// The run of the plan.
    Run,
    /// The drop from another process.
    Drop,
    /// The run after the one of the plan.
    NextRun,
    /// The drop after everything.
    LastDrop,
    /// The run of the other pipeline beside.
    Neighbour,
}

/// Something of somebody else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Foreign {
    /// A session, by its `application_name`.
    Session(String),
    /// A replication slot.
    Slot(String),
    /// A publication.
    Publication(String),
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leftover {
    /// A session is left.
    Session(SessionLeft),
    /// A replication slot is left.
    Slot(SlotLeft),
    /// A publication is left.
    Publication {
        /// Where.
        server: Server,
        /// Its name.
        name: String,
    },
    /// Sessions grew with the number of partitions.
    Growth {
        /// Where.
        server: Server,
        /// The role of the connections that grew.
        role: String,
        /// How many of that role there were at one instant.
        sessions: usize,
        /// How many partitions were copied.
        partitions: usize,
        /// How many sessions of all roles the pipeline may have.
        allowed: usize,
    },
    /// More sessions at one instant than the pipeline may have.
    OverBudget {
        /// Where.
        server: Server,
        /// How many there were.
        sessions: usize,
        /// How many it may have.
        allowed: usize,
    },
    /// Something of somebody else was removed or ended.
    ForeignTouched {
        /// Where.
        server: Server,
        /// What.
        object: Foreign,
    },
    /// The pipeline says that it is complete, and the target's rows are not the source's.
    RowsDiffer {
        /// The table, as the target names it.
        table: String,
        /// Rows of the source that the target has not.
        missing: usize,
        /// Rows of the target that the source has not.
        surplus: usize,
    },
    /// A call did not return.
    DidNotEnd {
        /// Which.
        call: Call,
        /// How long it was given.
        bound: Duration,
    },
    /// A call failed although nothing stood in its way.
    Failed {
        /// Which.
        call: Call,
        /// What it said.
        error: String,
    },
    /// A drop with both servers in reach did not promise that nothing is left.
    NoPromise {
        /// Which.
        call: Call,
        /// What it said may be left.
        may_be_left: Vec<String>,
    },
}

/// How many characters of a statement are shown.
const STATEMENT: usize = 70;

impl SessionLeft {
    /// What it waits for, behind whom, and what it was told last.
    fn waits(&self) -> String {
        let SessionSeen {
            wait,
            blockers,
            query,
            ..
        } = &self.seen;
        let mut text = wait
            .as_ref()
            .map_or_else(String::new, |wait| format!("waits for {wait}"));
        for (nth, blocker) in blockers.iter().enumerate() {
            let BlockerSeen {
                pid,
                application_name,
            } = blocker;
            let before = if nth == 0 { ", behind" } else { " and" };
            text += &format!("{before} pid {pid} `{application_name}`");
        }
        if !text.is_empty() {
            text += "; ";
        }
        let statement: String = query.chars().take(STATEMENT).collect();
        let cut = if statement.len() < query.len() { "…" } else { "" };
        text + &format!("its last statement is: {statement}{cut}")
    }

    fn kind(&self) -> String {
        let SessionSeen { walsender, state, .. } = &self.seen;
        let what = if *walsender { "walsender" } else { "session" };
        let role = message::role(&self.seen.application_name);
        let mut kind = format!("{}: {what} `{role}` is left {state}", self.server);
        if self.seen.pinned_xmin_age.is_some() {
            kind.push_str(" and pins xmin");
        }
        if self.seen.waits_for_lock {
            kind.push_str(", waiting for a lock");
        }
        kind
    }
}

impl SlotLeft {
    /// Whether it vanishes with its session, and how far it is.
    fn state(&self) -> [&'static str; 2] {
        let kind = if self.seen.temporary {
            "temporary"
        } else {
            "permanent"
        };
        let state = match (&self.seen.confirmed_flush_lsn, self.seen.active_pid) {
            (None, Some(_)) => "still being created",
            (_, Some(_)) => "active",
            (_, None) => "inactive",
        };
        [kind, state]
    }
}

impl Leftover {
    /// What it is a case of, without counts, names of objects, pids and numbers: the same in every run that
    /// shows the same bug.
    pub fn kind(&self) -> String {
        match self {
            Leftover::Session(left) => left.kind(),
            Leftover::Slot(left) => {
                let [kind, state] = left.state();
                format!("{}: {kind} slot is left, {state}", left.server)
            }
            Leftover::Publication { server, .. } => format!("{server}: publication is left"),
            Leftover::Growth { server, role, .. } => {
                format!("{server}: sessions `{role}` grow with the number of partitions")
            }
            Leftover::OverBudget { server, .. } => format!("{server}: more sessions than allowed"),
            Leftover::ForeignTouched { server, object } => {
                let object = match object {
                    Foreign::Session(_) => "session",
                    Foreign::Slot(_) => "slot",
                    Foreign::Publication(_) => "publication",
                };
                format!("{server}: {object} of somebody else is gone")
            }
            Leftover::RowsDiffer { missing, surplus, .. } => {
                let how = match (missing, surplus) {
                    (_, 0) => "lacks rows of the source",
                    (0, _) => "has rows that the source has not",
                    _ => "lacks rows of the source and has others",
                };
                format!("target: a table {how}")
            }
            Leftover::DidNotEnd { call, .. } => format!("{call} did not return"),
            Leftover::Failed { call, .. } => format!("{call} failed with nothing in its way"),
            Leftover::NoPromise { call, .. } => {
                format!("{call} had both servers in reach, and does not promise that nothing is left")
            }
        }
    }

    /// What differs from run to run: pids, waits, ages, the last statement.
    pub fn detail(&self) -> Option<String> {
        match self {
            Leftover::Session(SessionLeft { seen, .. }) => {
                let mut detail = format!("pid {}, open for {:?}", seen.pid, seen.connected_for);
                if let Some(age) = seen.transaction_for {
                    detail.push_str(&format!(", in a transaction for {age:?}"));
                }
                if let Some(wait) = &seen.wait {
                    detail.push_str(&format!(", waits in {wait}"));
                }
                if let Some(age) = seen.pinned_xmin_age {
                    detail.push_str(&format!(", xmin is {age} transactions old"));
                }
                detail.push_str(&format!(", statement: {}", seen.query));
                Some(detail)
            }
            Leftover::Slot(SlotLeft { seen, .. }) => {
                let wal = seen
                    .retained_wal_bytes
                    .map(|bytes| format!("retains {bytes} bytes of WAL"));
                let pid = seen.active_pid.map(|pid| format!("held by pid {pid}"));
                let parts: Vec<String> = pid.into_iter().chain(wal).collect();
                (!parts.is_empty()).then(|| parts.join(", "))
            }
            _ => None,
        }
    }

    /// What keeps it where it is, as far as a census shows that.
    pub fn waits(&self) -> Option<String> {
        match self {
            Leftover::Session(session) => Some(session.waits()),
            _ => None,
        }
    }

    /// The place among findings: what explains others comes first, and then what costs the server most.
    fn rank(&self) -> u8 {
        match self {
            Leftover::Growth { .. } => 0,
            Leftover::Session(left) if left.seen.walsender => 1,
            Leftover::Session(_) => 2,
            Leftover::Slot(_) => 3,
            Leftover::Publication { .. } => 4,
            Leftover::OverBudget { .. } => 5,
            Leftover::ForeignTouched { .. } => 6,
            Leftover::RowsDiffer { .. } => 7,
            Leftover::DidNotEnd { .. } | Leftover::Failed { .. } | Leftover::NoPromise { .. } => 8,
        }
    }

    /// Whether it is a slot creation that the server has not finished or given up.
    pub fn is_slot_creation(&self) -> bool {
        match self {
            Leftover::Session(left) => left.seen.walsender && left.seen.waits_for_lock,
            Leftover::Slot(left) => left.seen.confirmed_flush_lsn.is_none() && left.seen.active_pid.is_some(),
            _ => false,
        }
    }
}

/// Puts findings in the order in which people read them.
pub fn sort(leftovers: &mut [Leftover]) {
    leftovers.sort_by_cached_key(|leftover| (leftover.rank(), leftover.to_string()));
}

/// All findings for people: one line each, equal lines once with their number.
pub fn render(leftovers: &[Leftover]) -> String {
    let line = |(line, _): (String, &Leftover)| line;
    counted(leftovers).map(line).collect::<Vec<_>>().join("\n")
}

/// As [`render`], with what each session waits for: of equal ones the first.
pub fn explain(leftovers: &[Leftover]) -> String {
    let lines = |(line, first): (String, &Leftover)| match first.waits() {
        Some(waits) => format!("{line}\n  {waits}"),
        None => line,
    };
    counted(leftovers).map(lines).collect::<Vec<_>>().join("\n")
}

/// The line of each finding with the number of its equals, and the first of them.
fn counted(leftovers: &[Leftover]) -> impl Iterator<Item = (String, &Leftover)> {
    let mut lines: Vec<(String, &Leftover, usize)> = Vec::new();
    for leftover in leftovers {
        let line = leftover.to_string();
        match lines.iter_mut().find(|(known, ..)| *known == line) {
            Some((.., times)) => *times += 1,
            None => lines.push((line, leftover, 1)),
        }
    }
    lines.into_iter().map(|(line, first, times)| match times {
        1 => (line, first),
        times => (format!("{line} (×{times})"), first),
    })
}
