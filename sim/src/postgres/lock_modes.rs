//! What can be locked, how, and for how long.

use super::xid::Xid;

/// What is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockTag {
    /// A table or an index.
    Relation {
        /// The database's oid.
        database: u32,
        /// The relation's oid.
        relation: u32,
    },
    /// A transaction: held by whoever runs it, waited for by whoever needs it finished.
    TransactionId(Xid),
    /// An advisory lock, by key.
    Advisory {
        /// The database's oid.
        database: u32,
        /// The high half of the key, or its first integer.
        class: u32,
        /// The low half of the key, or its second integer.
        object: u32,
        /// 1 for one big key, 2 for two integers.
        sub: u16,
    },
}

/// How it is locked, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    /// Reading.
    AccessShare,
    /// `SELECT … FOR UPDATE`.
    RowShare,
    /// Writing rows.
    RowExclusive,
    /// VACUUM, CREATE INDEX CONCURRENTLY.
    ShareUpdateExclusive,
    /// CREATE INDEX; waiting for a transaction.
    Share,
    /// `LOCK … IN SHARE ROW EXCLUSIVE MODE`.
    ShareRowExclusive,
    /// A transaction on its own id; an advisory lock.
    Exclusive,
    /// DROP, TRUNCATE, most of ALTER TABLE.
    AccessExclusive,
}

impl LockMode {
    const ALL: [LockMode; 8] = [
        LockMode::AccessShare,
        LockMode::RowShare,
        LockMode::RowExclusive,
        LockMode::ShareUpdateExclusive,
        LockMode::Share,
        LockMode::ShareRowExclusive,
        LockMode::Exclusive,
        LockMode::AccessExclusive,
    ];

    /// The name in `pg_locks.mode`.
    pub fn name(self) -> &'static str {
        match self {
            LockMode::AccessShare => "AccessShareLock",
            LockMode::RowShare => "RowShareLock",
            LockMode::RowExclusive => "RowExclusiveLock",
            LockMode::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            LockMode::Share => "ShareLock",
            LockMode::ShareRowExclusive => "ShareRowExclusiveLock",
            LockMode::Exclusive => "ExclusiveLock",
            LockMode::AccessExclusive => "AccessExclusiveLock",
        }
    }

    /// The mode that `LOCK TABLE … IN <words> MODE` names.
    pub fn from_words(words: &str) -> Option<LockMode> {
        let squeezed: String = words.chars().filter(|c| !c.is_whitespace()).collect();
        Self::ALL
            .into_iter()
            .find(|mode| mode.name().eq_ignore_ascii_case(&format!("{squeezed}Lock")))
    }

    /// Whether two sessions cannot hold these two at once.
    pub fn conflicts(self, other: LockMode) -> bool {
        // One bit for each mode, weakest first.
        const TABLE: [u8; 8] = [
            0b1000_0000,
            0b1100_0000,
            0b1111_0000,
            0b1111_1000,
            0b1110_1100,
            0b1111_1100,
            0b1111_1110,
            0b1111_1111,
        ];
        TABLE[self as usize] & (1 << other as u8) != 0
    }
}

/// How long a lock is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Until its transaction ends.
    Transaction,
    /// Until it is given back or its session ends.
    Session,
}
