//! A census for people, and for programs.

use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use indicatif::{HumanBytes, HumanCount};
use leftover_harness::census::{SessionSeen, SlotSeen, sql};
use serde::Serialize;

use super::finding::{self, SessionFinding, SlotFinding};
use super::{Look, only};

/// How much of a statement is shown.
const STATEMENT_CHARACTERS: usize = 72;

/// The census and its findings as JSON.
pub fn json(look: &Look) -> String {
    #[derive(Serialize)]
    struct Findings<'a> {
        #[serde(flatten)]
        look: &'a Look,
        findings: Vec<Found<'a>>,
    }
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Found<'a> {
        Session { pid: i32, finding: SessionFinding },
        Slot { slot: &'a str, finding: SlotFinding },
    }
    let sessions = look.census.sessions.iter().flat_map(|session| {
        let findings = finding::of_session(session).into_iter();
        findings.map(|finding| Found::Session {
            pid: session.pid,
            finding,
        })
    });
    let slots = look.census.slots.iter().filter_map(|slot| {
        finding::of_slot(slot).map(|finding| Found::Slot {
            slot: &slot.name,
            finding,
        })
    });
    let findings = sessions.chain(slots).collect();
    serde_json::to_string_pretty(&Findings { look, findings }).expect("a census is plain data")
}

/// The census as tables, and its findings in words.
pub fn text(look: &Look) -> String {
    let census = &look.census;
    let whose = look
        .mirror
        .as_ref()
        .map(|mirror| format!(", mirror {mirror}"))
        .unwrap_or_default();
    let mut text = format!("{}{whose}\n", look.server);
    if only::is_nothing(census) {
        return text + "nothing is held\n";
    }
    if !census.sessions.is_empty() {
        text += &format!("{}\n", sessions(look));
    }
    if !census.slots.is_empty() {
        text += &format!("{}\n", slots(&census.slots));
    }
    if !census.publications.is_empty() {
        text += &format!("publications: {}\n", census.publications.join(", "));
    }
    text + &findings(look)
}

fn sessions(look: &Look) -> Table {
    let mut table = table(["session", "whose", "state", "for", "finding and cost"]);
    for session in &look.census.sessions {
        let kind = if session.walsender { "walsender" } else { "session" };
        let database = session
            .database
            .as_ref()
            .map(|database| format!("\n{database}"))
            .unwrap_or_default();
        let costs = session
            .pinned_xmin_age
            .map(|age| format!("pins xmin, age {}", HumanCount(age)));
        let findings = finding::of_session(session);
        let hidden = findings.contains(&SessionFinding::Hidden);
        let findings = findings.into_iter().map(|finding| Some(finding.to_string()));
        table.add_row([
            format!("{} {kind}{database}", session.pid),
            format!("{}\n{}", name(session), user(look, session)),
            lines([Some(session.state.clone()), session.wait.clone()]),
            if hidden { String::new() } else { since(session) },
            lines(findings.chain([costs])),
        ]);
    }
    table
}

fn since(session: &SessionSeen) -> String {
    let transaction = session
        .transaction_for
        .map(|duration| format!("transaction {}", human(duration)));
    lines([Some(human(session.connected_for)), transaction])
}

fn slots(slots: &[SlotSeen]) -> Table {
    let mut table = table(["slot", "kind", "held by", "costs", "finding"]);
    for slot in slots {
        let kind = match &slot.plugin {
            Some(plugin) => format!("logical, {plugin}"),
            None => "physical".to_owned(),
        };
        let wal = slot
            .retained_wal_bytes
            .map(|bytes| format!("retains {} of WAL", HumanBytes(bytes)));
        let xmin = slot
            .catalog_xmin_age
            .map(|age| format!("pins catalog_xmin, age {}", HumanCount(age)));
        table.add_row([
            slot.name.clone(),
            lines([
                Some(if slot.temporary {
                    format!("{kind}, temporary")
                } else {
                    kind
                }),
                slot.database.clone(),
            ]),
            slot.active_pid
                .map_or_else(|| "nobody".to_owned(), |pid| pid.to_string()),
            lines([wal, xmin]),
            finding::of_slot(slot)
                .map(|finding| finding.to_string())
                .unwrap_or_default(),
        ]);
    }
    table
}

