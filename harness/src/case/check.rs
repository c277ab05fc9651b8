//! Whether a run showed what its case says.

use super::file::Case;
use crate::fault::plan::Strike;
use crate::near::near;
use crate::signature::Signature;
use crate::verdict::Outcome;

/// What a run showed instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// These strikes met nothing, and this is near: the code has changed, and the case proves nothing.
    NotStruck(Vec<(Strike, String)>),
    /// The verdict is another one.
    Verdict {
        /// What the case says.
        expected: Signature,
        /// What the run showed.
        found: Signature,
    },
}

impl Case {
    /// Compares a run of this case with what the case says.
    ///
    /// # Errors
    /// When the run showed something else.
    pub fn check(&self, outcome: &Outcome) -> Result<(), Mismatch> {
        let missed: Vec<&Strike> = outcome
            .struck
            .iter()
            .filter(|struck| struck.times == 0)
            .map(|struck| &struck.strike)
            .collect();
        if !missed.is_empty() {
            let recon = outcome.recon();
            let with_near = |strike: &Strike| (strike.clone(), near(&recon, &strike.at));
            return Err(Mismatch::NotStruck(missed.into_iter().map(with_near).collect()));
        }
        let found = Signature::of(&outcome.verdict).expect("every strike has struck");
        if found == self.expect {
            return Ok(());
        }
        let expected = self.expect.clone();
        Err(Mismatch::Verdict { expected, found })
    }
}

impl std::fmt::Display for Mismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Mismatch::NotStruck(missed) => {
                f.write_str("the plan no longer matches the run:")?;
                for (strike, near) in missed {
                    write!(f, "\n  met nothing: {strike}\n  near it: {near}")?;
                }
                Ok(())
            }
            Mismatch::Verdict { expected, found } => {
                let indented = |text: String| text.replace('\n', "\n    ");
                write!(
                    f,
                    "the verdict is another one\n  expected:\n    {}",
                    indented(expected.to_string())
                )?;
                write!(f, "\n  found:\n    {}", indented(found.to_string()))
            }
        }
    }
}
