//! The table *Ends and their bounds* as code: how a run ended, what may stay, and by when the rest is gone.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::census::{Census, SessionSeen, SlotSeen};
use crate::leftover::{Foreign, Leftover, SessionLeft, SlotLeft};
use crate::pipeline::{Budget, Ours, Stopped};
use crate::world::Server;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The run returned: the load is complete.
    Completed,
    /// The run returned because it was asked to stop.
    Stopped(Stopped),
    /// A drop returned: nothing is left.
    DropOk,
    /// A drop returned: this may be left.
    DropMayBeLeft(Vec<String>),
    /// The run's future was dropped.
    FutureDropped,
    /// The run's process was killed.
    Killed,
    /// The host vanished, or the network or the process went silent.
    HostVanished,
    /// The server ended sessions, or the network ended connections.
    ConnectionLost,
    /// The server answered a statement with an error, and the run returned it.
    ServerErred,
    /// The run returned an error for which the plan gave no reason.
    Failed,
    /// The run did not return; its process was killed.
    Hung,
}

/// Until when things may stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// B1: after a dropped future, a kill, a lost connection.
    pub noticed: Duration,
    /// B2: after silence.
    pub silent: Duration,
    /// By when a run returns, whatever happens to it. One that tries again, and meets a network that stalls every
    /// time, takes each of its bounds for every try of every partition: hours, which cost nothing in virtual
    /// time. What never returns is found all the same.
    pub run: Duration,
    /// By when a drop returns, whatever happens to it.
    pub drop: Duration,
    /// How long after a drop that promised it nothing may come back.
    pub lasting: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            noticed: Duration::from_secs(5),
            silent: Duration::from_secs(60),
            run: Duration::from_secs(2 * 60 * 60),
            drop: Duration::from_secs(120),
            lasting: Duration::from_secs(600),
        }
    }
}

/// What may stay when a bound has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MayStay {
    /// Nothing.
    Nothing,
    /// Permanent, inactive slots, and publications, which the next run or a drop takes over.
    SlotAndPublication,
    /// Publications, which the next run or a drop takes over; a slot would retain WAL for nobody.
    Publication,
    /// What these texts name.
    Named(Vec<String>),
}

impl End {
    /// What may stay after this end.
    pub fn may_stay(&self) -> MayStay {
        match self {
            End::DropOk => MayStay::Nothing,
            End::DropMayBeLeft(named) => MayStay::Named(named.clone()),
            End::Stopped(Stopped::Undone) => MayStay::Publication,
            End::Completed
            | End::Stopped(Stopped::MayGoOn)
            | End::FutureDropped
            | End::Killed
            | End::HostVanished
            | End::ConnectionLost
            | End::ServerErred
            | End::Failed
            | End::Hung => MayStay::SlotAndPublication,
        }
    }

    /// By when the rest is gone.
    pub fn bound(&self, bounds: &Bounds) -> Duration {
        match self {
            End::Completed | End::Stopped(_) | End::DropOk | End::DropMayBeLeft(_) | End::Failed => {
                Duration::ZERO
            }
            End::FutureDropped | End::Killed | End::ConnectionLost | End::ServerErred | End::Hung => {
                bounds.noticed
            }
            End::HostVanished => bounds.silent,
        }
    }

    /// By when a slot creation that was under way is gone, where that may take longer.
    pub fn slot_creation_bound(&self, bounds: &Bounds, budget: &Budget) -> Option<Duration> {
        matches!(self, End::Killed | End::Hung).then(|| budget.slot_creation + bounds.noticed)
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            End::Completed => "the run completed",
            End::Stopped(_) => "the run was stopped",
            End::DropOk => "the drop said that nothing is left",
            End::DropMayBeLeft(_) => "the drop said what may be left",
            End::FutureDropped => "the run was cancelled",
            End::Killed => "the process was killed",
            End::HostVanished => "the host went silent",
            End::ConnectionLost => "connections were lost",
            End::ServerErred => "the server answered with an error",
            End::Failed => "the run failed",
            End::Hung => "the run did not return",
        })
    }
}

/// What was there before a run, and whom else to expect.
#[derive(Clone, Default)]
pub struct Before {
    sessions: BTreeSet<(i32, String)>,
    slots: BTreeSet<String>,
    publications: BTreeSet<String>,
    passing: BTreeSet<String>,
    others: Vec<Ours>,
}

