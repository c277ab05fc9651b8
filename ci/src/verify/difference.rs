//! Two runs of one seed that are not the same, for people: where they part, with what was before and after.

use super::batch::{Item, Ran};

/// How many events are shown before the first that differs, and how many from it on.
const CONTEXT: usize = 4;

/// Two runs of one seed that are not the same.
pub(super) struct Difference {
    pub(super) item: Item,
    /// Forwards, and backwards.
    pub(super) ran: [Ran; 2],
    /// Every event, forwards and backwards.
    pub(super) logs: [Vec<String>; 2],
}

const SIDES: [&str; 2] = ["forwards", "backwards"];

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [one, other] = &self.logs;
        writeln!(f, "{} is not the same in two processes", self.item)?;
        for (side, ran) in SIDES.iter().zip(&self.ran) {
            match ran {
                Ran::Judged {
                    hash,
                    events,
                    end,
                    verdict,
                } => {
                    let verdict = verdict.lines().next().unwrap_or_default();
                    writeln!(f, "  {side:9} {events} events, hash {hash}, {end}, {verdict}")?;
                }
                Ran::Failed(problem) => writeln!(f, "  {side:9} {problem}")?,
            }
        }
        let same = one
            .iter()
            .zip(other)
            .take_while(|(one, other)| one == other)
            .count();
        if same == one.len() && same == other.len() {
            return write!(f, "  every event is the same; the end differs");
        }
        write!(f, "  the first event that differs is number {}", same + 1)?;
        for (index, event) in one
            .iter()
            .enumerate()
            .take(same)
            .skip(same.saturating_sub(CONTEXT))
        {
            write!(f, "\n    {:9} {:5} {event}", "both", index + 1)?;
        }
        for (side, log) in SIDES.iter().zip(&self.logs) {
            if log.len() <= same {
                write!(f, "\n    {side:9} {:5} nothing more", same + 1)?;
            }
            for (index, event) in log.iter().enumerate().skip(same).take(CONTEXT) {
                write!(f, "\n    {side:9} {:5} {event}", index + 1)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(one: &[&str], other: &[&str]) -> String {
        let log = |events: &[&str]| events.iter().map(|event| (*event).to_owned()).collect();
        let ran = |events: &[&str], hash: &str| Ran::Judged {
            hash: hash.to_owned(),
            events: events.len(),
            end: "the run completed".to_owned(),
            verdict: "clean".to_owned(),
        };
        let item = Item {
            scenario: "toy".to_owned(),
            seed: 7,
        };
        let difference = Difference {
            item,
            ran: [ran(one, "1"), ran(other, "2")],
            logs: [log(one), log(other)],
        };
        difference.to_string()
    }

    #[test]
    fn the_first_event_that_differs_is_named_with_both_contexts() {
        let one = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "k", "l"];
        let other = ["a", "b", "c", "d", "e", "f", "G", "h", "i"];
        insta::assert_snapshot!(difference(&one, &other), @r"
        toy --seed 7 is not the same in two processes
          forwards  11 events, hash 1, the run completed, clean
          backwards 9 events, hash 2, the run completed, clean
          the first event that differs is number 7
            both          3 c
            both          4 d
            both          5 e
            both          6 f
            forwards      7 g
            forwards      8 h
            forwards      9 i
            forwards     10 k
            backwards     7 G
            backwards     8 h
            backwards     9 i
        ");
    }

    #[test]
    fn a_log_that_is_longer_and_an_end_that_differs_are_told_apart() {
        let shown = [difference(&["a", "b"], &["a"]), difference(&["a"], &["a"])];
        insta::assert_snapshot!(shown.join("\n"), @r"
        toy --seed 7 is not the same in two processes
          forwards  2 events, hash 1, the run completed, clean
          backwards 1 events, hash 2, the run completed, clean
          the first event that differs is number 2
            both          1 a
            forwards      2 b
            backwards     2 nothing more
        toy --seed 7 is not the same in two processes
          forwards  1 events, hash 1, the run completed, clean
          backwards 1 events, hash 2, the run completed, clean
          every event is the same; the end differs
        ");
    }
}
