//! A run as a short story: who did what, in the world's time, until something was left.
//!
//! It is for somebody who does not know the tool: no ordinals of messages, no acknowledgements, nothing of
//! those who have nothing to do with what was left.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use crate::config::Config;
use crate::fault::message;
use crate::fault::plan::{At, Strike};
use crate::judge;
use crate::leftover::Leftover;
use crate::log::{Actor, Record, Way};
use crate::scenario::Scenario;
use crate::verdict::Outcome;
use crate::world::Server;

/// How many lines the course of events may have.
const LINES: usize = 15;

/// How many connections that do the same are shown.
const ALIKE: usize = 2;

/// The story of a run.
pub fn story(scenario: &Scenario, outcome: &Outcome) -> String {
    let mut text = format!("{}: {}\n", scenario.name, scenario.about);
    let _ = writeln!(text, "{}, seed {}\n", size(&outcome.config), outcome.seed);
    for line in shortened(lines(outcome)) {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(text, "\n{}", outcome.verdict.explain());
    text
}

/// What it ran on.
fn size(config: &Config) -> String {
    let number = |count: u32, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let mut parts = vec![
        number(config.tables, "table"),
        number(config.blocks, "block") + if config.tables == 1 { "" } else { " each" },
        number(config.workers, "worker"),
    ];
    if config.writers > 0 {
        parts.push(number(config.writers, "session") + " of others that write");
    }
    if config.twin {
        parts.push("another mirror beside".to_owned());
    }
    parts.extend(
        config
            .settings
            .iter()
            .map(|(name, value)| format!("{name} = {value}")),
    );
    parts.join(", ")
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// Objects that were not left.
    Aside,
    /// What the connections do.
    Detail,
    /// What is made and removed.
    Objects,
    /// The faults, the ends and the looks.
    Turn,
}

/// A line of the story: what one connection, or nobody in particular, does in a row.
struct Line {
    at: Duration,
    who: String,
    deeds: Vec<String>,
    weight: Weight,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>10.4} s  ", self.at.as_secs_f64())?;
        if !self.who.is_empty() {
            write!(f, "{} ", self.who)?;
        }
        f.write_str(&self.deeds.join(", "))
    }
}

fn lines(outcome: &Outcome) -> Vec<Line> {
    let mut records = outcome.records();
    // After the last look the run is taken down, and that is no part of it.
    let last = records
        .iter()
        .rposition(|record| record.actor.is_none() && judge::is_look(&record.what));
    records.truncate(last.map_or(records.len(), |last| last + 1));
    let cast = Cast::of(outcome, &records);
    let mut lines: Vec<Line> = Vec::new();
    for record in &records {
        let Some((deed, weight)) = cast.deed(record, &outcome.plan.strikes) else {
            continue;
        };
        let speaks = record.actor.as_ref().filter(|_| weight < Weight::Turn);
        let who = speaks.map_or_else(String::new, Actor::to_string);
        match lines.last_mut() {
            Some(last) if last.who == who && !who.is_empty() => {
                last.deeds.push(deed);
                last.weight = last.weight.max(weight);
            }
            _ => lines.push(Line {
                at: record.at,
                who,
                deeds: vec![deed],
                weight,
            }),
        }
    }
    lines
}

/// Leaves out what matters least, the earliest first, and says where.
fn shortened(mut lines: Vec<Line>) -> Vec<String> {
    let mut cut = BTreeSet::new();
    while lines.len() + usize::from(!cut.is_empty()) > LINES {
        let least = lines.iter().map(|line| line.weight).min();
        let index = lines.iter().position(|line| Some(line.weight) == least);
        let index = index.expect("there are more lines than may be");
        lines.remove(index);
        cut = cut
            .into_iter()
            .map(|at| if at > index { at - 1 } else { at })
            .collect();
        cut.insert(index);
    }
    let mut shown: Vec<String> = lines.iter().map(Line::to_string).collect();
    if let Some(first) = cut.first() {
        shown.insert(*first, format!("{:>12}  …", ""));
    }
    shown
}

/// Who has to do with what was left.
struct Cast {
    /// Whether a slot or a publication was left.
    objects: bool,
    roles: BTreeSet<(Server, String)>,
    /// Connections that their clients never closed: where a role has some, they are the ones.
    open: BTreeSet<(Server, String, String, u32)>,
    open_roles: BTreeSet<(Server, String)>,
    struck: BTreeSet<(Server, String, String, u32)>,
}

fn key(actor: &Actor) -> (Server, String, String, u32) {
    (
        actor.server,
        actor.role.clone(),
        actor.process.clone(),
        actor.connection,
    )
}

