//! Names are the record (law 5): every slot, publication, schema and `application_name` of a mirror is
//! derived from the mirror's name and carries its attempt, so that whoever comes after a process that was
//! killed finds all that it left, and nothing that belongs to anyone else.
//!
//! Names are matched by parsing them whole, never by pattern: `_` is a wildcard in `LIKE`, and
//! `leftover_a_1_2` belongs to mirror `a_1`, not to mirror `a`.

use std::fmt;
use std::str::FromStr;

/// The longest mirror name in bytes, so that every derived name fits into the server's 63 bytes (a longer
/// one would be cut silently, OB-62 f.).
pub const MAX_MIRROR_NAME: usize = 24;

/// A mirror's name: 1 to 24 lower-case ASCII letters, digits and underscores, which is what a replication
/// slot's name may hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MirrorName(String);

/// A text that cannot name a mirror.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot name a mirror: use 1 to {MAX_MIRROR_NAME} lower-case ASCII letters, digits and underscores"
)]
pub struct InvalidMirrorName(pub String);

impl FromStr for MirrorName {
    type Err = InvalidMirrorName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        if text.is_empty() || text.len() > MAX_MIRROR_NAME || !text.bytes().all(allowed) {
            return Err(InvalidMirrorName(text.to_owned()));
        }
        Ok(MirrorName(text.to_owned()))
    }
}

impl fmt::Display for MirrorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl MirrorName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the slot, and of the publication, of one attempt: `leftover_<mirror>_<attempt>`.
    pub fn object(&self, attempt: Attempt) -> String {
        format!("leftover_{}_{}", self.0, attempt.0)
    }

    /// The schema on the target that holds the mirror's record: `leftover_<mirror>`.
    pub fn schema(&self) -> String {
        format!("leftover_{}", self.0)
    }

    /// The attempt of a slot or publication of this mirror; `None` when `object` is not this mirror's.
    pub fn attempt_of(&self, object: &str) -> Option<Attempt> {
        parse_object(object)
            .filter(|(mirror, _)| mirror == self)
            .map(|(_, attempt)| attempt)
    }

    /// The advisory lock on the source that says "this mirror is owned": one bit tells the two locks apart.
    pub(crate) fn lock_key(&self, lock: OwnerLock) -> i64 {
        // FNV-1a, 64 bits: stable across builds and servers, which std's hasher does not promise.
        let hash = ["leftover/", &self.0]
            .iter()
            .flat_map(|part| part.bytes())
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        let bit = match lock {
            OwnerLock::Control => 0,
            OwnerLock::Holder => 1,
        };
        ((hash & !1) | bit).cast_signed()
    }
}

/// The two advisory locks by which a live mirror is told from a dead one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnerLock {
    /// Held by whoever is setting a mirror up or taking it down.
    Control,
    /// Held by the session that holds the slot's snapshot, from before the slot is created.
    Holder,
}

/// The number of one attempt at the initial load of a mirror. It is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Attempt(pub u32);

impl Attempt {
    /// The attempt after this one.
    pub fn next(self) -> Attempt {
        Attempt(self.0 + 1)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Parses a slot's or publication's name into its mirror and attempt; `None` when it is not of a mirror.
pub fn parse_object(object: &str) -> Option<(MirrorName, Attempt)> {
    let (mirror, attempt) = object.strip_prefix("leftover_")?.rsplit_once('_')?;
    Some((mirror.parse().ok()?, parse_number(attempt).map(Attempt)?))
}

/// A number as we write it: no sign, no leading zero.
fn parse_number(text: &str) -> Option<u32> {
    let canonical = text == "0" || (!text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()));
    text.parse().ok().filter(|_| canonical)
}

/// What a session of a mirror is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Checks, sets up and cleans up on the source.
    Control,
    /// Keeps the mirror's record on the target.
    Record,
    /// Creates the slot and holds its snapshot.
    Holder,
    /// Reads partitions from the source.
    Reader,
    /// Writes partitions to the target.
    Writer,
    /// Ends what a broken session may have left.
    Janitor,
    /// Drops the mirror.
    Drop,
    /// Looks, changes nothing.
    Status,
}

impl Role {
    const ALL: [Role; 8] = [
        Role::Control,
        Role::Record,
        Role::Holder,
        Role::Reader,
        Role::Writer,
        Role::Janitor,
        Role::Drop,
        Role::Status,
    ];

