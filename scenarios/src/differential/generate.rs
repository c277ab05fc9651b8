//! Random programs.
//!
//! What has two outcomes on a real server by itself is not made: a client that leaves while its statement runs, a
//! statement that is sent before the last one is answered. Names are few, so that sessions meet. A statement changes
//! one row that somebody else may change: the simulated server, unlike the real one, holds nothing of what a
//! statement has changed so far while that statement waits in its midst.

use proptest::prelude::*;
use proptest::sample::select;

use super::program::{Action, Kind, Program, Step};
use crate::conformance::client::Leave;

/// More than there are sessions: numbers are taken modulo those.
const NUMBERS: usize = 12;

/// Any program.
pub fn program() -> impl Strategy<Value = Program> {
    let sessions = (2..=4_usize, any::<bool>());
    let step = (0..NUMBERS, client(), walsender());
    (sessions, prop::collection::vec(step, 1..16)).prop_map(|((count, replicates), steps)| {
        let kind = |number| match replicates && number + 1 == count {
            true => Kind::Walsender,
            false => Kind::Client,
        };
        let sessions: Vec<Kind> = (0..count).map(kind).collect();
        let steps = steps.into_iter().map(|(number, client, walsender)| {
            let session = number % count;
            let action = match sessions[session] {
                Kind::Client => client,
                Kind::Walsender => walsender,
            };
            Step {
                session,
                action: numbered(action, count),
            }
        });
        Program {
            steps: steps.collect(),
            sessions,
        }
    })
}

/// With numbers of sessions that there are.
fn numbered(action: Action, count: usize) -> Action {
    match action {
        Action::Query(mut sql) => {
            for number in (count..NUMBERS).rev() {
                sql = sql.replace(
                    &format!("{{pid {number}}}"),
                    &format!("{{pid {}}}", number % count),
                );
            }
            Action::Query(sql)
        }
        other => other,
    }
}

fn client() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => transaction().prop_map(Action::Query),
        14 => change().prop_map(Action::Query),
        6 => read().prop_map(Action::Query),
        7 => lock().prop_map(Action::Query),
        3 => prop_oneof![change(), lock()].prop_map(Action::Impatient),
        3 => failure().prop_map(Action::Query),
        3 => several().prop_map(Action::Query),
        3 => session().prop_map(Action::Query),
        3 => strike().prop_map(Action::Query),
        3 => snapshot().prop_map(Action::Query),
        2 => slot().prop_map(Action::Query),
        6 => copy(),
        5 => connection(),
    ]
}

fn walsender() -> impl Strategy<Value = Action> {
    prop_oneof![
        12 => replication().prop_map(Action::Query),
        5 => transaction().prop_map(Action::Query),
        3 => prop_oneof![change(), read(), lock(), strike(), failure()].prop_map(Action::Query),
        2 => create().prop_map(Action::Impatient),
        4 => connection(),
    ]
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(words).prop_map(str::to_owned)
}

fn transaction() -> impl Strategy<Value = String> {
    let savepoint = (
        select(&["SAVEPOINT", "ROLLBACK TO", "RELEASE"][..]),
        select(&["s1", "s2"][..]),
    );
    prop_oneof![
        5 => one_of(&["BEGIN"]),
        3 => one_of(&[
            "COMMIT",
            "ROLLBACK",
            "END",
            "ABORT",
        ]),
        2 => one_of(&[
            "BEGIN ISOLATION LEVEL REPEATABLE READ",
            "BEGIN READ ONLY",
            "START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            "SET TRANSACTION READ ONLY",
            "SHOW transaction_isolation",
        ]),
        4 => savepoint.prop_map(|(what, name)| format!("{what} {name}")),
    ]
}

