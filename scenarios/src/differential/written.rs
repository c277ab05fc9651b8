//! Programs as text: what a difference is printed as can be kept, and run again.

use super::program::{Action, Kind, Program, Step};
use crate::conformance::client::Leave;

/// What stands behind an impatient statement.
const IMPATIENT: &str = ";  -- with a short lock_timeout";

/// Reads programs, with a blank line between two. Other lines that begin with `--` and have no session are remarks.
///
/// # Errors
/// Names the line that is no step.
pub fn read(text: &str) -> Result<Vec<Program>, String> {
    let mut programs = Vec::new();
    for part in text.split("\n\n") {
        let mut program = Program {
            sessions: Vec::new(),
            steps: Vec::new(),
        };
        for line in part.lines().filter(|line| !line.trim().is_empty()) {
            if let Some(kinds) = line.strip_prefix("-- sessions: ") {
                program.sessions = sessions(kinds).ok_or_else(|| format!("no sessions: {line}"))?;
            } else if !line.starts_with("--") {
                program
                    .steps
                    .push(step(line).ok_or_else(|| format!("no step: {line}"))?);
            }
        }
        if program
            .steps
            .iter()
            .any(|step| step.session >= program.sessions.len())
        {
            return Err(format!("a session that there is not:\n{part}"));
        }
        if !program.steps.is_empty() {
            programs.push(program);
        }
    }
    Ok(programs)
}

fn sessions(kinds: &str) -> Option<Vec<Kind>> {
    let kinds = kinds.strip_prefix('[')?.strip_suffix(']')?;
    let kind = |kind| match kind {
        "Client" => Some(Kind::Client),
        "Walsender" => Some(Kind::Walsender),
        _ => None,
    };
    kinds.split(", ").map(kind).collect()
}

fn step(line: &str) -> Option<Step> {
    let (session, action) = line.split_once(": ")?;
    Some(Step {
        session: session.parse().ok()?,
        action: action_of(action)?,
    })
}

fn action_of(text: &str) -> Option<Action> {
    if let Some(sql) = text.strip_suffix(IMPATIENT) {
        return Some(Action::Impatient(sql.to_owned()));
    }
    let Some(remark) = text.strip_prefix("-- ") else {
        return Some(Action::Query(text.strip_suffix(';')?.to_owned()));
    };
    if let Some(data) = remark.strip_prefix("CopyData \"") {
        return if let Some(data) = data.strip_suffix("\", CopyDone") {
            Some(Action::Copy(unescaped(data)))
        } else {
            Some(Action::CopyFail(unescaped(data.strip_suffix("\", CopyFail")?)))
        };
    }
    Some(match remark {
        "is cancelled by a cancel request" => Action::Cancel,
        "leaves with Terminate" => Action::Leave(Leave::Terminate),
        "leaves with FIN" => Action::Leave(Leave::Fin),
        "half-closes" => Action::Leave(Leave::HalfClose),
        "leaves with RST" => Action::Leave(Leave::Rst),
        "connects again" => Action::Connect,
        _ => return None,
    })
}

/// COPY data as `{:?}` prints it.
fn unescaped(text: &str) -> String {
    text.replace("\\t", "\t")
        .replace("\\n", "\n")
        .replace("\\\\", "\\")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::generate::program;
    use super::read;

    proptest! {
        #[test]
        fn a_program_that_is_printed_can_be_read(program in program()) {
            prop_assert_eq!(read(&program.to_string()), Ok(vec![program]));
        }
    }
}
