//! What a thread has worked out and needs again in every run.

use std::borrow::Borrow;
use std::collections::BTreeMap;

/// Answers by what was asked. An answer must follow from its question alone: a run must not depend on those before it.
#[derive(Debug)]
pub(crate) struct Remembered<K, V> {
    most: usize,
    answers: BTreeMap<K, V>,
}

impl<K: Ord, V: Clone> Remembered<K, V> {
    /// Remembers so many answers at most; then it forgets all of them.
    pub(crate) const fn new(most: usize) -> Self {
        Remembered {
            most,
            answers: BTreeMap::new(),
        }
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, question: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.answers.get(question).cloned()
    }

    pub(crate) fn keep(&mut self, question: K, answer: V) {
        if self.answers.len() >= self.most {
            self.answers.clear();
        }
        self.answers.insert(question, answer);
    }
}
