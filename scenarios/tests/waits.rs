//! Where something is left, the report says what it waits for: what did not quiesce has a name, and so has
//! whoever keeps it from that.

use std::time::Duration;

use leftover_harness::config::Config;
use leftover_harness::fault::plan::{Act, At, Plan};
use leftover_harness::invariant::Bounds;
use leftover_harness::leftover::Leftover;
use leftover_harness::neighbour::BLOCKER;
use leftover_harness::run::Settings;
use leftover_scenarios::find;

#[test]
fn a_slot_creation_that_is_left_says_for_which_lock_it_waits_and_behind_whom() {
    let scenario = find("slot-creation-waits").expect("it is in the catalogue");
    let at = At::Time {
        process: "run".to_owned(),
        after: Duration::from_secs(1),
    };
    // Looked at as soon as the load is cancelled: the server has not noticed yet.
    let bounds = Bounds {
        noticed: Duration::ZERO,
        ..Bounds::default()
    };
    let settings = Settings {
        bounds,
        ..Settings::default()
    };
    let plan = Plan::one(at, Act::Cancel);
    let outcome = leftover_sim::scenario::run_plan(&scenario, 0, &Config::default(), &plan, &settings)
        .expect("the simulation runs");
    let sessions = outcome.verdict.leftovers().iter().filter_map(|left| match left {
        Leftover::Session(left) if left.seen.waits_for_lock => Some(&left.seen),
        _ => None,
    });
    let [waiting] = sessions.collect::<Vec<_>>()[..] else {
        panic!("{outcome:?}");
    };
    let [blocker] = &waiting.blockers[..] else {
        panic!("{waiting:?}");
    };
    assert_eq!(blocker.application_name, BLOCKER);
    let told = format!(
        "waits for Lock/transactionid, behind pid {} `{BLOCKER}`; its last statement is: CREATE_REPLICATION_SLOT",
        blocker.pid
    );
    let report = outcome.verdict.explain();
    assert!(report.contains(&told), "{report}");
    // The verdict, which is the same in both worlds, names no pids.
    let verdict = outcome.verdict.to_string();
    assert!(!verdict.contains(&blocker.pid.to_string()), "{verdict}");
}
