//! A row of the behaviours, and what can become of it.

use std::io;

use futures_util::future::LocalBoxFuture;

use super::pg::Pg;

/// Why a check did not pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The server did something else than the row says.
    #[error("{0}")]
    Differs(String),
    /// The check needs what this world or this machine has not.
    #[error("{0}")]
    CannotRun(String),
}

impl Problem {
    /// The server did something else.
    pub fn differs(what: impl Into<String>) -> Problem {
        Problem::Differs(what.into())
    }
}

/// What a client could not do although the row says that it can; what the world has no means for is no
/// difference.
impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Problem {
        match error.kind() {
            io::ErrorKind::Unsupported => Problem::CannotRun(error.to_string()),
            _ => Problem::Differs(format!("the connection failed: {error}")),
        }
    }
}

/// What a check answers.
pub type Checked<T = ()> = Result<T, Problem>;

/// Steps whose outcome is one and the same.
pub type Plain = for<'a> fn(&'a Pg) -> LocalBoxFuture<'a, Checked>;

/// Steps that end in one of the outcomes which the row allows; answers which.
pub type Racing = for<'a> fn(&'a Pg) -> LocalBoxFuture<'a, Checked<&'static str>>;

/// What is done and what must come of it.
#[derive(Debug, Clone, Copy)]
pub enum Check {
    /// The outcome is always the same.
    Plain(Plain),
    /// The outcome is one of several. The steps are repeated on a real server, one try after the other, and
    /// leave it so that they can be; on the simulator each seed has a server of its own, and over the seeds
    /// every outcome must come up.
    Race {
        /// The outcomes that are allowed.
        outcomes: &'static [&'static str],
        /// How often a real server is asked.
        tries: u64,
        /// The steps.
        steps: Racing,
    },
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// `OB-04`; a row without a number has that of the row above and a letter: `OB-62b`.
    pub id: &'static str,
    /// What it says, in one line.
    pub meaning: &'static str,
    /// How it is checked.
    pub check: Check,
    /// Why the simulator does not show it; real servers are asked all the same.
    pub not_modelled: Option<&'static str>,
    /// Where another version differs, and how.
    pub differs: Option<&'static str>,
}

impl Row {
    /// A row with one outcome.
    pub const fn plain(id: &'static str, meaning: &'static str, steps: Plain) -> Row {
        Row::new(id, meaning, Check::Plain(steps))
    }

    /// A row with several outcomes, for which a real server is asked `tries` times.
    pub const fn race(
        id: &'static str,
        meaning: &'static str,
        outcomes: &'static [&'static str],
        tries: u64,
        steps: Racing,
    ) -> Row {
        let check = Check::Race {
            outcomes,
            tries,
            steps,
        };
        Row::new(id, meaning, check)
    }

    const fn new(id: &'static str, meaning: &'static str, check: Check) -> Row {
        Row {
            id,
            meaning,
            check,
            not_modelled: None,
            differs: None,
        }
    }

    /// The same, which the simulator does not show, and why.
    #[must_use]
    pub const fn not_modelled(self, why: &'static str) -> Row {
        Row {
            not_modelled: Some(why),
            ..self
        }
    }

    /// The same, which another version does otherwise, and how.
    #[must_use]
    pub const fn differs(self, how: &'static str) -> Row {
        Row {
            differs: Some(how),
            ..self
        }
    }
}

/// Fails the row with these words unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($words:tt)+) => {
        if !$condition {
            return Err($crate::conformance::row::Problem::differs(format!($($words)+)));
        }
    };
}

/// Fails the row unless both are equal; the words say what was compared.
macro_rules! ensure_eq {
    ($found:expr, $wanted:expr, $($words:tt)+) => {{
        let (found, wanted) = (&$found, &$wanted);
        if *found != *wanted {
            let what = format!($($words)+);
            return Err($crate::conformance::row::Problem::differs(format!(
                "{what}: {found:?} instead of {wanted:?}"
            )));
        }
    }};
}

pub(crate) use {ensure, ensure_eq};
