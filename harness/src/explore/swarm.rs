//! Each seed draws its own world and its own faults: which families exist at all, latencies and windows,
//! tables, blocks, workers, writers beside, a twin, settings. proptest makes them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config as ProptestConfig, RngAlgorithm, TestRng, TestRunner};

use super::tally::Tally;
use super::{Explorer, Stage};
use crate::config::Config;
use crate::fault::plan::{Plan, Then};
use crate::lab::{Lab, LabError, Trial};
use crate::scenario::{Recon, Scenario};
use crate::space::{Family, Space};

/// How many plans are drawn in one drawn world: its run without faults serves all of them.
const PLANS: u64 = 8;

/// A drawn world, and what may strike in it.
#[derive(Debug, Clone)]
struct Draft {
    config: Config,
    /// Which of the scenario's families are on; none is read as all.
    families: Vec<bool>,
    /// For each plan: whether a next run follows, and its faults by family and place, both as parts of a whole.
    plans: Vec<(bool, Vec<(u16, u32)>)>,
}

/// Settings of the server that a mirror must live with.
fn settings() -> impl Strategy<Value = BTreeMap<String, String>> {
    let setting = prop_oneof![
        (Just("deadlock_timeout"), prop_oneof![Just("10ms"), Just("10s")]),
        (
            Just("client_connection_check_interval"),
            prop_oneof![Just("100ms"), Just("10s")]
        ),
        (
            Just("idle_in_transaction_session_timeout"),
            prop_oneof![Just("90s"), Just("10min")]
        ),
        (
            Just("default_transaction_isolation"),
            prop_oneof![Just("repeatable read"), Just("serializable")]
        ),
        (
            Just("synchronous_commit"),
            prop_oneof![Just("off"), Just("local")]
        ),
        (
            Just("timezone"),
            prop_oneof![Just("Asia/Tokyo"), Just("America/St_Johns")]
        ),
        (Just("datestyle"), prop_oneof![Just("German"), Just("SQL, DMY")]),
        (Just("wal_sender_timeout"), prop_oneof![Just("5s"), Just("0")]),
    ];
    let setting = setting.prop_map(|(name, value): (&str, &str)| (name.to_owned(), value.to_owned()));
    proptest::collection::vec(setting, 0..3).prop_map(|settings| settings.into_iter().collect())
}

fn config() -> impl Strategy<Value = Config> {
    let latency = prop_oneof![
        4 => Just([50, 500]),
        2 => Just([1, 2]),
        2 => Just([5_000, 20_000]),
        2 => Just([50, 100_000]),
    ];
    let window = prop_oneof![4 => Just(0u32), 1 => Just(64), 1 => Just(512), 1 => Just(4096)];
    let tables = 1..=Config::MOST_TABLES;
    let size = (tables, 0u32..=5, 1u32..=5);
    (size, latency, window, 0u32..=3, any::<bool>(), settings()).prop_map(
        |((tables, blocks, workers), latency, window, writers, twin, settings)| Config {
            tables,
            blocks,
            workers,
            latency,
            window,
            writers,
            twin,
            settings,
        },
    )
}

fn draft(families: usize) -> impl Strategy<Value = Draft> {
    let faults = proptest::collection::vec((any::<u16>(), any::<u32>()), 1..=3);
    let plans = proptest::collection::vec((any::<bool>(), faults), PLANS as usize);
    let on = proptest::collection::vec(any::<bool>(), families);
    (config(), on, plans).prop_map(|(config, families, plans)| Draft {
        config,
        families,
        plans,
    })
}

/// What `seed` draws.
fn drawn(seed: u64, families: usize) -> Draft {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..].copy_from_slice(b"leftover swarm, per seed");
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let tree = draft(families).new_tree(&mut runner);
    tree.expect("no strategy here rejects anything").current()
}

/// The configuration that `seed` draws.
pub fn configuration(seed: u64) -> Config {
    drawn(seed, 0).config
}

impl<L: Lab> Explorer<'_, L> {
    /// Draws a world for each of `count` seeds from `first` on, and some plans in each.
    ///
    /// # Errors
    /// When a world failed.
    pub fn swarm(&self, scenario: &Scenario, first: u64, count: u64) -> Result<Tally, LabError> {
        self.each(count, |number, tally| self.draw(scenario, first + number, tally))
    }

    fn draw(&self, scenario: &Scenario, seed: u64, tally: &mut Tally) -> Result<(), LabError> {
        let draft = drawn(seed, scenario.families.len());
        let calm = Trial {
            seed,
            config: draft.config,
            plan: Plan::calm(),
        };
        let outcome = self.trial(scenario, &calm, (Stage::Swarm, seed, 0), tally)?;
        let recon = Recon {
            exact: self.lab.is_exact(),
            ..outcome.recon()
        };
        let on = scenario.families.iter().zip(&draft.families);
        let mut families: Vec<Family> = on.filter_map(|(family, on)| on.then_some(*family)).collect();
        if families.is_empty() {
            families = scenario.families.to_vec();
        }
        let spaces: Vec<Space<'_>> = families
            .iter()
            .map(|family| Space::new(&recon, "run", *family, scenario.region))
            .filter(|space| !space.is_empty())
            .collect();
        if spaces.is_empty() {
            return Ok(());
        }
        for (nth, (run_again, faults)) in (1..).zip(&draft.plans) {
            if (self.stop)() {
                tally.stopped = true;
                return Ok(());
            }
            let trial = Trial {
                plan: plan(&spaces, *run_again, faults),
                ..calm.clone()
            };
            self.count(scenario, &trial, (Stage::Swarm, seed, nth), tally)?;
        }
        Ok(())
    }
}

/// A plan of these faults. The first that strikes may end the run before the others do.
fn plan(spaces: &[Space<'_>], run_again: bool, faults: &[(u16, u32)]) -> Plan {
    let mut plan = Plan::calm();
    for (family, place) in faults {
        let space = &spaces[usize::from(*family) % spaces.len()];
        let drawn = space.plan(*place as usize % space.len());
        plan.strikes.extend(drawn.strikes);
    }
    plan.then = if run_again { Then::RunThenDrop } else { Then::Drop };
    plan
}
