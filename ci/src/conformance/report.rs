//! What all servers showed of all rows, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use leftover_scenarios::conformance::row::{Check, Row};
use leftover_scenarios::conformance::run::Standing;

/// Who was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// The simulated server.
    Simulator,
    /// A real server of this major version.
    Real(u32),
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Simulator => f.write_str("simulator"),
            Asked::Real(major) => write!(f, "real {major}"),
        }
    }
}

impl serde::Serialize for Asked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A row and what each server showed of it.
#[derive(Debug, serde::Serialize)]
struct Line {
    row: &'static str,
    meaning: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    differs_by_version: Option<&'static str>,
    shown: BTreeMap<Asked, Standing>,
    #[serde(skip)]
    race: bool,
}

/// All rows.
#[derive(Debug, serde::Serialize)]
#[serde(transparent)]
pub struct Report {
    lines: Vec<Line>,
}

impl Report {
    /// A report on these rows, of which nobody was asked yet.
    pub fn new(rows: &[&Row]) -> Report {
        let line = |row: &&Row| Line {
            row: row.id,
            meaning: row.meaning,
            differs_by_version: row.differs,
            shown: BTreeMap::new(),
            race: matches!(row.check, Check::Race { .. }),
        };
        Report {
            lines: rows.iter().map(line).collect(),
        }
    }

    /// Adds what one server showed, row by row.
    pub fn add(&mut self, asked: Asked, standings: Vec<Standing>) {
        for (line, standing) in self.lines.iter_mut().zip(standings) {
            line.shown.insert(asked, standing);
        }
    }

    /// Whether every server that was asked does what the rows say.
    pub fn agrees(&self) -> bool {
        !self.lines.iter().any(Line::differs)
    }

    fn count(&self, of: impl Fn(&Line) -> bool) -> usize {
        self.lines.iter().filter(|line| of(line)).count()
    }

    fn asked(&self) -> Vec<Asked> {
        self.lines
            .first()
            .map_or_else(Vec::new, |line| line.shown.keys().copied().collect())
    }

    fn summary(&self) -> Table {
        let asked = self.asked();
        let mut header = vec!["row".to_owned(), "meaning".to_owned()];
        header.extend(asked.iter().map(Asked::to_string));
        header.push("agree?".to_owned());
        let mut table = table(header);
        for line in &self.lines {
            let mut cells = vec![line.row, line.meaning];
            cells.extend(line.shown.values().map(word));
            cells.push(line.agree());
            table.add_row(cells);
        }
        table
    }

    /// Each outcome of each race: how often it came up, of how many runs.
    fn races(&self) -> Option<Table> {
        let asked = self.asked();
        let mut header = vec!["race".to_owned(), "outcome".to_owned()];
        header.extend(asked.iter().map(Asked::to_string));
        let mut table = table(header);
        for line in self.lines.iter().filter(|line| line.race) {
            for outcome in line.outcomes() {
                let mut cells = vec![Cell::new(line.row), Cell::new(outcome)];
                cells.extend(line.shown.values().map(|shown| share(shown, outcome)));
                table.add_row(cells);
            }
        }
        (table.row_count() > 0).then_some(table)
    }
}

impl Line {
    fn differs(&self) -> bool {
        self.shown
            .values()
            .any(|shown| matches!(shown, Standing::Differs(_)))
    }

    fn ran_in_both_worlds(&self) -> bool {
        let ran = |real: bool| {
            let in_world =
                |(asked, shown): (&Asked, &Standing)| shown.ran() && matches!(asked, Asked::Real(_)) == real;
            self.shown.iter().any(in_world)
        };
        ran(false) && ran(true)
    }