/// Each finding as a sentence that can be passed on without the tables.
fn findings(look: &Look) -> String {
    let mut text = String::new();
    for session in &look.census.sessions {
        for finding in finding::of_session(session) {
            if finding != SessionFinding::Hidden {
                text += &format!("! {finding}: {}\n", sentence(look, session));
            }
        }
    }
    for slot in &look.census.slots {
        if let Some(finding) = finding::of_slot(slot) {
            let wal = slot.retained_wal_bytes.filter(|bytes| *bytes > 0);
            let wal = wal.map(|bytes| format!(", {} of WAL", HumanBytes(bytes)));
            text += &format!("! {finding}: slot {}{}\n", slot.name, wal.unwrap_or_default());
        }
    }
    match look
        .census
        .sessions
        .iter()
        .filter(|session| sql::is_hidden(session))
        .count()
    {
        0 => {}
        1 => text += "1 session is hidden from this role: GRANT pg_read_all_stats shows it\n",
        hidden => {
            text +=
                &format!("{hidden} sessions are hidden from this role: GRANT pg_read_all_stats shows them\n");
        }
    }
    text
}

fn sentence(look: &Look, session: &SessionSeen) -> String {
    let kind = if session.walsender { "walsender" } else { "session" };
    let mut text = format!(
        "{kind} {}, {} as {}",
        session.pid,
        name(session),
        user(look, session)
    );
    if let Some(duration) = session.transaction_for {
        text += &format!(", in its transaction for {}", human(duration));
    }
    if let Some(age) = session.pinned_xmin_age {
        text += &format!(", pins xmin (age {})", HumanCount(age));
    }
    text + &format!("; {}: {}", verb(session), shortened(&session.query))
}

fn verb(session: &SessionSeen) -> &'static str {
    if session.state == "active" {
        "runs"
    } else {
        "last ran"
    }
}

fn name(session: &SessionSeen) -> &str {
    match session.application_name.as_str() {
        "" => "(no application_name)",
        name => name,
    }
}

fn user(look: &Look, session: &SessionSeen) -> String {
    let client = look
        .clients
        .get(&session.pid)
        .map(|client| format!(" from {client}"));
    format!("{}{}", session.user, client.unwrap_or_default())
}

fn table<const COLUMNS: usize>(header: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table
}

/// The parts that are there, each on a line of its own.
fn lines(parts: impl IntoIterator<Item = Option<String>>) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// A statement on one line, without its end if it is long.
fn shortened(statement: &str) -> String {
    let words = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(STATEMENT_CHARACTERS) {
        Some((end, _)) => format!("{} …", &words[..end]),
        None => words,
    }
}

