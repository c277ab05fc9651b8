//! What a server said, in words that are the same on every server.
//!
//! What is not compared, and why: pids become sessions; LSNs, snapshots' names and long numbers (system
//! identifiers) become what they are; rows of a COPY are sorted, and so are all rows of an answer (where an order was
//! asked for, the executor's tests compare it); the DETAIL of a deadlock names transactions and is left out; an
//! end by RST is an end (which one it is depends on what was left unread). A SELECT that fails while it runs has sent
//! its columns before the error: the simulated server knows all rows before it says anything, so columns right before
//! an error are left out.

use crate::conformance::said::{Fields, Said};

const COLUMNS: &str = "columns ";

/// What `said` means, with `name` for the pids that it knows.
pub fn words(said: &[Said], name: &impl Fn(i32) -> Option<String>) -> Vec<String> {
    let mut words = Vec::new();
    let mut rows = Vec::new();
    for said in said {
        match said {
            Said::Row(row) => {
                let values: Vec<&str> = row
                    .iter()
                    .map(|value| value.as_deref().unwrap_or("NULL"))
                    .collect();
                // No program asks for a pid, and a pid can be a value like any other.
                rows.push(stable(&values.join(" | ")));
                continue;
            }
            Said::Data(data) => {
                rows.push(data.escape_ascii().to_string());
                continue;
            }
            Said::Parameter(setting, value) => {
                words.push(format!("{setting} is {value}"));
                continue;
            }
            _ => {}
        }
        rows.sort();
        words.append(&mut rows);
        if let (Said::Error(_), Some(last)) = (said, words.last())
            && last.starts_with(COLUMNS)
        {
            words.pop();
        }
        words.push(match said {
            Said::Columns(columns) => format!("{COLUMNS}{}", columns.join(", ")),
            Said::Done(tag) => tag.clone(),
            Said::Error(fields) | Said::Notice(fields) => named(&error(fields), name),
            Said::Ready(status) => format!("ready {status}"),
            Said::Eof | Said::Reset => "end".to_owned(),
            other => format!("{other:?}"),
        });
    }
    rows.sort();
    words.append(&mut rows);
    words
}

fn error(fields: &Fields) -> String {
    const DEADLOCK: &str = "40P01";
    let mut text = fields.to_string();
    if fields.code != DEADLOCK {
        for (label, more) in [("DETAIL", &fields.detail), ("HINT", &fields.hint)] {
            if let Some(more) = more {
                text.push_str(&format!(" {label}: {more}"));
            }
        }
    }
    text
}

/// How many digits are no value of a program's.
const LONG: usize = 12;

/// A text without what differs from run to run, but for pids.
pub fn stable(text: &str) -> String {
    named(text, &|_| None)
}

/// A text without what differs from run to run.
fn named(text: &str, name: &impl Fn(i32) -> Option<String>) -> String {
    let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_');
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(belongs) {
        let (before, from) = rest.split_at(start);
        let (token, after) = from.split_at(from.find(|c| !belongs(c)).unwrap_or(from.len()));
        out.push_str(before);
        out.push_str(&stable_token(token, name));
        rest = after;
    }
    out + rest
}

fn stable_token(token: &str, name: &impl Fn(i32) -> Option<String>) -> String {
    let hex = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<&str> = token.split('/').collect();
    if parts.len() == 2 && parts.into_iter().all(hex) {
        return "<lsn>".to_owned();
    }
    let parts: Vec<&str> = token.split('-').collect();
    if parts.len() == 3 && parts[0].len() == 8 && parts.into_iter().all(hex) {
        return "<snapshot>".to_owned();
    }
    if token.bytes().all(|byte| byte.is_ascii_digit()) {
        if token.len() >= LONG {
            return "<number>".to_owned();
        }
        // An SQLSTATE can begin with a zero, a pid cannot.
        let pid = token.parse().ok().filter(|_| !token.starts_with('0'));
        if let Some(name) = pid.and_then(name) {
            return name;
        }
    }
    token.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pids_lsns_snapshots_and_long_numbers_are_named_and_values_stay() {
        let name = |pid| (pid == 4711).then(|| "<session 1>".to_owned());
        let text =
            "slot \"s1\" is active for PID 4711 at 0/1A2B3C, 00000003-0000001B-1, 7412345678901234567, 12 -3";
        assert_eq!(
            named(text, &name),
            "slot \"s1\" is active for PID <session 1> at <lsn>, <snapshot>, <number>, 12 -3"
        );
    }
}