impl Before {
    /// All that `census` holds belongs to others.
    pub fn of(census: &Census) -> Self {
        let session = |seen: &SessionSeen| (seen.pid, seen.application_name.clone());
        Before {
            sessions: census.sessions.iter().map(session).collect(),
            slots: census.slots.iter().map(|slot| slot.name.clone()).collect(),
            publications: census.publications.iter().cloned().collect(),
            passing: BTreeSet::new(),
            others: Vec::new(),
        }
    }

    /// Sessions of this name are somebody else's, and come and go.
    pub fn passing(&mut self, application_name: &str) {
        self.passing.insert(application_name.to_owned());
    }

    /// Another pipeline runs at the same time.
    pub fn beside(&mut self, other: Ours) {
        self.others.push(other);
    }

    fn is_foreign_session(&self, seen: &SessionSeen) -> bool {
        let name = &seen.application_name;
        self.sessions.contains(&(seen.pid, name.clone()))
            || self.passing.contains(name)
            || self
                .others
                .iter()
                .any(|other| name.starts_with(&other.session_prefix))
    }

    fn is_foreign_slot(&self, name: &str) -> bool {
        self.slots.contains(name) || self.others.iter().any(|other| (other.slot)(name))
    }

    fn is_foreign_publication(&self, name: &str) -> bool {
        self.publications.contains(name) || self.others.iter().any(|other| (other.publication)(name))
    }

    /// What of all that was there is gone.
    pub fn touched(&self, server: Server, census: &Census) -> Vec<Leftover> {
        let now = Before::of(census);
        let sessions = self
            .sessions
            .difference(&now.sessions)
            .map(|(_, name)| Foreign::Session(name.clone()));
        let slots = self.slots.difference(&now.slots).cloned().map(Foreign::Slot);
        let publications = self
            .publications
            .difference(&now.publications)
            .cloned()
            .map(Foreign::Publication);
        let gone = sessions.chain(slots).chain(publications);
        gone.map(|object| Leftover::ForeignTouched { server, object })
            .collect()
    }
}

/// What of the pipeline is on `server` and may not stay. In a world that has only one pipeline at a time, what
/// was not there before and is nobody else's is the pipeline's, whatever its name.
pub fn left(
    server: Server,
    census: &Census,
    before: &Before,
    ours: &Ours,
    may_stay: &MayStay,
) -> Vec<Leftover> {
    let named = |name: &str| match may_stay {
        MayStay::Named(texts) => texts.iter().any(|text| text.contains(name)),
        MayStay::Nothing | MayStay::SlotAndPublication | MayStay::Publication => false,
    };
    let slots_stay = *may_stay == MayStay::SlotAndPublication;
    let publications_stay = slots_stay || *may_stay == MayStay::Publication;
    let slots: Vec<&SlotSeen> = {
        let mine = |slot: &&SlotSeen| (ours.slot)(&slot.name) || !before.is_foreign_slot(&slot.name);
        census.slots.iter().filter(mine).collect()
    };
    let publications: Vec<&String> = {
        let mine = |name: &&String| (ours.publication)(name) || !before.is_foreign_publication(name);
        census.publications.iter().filter(mine).collect()
    };
    let rest_is_gone = slots.is_empty() && publications.is_empty();
    let sessions = census.sessions.iter().filter(|seen| {
        let mine = seen.application_name.starts_with(&ours.session_prefix);
        (mine || !before.is_foreign_session(seen)) && !named(&seen.application_name)
    });
    let session = |seen: &SessionSeen| {
        let rest_is_gone = seen.walsender && rest_is_gone;
        Leftover::Session(SessionLeft {
            server,
            seen: seen.clone(),
            rest_is_gone,
        })
    };
    let inherited =
        |slot: &SlotSeen| !slot.temporary && slot.active_pid.is_none() && slot.confirmed_flush_lsn.is_some();
    let slots = slots
        .into_iter()
        .filter(|slot| !(named(&slot.name) || slots_stay && inherited(slot)));
    let publications = publications
        .into_iter()
        .filter(|name| !publications_stay && !named(name));
    let slot = |seen: &SlotSeen| {
        Leftover::Slot(SlotLeft {
            server,
            seen: seen.clone(),
        })
    };
    let publication = |name: &String| Leftover::Publication {
        server,
        name: name.clone(),
    };
    let mut left: Vec<Leftover> = sessions.map(session).collect();
    left.extend(slots.map(slot));
    left.extend(publications.map(publication));
    left
}