fn change() -> impl Strategy<Value = String> {
    let id = || 1..6_i32;
    prop_oneof![
        4 => (id(), 0..9).prop_map(|(id, v)| format!("INSERT INTO a VALUES ({id}, {v})")),
        4 => id().prop_map(|id| format!("UPDATE a SET v = v + 1 WHERE id = {id}")),
        2 => id().prop_map(|id| format!("UPDATE a SET v = v * 2 WHERE id = {id} RETURNING id, v")),
        1 => (id(), id()).prop_map(|(id, to)| format!("UPDATE a SET id = {to} WHERE id = {id}")),
        3 => id().prop_map(|id| format!("DELETE FROM a WHERE id = {id}")),
        1 => id().prop_map(|id| format!("DELETE FROM a WHERE id = {id} RETURNING *")),
        1 => id().prop_map(|id| format!("INSERT INTO a VALUES ({id}) ON CONFLICT DO NOTHING")),
        1 => id().prop_map(|id| format!(
            "INSERT INTO a VALUES ({id}, 1) ON CONFLICT (id) DO UPDATE SET v = a.v + 100 RETURNING v"
        )),
        1 => id().prop_map(|id| format!("INSERT INTO b SELECT id, 'v' || v FROM a WHERE id = {id}")),
        1 => id().prop_map(|id| format!("UPDATE b SET t = t || '!' WHERE id = {id}")),
        1 => one_of(&["TRUNCATE a", "TRUNCATE a, b"]),
    ]
}

fn read() -> impl Strategy<Value = String> {
    one_of(&[
        "SELECT * FROM a ORDER BY id",
        "SELECT count(*), sum(v) FROM a",
        "SELECT * FROM b ORDER BY id",
        "SELECT a.id, t FROM a JOIN b ON a.id = b.id ORDER BY 1",
        "COPY a TO STDOUT",
        "COPY (SELECT id, t FROM b) TO STDOUT",
        "COPY b (t) TO STDOUT WITH (FORMAT binary)",
        "SELECT pg_sleep(600)",
    ])
}

fn lock() -> impl Strategy<Value = String> {
    let mode = select(
        &[
            "ACCESS SHARE",
            "ROW SHARE",
            "ROW EXCLUSIVE",
            "SHARE UPDATE EXCLUSIVE",
            "SHARE",
            "SHARE ROW EXCLUSIVE",
            "EXCLUSIVE",
            "ACCESS EXCLUSIVE",
        ][..],
    );
    let advisory = select(
        &[
            "pg_advisory_lock",
            "pg_advisory_lock",
            "pg_advisory_lock_shared",
            "pg_advisory_xact_lock",
            "pg_try_advisory_lock",
            "pg_try_advisory_xact_lock_shared",
            "pg_advisory_unlock",
            "pg_advisory_unlock_shared",
        ][..],
    );
    prop_oneof![
        (
            select(&["a", "a", "b"][..]),
            mode,
            select(&["", "", " NOWAIT"][..])
        )
            .prop_map(|(table, mode, nowait)| format!("LOCK TABLE {table} IN {mode} MODE{nowait}")),
        (advisory, 1..3).prop_map(|(function, key)| format!("SELECT {function}({key})")),
    ]
}

fn failure() -> impl Strategy<Value = String> {
    one_of(&[
        "SELECT 1/0",
        "SELECT * FROM nowhere",
        "SELEC 1",
        "INSERT INTO a VALUES (NULL, 1)",
        "INSERT INTO a VALUES (1, NULL)",
        "INSERT INTO a VALUES ('x', 1)",
        "UPDATE a SET nothing = 1",
        "INSERT INTO a (id, v) VALUES (1)",
        "COPY nowhere FROM STDIN",
        "LOCK TABLE nowhere",
    ])
}

fn several() -> impl Strategy<Value = String> {
    one_of(&[
        "BEGIN; INSERT INTO a VALUES (4, 4); COMMIT",
        "BEGIN; UPDATE a SET v = 0 WHERE id = 1",
        "INSERT INTO a VALUES (5, 5); SELECT 1/0",
        "SELECT 1; SELECT 2 AS two",
        "BEGIN; SELECT 1/0; COMMIT",
        "INSERT INTO a VALUES (4, 4); COMMIT; SELECT 1/0",
        "INSERT INTO a VALUES (4, 4); ROLLBACK; INSERT INTO a VALUES (5, 5)",
        "BEGIN; SAVEPOINT s1; INSERT INTO a VALUES (4, 4); ROLLBACK TO s1; INSERT INTO a VALUES (5, 5)",
        "COMMIT; BEGIN",
        "",
        ";",
        "SELECT 1; COPY b TO STDOUT; SELECT 2",
    ])
}