impl Cast {
    fn of(outcome: &Outcome, records: &[Record]) -> Cast {
        let roles = outcome.verdict.leftovers().iter().filter_map(|left| match left {
            Leftover::Session(left) => {
                let role = message::role(&left.seen.application_name);
                Some((left.server, role.to_owned()))
            }
            Leftover::Growth { server, role, .. } => Some((*server, role.clone())),
            _ => None,
        });
        let roles: BTreeSet<_> = roles.collect();
        let acting = |wanted: fn(&Record) -> bool| {
            let records = records.iter().filter(move |record| wanted(record));
            records.filter_map(|record| record.actor.as_ref()).map(key)
        };
        let closed: BTreeSet<_> = acting(|record| record.way.is_none() && record.what == "closed").collect();
        let open: BTreeSet<_> = acting(|record| record.what == "Startup")
            .filter(|actor| !closed.contains(actor))
            .collect();
        let is_object = |left: &Leftover| matches!(left, Leftover::Slot(_) | Leftover::Publication { .. });
        Cast {
            objects: outcome.verdict.leftovers().iter().any(is_object),
            open_roles: open
                .iter()
                .map(|(server, role, ..)| (*server, role.clone()))
                .collect(),
            struck: acting(|record| record.way.is_none() && record.what.starts_with("struck: ")).collect(),
            roles,
            open,
        }
    }

    fn involves(&self, actor: &Actor) -> bool {
        let role = (actor.server, actor.role.clone());
        let left = !self.open_roles.contains(&role) || self.open.contains(&key(actor));
        self.struck.contains(&key(actor)) || self.roles.contains(&role) && left
    }

    /// The how-many-eth of those of its role that matter it is, from 1.
    fn rank(&self, actor: &Actor) -> usize {
        if !self.open_roles.contains(&(actor.server, actor.role.clone())) {
            return actor.connection as usize;
        }
        let same = self
            .open
            .iter()
            .filter(|(server, role, ..)| *server == actor.server && *role == actor.role);
        same.take_while(|known| **known <= key(actor)).count()
    }

    /// What a record says in the story, if anything.
    fn deed(&self, record: &Record, strikes: &[Strike]) -> Option<(String, Weight)> {
        if record.way.is_none() && record.what.starts_with("struck: ") {
            let strike = strikes.iter().find(|strike| is_at(strike, record.actor.as_ref()));
            let what = strike.map_or_else(|| record.what.clone(), Strike::to_string);
            return Some((
                format!("** {}", what.trim_start_matches("struck: ")),
                Weight::Turn,
            ));
        }
        let Some(actor) = &record.actor else {
            return Some((record.what.clone(), Weight::Turn));
        };
        let is_object = |what: &str| {
            let what = what.to_ascii_lowercase();
            what.contains("replication_slot") || what.contains("publication")
        };
        match (record.way, record.what.as_str()) {
            (Some(Way::Sent), what) if is_object(what) && (self.objects || self.involves(actor)) => {
                Some((format!("sends {}", statement(what)), Weight::Objects))
            }
            (Some(Way::Sent), what) if is_object(what) && self.rank(actor) <= ALIKE => {
                Some((format!("sends {}", statement(what)), Weight::Aside))
            }
            _ if !self.involves(actor) => None,
            (Some(Way::Sent), "Startup") if self.rank(actor) == ALIKE + 1 => {
                Some(("connects; so do others after it".to_owned(), Weight::Detail))
            }
            _ if self.rank(actor) > ALIKE && !self.struck.contains(&key(actor)) => None,
            (Some(Way::Sent), "Startup") => Some(("connects".to_owned(), Weight::Detail)),
            (Some(Way::Sent), "Terminate") => Some(("says that it leaves".to_owned(), Weight::Detail)),
            (Some(Way::Sent), "CancelRequest") => Some(("asks for a cancel".to_owned(), Weight::Detail)),
            (Some(Way::Sent), what) if what.starts_with("Query ") || what.starts_with("Parse ") => {
                Some((format!("sends {}", statement(what)), Weight::Detail))
            }
            (Some(Way::Received), what) if what.starts_with("ErrorResponse ") => {
                Some((what.replacen("ErrorResponse", "gets error", 1), Weight::Detail))
            }
            (None, "the server closed") => Some(("is closed by the server".to_owned(), Weight::Detail)),
            (None, "closed") => Some(("closes its socket".to_owned(), Weight::Detail)),
            _ => None,
        }
    }
}

/// Whether it struck at a message of this connection. One that is placed by await or time is logged in full.
fn is_at(strike: &Strike, actor: Option<&Actor>) -> bool {
    let (At::Message { point, .. }, Some(actor)) = (&strike.at, actor) else {
        return false;
    };
    point.process == actor.process && point.server == actor.server && point.role == actor.role
}

fn statement(what: &str) -> &str {
    what.split_once(' ').map_or(what, |(_, statement)| statement)
}
