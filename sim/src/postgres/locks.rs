//! Heavyweight locks: Postgres's conflict table, a queue that is nearly first come first served, and who
//! blocks whom.

use std::collections::{BTreeMap, BTreeSet};

pub use super::lock_modes::{Keep, LockMode, LockTag};

#[derive(Debug, Clone, Copy)]
struct Held {
    pid: i32,
    mode: LockMode,
    transaction: u32,
    session: u32,
}

#[derive(Debug, Default)]
struct Lock {
    held: Vec<Held>,
    queue: Vec<(i32, LockMode, Keep)>,
}

/// One line of `pg_locks`.
#[derive(Debug, Clone, Copy)]
pub struct LockRow {
    /// What is locked.
    pub tag: LockTag,
    /// By whom.
    pub pid: i32,
    /// How.
    pub mode: LockMode,
    /// Or only waited for.
    pub granted: bool,
}

/// All heavyweight locks of the server.
#[derive(Debug, Default)]
pub struct LockTable {
    locks: BTreeMap<LockTag, Lock>,
    held: BTreeMap<i32, BTreeSet<LockTag>>,
    waiting: BTreeMap<i32, (LockTag, LockMode)>,
}

impl LockTable {
    /// Takes the lock if nobody is in the way, neither holding it nor queued before.
    pub fn try_lock(&mut self, pid: i32, tag: LockTag, mode: LockMode, keep: Keep) -> bool {
        let lock = self.locks.entry(tag).or_default();
        let mine = lock.held.iter().any(|h| h.pid == pid);
        let held = lock.held.iter().any(|h| h.pid != pid && h.mode.conflicts(mode));
        // A holder goes before those who wait for what it already has; others queue behind the queue.
        let queued = !mine && lock.queue.iter().any(|&(p, m, _)| p != pid && m.conflicts(mode));
        if held || queued {
            return false;
        }
        Self::add(lock, pid, mode, keep);
        self.held.entry(pid).or_default().insert(tag);
        true
    }

    /// Takes the lock if that needs no place in the queue: whoever would not wait does not go before those who do, not
    /// even for what it holds in another mode (measured on 15).
    pub fn try_lock_now(&mut self, pid: i32, tag: LockTag, mode: LockMode, keep: Keep) -> bool {
        let queue = self.locks.get(&tag).into_iter().flat_map(|lock| &lock.queue);
        let queued = queue.into_iter().any(|&(p, m, _)| p != pid && m.conflicts(mode));
        (!queued || self.holds(pid, tag, mode)) && self.try_lock(pid, tag, mode, keep)
    }

    fn add(lock: &mut Lock, pid: i32, mode: LockMode, keep: Keep) {
        let index = lock
            .held
            .iter()
            .position(|h| h.pid == pid && h.mode == mode)
            .unwrap_or_else(|| {
                lock.held.push(Held {
                    pid,
                    mode,
                    transaction: 0,
                    session: 0,
                });
                lock.held.len() - 1
            });
        match keep {
            Keep::Transaction => lock.held[index].transaction += 1,
            Keep::Session => lock.held[index].session += 1,
        }
    }

    /// Whether `pid` holds the lock in this mode.
    pub fn holds(&self, pid: i32, tag: LockTag, mode: LockMode) -> bool {
        self.locks
            .get(&tag)
            .is_some_and(|lock| lock.held.iter().any(|h| h.pid == pid && h.mode == mode))
    }

    /// Queues for the lock.
    pub fn enqueue(&mut self, pid: i32, tag: LockTag, mode: LockMode, keep: Keep) {
        self.locks.entry(tag).or_default().queue.push((pid, mode, keep));
        self.waiting.insert(pid, (tag, mode));
    }

    /// Whether `pid` waits for a lock.
    pub fn waits(&self, pid: i32) -> bool {
        self.waiting.contains_key(&pid)
    }

    /// Leaves the queue; returns who got the lock because of it.
    pub fn give_up(&mut self, pid: i32) -> Vec<i32> {
        let Some((tag, _)) = self.waiting.remove(&pid) else {
            return Vec::new();
        };
        if let Some(lock) = self.locks.get_mut(&tag) {
            lock.queue.retain(|&(p, ..)| p != pid);
        }
        self.grant(tag)
    }

    /// Gives one session-level lock back. `None` when it was not held.
    pub fn unlock(&mut self, pid: i32, tag: LockTag, mode: LockMode) -> Option<Vec<i32>> {
        let lock = self.locks.get_mut(&tag)?;
        let held = lock
            .held
            .iter_mut()
            .find(|h| h.pid == pid && h.mode == mode && h.session > 0)?;
        held.session -= 1;
        self.drop_empty(pid, tag);
        Some(self.grant(tag))
    }

    /// Gives one transaction-level lock back before its transaction ends.
    pub fn release_one(&mut self, pid: i32, tag: LockTag, mode: LockMode) -> Vec<i32> {
        if let Some(lock) = self.locks.get_mut(&tag) {
            lock.held
                .iter_mut()
                .filter(|h| h.pid == pid && h.mode == mode)
                .for_each(|h| h.transaction = 0);
        }
        self.drop_empty(pid, tag);
        self.grant(tag)
    }

    /// Releases the transaction's locks of `pid`, and with `all` those of its session; returns who got one.
    pub fn release(&mut self, pid: i32, all: bool) -> Vec<i32> {
        let tags: Vec<LockTag> = self.held.get(&pid).into_iter().flatten().copied().collect();
        self.release_tags(pid, tags, |h| {
            h.transaction = 0;
            if all {
                h.session = 0;
            }
        })
    }

