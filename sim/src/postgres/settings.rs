//! Settings (`GUC`s) of a session: what is set, by whom, and for how long.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use super::sql::error::PgError;

use super::setting_values::shared;

pub use super::setting_definitions::{
    Context, DEFINITIONS, Definition, Id, Kind, REPORTED, definition, find, id,
};
pub use super::setting_values::{at_rest, parse, show};

/// Values at rest that are not the built-in ones: a place for each setting, since every statement asks for some.
#[derive(Debug, Clone)]
pub struct Values([Option<Rc<str>>; DEFINITIONS.len()]);

impl Default for Values {
    fn default() -> Self {
        Values([const { None }; DEFINITIONS.len()])
    }
}

impl Values {
    /// What is set.
    pub fn get(&self, id: Id) -> Option<&Rc<str>> {
        self.0[id.number()].as_ref()
    }

    /// Sets one.
    pub fn insert(&mut self, id: Id, value: Rc<str>) {
        self.0[id.number()] = Some(value);
    }

    /// Goes back to the built-in one.
    pub fn remove(&mut self, id: Id) {
        self.0[id.number()] = None;
    }
}

/// What a session may set: a setting of the server, or anything with a dot in its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Known(Id),
    Custom(String),
}

type Overrides = BTreeMap<Key, Rc<str>>;

/// What a session and its transaction had set at one moment.
#[derive(Debug, Clone, Default)]
pub struct Mark(Overrides, Overrides);

/// The settings of one session: the server's values, those of the session, and what a transaction changed.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What RESET goes back to; shared with the server until the session starts with values of its own.
    base: Rc<Values>,
    session: Overrides,
    /// Session values as they were before this transaction's `SET`s.
    before: Option<Overrides>,
    local: Overrides,
}

impl Settings {
    /// Settings that start from these server-wide values.
    pub fn new(server: &Rc<Values>) -> Self {
        Self {
            base: Rc::clone(server),
            session: Overrides::new(),
            before: None,
            local: Overrides::new(),
        }
    }

    fn own(&self, key: &Key) -> Option<&Rc<str>> {
        self.local.get(key).or_else(|| self.session.get(key))
    }

    /// The value at rest.
    pub fn value(&self, id: Id) -> &str {
        let own = self.own(&Key::Known(id)).or_else(|| self.base.get(id));
        own.map_or(id.definition().default, |value| value)
    }

    /// What RESET goes back to.
    pub fn at_start(&self, id: Id) -> &str {
        self.base.get(id).map_or(id.definition().default, |value| value)
    }

    /// Whether anything is otherwise than at the start.
    pub fn is_changed(&self) -> bool {
        !self.session.is_empty() || !self.local.is_empty()
    }

    /// The value at rest of a setting of any name, or `None` when there is no such setting.
    pub fn get(&self, name: &str) -> Option<&str> {
        match find(name) {
            Some(id) => Some(self.value(id)),
            None => self
                .own(&Key::Custom(name.to_ascii_lowercase()))
                .map(|value| &**value),
        }
    }

    /// A number at rest; 0 when it is none.
    pub fn number(&self, id: Id) -> u64 {
        self.value(id).parse().unwrap_or(0)
    }

    /// A time; `None` when it is off.
    pub fn time(&self, id: Id) -> Option<Duration> {
        let value = self.number(id);
        let unit = if id.definition().kind == Kind::Seconds {
            Duration::from_secs
        } else {
            Duration::from_millis
        };
        (value > 0).then(|| unit(value))
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
        let Some(id) = find(name) else {
            let lower = name.to_ascii_lowercase();
            if !lower.contains('.') {
                return Err(unknown(name));
            }
            self.keep(Key::Custom(lower), value.map(Rc::from), local);
            return Ok(());
        };
        let value = Self::settable(id, value, superuser)?;
        self.keep(Key::Known(id), value, local);
        Ok(())
    }

    /// The value at rest that this session may give to a setting.
    fn settable(id: Id, value: Option<&str>, superuser: bool) -> Result<Option<Rc<str>>, PgError> {
        let definition = id.definition();
        match definition.context {
            Context::User => {}
            Context::Superuser if superuser => {}
            Context::Superuser => {
                return Err(PgError::new(
                    "42501",
                    format!("permission denied to set parameter \"{}\"", definition.name),
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
                    format!("parameter \"{}\" cannot be changed {when}", definition.name),
                ));
            }
            Context::Internal => {
                return Err(PgError::new(
                    "55P02",
                    format!("parameter \"{}\" cannot be changed", definition.name),
                ));
            }
        }
        value.map(|text| shared(id, text)).transpose()
    }

    /// Sets a value from the startup packet: what RESET goes back to.
    ///
    /// # Errors
    /// As [`Settings::set`].
    pub fn start_with(&mut self, name: &str, value: &str, superuser: bool) -> Result<(), PgError> {
        let Some(id) = find(name) else {
            return self.set(name, Some(value), false, superuser);
        };
        if let Some(value) = Self::settable(id, Some(value), superuser)? {
            Rc::make_mut(&mut self.base).insert(id, value);
        }
        Ok(())
    }

    /// Starts with a value whatever its context: for those that the server itself keeps.
    pub fn force(&mut self, id: Id, value: &str) {
        Rc::make_mut(&mut self.base).insert(id, value.into());
    }

    fn keep(&mut self, key: Key, value: Option<Rc<str>>, local: bool) {
        if local {
            let reset = || match &key {
                Key::Known(id) => {
                    let base = self.base.get(*id).cloned();
                    base.unwrap_or_else(|| id.definition().default.into())
                }
                Key::Custom(_) => "".into(),
            };
            let value = value.unwrap_or_else(reset);
            self.local.insert(key, value);
            return;
        }
        self.before.get_or_insert_with(|| self.session.clone());
        self.local.remove(&key);
        match value {
            Some(value) => self.session.insert(key, value),
            None => self.session.remove(&key),
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

    /// The settings as they are, to go back to.
    pub fn mark(&self) -> Mark {
        Mark(self.session.clone(), self.local.clone())
    }

    /// Goes back to a savepoint's settings.
    pub fn restore(&mut self, mark: &Mark) {
        (self.session, self.local) = (mark.0.clone(), mark.1.clone());
    }

    /// Forgets what the session set.
    pub fn reset_all(&mut self) {
        let keys: Vec<Key> = self.session.keys().cloned().collect();
        for key in keys {
            self.keep(key, None, false);
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
        assert!(
            DEFINITIONS
                .iter()
                .all(|d| find(d.name).is_some_and(|id| id.definition().name == d.name))
        );
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
