//! The table *Ends and their bounds*, row by row, and the words for what is left.

mod fake;

use std::time::Duration;

use fake::{SECOND, slot};
use leftover_harness::census::{BlockerSeen, Census, SessionSeen, SlotSeen};
use leftover_harness::invariant::{Before, Bounds, End, MayStay, left};
use leftover_harness::leftover::{Call, Foreign, Leftover, SessionLeft, SlotLeft, explain, render, sort};
use leftover_harness::pipeline::{Budget, Ours};
use leftover_harness::world::Server;

fn session(name: &str) -> SessionSeen {
    SessionSeen {
        pid: 4711,
        user: "me".to_owned(),
        database: Some("db".to_owned()),
        application_name: name.to_owned(),
        walsender: false,
        state: "idle".to_owned(),
        wait: Some("Client/ClientRead".to_owned()),
        query: "SELECT 1".to_owned(),
        connected_for: 3 * SECOND,
        transaction_for: None,
        pinned_xmin_age: None,
        waits_for_lock: false,
        blockers: Vec::new(),
    }
}

fn blocker(pid: i32, name: &str) -> BlockerSeen {
    BlockerSeen {
        pid,
        application_name: name.to_owned(),
    }
}

fn holder(name: &str) -> SessionSeen {
    SessionSeen {
        walsender: true,
        state: "idle in transaction".to_owned(),
        transaction_for: Some(2 * SECOND),
        pinned_xmin_age: Some(12),
        ..session(name)
    }
}

fn ours() -> Ours {
    Ours::exactly("leftover/m/", &["leftover_m_1"], &["leftover_m_1"])
}

fn budget() -> Budget {
    Budget {
        source_sessions: 4,
        target_sessions: 4,
        drop_sessions: 1,
        slot_creation: 10 * SECOND,
        closing: Duration::ZERO,
    }
}

fn ends() -> Vec<End> {
    let named = End::DropMayBeLeft(vec!["slot leftover_m_1 on the source".to_owned()]);
    let others = [
        End::Completed,
        End::FutureDropped,
        End::Killed,
        End::HostVanished,
        End::ConnectionLost,
        End::Failed,
        End::Hung,
    ];
    [End::DropOk, named].into_iter().chain(others).collect()
}