    /// The locks that `pid` holds for its transaction.
    pub fn of_transaction(&self, pid: i32) -> Vec<(LockTag, LockMode)> {
        let tags = self.held.get(&pid).into_iter().flatten();
        let held = tags.flat_map(|tag| {
            let held = self.locks.get(tag).into_iter().flat_map(|lock| &lock.held);
            let own = held.filter(|h| h.pid == pid && h.transaction > 0);
            own.map(|h| (*tag, h.mode))
        });
        held.collect()
    }

    /// Releases the transaction's locks of `pid` but for `kept`; returns who got one.
    pub fn release_since(&mut self, pid: i32, kept: &[(LockTag, LockMode)]) -> Vec<i32> {
        let tags: Vec<LockTag> = self.held.get(&pid).into_iter().flatten().copied().collect();
        let mut woken = Vec::new();
        for tag in tags {
            let change = |h: &mut Held| {
                if !kept.contains(&(tag, h.mode)) {
                    h.transaction = 0;
                }
            };
            woken.extend(self.release_tags(pid, vec![tag], change));
        }
        woken
    }

    /// Releases all session-level advisory locks of `pid`.
    pub fn release_advisory(&mut self, pid: i32) -> Vec<i32> {
        let advisory = |tag: &&LockTag| matches!(tag, LockTag::Advisory { .. });
        let tags: Vec<LockTag> = self
            .held
            .get(&pid)
            .into_iter()
            .flatten()
            .filter(advisory)
            .copied()
            .collect();
        self.release_tags(pid, tags, |h| h.session = 0)
    }

    fn release_tags(&mut self, pid: i32, tags: Vec<LockTag>, change: impl Fn(&mut Held)) -> Vec<i32> {
        let mut woken = Vec::new();
        for tag in tags {
            if let Some(lock) = self.locks.get_mut(&tag) {
                lock.held.iter_mut().filter(|h| h.pid == pid).for_each(&change);
            }
            self.drop_empty(pid, tag);
            woken.extend(self.grant(tag));
        }
        woken
    }

    fn drop_empty(&mut self, pid: i32, tag: LockTag) {
        let Some(lock) = self.locks.get_mut(&tag) else {
            return;
        };
        lock.held.retain(|h| h.transaction + h.session > 0);
        if !lock.held.iter().any(|h| h.pid == pid)
            && let Some(tags) = self.held.get_mut(&pid)
        {
            tags.remove(&tag);
            if tags.is_empty() {
                self.held.remove(&pid);
            }
        }
    }

    fn grant(&mut self, tag: LockTag) -> Vec<i32> {
        let mut granted = Vec::new();
        let Some(lock) = self.locks.get_mut(&tag) else {
            return granted;
        };
        let mut ahead: Vec<(i32, LockMode)> = Vec::new();
        for (pid, mode, keep) in std::mem::take(&mut lock.queue) {
            let blocked = lock.held.iter().any(|h| h.pid != pid && h.mode.conflicts(mode))
                || ahead.iter().any(|&(p, m)| p != pid && m.conflicts(mode));
            if blocked {
                ahead.push((pid, mode));
                lock.queue.push((pid, mode, keep));
            } else {
                Self::add(lock, pid, mode, keep);
                self.held.entry(pid).or_default().insert(tag);
                self.waiting.remove(&pid);
                granted.push(pid);
            }
        }
        if lock.held.is_empty() && lock.queue.is_empty() {
            self.locks.remove(&tag);
        }
        granted
    }

    /// Who is in the way of `pid`: holders first, then those queued before it.
    pub fn blockers(&self, pid: i32) -> Vec<i32> {
        let Some(&(tag, mode)) = self.waiting.get(&pid) else {
            return Vec::new();
        };
        let Some(lock) = self.locks.get(&tag) else {
            return Vec::new();
        };
        let holders = lock
            .held
            .iter()
            .filter(|h| h.pid != pid && h.mode.conflicts(mode))
            .map(|h| h.pid);
        let before = lock.queue.iter().take_while(|&&(p, ..)| p != pid);
        let queued = before.filter(|(_, m, _)| m.conflicts(mode)).map(|&(p, ..)| p);
        let mut pids: Vec<i32> = Vec::new();
        for blocker in holders.chain(queued) {
            if !pids.contains(&blocker) {
                pids.push(blocker);
            }
        }
        pids
    }

    /// Whether `pid` waits, through others, for itself.
    pub fn deadlocked(&self, pid: i32) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), self.blockers(pid));
        while let Some(blocker) = next.pop() {
            if blocker == pid {
                return true;
            }
            if seen.insert(blocker) {
                next.extend(self.blockers(blocker));
            }
        }
        false
    }

    /// Every lock held or waited for.
    pub fn rows(&self) -> impl Iterator<Item = LockRow> + '_ {
        self.locks.iter().flat_map(|(&tag, lock)| {
            let held = lock.held.iter().map(move |h| LockRow {
                tag,
                pid: h.pid,
                mode: h.mode,
                granted: true,
            });
            let queue = lock.queue.iter().map(move |&(pid, mode, _)| LockRow {
                tag,
                pid,
                mode,
                granted: false,
            });
            held.chain(queue)
        })
    }
}