/// A duration in its two largest units.
fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use leftover_core::names::MirrorName;
    use leftover_harness::census::Census;

    use super::*;

    fn session(pid: i32, application_name: &str, state: &str) -> SessionSeen {
        SessionSeen {
            pid,
            user: "alice".to_owned(),
            database: Some("shop".to_owned()),
            application_name: application_name.to_owned(),
            walsender: false,
            state: state.to_owned(),
            wait: Some("Client/ClientRead".to_owned()),
            query: "SELECT *\n  FROM orders".to_owned(),
            connected_for: Duration::from_secs(3_723),
            transaction_for: None,
            pinned_xmin_age: None,
            waits_for_lock: false,
            blockers: Vec::new(),
        }
    }

    fn slot(name: &str) -> SlotSeen {
        SlotSeen {
            name: name.to_owned(),
            plugin: Some("pgoutput".to_owned()),
            database: Some("shop".to_owned()),
            temporary: false,
            active_pid: None,
            confirmed_flush_lsn: Some("0/1000".to_owned()),
            catalog_xmin_age: Some(1_234_567),
            retained_wal_bytes: Some(3 << 30),
            wal_status: Some("extended".to_owned()),
        }
    }

    fn busy_server() -> Look {
        let transaction_for = Some(Duration::from_secs(182));
        let sessions = vec![
            SessionSeen {
                transaction_for,
                pinned_xmin_age: Some(4_321),
                ..session(11, "psql", "idle in transaction")
            },
            SessionSeen {
                walsender: true,
                transaction_for,
                pinned_xmin_age: Some(9),
                query:
                    "CREATE_REPLICATION_SLOT \"leftover_m_1\" TEMPORARY LOGICAL \"pgoutput\" EXPORT_SNAPSHOT"
                        .to_owned(),
                ..session(12, "leftover/m/1/holder/1", "idle in transaction")
            },
            SessionSeen {
                wait: Some("Lock/relation".to_owned()),
                waits_for_lock: true,
                transaction_for: Some(Duration::from_secs(5)),
                connected_for: Duration::from_secs(200_000),
                ..session(13, "leftover/m_2/1/reader/1", "active")
            },
            session(14, "", "idle"),
            SessionSeen {
                query: "<insufficient privilege>".to_owned(),
                wait: None,
                connected_for: Duration::ZERO,
                ..session(15, "app", "")
            },
        ];
        let creating = SlotSeen {
            confirmed_flush_lsn: None,
            active_pid: Some(16),
            temporary: true,
            retained_wal_bytes: Some(0),
            ..slot("leftover_m_2_1")
        };
        let lost = SlotSeen {
            wal_status: Some("lost".to_owned()),
            retained_wal_bytes: None,
            plugin: None,
            database: None,
            catalog_xmin_age: None,
            ..slot("standby")
        };
        let slots = vec![slot("leftover_m_1"), creating, lost];
        let publications = vec!["leftover_m_1".to_owned(), "orders".to_owned()];
        let clients = [(11, "local socket"), (12, "10.0.0.7")].map(|(pid, client)| (pid, client.to_owned()));
        Look {
            server: "alice@db:5432/shop".to_owned(),
            mirror: None,
            census: Census {
                sessions,
                slots,
                publications,
            },
            clients: clients.into_iter().collect(),
        }
    }

    #[test]
    fn a_busy_server_shows_who_holds_what_and_what_it_costs() {
        insta::assert_snapshot!(text(&busy_server()));
    }

    #[test]
    fn a_mirror_is_shown_alone_and_without_its_sibling() {
        let mut look = busy_server();
        let mirror: MirrorName = "m".parse().expect("a valid name");
        look.census = only::of_mirror(look.census, &mirror);
        look.mirror = Some(mirror.to_string());
        insta::assert_snapshot!(text(&look));
    }

    #[test]
    fn an_idle_server_holds_nothing() {
        let census = Census::default();
        insta::assert_snapshot!(text(&Look { census, ..busy_server() }), @r"
        alice@db:5432/shop
        nothing is held
        ");
    }

    #[test]
    fn json_holds_the_census_and_its_findings() {
        let mut look = busy_server();
        look.census.sessions.truncate(1);
        look.census.slots.truncate(1);
        insta::assert_snapshot!(json(&look));
    }

    #[test]
    fn durations_are_told_in_two_units() {
        let told = [0, 59, 60, 3_599, 3_600, 86_399, 90_000].map(|s| human(Duration::from_secs(s)));
        assert_eq!(
            told,
            [
                "0 s",
                "59 s",
                "1 min 0 s",
                "59 min 59 s",
                "1 h 0 min",
                "23 h 59 min",
                "1 d 1 h"
            ]
        );
    }
}
