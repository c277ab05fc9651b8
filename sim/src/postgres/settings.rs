//! Settings (`GUC`s): what there is, who may set it, and how values read.

use std::collections::BTreeMap;

use super::sql::error::PgError;

/// Who may change a setting, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// Anybody, at any time.
    User,
    /// Superusers.
    Superuser,
    /// Only the configuration file.
    Sighup,
    /// Only the start of the server.
    Postmaster,
    /// Nobody.
    Internal,
}

/// What values a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `on` or `off`.
    Bool,
    /// A time, in milliseconds at rest.
    Milliseconds,
    /// A time, in seconds at rest.
    Seconds,
    /// A number.
    Number,
    /// Any text.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// One setting that the server knows.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// Its built-in value.
    pub default: &'static str,
    /// What values it takes.
    pub kind: Kind,
    /// Who may change it.
    pub context: Context,
}

const fn def(name: &'static str, default: &'static str, kind: Kind, context: Context) -> Definition {
    Definition { name, default, kind, context }
}

const LEVELS: &[&str] =
    &["debug5", "debug4", "debug3", "debug2", "debug1", "debug", "log", "info", "notice", "warning", "error"];
const ISOLATION: &[&str] = &["serializable", "repeatable read", "read committed", "read uncommitted"];

/// Every setting, by name.
pub const DEFINITIONS: &[Definition] = &[
    def("application_name", "", Kind::Text, Context::User),
    def("authentication_timeout", "60", Kind::Seconds, Context::Sighup),
    def("block_size", "8192", Kind::Number, Context::Internal),
    def("bytea_output", "hex", Kind::Word(&["hex", "escape"]), Context::User),
    def("client_connection_check_interval", "0", Kind::Milliseconds, Context::User),
    def("client_encoding", "UTF8", Kind::Text, Context::User),
    def("client_min_messages", "notice", Kind::Word(LEVELS), Context::User),
    def("datestyle", "ISO, MDY", Kind::Text, Context::User),
    def("deadlock_timeout", "1000", Kind::Milliseconds, Context::Superuser),
    def("default_transaction_deferrable", "off", Kind::Bool, Context::User),
    def("default_transaction_isolation", "read committed", Kind::Word(ISOLATION), Context::User),
    def("default_transaction_read_only", "off", Kind::Bool, Context::User),
    def("extra_float_digits", "1", Kind::Number, Context::User),
    def("fsync", "on", Kind::Bool, Context::Sighup),
    def("hot_standby", "on", Kind::Bool, Context::Postmaster),
    def("idle_in_transaction_session_timeout", "0", Kind::Milliseconds, Context::User),
    def("idle_session_timeout", "0", Kind::Milliseconds, Context::User),
    def("in_hot_standby", "off", Kind::Bool, Context::Internal),
    def("integer_datetimes", "on", Kind::Bool, Context::Internal),
    def("intervalstyle", "postgres", Kind::Text, Context::User),
    def("is_superuser", "off", Kind::Bool, Context::Internal),
    def("lock_timeout", "0", Kind::Milliseconds, Context::User),
    def("log_statement", "none", Kind::Word(&["none", "ddl", "mod", "all"]), Context::Superuser),
    def("maintenance_work_mem", "65536", Kind::Number, Context::User),
    def("max_connections", "100", Kind::Number, Context::Postmaster),
    def("max_replication_slots", "10", Kind::Number, Context::Postmaster),
    def("max_slot_wal_keep_size", "-1", Kind::Number, Context::Sighup),
    def("max_wal_senders", "10", Kind::Number, Context::Postmaster),
    def("max_worker_processes", "8", Kind::Number, Context::Postmaster),
    def("row_security", "on", Kind::Bool, Context::User),
    def("search_path", "\"$user\", public", Kind::Text, Context::User),
    def("server_encoding", "UTF8", Kind::Text, Context::Internal),
    def("server_version", "15.18", Kind::Text, Context::Internal),
    def("server_version_num", "150018", Kind::Number, Context::Internal),
    def("session_replication_role", "origin", Kind::Word(&["origin", "replica", "local"]), Context::Superuser),
    def("standard_conforming_strings", "on", Kind::Bool, Context::User),
    def("statement_timeout", "0", Kind::Milliseconds, Context::User),
    def("superuser_reserved_connections", "3", Kind::Number, Context::Postmaster),
    def("synchronous_commit", "on", Kind::Word(&["on", "off", "local", "remote_write", "remote_apply"]), Context::User),
    def("tcp_keepalives_count", "0", Kind::Number, Context::User),
    def("tcp_keepalives_idle", "0", Kind::Seconds, Context::User),
    def("tcp_keepalives_interval", "0", Kind::Seconds, Context::User),
    def("tcp_user_timeout", "0", Kind::Milliseconds, Context::User),
    def("timezone", "Etc/UTC", Kind::Text, Context::User),
    def("transaction_deferrable", "off", Kind::Bool, Context::User),
    def("transaction_isolation", "read committed", Kind::Word(ISOLATION), Context::User),
    def("transaction_read_only", "off", Kind::Bool, Context::User),
    def("wal_level", "logical", Kind::Word(&["minimal", "replica", "logical"]), Context::Postmaster),
    def("wal_sender_timeout", "60000", Kind::Milliseconds, Context::User),
    def("work_mem", "4096", Kind::Number, Context::User),
];

