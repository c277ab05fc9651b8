//! What the gate found: a row for each scenario and world, as a table and as JSON.

use comfy_table::{Cell, Table, presets::UTF8_FULL_CONDENSED};
use leftover_harness::leftover::{Leftover, explain};
use leftover_harness::scenario::{Expect, Scenario};
use leftover_harness::verdict::Outcome;
use serde::Serialize;

use crate::cells::number;
use crate::list::expected;

/// What the runs of one scenario in one world showed.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The world, for people.
    pub world: String,
    /// The scenario.
    pub scenario: String,
    /// `clean` or `caught`.
    pub expected: &'static str,
    /// How many runs were judged.
    pub runs: u64,
    /// How many left nothing.
    pub clean: u64,
    /// How many left something.
    pub left: u64,
    /// How many met no fault although one was planned: they prove nothing.
    pub not_struck: u64,
    /// Whether that is what was expected.
    pub passed: bool,
    /// The run of the smallest seed that left something.
    pub example: Option<Example>,
    /// How long the runs took together, in seconds of this machine.
    pub seconds: f64,
}

/// One run that left something.
#[derive(Debug, Clone, Serialize)]
pub struct Example {
    /// The seed.
    pub seed: u64,
    /// What went wrong on purpose, in words.
    pub plan: Vec<String>,
    /// How the run ended.
    pub end: String,
    /// What was left, in words that are the same in every world.
    pub words: String,
    /// What was left.
    pub leftovers: Vec<Leftover>,
    /// The event log's hash.
    pub hash: String,
    /// The line that shows it again.
    pub replay: String,
    /// The line that makes it smaller and tells it, where it is of the simulated world.
    pub shrink: Option<String>,
}

/// What one run showed, as far as a row needs it.
#[derive(Debug, Clone)]
pub enum Shown {
    /// Nothing was left.
    Clean,
    /// Something was.
    Left(Box<Example>),
    /// The plan met nothing.
    NotStruck,
}

impl Row {
    /// A row without runs.
    pub fn new(world: &str, scenario: &Scenario) -> Row {
        Row {
            world: world.to_owned(),
            scenario: scenario.name.to_owned(),
            expected: expected(scenario.expect),
            runs: 0,
            clean: 0,
            left: 0,
            not_struck: 0,
            passed: false,
            example: None,
            seconds: 0.0,
        }
    }

    /// Counts one run.
    pub fn add(&mut self, shown: Shown) {
        self.runs += 1;
        match shown {
            Shown::Clean => self.clean += 1,
            Shown::NotStruck => self.not_struck += 1,
            Shown::Left(example) => {
                self.left += 1;
                if self
                    .example
                    .as_ref()
                    .is_none_or(|known| example.seed < known.seed)
                {
                    self.example = Some(*example);
                }
            }
        }
    }

    /// Says whether the runs showed what was expected. A run that met no fault proves nothing, so a scenario
    /// in which most met none has not passed.
    pub fn judge(&mut self, expect: Expect) {
        self.passed = match expect {
            Expect::Clean => self.left == 0 && self.clean > 0 && self.not_struck * 2 <= self.runs,
            Expect::Caught => self.left > 0,
        };
    }

    fn result(&self) -> String {
        match (self.passed, self.expected) {
            (true, "clean") => "clean".to_owned(),
            (true, _) => "caught".to_owned(),
            (false, "clean") if self.left > 0 => "LEFT BEHIND".to_owned(),
            (false, "clean") => "NOT SHOWN".to_owned(),
            (false, _) => "NOT CAUGHT".to_owned(),
        }
    }
}

impl Example {
    /// What a run left.
    pub fn of(outcome: &Outcome, replay: String) -> Example {
        Example {
            seed: outcome.seed,
            plan: outcome.plan.strikes.iter().map(ToString::to_string).collect(),
            end: outcome.end.to_string(),
            words: outcome.verdict.to_string(),
            leftovers: outcome.verdict.leftovers().to_vec(),
            hash: format!("{:016x}", outcome.hash),
            replay,
            shrink: None,
        }
    }
}

/// The rows as a table.
pub fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header([
        "world",
        "scenario",
        "expected",
        "runs",
        "clean",
        "left",
        "not struck",
        "result",
    ]);
    for row in rows {
        table.add_row([
            Cell::new(&row.world),
            Cell::new(&row.scenario),
            Cell::new(row.expected),
            number(row.runs),
            number(row.clean),
            number(row.left),
            number(row.not_struck),
            Cell::new(row.result()),
        ]);
    }
    table
}

/// What a row has to say beyond the table: what was left, whose it was, the fault, and the line to paste.
pub fn story(row: &Row) -> Option<String> {
    let example = row.example.as_ref()?;
    let mut text = format!("{} ({}), seed {}:\n", row.scenario, row.world, example.seed);
    for line in explain(&example.leftovers).lines() {
        text += &format!("  {line}\n");
    }
    for strike in &example.plan {
        text += &format!("  after: {strike}\n");
    }
    text += &format!("  {}\n", example.end);
    text += &format!("  {}\n", example.replay);
    if let Some(shrink) = &example.shrink {
        text += &format!("  {shrink}\n");
    }
    Some(text)
}
