//! Catalog entries with versions, so that DDL is transactional: each change is a new version, seen by
//! others once its transaction commits.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::snapshot::View;
use super::xid::{INVALID_XID, TransactionLog, Xid};

#[derive(Debug)]
struct Version<T> {
    xmin: Xid,
    xmax: Xid,
    value: Rc<T>,
}

/// A map whose entries have versions.
#[derive(Debug)]
pub struct Versioned<K, T> {
    entries: BTreeMap<K, Vec<Version<T>>>,
}

impl<K: Ord, T> Default for Versioned<K, T> {
    fn default() -> Self {
        Self {
            entries: BTreeMap::new(),
        }
    }
}

impl<K: Ord + Clone, T> Versioned<K, T> {
    /// The version that `view` sees.
    pub fn get(&self, log: &TransactionLog, view: View<'_>, key: &K) -> Option<&Rc<T>> {
        self.entries
            .get(key)
            .and_then(|versions| Self::seen(log, view, versions))
    }

    fn seen<'a>(log: &TransactionLog, view: View<'_>, versions: &'a [Version<T>]) -> Option<&'a Rc<T>> {
        versions
            .iter()
            .rev()
            .find(|v| view.sees(log, v.xmin, v.xmax))
            .map(|v| &v.value)
    }

    /// Every entry that `view` sees, by key.
    pub fn iter<'a>(
        &'a self,
        log: &'a TransactionLog,
        view: View<'a>,
    ) -> impl Iterator<Item = (&'a K, &'a Rc<T>)> + 'a {
        self.entries
            .iter()
            .filter_map(move |(key, versions)| Some((key, Self::seen(log, view, versions)?)))
    }

    /// The first entry, by key, that `view` sees and that is like this. What has no version like it is not even
    /// looked at: to ask who sees what costs more.
    pub fn find<'a>(
        &'a self,
        log: &TransactionLog,
        view: View<'_>,
        like: impl Fn(&T) -> bool,
    ) -> Option<(&'a K, &'a Rc<T>)> {
        self.entries.iter().find_map(|(key, versions)| {
            if !versions.iter().any(|version| like(&version.value)) {
                return None;
            }
            let seen = Self::seen(log, view, versions).filter(|value| like(value))?;
            Some((key, seen))
        })
    }

    /// Replaces (or adds) the entry on behalf of `xid`.
    pub fn put(&mut self, log: &TransactionLog, xid: Xid, key: K, value: T) {
        let versions = self.entries.entry(key).or_default();
        Self::end(log, xid, versions);
        versions.push(Version {
            xmin: xid,
            xmax: INVALID_XID,
            value: Rc::new(value),
        });
    }

    /// Removes the entry on behalf of `xid`.
    pub fn remove(&mut self, log: &TransactionLog, xid: Xid, key: &K) {
        if let Some(versions) = self.entries.get_mut(key) {
            Self::end(log, xid, versions);
            if versions.is_empty() {
                self.entries.remove(key);
            }
        }
    }

    fn end(log: &TransactionLog, xid: Xid, versions: &mut Vec<Version<T>>) {
        // Catalogs are read as of now: what a committed transaction has replaced is seen by nobody.
        versions.retain(|v| log.top(v.xmin).is_some() && !(v.xmax != INVALID_XID && log.committed(v.xmax)));
        for version in versions
            .iter_mut()
            .filter(|v| v.xmax == INVALID_XID || log.top(v.xmax).is_none())
        {
            version.xmax = xid;
        }
    }

    /// Removes the versions that nobody can need any more; returns how many went and how many dead ones stay.
    pub fn vacuum(&mut self, log: &TransactionLog, horizon: Xid) -> (u64, u64) {
        let (mut gone, mut kept) = (0, 0);
        for versions in self.entries.values_mut() {
            versions.retain(|version| {
                let ended = version.xmax != INVALID_XID && log.committed(version.xmax);
                let stays = match log.top(version.xmin) {
                    None => false,
                    Some(_) => !ended || log.top(version.xmax).is_none_or(|top| top >= horizon),
                };
                gone += u64::from(!stays);
                kept += u64::from(stays && ended);
                stays
            });
        }
        self.entries.retain(|_, versions| !versions.is_empty());
        (gone, kept)
    }

    /// A transaction other than `own` that is making or unmaking an entry like this right now.
    pub fn changing_where(
        &self,
        log: &TransactionLog,
        own: Option<Xid>,
        like: impl Fn(&T) -> bool,
    ) -> Option<Xid> {
        let versions = self
            .entries
            .values()
            .flatten()
            .filter(|version| like(&version.value));
        versions
            .flat_map(|version| [version.xmin, version.xmax])
            .find_map(|xid| {
                let top = (xid != INVALID_XID).then(|| log.running_top(xid)).flatten()?;
                (Some(top) != own).then_some(top)
            })
    }
}
