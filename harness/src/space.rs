//! Everything that can go wrong once in one run: each place of a run without faults, with each thing that can
//! strike there. A sweep takes all of it; a seed takes one.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::fault::failing::sqlstates;
use crate::fault::plan::{Act, At, Fault, Persistence, Plan, Scope, Strike, Then, When};
use crate::log::Way;
use crate::scenario::{Boundary, Recon};
use crate::world::{Server, Silence};

/// A family of things that strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Nothing strikes.
    Calm,
    /// The future is dropped at an await.
    Cancel,
    /// The future is dropped at a message.
    CancelAtMessage,
    /// The future is dropped when its time is up.
    Timeout,
    /// The process is asked to stop, at a message, at an await or at any time.
    Stop,
    /// The process is killed at a message.
    Kill,
    /// The pipeline is dropped from another process, at a message.
    Drop,
    /// A connection is closed.
    Fin,
    /// A connection is reset.
    Reset,
    /// A connection is closed one way.
    HalfClose,
    /// Packets vanish.
    Silence,
    /// The client hangs, and its kernel does not.
    Stall,
    /// A message is late.
    Delay,
    /// The server answers a statement with an error.
    Error,
    /// A server crashes and comes back, at a message.
    Crash,
    /// An operator ends a session at one of its messages.
    Terminate,
}

impl Family {
    /// What the network does.
    pub const NETWORK: [Family; 6] = [
        Family::Fin,
        Family::Reset,
        Family::HalfClose,
        Family::Silence,
        Family::Stall,
        Family::Delay,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Family::Calm => "calm",
            Family::Cancel => "cancel",
            Family::CancelAtMessage => "cancel at a message",
            Family::Timeout => "timeout",
            Family::Stop => "stop",
            Family::Kill => "kill",
            Family::Drop => "drop",
            Family::Fin => "FIN",
            Family::Reset => "RST",
            Family::HalfClose => "half-close",
            Family::Silence => "silence",
            Family::Stall => "stall",
            Family::Delay => "delay",
            Family::Error => "error",
            Family::Crash => "crash",
            Family::Terminate => "terminate",
        }
    }

    /// The family of a strike.
    pub fn of(strike: &Strike) -> Self {
        match (&strike.act, &strike.at) {
            (Act::Cancel, At::Await(_)) => Family::Cancel,
            (Act::Cancel, At::Message { .. }) => Family::CancelAtMessage,
            (Act::Cancel, At::Time { .. }) => Family::Timeout,
            (Act::Stop, _) => Family::Stop,
            (Act::Kill, _) => Family::Kill,
            (Act::Drop, _) => Family::Drop,
            (Act::Error { .. }, _) => Family::Error,
            (Act::Crash { .. }, _) => Family::Crash,
            (Act::Terminate, _) => Family::Terminate,
            (Act::Fault { fault, .. }, _) => match fault {
                Fault::Fin => Family::Fin,
                Fault::Reset => Family::Reset,
                Fault::HalfClose => Family::HalfClose,
                Fault::Silence(_) => Family::Silence,
                Fault::Stall => Family::Stall,
                Fault::Delay(_) => Family::Delay,
            },
        }
    }

    /// What strikes in this family at any of its places; which errors depends on the statement.
    fn acts(self) -> Vec<Act> {
        match self {
            Family::Calm | Family::Error => Vec::new(),
            Family::Cancel | Family::CancelAtMessage | Family::Timeout => vec![Act::Cancel],
            Family::Stop => vec![Act::Stop],
            Family::Kill => vec![Act::Kill],
            Family::Drop => vec![Act::Drop],
            Family::Terminate => vec![Act::Terminate],
            Family::Crash => Server::BOTH.map(|server| Act::Crash { server }).into(),
            Family::Fin => of_network(&[Fault::Fin]),
            Family::Reset => of_network(&[Fault::Reset]),
            Family::HalfClose => of_network(&[Fault::HalfClose]),
            Family::Silence => {
                of_network(&[Silence::Both, Silence::ToServer, Silence::ToClient].map(Fault::Silence))
            }
            Family::Stall => of_network(&[Fault::Stall]),
            Family::Delay => of_network(&[Fault::Delay(LATE)]),
        }
    }
}

/// How late a late message is: longer than a network is slow, shorter than any bound.
const LATE: Duration = Duration::from_secs(2);

/// A pause that is long enough for something to happen in it.
const PAUSE: Duration = Duration::from_millis(100);

/// Into how many parts a pause is divided: something can strike between any two of them.
const PARTS: u32 = 8;

/// The part of a run that is sure to be met by the time of the next one, where runs differ.
const SURE: u32 = 3;

