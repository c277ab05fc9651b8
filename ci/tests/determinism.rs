//! A run is a function of scenario and seed: alone in a process, in a suite, and in a suite backwards.

use std::collections::BTreeMap;
use std::process::Command;

use leftover_harness::config::Config;
use leftover_harness::run::Settings;

const SCENARIO: &str = "drop-during-initial-load";
const SEEDS: u64 = 100;

fn here(seeds: impl Iterator<Item = u64>) -> BTreeMap<u64, String> {
    let scenario = leftover_scenarios::find(SCENARIO).expect("it is in the catalogue");
    let hash = |seed| {
        let outcome = leftover_sim::scenario::run(&scenario, seed, &Config::default(), &Settings::default());
        format!("{:016x}", outcome.expect("it can be judged").hash)
    };
    seeds.map(|seed| (seed, hash(seed))).collect()
}

fn alone(seed: u64) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_leftover"))
        .args(["replay", SCENARIO, "--seed", &seed.to_string()])
        .output()
        .expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let hash = text
        .lines()
        .find_map(|line| line.split_once("hash "))
        .map(|(_, hash)| hash.to_owned());
    hash.unwrap_or_else(|| panic!("no hash in {text}"))
}

#[test]
fn a_hundred_seeds_have_the_same_hashes_alone_in_a_suite_and_backwards() {
    let forwards = here(0..SEEDS);
    assert_eq!(here((0..SEEDS).rev()), forwards);
    let alone: BTreeMap<u64, String> = (0..SEEDS).map(|seed| (seed, alone(seed))).collect();
    assert_eq!(alone, forwards);
    let distinct: std::collections::BTreeSet<&String> = forwards.values().collect();
    assert!(
        distinct.len() as u64 > SEEDS / 2,
        "a hash that says nothing: {distinct:?}"
    );
}
