//! Remembers the most recent ids, in bounded memory.

use std::{collections::VecDeque, fmt::Write};

use alert::Fingerprint;
use hashbrown::HashSet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// The last `max` distinct ids in the order they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    order: VecDeque<u128>,
    set: HashSet<u128>,
    max: usize,
}

impl Seen {
    pub(super) fn new(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    /// Changes how many are remembered; the oldest beyond it are forgotten.
    pub(super) fn resize(&mut self, max: usize) {
        self.max = max;
        self.trim();
    }

    pub(super) fn contains(&self, id: u128) -> bool {
        self.set.contains(&id)
    }

    /// Remembers the id and returns whether it is new.
    pub(super) fn insert(&mut self, id: u128) -> bool {
        let new = self.set.insert(id);
        if new {
            self.order.push_back(id);
            self.trim();
        }
        new
    }

    fn trim(&mut self) {
        while self.order.len() > self.max {
            if let Some(oldest) = self.order.pop_front() {
                self.set.remove(&oldest);
            }
        }
    }
}

/// As one text of 32 hex digits per id: an array of numbers would be several times larger.
impl Serialize for Seen {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(self.order.len() * 32);
        for id in &self.order {
            write!(text, "{}", Fingerprint(*id)).map_err(serde::ser::Error::custom)?;
        }
        (self.max, text).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (max, text) = <(usize, String)>::deserialize(deserializer)?;
        let mut seen = Self::new(max);
        for digits in text.as_bytes().chunks(32) {
            let digits = std::str::from_utf8(digits).map_err(D::Error::custom)?;
            seen.insert(u128::from_str_radix(digits, 16).map_err(D::Error::custom)?);
        }
        Ok(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_ids_are_remembered_and_survive_a_round_trip() {
        let mut seen = Seen::new(2);
        assert!(seen.insert(1) && seen.insert(u128::MAX) && !seen.insert(1) && seen.insert(3));
        let text = serde_json::to_string(&seen).unwrap();
        let restored: Seen = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&restored).unwrap(), text);
        assert!(!restored.contains(1) && restored.contains(u128::MAX) && restored.contains(3));
        assert!(serde_json::from_str::<Seen>("[2,\"zz\"]").is_err());
    }
}
