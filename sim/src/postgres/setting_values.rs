//! How a setting's values read and print: what a text means, at rest and as `SHOW` has it.

use std::cell::RefCell;
use std::rc::Rc;

use super::remembered::Remembered;
use super::setting_definitions::{Context, DEFINITIONS, Definition, Id, Kind, find};
use super::sql::error::PgError;

/// The unit of a time setting's values at rest, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("min", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Settings of the socket, which are shown as the kernel has them, without a unit, and its own values.
const KERNEL: [(&str, &str); 4] = [
    ("tcp_keepalives_count", "9"),
    ("tcp_keepalives_idle", "7200"),
    ("tcp_keepalives_interval", "75"),
    ("tcp_user_timeout", "0"),
];

fn invalid(name: &str, value: &str) -> PgError {
    PgError::new(
        "22023",
        format!("invalid value for parameter \"{name}\": \"{value}\""),
    )
}

fn parse_time(text: &str, base: u64) -> Option<i64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
        .unwrap_or(text.len());
    let (number, unit) = (text[..digits].parse::<f64>().ok()?, text[digits..].trim());
    let factor = match unit {
        "" => base,
        "us" => return Some((number / 1000.0 / base as f64).round() as i64),
        unit => UNITS.iter().find(|(name, _)| *name == unit)?.1,
    };
    Some((number * factor as f64 / base as f64).round() as i64)
}

/// What a server has at rest when its configuration file says this.
///
/// # Errors
/// When there is no such setting, or this is no value of it.
pub fn at_rest(name: &str, text: &str) -> Result<(Id, String), String> {
    let id = find(name).filter(|id| id.definition().context != Context::Internal);
    let id = id.ok_or_else(|| format!("the simulated server has no setting {name:?}"))?;
    let value = parse(id.definition(), text).map_err(|error| error.to_string())?;
    Ok((id, value))
}

/// The value at rest that `text` means for this setting.
///
/// # Errors
/// `22023` when it means none.
pub fn parse(definition: &Definition, text: &str) -> Result<String, PgError> {
    let fail = || invalid(definition.name, text);
    match definition.kind {
        Kind::Text => Ok(text.to_owned()),
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" | "t" => Ok("on".to_owned()),
            "off" | "false" | "no" | "0" | "f" => Ok("off".to_owned()),
            _ => Err(fail()),
        },
        Kind::Milliseconds => parse_time(text, 1)
            .filter(|v| *v >= 0)
            .map(|v| v.to_string())
            .ok_or_else(fail),
        Kind::Seconds => parse_time(text, 1000)
            .filter(|v| *v >= 0)
            .map(|v| v.to_string())
            .ok_or_else(fail),
        Kind::Number => {
            let digits = text.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic());
            digits.parse::<i64>().map(|v| v.to_string()).map_err(|_| fail())
        }
        Kind::Word(words) => {
            let lower = text.to_ascii_lowercase();
            words.contains(&lower.as_str()).then_some(lower).ok_or_else(fail)
        }
    }
}

/// How many values of one setting a thread remembers.
const KNOWN_VALUES: usize = 32;

/// By setting, texts and the values at rest that they mean.
type Known = [Remembered<Box<str>, Rc<str>>; DEFINITIONS.len()];

thread_local! {
    /// Sessions say the same in every run.
    static KNOWN: RefCell<Known> =
        const { RefCell::new([const { Remembered::new(KNOWN_VALUES) }; DEFINITIONS.len()]) };
}

/// As [`parse`], and shared by all sessions of a thread that say the same.
pub(super) fn shared(id: Id, text: &str) -> Result<Rc<str>, PgError> {
    KNOWN.with_borrow_mut(|known| {
        let known = &mut known[id.number()];
        if let Some(value) = known.get(text) {
            return Ok(value);
        }
        let value: Rc<str> = parse(id.definition(), text)?.into();
        known.keep(text.into(), Rc::clone(&value));
        Ok(value)
    })
}

/// How `SHOW` prints a value at rest: times in the largest unit that leaves no rest.
pub fn show(definition: &Definition, value: &str) -> String {
    if let Some((_, kernel)) = KERNEL.iter().find(|(name, _)| *name == definition.name) {
        return if value == "0" { *kernel } else { value }.to_owned();
    }
    let base = match definition.kind {
        Kind::Milliseconds => 1,
        Kind::Seconds => 1000,
        _ => return value.to_owned(),
    };
    let total = value.parse::<u64>().unwrap_or(0) * base;
    let unit = UNITS
        .iter()
        .find(|(_, factor)| total > 0 && total % factor == 0 && *factor >= base);
    unit.map_or_else(
        || value.to_owned(),
        |(name, factor)| format!("{}{name}", total / factor),
    )
}

#[cfg(test)]
mod tests {
    use super::super::setting_definitions::definition;
    use super::*;

    #[test]
    fn times_read_in_any_unit_and_print_in_the_largest_whole_one() {
        let lock = definition("LOCK_timeout").unwrap();
        for (text, rest, shown) in [
            ("10s", "10000", "10s"),
            ("1500", "1500", "1500ms"),
            ("1min", "60000", "1min"),
            ("0", "0", "0"),
        ] {
            let value = parse(lock, text).unwrap();
            assert_eq!((value.as_str(), show(lock, &value).as_str()), (rest, shown));
        }
    }
}
