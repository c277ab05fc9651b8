//! Texts of one log, each kept once: events hold their numbers.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

/// An interned text of one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(pub(super) u32);

impl Text {
    /// Its number: the first text of a log has 0, the next 1, and so on.
    pub fn number(self) -> usize {
        self.0 as usize
    }
}

/// Texts by number, and their numbers by hash.
#[derive(Default)]
pub(super) struct Texts {
    pub(super) texts: Vec<Arc<str>>,
    /// A power of two of places, at most half of them taken; a text is at the first free one from its hash on.
    places: Vec<Option<Text>>,
}

impl Texts {
    pub(super) fn get(&self, id: Text) -> &Arc<str> {
        &self.texts[id.0 as usize]
    }

    pub(super) fn intern(&mut self, text: &str) -> Text {
        if self.texts.len() * 2 >= self.places.len() {
            self.grow();
        }
        let place = self.place(text);
        if let Some(id) = self.places[place] {
            return id;
        }
        let id = Text(u32::try_from(self.texts.len()).expect("fewer than 2^32 texts"));
        self.texts.push(text.into());
        self.places[place] = Some(id);
        id
    }

    /// The text, when it is known.
    pub(super) fn find(&self, text: &str) -> Option<Text> {
        (!self.places.is_empty()).then(|| self.places[self.place(text)])?
    }

    /// Where `text` is, or would be.
    fn place(&self, text: &str) -> usize {
        let mask = self.places.len() - 1;
        let mut place = xxh3_64(text.as_bytes()) as usize & mask;
        while self.places[place].is_some_and(|id| **self.get(id) != *text) {
            place = (place + 1) & mask;
        }
        place
    }

    fn grow(&mut self) {
        self.places = vec![None; (self.places.len() * 2).max(128)];
        for (number, text) in (0..).zip(&self.texts) {
            let place = self.place(text);
            self.places[place] = Some(Text(number));
        }
    }
}