fn session() -> impl Strategy<Value = String> {
    one_of(&[
        "SET application_name = 'named'",
        "SHOW application_name",
        "SET LOCAL application_name = 'local'",
        "SET statement_timeout = '1min'",
        "SHOW statement_timeout",
        "RESET ALL",
        "DISCARD ALL",
        "SELECT pg_advisory_unlock_all()",
        "SET default_transaction_isolation = 'repeatable read'",
        "SET nothing = 1",
        "SHOW nothing",
    ])
}

/// By SQL, from any session to any, itself included.
fn strike() -> impl Strategy<Value = String> {
    let function = select(&["pg_terminate_backend", "pg_cancel_backend"][..]);
    (function, 0..NUMBERS).prop_map(|(function, number)| format!("SELECT {function}({{pid {number}}})"))
}

fn snapshot() -> impl Strategy<Value = String> {
    one_of(&[
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
        "SET TRANSACTION SNAPSHOT '{snapshot}'",
        "SELECT pg_export_snapshot()",
        "BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '{snapshot}'; SELECT count(*) FROM a",
    ])
}

fn slot() -> impl Strategy<Value = String> {
    one_of(&[
        "SELECT slot_name FROM pg_create_logical_replication_slot('s1', 'pgoutput')",
        "SELECT slot_name FROM pg_create_logical_replication_slot('s2', 'pgoutput', true)",
        "SELECT pg_drop_replication_slot('s1')",
        "SELECT pg_drop_replication_slot('s2')",
    ])
}

fn create() -> impl Strategy<Value = String> {
    (
        select(&["s1", "s2"][..]),
        select(&["", " TEMPORARY"][..]),
        select(&["export", "use", "nothing"][..]),
    )
        .prop_map(|(slot, temporary, snapshot)| {
            format!("CREATE_REPLICATION_SLOT {slot}{temporary} LOGICAL pgoutput (SNAPSHOT '{snapshot}')")
        })
}

fn replication() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => create(),
        3 => one_of(&[
            "DROP_REPLICATION_SLOT s1",
            "DROP_REPLICATION_SLOT s2",
            "DROP_REPLICATION_SLOT s1 WAIT",
            "DROP_REPLICATION_SLOT s2 WAIT",
        ]),
        2 => one_of(&[
            "BEGIN ISOLATION LEVEL REPEATABLE READ",
            "SHOW wal_level",
            "SHOW wal_sender_timeout",
            "SELECT pg_export_snapshot()",
        ]),
    ]
}

fn copy() -> impl Strategy<Value = Action> {
    let begin = one_of(&[
        "COPY a FROM STDIN",
        "COPY a FROM STDIN",
        "COPY a (id) FROM STDIN",
        "COPY b FROM STDIN",
    ]);
    let data = select(
        &[
            "",
            "4\t40\n",
            "4\t40\n50\t50\n",
            "1\t1\n",
            "6\n",
            "x\ty\n",
            "7\t\\N\n",
            "8\t8\n\\.\n",
            "9\t9",
            "4\t40\textra\n",
        ][..],
    );
    prop_oneof![
        3 => begin.prop_map(Action::Query),
        2 => data.clone().prop_map(|data| Action::Copy(data.to_owned())),
        1 => data.prop_map(|data| Action::CopyFail(data.to_owned())),
    ]
}

fn connection() -> impl Strategy<Value = Action> {
    prop_oneof![
        2 => Just(Action::Cancel),
        3 => select(Leave::ALL.to_vec()).prop_map(Action::Leave),
        3 => Just(Action::Connect),
    ]
}
