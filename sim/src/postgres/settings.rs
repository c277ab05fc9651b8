//! Settings (`GUC`s): what there is, who may set it, and how values read.

use std::collections::BTreeMap;

use super::sql::error::PgError;

pub use super::setting_definitions::{Context, DEFINITIONS, Definition, Kind, REPORTED, definition};

/// The unit of a time setting's values at rest, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("min", 60_000),
    ("s", 1_000),
    ("ms", 1),
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

/// How `SHOW` prints a value at rest: times in the largest unit that leaves no rest.
pub fn show(definition: &Definition, value: &str) -> String {
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

/// The settings of one session: the server's values, those of the session, and what a transaction changed.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    base: BTreeMap<&'static str, String>,
    session: BTreeMap<String, String>,
    /// Session values as they were before this transaction's `SET`s.
    before: Option<BTreeMap<String, String>>,
    local: BTreeMap<String, String>,
}

impl Settings {
    /// Settings that start from these server-wide values (at rest).
    pub fn new(server: &BTreeMap<&'static str, String>) -> Self {
        Self {
            base: server.clone(),
            ..Self::default()
        }
    }

    /// The value at rest, or `None` when there is no such setting.
    pub fn get(&self, name: &str) -> Option<&str> {
        if let Some(value) = self.local.get(name).or_else(|| self.session.get(name)) {
            return Some(value);
        }
        let Some(definition) = definition(name) else {
            let lower = name.to_ascii_lowercase();
            return self
                .local
                .get(&lower)
                .or_else(|| self.session.get(&lower))
                .map(String::as_str);
        };
        let name = definition.name;
        let own = self
            .local
            .get(name)
            .or_else(|| self.session.get(name))
            .or_else(|| self.base.get(name));
        Some(own.map_or(definition.default, String::as_str))
    }

    /// A number at rest; 0 when it is none.
    pub fn number(&self, name: &str) -> u64 {
        self.get(name).and_then(|value| value.parse().ok()).unwrap_or(0)
    }

    /// A time; `None` when it is off.
    pub fn time(&self, name: &str) -> Option<std::time::Duration> {
        let seconds = definition(name).is_some_and(|d| d.kind == Kind::Seconds);
        let value = self.number(name);
        (value > 0).then(|| std::time::Duration::from_millis(if seconds { value * 1000 } else { value }))
    }

    /// As `SHOW` prints it.
    ///
    /// # Errors
    /// `42704` when there is no such setting.
    pub fn show(&self, name: &str) -> Result<String, PgError> {
        let value = self.get(name).ok_or_else(|| unknown(name))?;
        Ok(definition(name).map_or_else(|| value.to_owned(), |d| show(d, value)))
    }

    /// Sets a value for the session, or with `local` for its transaction.
    ///
    /// # Errors
    /// `42704` unknown, `42501` or `55P02` not this session's to change, `22023` no such value.
    pub fn set(
        &mut self,
        name: &str,
        value: Option<&str>,
        local: bool,
        superuser: bool,
    ) -> Result<(), PgError> {
        let lower = name.to_ascii_lowercase();
        let definition = match definition(&lower) {
            Some(definition) => definition,
            None if lower.contains('.') => {
                self.keep(lower, value.map(str::to_owned), local);
                return Ok(());
            }
            None => return Err(unknown(name)),
        };
        match definition.context {
            Context::User => {}
            Context::Superuser if superuser => {}
            Context::Superuser => {
                return Err(PgError::new(
                    "42501",
                    format!("permission denied to set parameter \"{lower}\""),
                ));
            }
            Context::Sighup | Context::Postmaster => {
                let when = if definition.context == Context::Sighup {
                    "now"
                } else {
                    "without restarting the server"
                };
                return Err(PgError::new(
                    "55P02",
                    format!("parameter \"{lower}\" cannot be changed {when}"),
                ));
            }
            Context::Internal => {
                return Err(PgError::new(
                    "55P02",
                    format!("parameter \"{lower}\" cannot be changed"),
                ));
            }
        }
        let value = value.map(|text| parse(definition, text)).transpose()?;
        self.keep(lower, value, local);
        Ok(())
    }

    /// Sets a value from the startup packet: what RESET goes back to.
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub fn start_with(&mut self, name: &str, value: &str, superuser: bool) -> Result<(), PgError> {
        self.set(name, Some(value), false, superuser)?;
        self.before = None;
        if let Some(definition) = definition(name)
            && let Some(value) = self.session.remove(definition.name)
        {
            self.base.insert(definition.name, value);
        }
        Ok(())
    }

    /// Sets a value whatever its context: for those that the server itself keeps.
    pub fn force(&mut self, name: &str, value: &str) {
        self.session.insert(name.to_owned(), value.to_owned());
    }

    fn keep(&mut self, name: String, value: Option<String>, local: bool) {
        if local {
            let value = value.or_else(|| self.base.get(name.as_str()).cloned());
            let value = value.or_else(|| definition(&name).map(|d| d.default.to_owned()));
            self.local.insert(name, value.unwrap_or_default());
            return;
        }
        self.before.get_or_insert_with(|| self.session.clone());
        self.local.remove(&name);
        match value {
            Some(value) => self.session.insert(name, value),
            None => self.session.remove(&name),
        };
    }

    /// Ends the transaction: `SET LOCAL` ends, and after a rollback so does `SET`.
    pub fn end_transaction(&mut self, committed: bool) {
        self.local.clear();
        let before = self.before.take();
        if let (false, Some(before)) = (committed, before) {
            self.session = before;
        }
    }

    /// Forgets what the session set.
    pub fn reset_all(&mut self) {
        let keep: Vec<String> = self.session.keys().cloned().collect();
        for name in keep.into_iter().filter(|name| name != "application_name") {
            self.keep(name, None, false);
        }
    }
}

/// `42704`.
pub fn unknown(name: &str) -> PgError {
    PgError::new(
        "42704",
        format!("unrecognized configuration parameter \"{name}\""),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_in_order_so_that_a_name_is_found() {
        assert!(DEFINITIONS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(REPORTED.iter().all(|(name, _)| definition(name).is_some()));
    }

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

    #[test]
    fn set_local_ends_with_the_transaction_and_set_with_its_rollback() {
        let mut settings = Settings::default();
        settings.set("lock_timeout", Some("1s"), true, false).unwrap();
        settings
            .set("statement_timeout", Some("2s"), false, false)
            .unwrap();
        assert_eq!(settings.show("lock_timeout").unwrap(), "1s");
        settings.end_transaction(false);
        assert_eq!(settings.show("lock_timeout").unwrap(), "0");
        assert_eq!(settings.show("statement_timeout").unwrap(), "0");
    }
}
