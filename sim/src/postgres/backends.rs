//! The backends of a server, by pid.

use std::cell::Cell;

use super::backend_row::Backend;

/// Backends in the order of their pids. There are a dozen, and each step of each looks itself up many times over.
#[derive(Debug, Default)]
pub struct Backends {
    all: Vec<(i32, Box<Backend>)>,
    /// Where the last one was found: mostly it is asked for again.
    last: Cell<usize>,
}

impl Backends {
    fn place(&self, pid: i32) -> Result<usize, usize> {
        let last = self.last.get();
        if self.all.get(last).is_some_and(|(known, _)| *known == pid) {
            return Ok(last);
        }
        let place = self.all.binary_search_by_key(&pid, |(known, _)| *known)?;
        self.last.set(place);
        Ok(place)
    }

    /// The backend of this pid.
    pub fn get(&self, pid: i32) -> Option<&Backend> {
        let place = self.place(pid).ok()?;
        Some(&self.all[place].1)
    }

    /// The same, to change it.
    pub fn get_mut(&mut self, pid: i32) -> Option<&mut Backend> {
        let place = self.place(pid).ok()?;
        Some(&mut self.all[place].1)
    }

    /// Adds a backend, in the place of one with its pid.
    pub fn insert(&mut self, backend: Backend) {
        let entry = (backend.pid, Box::new(backend));
        match self.place(entry.0) {
            Ok(place) => self.all[place] = entry,
            Err(place) => self.all.insert(place, entry),
        }
    }

    /// Takes a backend out.
    pub fn remove(&mut self, pid: i32) {
        if let Ok(place) = self.place(pid) {
            self.all.remove(place);
        }
    }

    /// All, in the order of their pids.
    pub fn values(&self) -> impl Iterator<Item = &Backend> {
        self.all.iter().map(|(_, backend)| &**backend)
    }
}