/// Each fault on the connection and on the host, once and from then on.
fn of_network(faults: &[Fault]) -> Vec<Act> {
    let mut acts = Vec::new();
    for &fault in faults {
        for scope in [Scope::Connection, Scope::Host] {
            for persistence in [Persistence::Once, Persistence::FromThenOn] {
                acts.push(Act::Fault {
                    fault,
                    scope,
                    persistence,
                });
            }
        }
    }
    acts
}

/// A place of a run.
#[derive(Debug, Clone, Copy)]
enum Site<'a> {
    Message(&'a Boundary, When),
    /// The entry of the recon's awaits, and the how-many-eth of it.
    Await(usize, u32),
    Time(Duration),
    /// A statement, and the error that answers it.
    Error(&'a Boundary, &'static str),
}

/// Everything of one family that can go wrong once in a process of a run.
#[derive(Debug)]
pub struct Space<'a> {
    recon: &'a Recon,
    process: &'a str,
    sites: Vec<Site<'a>>,
    acts: Vec<Act>,
    thens: &'static [Then],
}

impl<'a> Space<'a> {
    /// What of `family` can strike in `process`, at the places for which `region` holds. Where runs of one
    /// seed differ, only at places that every run has.
    pub fn new(recon: &'a Recon, process: &'a str, family: Family, region: fn(&Boundary) -> bool) -> Self {
        let sites = match family {
            Family::Calm => Vec::new(),
            Family::Cancel => awaits(recon, process, region),
            Family::Timeout => times(recon, process, region),
            Family::Stop => {
                let mut sites = messages(recon, process, region);
                sites.extend(awaits(recon, process, region));
                sites.extend(times(recon, process, region));
                sites
            }
            Family::Error => errors(recon, process, region),
            Family::Terminate => messages_of_backends(recon, process, region),
            _ => messages(recon, process, region),
        };
        let thens: &[Then] = match family {
            Family::Drop => &[Then::Drop],
            _ => &[Then::Drop, Then::RunThenDrop],
        };
        Space {
            recon,
            process,
            sites,
            acts: family.acts(),
            thens,
        }
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.sites.len()
    }

    /// How many things can strike at one place. An error is a place of its own.
    fn kinds(&self) -> usize {
        match self.sites.first() {
            Some(Site::Error(..)) => 1,
            _ => self.acts.len(),
        }
    }

    /// How many plans there are.
    pub fn len(&self) -> usize {
        self.strikes() * self.thens.len()
    }

    /// Whether there is nothing that can go wrong.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many things can strike, at all places together.
    pub fn strikes(&self) -> usize {
        self.sites.len() * self.kinds()
    }

    /// The strike `index`, which is below [`Space::strikes`]. What follows alternates, from one place to the
    /// next and from one thing at a place to the next.
    pub fn alternating(&self, index: usize) -> Plan {
        let (place, act) = (index / self.kinds(), index % self.kinds());
        Plan {
            strikes: vec![self.strike(place, act)],
            then: self.thens[(place + act) % self.thens.len()],
        }
    }

    /// Plan `index`, which is below [`Space::len`].
    pub fn plan(&self, index: usize) -> Plan {
        let (strike, then) = (index / self.thens.len(), self.thens[index % self.thens.len()]);
        Plan {
            strikes: vec![self.strike(strike / self.kinds(), strike % self.kinds())],
            then,
        }
    }

    /// Thing `act` of the family at place `place`.
    pub fn strike(&self, place: usize, act: usize) -> Strike {
        let site = self.sites[place];
        let act = match site {
            Site::Error(_, sqlstate) => Act::Error {
                sqlstate: sqlstate.to_owned(),
            },
            _ => self.acts[act].clone(),
        };
        Strike {
            at: self.at(site),
            act,
        }
    }

    fn at(&self, site: Site<'_>) -> At {
        match site {
            Site::Message(boundary, when) => At::Message {
                point: boundary.point(),
                when,
            },
            Site::Error(boundary, _) => At::Message {
                point: boundary.point(),
                when: When::BeforeSend,
            },
            Site::Await(entry, nth) => At::Await(self.recon.awaits[entry].nth(nth)),
            Site::Time(after) => At::Time {
                process: self.process.to_owned(),
                after,
            },
        }
    }
}

/// Whether a message of the run is one at which something can strike in `process`.
fn is_wanted(recon: &Recon, process: &str, region: fn(&Boundary) -> bool) -> impl Fn(&Boundary) -> bool {
    move |at| at.actor.process == process && recon.is_certain(at) && region(at)
}