    /// The role as it is written in an `application_name`.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Control => "control",
            Role::Record => "record",
            Role::Holder => "holder",
            Role::Reader => "reader",
            Role::Writer => "writer",
            Role::Janitor => "janitor",
            Role::Drop => "drop",
            Role::Status => "status",
        }
    }
}

/// The `application_name` of a mirror's session: `leftover/<mirror>/<attempt>/<role>/<n>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionName {
    /// The mirror.
    pub mirror: MirrorName,
    /// The attempt; 0 before there is one.
    pub attempt: Attempt,
    /// What the session is for.
    pub role: Role,
    /// Tells sessions of one role and attempt apart.
    pub number: u32,
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SessionName {
            mirror,
            attempt,
            role,
            number,
        } = self;
        write!(f, "leftover/{mirror}/{attempt}/{}/{number}", role.as_str())
    }
}

impl SessionName {
    /// Parses an `application_name`; `None` when it is not of a mirror's session.
    pub fn parse(application_name: &str) -> Option<SessionName> {
        let mut parts = application_name.strip_prefix("leftover/")?.split('/');
        let mut next = || parts.next();
        let mirror = next()?.parse().ok()?;
        let attempt = parse_number(next()?).map(Attempt)?;
        let role = next()?;
        let role = Role::ALL.into_iter().find(|known| known.as_str() == role)?;
        let number = parse_number(next()?)?;
        next().is_none().then_some(SessionName {
            mirror,
            attempt,
            role,
            number,
        })
    }
}

/// A table's name with its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The schema.
    pub schema: String,
    /// The table.
    pub name: String,
}

impl TableName {
    /// A table in a schema; both as they are in the catalog, unquoted.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> TableName {
        TableName {
            schema: schema.into(),
            name: name.into(),
        }
    }

    /// The name as SQL: `"schema"."table"`.
    pub fn sql(&self) -> String {
        format!(
            "{}.{}",
            quote_identifier(&self.schema),
            quote_identifier(&self.name)
        )
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// An identifier as SQL, always quoted.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal, whatever `standard_conforming_strings` says.
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!(" E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mirror(name: &str) -> MirrorName {
        name.parse().expect("a valid name")
    }

    #[test]
    fn a_sibling_with_a_similar_name_is_not_ours() {
        assert_eq!(mirror("a").attempt_of("leftover_a_12"), Some(Attempt(12)));
        assert_eq!(mirror("a").attempt_of("leftover_a_1_2"), None);
        assert_eq!(mirror("a_1").attempt_of("leftover_a_1_2"), Some(Attempt(2)));
        assert_eq!(mirror("a_1").attempt_of("leftover_ax1_2"), None);
        assert_eq!(mirror("a").attempt_of("leftover_a_01"), None);
        assert_eq!(mirror("a").attempt_of("leftover_a_"), None);
        assert_eq!(mirror("a").attempt_of("leftover_a_+1"), None);
    }

    #[test]
    fn every_derived_name_fits_into_63_bytes() {
        let mirror = mirror(&"x".repeat(MAX_MIRROR_NAME));
        assert!(mirror.object(Attempt(u32::MAX)).len() <= 63);
        for role in Role::ALL {
            let name = SessionName {
                mirror: mirror.clone(),
                attempt: Attempt(u32::MAX),
                role,
                number: 99_999,
            };
            assert!(name.to_string().len() <= 63, "{name}");
        }
    }

    #[test]
    fn what_cannot_name_a_slot_cannot_name_a_mirror() {
        for bad in ["", "A", "a-b", "ä", "a b", &"x".repeat(25)] {
            assert!(bad.parse::<MirrorName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_two_locks_of_a_mirror_differ() {
        let mirror = mirror("m");
        assert_ne!(
            mirror.lock_key(OwnerLock::Control),
            mirror.lock_key(OwnerLock::Holder)
        );
    }

    proptest! {
        #[test]
        fn names_come_back_from_their_text(
            name in "[a-z0-9_]{1,24}", attempt: u32, number in 0u32..100_000, role in 0..Role::ALL.len()
        ) {
            let mirror = mirror(&name);
            let attempt = Attempt(attempt);
            prop_assert_eq!(mirror.attempt_of(&mirror.object(attempt)), Some(attempt));
            let session = SessionName { mirror, attempt, role: Role::ALL[role], number };
            prop_assert_eq!(SessionName::parse(&session.to_string()), Some(session));
        }

        #[test]
        fn parsing_never_panics(text in "\\PC{0,80}") {
            let _ = parse_object(&text);
            let _ = SessionName::parse(&text);
        }
    }
}