fn found(census: &Census, end: &End) -> Vec<String> {
    let found = left(
        Server::Source,
        census,
        &Before::default(),
        &ours(),
        &end.may_stay(),
    );
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn a_session_may_stay_after_no_end() {
    let census = Census {
        sessions: vec![session("leftover/m/1/copy/1")],
        ..Census::default()
    };
    for end in ends() {
        assert_eq!(found(&census, &end).len(), 1, "{end}");
    }
}

#[test]
fn an_inactive_permanent_slot_may_stay_for_the_next_run_but_not_after_a_drop() {
    let census = Census {
        slots: vec![slot("leftover_m_1")],
        ..Census::default()
    };
    for end in ends() {
        let may = !matches!(end, End::DropOk);
        assert_eq!(found(&census, &end).is_empty(), may, "{end}");
    }
}

#[test]
fn a_slot_that_is_temporary_or_active_or_half_made_may_stay_after_no_end_that_does_not_name_it() {
    let half_made = SlotSeen {
        confirmed_flush_lsn: None,
        ..slot("leftover_m_1")
    };
    let active = SlotSeen {
        active_pid: Some(7),
        ..slot("leftover_m_1")
    };
    let temporary = SlotSeen {
        temporary: true,
        ..slot("leftover_m_1")
    };
    for seen in [half_made, active, temporary] {
        let census = Census {
            slots: vec![seen.clone()],
            ..Census::default()
        };
        for end in ends() {
            let named = matches!(end, End::DropMayBeLeft(_));
            assert_eq!(found(&census, &end).is_empty(), named, "{end}: {seen:?}");
        }
    }
}

#[test]
fn a_publication_may_stay_for_the_next_run_but_not_after_a_drop() {
    let census = Census {
        publications: vec!["leftover_m_1".to_owned()],
        ..Census::default()
    };
    for end in ends() {
        assert_eq!(
            found(&census, &end).is_empty(),
            !matches!(end, End::DropOk),
            "{end}"
        );
    }
}

#[test]
fn what_a_drop_did_not_name_is_left() {
    let end = End::DropMayBeLeft(vec!["slot leftover_m_1".to_owned()]);
    let census = Census {
        slots: vec![slot("leftover_m_2")],
        ..Census::default()
    };
    assert_eq!(found(&census, &end).len(), 1);
}

#[test]
fn what_was_not_there_before_is_ours_whatever_its_name() {
    let mut before_census = Census {
        publications: vec!["theirs".to_owned()],
        ..Census::default()
    };
    before_census.sessions.push(session("psql"));
    let mut before = Before::of(&before_census);
    before.passing("a passer-by");
    before.beside(Ours::exactly(
        "leftover/m_/",
        &["leftover_m__1"],
        &["leftover_m__1"],
    ));
    let mut census = before_census.clone();
    census
        .sessions
        .extend([session("a passer-by"), session("leftover/m_/1/copy/1")]);
    census.slots.push(slot("leftover_m__1"));
    assert_eq!(
        left(Server::Source, &census, &before, &ours(), &MayStay::Nothing),
        []
    );
    census.sessions.push(session("tokio"));
    assert_eq!(
        left(Server::Source, &census, &before, &ours(), &MayStay::Nothing).len(),
        1
    );
    census.sessions.remove(0);
    let touched = before.touched(Server::Source, &census);
    let object = Foreign::Session("psql".to_owned());
    assert_eq!(
        touched,
        [Leftover::ForeignTouched {
            server: Server::Source,
            object
        }]
    );
}

#[test]
fn every_end_has_its_bound() {
    let bounds = Bounds::default();
    let bound = |end: End| (end.bound(&bounds), end.slot_creation_bound(&bounds, &budget()));
    let (zero, b1, b2) = (Duration::ZERO, 5 * SECOND, 60 * SECOND);
    assert_eq!(bound(End::Completed), (zero, None));
    assert_eq!(bound(End::DropOk), (zero, None));
    assert_eq!(bound(End::DropMayBeLeft(Vec::new())), (zero, None));
    assert_eq!(bound(End::FutureDropped), (b1, None));
    assert_eq!(bound(End::ConnectionLost), (b1, None));
    assert_eq!(bound(End::Killed), (b1, Some(15 * SECOND)));
    assert_eq!(bound(End::HostVanished), (b2, None));
}

#[test]
fn only_a_creation_that_goes_on_is_given_longer() {
    let server = Server::Source;
    let slot_left = |seen| Leftover::Slot(SlotLeft { server, seen });
    assert!(
        slot_left(SlotSeen {
            confirmed_flush_lsn: None,
            active_pid: Some(1),
            ..slot("s")
        })
        .is_slot_creation()
    );
    assert!(!slot_left(slot("s")).is_slot_creation());
    let walsender = |seen| {
        Leftover::Session(SessionLeft {
            server,
            seen,
            rest_is_gone: false,
        })
    };
    assert!(
        walsender(SessionSeen {
            waits_for_lock: true,
            ..holder("h")
        })
        .is_slot_creation()
    );
    assert!(!walsender(holder("h")).is_slot_creation());
}

/// One finding of each kind on the servers, and equal ones.
fn what_a_census_shows() -> Vec<Leftover> {
    let server = Server::Source;
    let census = Census {
        sessions: vec![holder("peerdb/flow/slot")],
        ..Census::default()
    };
    let peerdb = Ours::exactly("peerdb/", &[], &[]);
    let mut all = left(server, &census, &Before::default(), &peerdb, &MayStay::Nothing);
    let left_with_slot = SessionLeft {
        server,
        seen: SessionSeen {
            waits_for_lock: true,
            wait: Some("Lock/transactionid".to_owned()),
            blockers: vec![blocker(12, "somebody"), blocker(13, "")],
            query: format!("SELECT {}", "long, ".repeat(20)),
            state: "active".to_owned(),
            ..holder("leftover/m/1/slot/1")
        },
        rest_is_gone: false,
    };
    all.push(Leftover::Session(left_with_slot));
    for _ in 0..3 {
        let seen = session("flink/jdbc");
        all.push(Leftover::Session(SessionLeft {
            server,
            seen,
            rest_is_gone: false,
        }));
    }
    let half_made = SlotSeen {
        confirmed_flush_lsn: None,
        active_pid: Some(7),
        ..slot("a")
    };
    let held = SlotSeen {
        temporary: true,
        active_pid: Some(7),
        ..slot("b")
    };
    for seen in [half_made, held, slot("c")] {
        all.push(Leftover::Slot(SlotLeft { server, seen }));
    }
    all
}

fn what_else_is_found() -> Vec<Leftover> {
    let server = Server::Source;
    vec![
        Leftover::Publication {
            server,
            name: "p".to_owned(),
        },
        Leftover::Growth {
            server,
            role: "flink/jdbc".to_owned(),
            sessions: 7,
            partitions: 8,
            allowed: 3,
        },
        Leftover::OverBudget {
            server: Server::Target,
            sessions: 5,
            allowed: 4,
        },
        Leftover::ForeignTouched {
            server,
            object: Foreign::Slot("leftover_m_".to_owned()),
        },
        Leftover::RowsDiffer {
            table: "\"Größe\"".to_owned(),
            missing: 1,
            surplus: 2,
        },
        Leftover::DidNotEnd {
            call: Call::Drop,
            bound: 120 * SECOND,
        },
        Leftover::Failed {
            call: Call::Neighbour,
            error: "no".to_owned(),
        },
        Leftover::NoPromise {
            call: Call::LastDrop,
            may_be_left: vec!["slot s".to_owned()],
        },
    ]
}

#[test]
fn what_is_left_is_said_in_words() {
    let mut all = what_else_is_found();
    all.extend(what_a_census_shows());
    sort(&mut all);
    insta::assert_snapshot!(render(&all));
    let details: Vec<String> = all.iter().filter_map(Leftover::detail).collect();
    insta::assert_snapshot!(details.join("\n"));
}

#[test]
fn each_session_that_is_left_says_what_it_waits_for_and_behind_whom() {
    insta::assert_snapshot!(explain(&what_a_census_shows()));
}
