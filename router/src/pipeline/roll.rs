//! The order in which things began. They keep their places in it, whatever happens to them later,
//! so that a list can be read part by part while others come and go.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Things looked at in one go for a list of which only some are wanted.
pub(super) const LOOKED_AT_MAX: usize = 4096;

/// Where something is in its list: the journal record that began it, and which of those that this
/// record began it is. Never given again while it is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place(pub u64, pub u32);

impl Place {
    /// Returns the place of what the record begins next, after the last one there is.
    fn next(sequence: u64, last: Option<Self>) -> Self {
        match last {
            Some(last) if last.0 >= sequence => Self(last.0, last.1.saturating_add(1)),
            _ => Self(sequence, 0),
        }
    }
}

/// Which part of a list to return. Lists begin with what began last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The list goes on after this place; from its beginning if absent.
    pub after: Option<Place>,
    pub limit: usize,
}

impl Default for Page {
    fn default() -> Self {
        Self { after: None, limit: 100 }
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Part<T> {
    pub items: Vec<T>,
    /// Where the list goes on; absent when this is its end. There may be more although the part has
    /// fewer items than were asked for: only so many are looked at in one go.
    pub next: Option<Place>,
}

impl<T> Part<T> {
    /// Returns what is wanted of a list, from the newest on.
    pub(super) fn of<I>(
        list: impl Iterator<Item = (Place, I)>,
        limit: usize,
        mut wanted: impl FnMut(I) -> Option<T>,
    ) -> Self {
        let mut list = list.peekable();
        let (mut items, mut looked_at) = (Vec::new(), 0);
        while let Some((place, item)) = list.next() {
            items.extend(wanted(item));
            looked_at += 1;
            if (items.len() >= limit || looked_at >= LOOKED_AT_MAX) && list.peek().is_some() {
                return Self { items, next: Some(place) };
            }
        }
        Self { items, next: None }
    }
}

/// Things by their places.
#[derive(Clone, Debug)]
pub(super) struct Roll<T>(BTreeMap<Place, T>);

impl<T> Default for Roll<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Roll<T> {
    /// Returns the place of what the record begins now.
    pub(super) fn next(&self, sequence: u64) -> Place {
        Place::next(sequence, self.last())
    }

    /// Returns the place something had, or the next one if that is taken: what an earlier version
    /// wrote had none.
    pub(super) fn again(&self, place: Place) -> Place {
        if self.0.contains_key(&place) { self.next(place.0) } else { place }
    }

    pub(super) fn insert(&mut self, place: Place, value: T) {
        self.0.insert(place, value);
    }

    pub(super) fn get(&self, place: Place) -> Option<&T> {
        self.0.get(&place)
    }

    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        self.0.get_mut(&place)
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<T> {
        self.0.remove(&place)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// From the oldest to the newest.
    pub(super) fn values(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.0.values()
    }

    /// Returns what began before a place, or all, from the newest to the oldest.
    pub(super) fn newest(&self, after: Option<Place>) -> impl Iterator<Item = (Place, &T)> {
        let list = match after {
            Some(place) => self.0.range(..place),
            None => self.0.range(..),
        };
        list.rev().map(|(place, value)| (*place, value))
    }

    fn last(&self) -> Option<Place> {
        self.0.last_key_value().map(|(place, _)| *place)
    }
}