    /// Whether those that ran agree.
    fn agree(&self) -> &'static str {
        let ran = self.shown.values().filter(|shown| shown.ran()).count();
        match ran {
            _ if self.differs() => "NO",
            0 => "-",
            ran if ran < self.shown.len() => "those that ran",
            _ => "yes",
        }
    }

    fn outcomes(&self) -> Vec<&'static str> {
        let of = |shown: &Standing| match shown {
            Standing::Agrees { outcomes } => Some(outcomes.keys().copied().collect()),
            _ => None,
        };
        self.shown.values().find_map(of).unwrap_or_default()
    }

    /// Why not all agree, and how versions differ.
    fn words(&self) -> Vec<String> {
        let of = |(asked, shown): (&Asked, &Standing)| match shown {
            Standing::Agrees { .. } => None,
            Standing::Differs(why) => Some(format!("{}, {asked}: {why}", self.row)),
            Standing::NotRun(why) => Some(format!("{}, {asked}, did not run: {why}", self.row)),
        };
        let mut words: Vec<String> = self.shown.iter().filter_map(of).collect();
        words.extend(self.differs_by_version.map(|how| format!("{}: {how}", self.row)));
        words
    }
}

fn table(header: Vec<String>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table
}

fn word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Agrees { .. } => "as it says",
        Standing::Differs(_) => "DIFFERS",
        Standing::NotRun(_) => "not run",
    }
}

fn share(standing: &Standing, outcome: &str) -> Cell {
    let words = match standing {
        Standing::Agrees { outcomes } => {
            let times = outcomes.get(outcome).copied().unwrap_or_default();
            format!("{times} of {}", outcomes.values().sum::<usize>())
        }
        _ => "-".to_owned(),
    };
    Cell::new(words).set_alignment(CellAlignment::Right)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.summary())?;
        if let Some(races) = self.races() {
            writeln!(f, "{races}")?;
        }
        for words in self.lines.iter().flat_map(Line::words) {
            writeln!(f, "{words}")?;
        }
        for asked in self.asked() {
            let count = |of: fn(&Standing) -> bool| self.count(|line| line.shown.get(&asked).is_some_and(of));
            let (ran, agree) = (count(Standing::ran), count(Standing::agrees));
            let all = self.lines.len();
            writeln!(f, "{asked}: {ran} of {all} rows ran, {agree} of them as they say")?;
        }
        if matches!(self.asked()[..], [Asked::Simulator, Asked::Real(_), ..]) {
            let both = self.count(Line::ran_in_both_worlds);
            let differ = self.count(|line| line.ran_in_both_worlds() && line.differs());
            writeln!(f, "{both} rows ran in both worlds, and {differ} of them differ")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [Row; 3] = [
        Row::plain("OB-01", "everybody agrees", |_| Box::pin(async { Ok(()) })),
        Row::plain("OB-02", "not on the simulator", |_| Box::pin(async { Ok(()) }))
            .differs("17: otherwise, and how"),
        Row::race("OB-03", "heads or tails", &["heads", "tails"], 1, |_| {
            Box::pin(async { Ok("heads") })
        }),
    ];

    fn agrees(outcomes: &[(&'static str, usize)]) -> Standing {
        Standing::Agrees {
            outcomes: outcomes.iter().copied().collect(),
        }
    }

    #[test]
    fn the_tables_name_what_differs_and_why_what_did_not_run() {
        let mut report = Report::new(&ROWS.each_ref());
        let race = agrees(&[("heads", 3), ("tails", 1)]);
        let missing = Standing::NotRun("not modelled: no log".to_owned());
        report.add(Asked::Simulator, vec![agrees(&[]), missing, race]);
        let edge = Standing::Differs("an outcome that is not allowed: edge".to_owned());
        report.add(Asked::Real(17), vec![agrees(&[]), agrees(&[]), edge]);
        assert!(!report.agrees());
        insta::assert_snapshot!(report);
    }

    #[test]
    fn rows_that_did_not_run_are_no_difference() {
        let mut report = Report::new(&ROWS.each_ref());
        let missing = || Standing::NotRun("packets cannot be dropped here".to_owned());
        report.add(Asked::Real(15), vec![agrees(&[]), missing(), missing()]);
        assert!(report.agrees());
    }
}