/// The definition of a setting, whose name is matched without regard to case.
pub fn definition(name: &str) -> Option<&'static Definition> {
    let name = name.to_ascii_lowercase();
    DEFINITIONS.binary_search_by(|d| d.name.cmp(&name)).ok().map(|index| &DEFINITIONS[index])
}

/// The settings that are told to the client when they change (`GUC_REPORT`), as clients know their names.
pub const REPORTED: &[(&str, &str)] = &[
    ("application_name", "application_name"),
    ("client_encoding", "client_encoding"),
    ("datestyle", "DateStyle"),
    ("default_transaction_read_only", "default_transaction_read_only"),
    ("in_hot_standby", "in_hot_standby"),
    ("integer_datetimes", "integer_datetimes"),
    ("intervalstyle", "IntervalStyle"),
    ("is_superuser", "is_superuser"),
    ("server_encoding", "server_encoding"),
    ("server_version", "server_version"),
    ("standard_conforming_strings", "standard_conforming_strings"),
    ("timezone", "TimeZone"),
];

/// The unit of a time setting's values at rest, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

fn invalid(name: &str, value: &str) -> PgError {
    PgError::new("22023", format!("invalid value for parameter \"{name}\": \"{value}\""))
}

fn parse_time(text: &str, base: u64) -> Option<i64> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).unwrap_or(text.len());
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
        Kind::Milliseconds => parse_time(text, 1).filter(|v| *v >= 0).map(|v| v.to_string()).ok_or_else(fail),
        Kind::Seconds => parse_time(text, 1000).filter(|v| *v >= 0).map(|v| v.to_string()).ok_or_else(fail),
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
    let unit = UNITS.iter().find(|(_, factor)| total > 0 && total % factor == 0 && *factor >= base);
    unit.map_or_else(|| value.to_owned(), |(name, factor)| format!("{}{name}", total / factor))
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
        Self { base: server.clone(), ..Self::default() }
    }

    /// The value at rest, or `None` when there is no such setting.
    pub fn get(&self, name: &str) -> Option<&str> {
        if let Some(value) = self.local.get(name).or_else(|| self.session.get(name)) {
            return Some(value);
        }
        let Some(definition) = definition(name) else {
            let lower = name.to_ascii_lowercase();
            return self.local.get(&lower).or_else(|| self.session.get(&lower)).map(String::as_str);
        };
        let name = definition.name;
        let own = self.local.get(name).or_else(|| self.session.get(name)).or_else(|| self.base.get(name));
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
    pub fn set(&mut self, name: &str, value: Option<&str>, local: bool, superuser: bool) -> Result<(), PgError> {
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
                return Err(PgError::new("42501", format!("permission denied to set parameter \"{lower}\"")));
            }
            Context::Sighup | Context::Postmaster => {
                let when = if definition.context == Context::Sighup { "now" } else { "without restarting the server" };
                return Err(PgError::new("55P02", format!("parameter \"{lower}\" cannot be changed {when}")));
            }
            Context::Internal => {
                return Err(PgError::new("55P02", format!("parameter \"{lower}\" cannot be changed")));
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
    PgError::new("42704", format!("unrecognized configuration parameter \"{name}\""))
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
        for (text, rest, shown) in [("10s", "10000", "10s"), ("1500", "1500", "1500ms"), ("1min", "60000", "1min"), ("0", "0", "0")] {
            let value = parse(lock, text).unwrap();
            assert_eq!((value.as_str(), show(lock, &value).as_str()), (rest, shown));
        }
    }

    #[test]
    fn set_local_ends_with_the_transaction_and_set_with_its_rollback() {
        let mut settings = Settings::default();
        settings.set("lock_timeout", Some("1s"), true, false).unwrap();
        settings.set("statement_timeout", Some("2s"), false, false).unwrap();
        assert_eq!(settings.show("lock_timeout").unwrap(), "1s");
        settings.end_transaction(false);
        assert_eq!(settings.show("lock_timeout").unwrap(), "0");
        assert_eq!(settings.show("statement_timeout").unwrap(), "0");
    }
}