fn boundaries<'a>(
    recon: &'a Recon,
    process: &str,
    region: fn(&Boundary) -> bool,
) -> impl Iterator<Item = &'a Boundary> {
    let wanted = is_wanted(recon, process, region);
    recon.boundaries.iter().filter(move |at| wanted(at))
}

/// Both sides of each message sent, and the time before each delivery. Of equal messages that come together,
/// such as the thirteen `ParameterStatus` of a session's start, the first and the last: between the others
/// nothing happens at either end.
fn messages<'a>(recon: &'a Recon, process: &str, region: fn(&Boundary) -> bool) -> Vec<Site<'a>> {
    let wanted = is_wanted(recon, process, region);
    let places = recon.boundaries.iter().enumerate();
    let sides = |boundary: &'a Boundary| {
        let whens: &[When] = match boundary.way {
            Way::Sent => &[When::BeforeSend, When::AfterSend],
            Way::Received => &[When::BeforeDelivery],
        };
        whens.iter().map(move |when| Site::Message(boundary, *when))
    };
    places
        .filter(|(index, boundary)| wanted(boundary) && !is_amid(&recon.boundaries, *index))
        .flat_map(|(_, boundary)| sides(boundary))
        .collect()
}

/// Whether the messages before and after this one are equal to it and came with it.
fn is_amid(boundaries: &[Boundary], index: usize) -> bool {
    let this = &boundaries[index];
    let equal = |other: Option<&Boundary>| {
        other.is_some_and(|other| {
            let same = (other.at, other.way) == (this.at, this.way);
            same && other.actor == this.actor && other.message == this.message
        })
    };
    equal(index.checked_sub(1).and_then(|before| boundaries.get(before))) && equal(boundaries.get(index + 1))
}

/// The statements that can be made to fail, each with the errors that may answer it.
fn errors<'a>(recon: &'a Recon, process: &str, region: fn(&Boundary) -> bool) -> Vec<Site<'a>> {
    let sent = boundaries(recon, process, region).filter(|boundary| boundary.way == Way::Sent);
    let of = |boundary: &'a Boundary| {
        let sqlstates = sqlstates(&boundary.message).iter();
        sqlstates.map(move |sqlstate| Site::Error(boundary, sqlstate))
    };
    sent.flat_map(of).collect()
}

/// The messages of sessions that have named their backend. Its name stands in `BackendKeyData`; before that
/// message there is no session yet, and a connection that cancels never has one.
fn messages_of_backends<'a>(recon: &'a Recon, process: &str, region: fn(&Boundary) -> bool) -> Vec<Site<'a>> {
    let mut named = BTreeSet::new();
    let mut sites = messages(recon, process, |_| true);
    sites.retain(|site| {
        let Site::Message(boundary, _) = site else {
            return false;
        };
        if *boundary.message == *"BackendKeyData" {
            named.insert(&boundary.actor);
        }
        named.contains(&boundary.actor) && region(boundary)
    });
    sites
}

/// Awaits after a message of the region; those before any message belong to the region when all of it does.
fn awaits<'a>(recon: &'a Recon, process: &str, region: fn(&Boundary) -> bool) -> Vec<Site<'a>> {
    let all = boundaries(recon, process, region).count() == boundaries(recon, process, |_| true).count();
    let mut sites = Vec::new();
    for (entry, awaits) in recon.awaits.iter().enumerate() {
        let wanted = *awaits.process == *process
            && match &awaits.after {
                None => all,
                Some(after) => recon.is_certain(after) && region(after),
            };
        if wanted {
            let count = if recon.exact { awaits.count } else { 1 };
            sites.extend((1..=count).map(|nth| Site::Await(entry, nth)));
        }
    }
    sites
}

/// The time of each message, and points in the pause that follows it where there is one. Where runs differ, the
/// next one may be much faster, and only the first part of this one is sure to be met.
fn times<'a>(recon: &'a Recon, process: &str, region: fn(&Boundary) -> bool) -> Vec<Site<'a>> {
    let all: Vec<&Boundary> = boundaries(recon, process, |_| true).collect();
    let mut times = Vec::new();
    for (index, boundary) in all.iter().enumerate().filter(|(_, at)| region(at)) {
        times.push(boundary.at);
        let next = all.get(index + 1).map_or(boundary.at, |next| next.at);
        let pause = next - boundary.at;
        if pause >= PAUSE {
            times.extend((1..PARTS).map(|part| boundary.at + pause * part / PARTS));
        }
    }
    times.dedup();
    if let (false, Some(last)) = (recon.exact, all.last()) {
        times.retain(|time| *time <= last.at / SURE);
    }
    times.into_iter().map(Site::Time).collect()
}
