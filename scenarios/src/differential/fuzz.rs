//! Many programs on both servers, and a difference made small.

use std::fmt;
use std::rc::Rc;

use futures_util::FutureExt as _;
use proptest::strategy::{Strategy as _, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::generate::program;
use super::program::Program;
use super::run::{Transcript, run};
use crate::conformance::real::Real;
use crate::conformance::row::{Checked, Problem};
use crate::conformance::simulated::simulate;

/// How many seeds the simulated server has to show what the real one did.
const SEEDS: u64 = 12;
/// How many programs a real server runs between two that are told.
const BATCH: usize = 50;
/// How many smaller programs are tried.
const SHRINKS: usize = 100;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many programs.
    pub programs: usize,
    /// The seed that they are drawn by.
    pub seed: u64,
    /// After how many differences it ends.
    pub at_most: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            programs: 100,
            seed: 0,
            at_most: 5,
        }
    }
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How many programs ran on both servers.
    pub compared: usize,
    /// In how many of those the first seed did something else, and another one what the real server did.
    pub races: usize,
    /// What no seed did.
    pub differences: Vec<Difference>,
}

/// A program that the servers do not agree about, as small as it became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The program.
    pub program: Program,
    /// What the simulated server did with the first seed.
    pub simulated: Checked<Transcript>,
    /// What the real one did.
    pub real: Checked<Transcript>,
}

/// Runs random programs on both servers. `progress` is told how many have been compared.
///
/// # Errors
/// When the real server cannot be asked.
pub fn fuzz(options: &Options, real: &Real, mut progress: impl FnMut(&Report)) -> Checked<Report> {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&options.seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut report = Report::default();
    while report.compared < options.programs && report.differences.len() < options.at_most {
        let count = BATCH.min(options.programs - report.compared);
        let trees = (0..count).map(|_| program().new_tree(&mut runner));
        let trees: Vec<_> = trees
            .collect::<Result<_, _>>()
            .map_err(|reason| Problem::CannotRun(format!("no program could be made: {reason}")))?;
        let programs: Vec<Program> = trees.iter().map(ValueTree::current).collect();
        let answers = ask(real, programs.clone())?;
        for ((tree, program), answer) in trees.into_iter().zip(programs).zip(answers) {
            report.compared += 1;
            match agreement(&program, &answer) {
                Agreement::AtOnce => {}
                Agreement::BySeed => report.races += 1,
                Agreement::None => {
                    if let Some(difference) = smallest(real, tree)? {
                        report.differences.push(difference);
                    }
                }
            }
        }
        progress(&report);
    }
    Ok(report)
}

/// Which of these programs the servers do not agree about.
///
/// # Errors
/// When the real server cannot be asked.
pub fn differences(real: &Real, programs: Vec<Program>) -> Checked<Vec<Difference>> {
    let answers = ask(real, programs.clone())?;
    let asked = programs.into_iter().zip(answers);
    let differing = asked.filter(|(program, real)| matches!(agreement(program, real), Agreement::None));
    let difference = |(program, real)| Difference {
        simulated: simulated(&program, 0),
        program,
        real,
    };
    Ok(differing.map(difference).collect())
}

/// What a real server does with these programs, one after the other.
///
/// # Errors
/// When it cannot be asked.
pub fn ask(real: &Real, programs: Vec<Program>) -> Checked<Vec<Checked<Transcript>>> {
    let programs = Rc::new(programs);
    real.run(programs.len() as u64, |pg| {
        let programs = Rc::clone(&programs);
        async move { Ok(run(pg, &programs[usize::try_from(pg.turn()).unwrap_or_default()]).await) }
            .boxed_local()
    })
}

/// What the simulated server does with a program.
///
/// # Errors
/// When a step comes to nothing.
pub fn simulated(program: &Program, seed: u64) -> Checked<Transcript> {
    simulate(seed, |pg| {
        let program = program.clone();
        async move { run(pg, &program).await }.boxed_local()
    })
}

enum Agreement {
    AtOnce,
    BySeed,
    None,
}

fn agreement(program: &Program, real: &Checked<Transcript>) -> Agreement {
    let agrees = |seed: &u64| real.is_ok() && simulated(program, *seed) == *real;
    match (0..SEEDS).find(agrees) {
        Some(0) => Agreement::AtOnce,
        Some(_) => Agreement::BySeed,
        None => Agreement::None,
    }
}

/// The difference in a smaller program; none when the real server does not show it again.
fn smallest(real: &Real, mut tree: impl ValueTree<Value = Program>) -> Checked<Option<Difference>> {
    let mut found = differs(real, tree.current())?;
    if found.is_none() {
        return Ok(None);
    }
    let mut going = tree.simplify();
    for _ in 0..SHRINKS {
        if !going {
            break;
        }
        let smaller = differs(real, tree.current())?;
        going = if smaller.is_some() {
            found = smaller;
            tree.simplify()
        } else {
            tree.complicate()
        };
    }
    Ok(found)
}

/// Whether a real server does, each time, what no seed of the simulated one does.
fn differs(real: &Real, program: Program) -> Checked<Option<Difference>> {
    let again = vec![program.clone(), program.clone()];
    let found = differences(real, again)?;
    Ok(found.into_iter().nth(1))
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ours, real) = match (&self.simulated, &self.real) {
            (Ok(ours), Ok(real)) => (ours, real),
            (ours, real) => {
                write!(f, "{}", self.program)?;
                for (whose, what) in [("simulated", ours), ("real", real)] {
                    if let Err(problem) = what {
                        writeln!(f, "  {whose}: {problem}")?;
                    }
                }
                return Ok(());
            }
        };
        writeln!(f, "-- sessions: {:?}", self.program.sessions)?;
        for (number, step) in self.program.steps.iter().enumerate() {
            writeln!(f, "{step}")?;
            compare(f, &ours.steps[number], &real.steps[number])?;
        }
        writeln!(f, "-- at the end")?;
        compare(f, &ours.end, &real.end)
    }
}

/// Lines of both as they are, and of one alone with its name.
fn compare(f: &mut fmt::Formatter<'_>, ours: &[String], real: &[String]) -> fmt::Result {
    if ours == real {
        return ours.iter().try_for_each(|line| writeln!(f, "      {line}"));
    }
    let reordered =
        ours.iter().all(|line| real.contains(line)) && real.iter().all(|line| ours.contains(line));
    for (whose, lines, others) in [("simulated", ours, real), ("     real", real, ours)] {
        for line in lines.iter().filter(|line| reordered || !others.contains(line)) {
            writeln!(f, "  {whose}: {line}")?;
        }
    }
    Ok(())
}
