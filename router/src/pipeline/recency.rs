//! Things in the order of their last use, each found by a small stable number. Copies are cheap: they
//! share what neither side changes.

use std::{array, sync::Arc};

const NONE: u32 = u32::MAX;
/// Values that are copied together when one of them changes and a copy of all still shares them.
const CHUNK: usize = 32;

type Chunk<T> = [Option<T>; CHUNK];

#[derive(Clone, Copy, Debug)]
struct Link {
    older: u32,
    newer: u32,
}

/// A slab with a list through it: inserting, touching and removing take constant time.
#[derive(Clone, Debug)]
pub(super) struct Recency<T> {
    chunks: Vec<Arc<Chunk<T>>>,
    /// One for each value there ever was at once.
    links: Vec<Link>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
}

impl<T> Default for Recency<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), links: Vec::new(), free: Vec::new(), oldest: NONE, newest: NONE }
    }
}

/// Returns the chunk of a slot, and its place there.
fn place(slot: u32) -> (usize, usize) {
    (slot as usize / CHUNK, slot as usize % CHUNK)
}

impl<T> Recency<T> {
    pub(super) fn len(&self) -> usize {
        self.links.len() - self.free.len()
    }

    pub(super) fn get(&self, slot: u32) -> Option<&T> {
        let (chunk, index) = place(slot);
        self.chunks.get(chunk)?[index].as_ref()
    }

    /// Makes it the newest.
    pub(super) fn touch(&mut self, slot: u32) {
        if slot != self.newest && self.get(slot).is_some() {
            self.unlink(slot);
            self.link(slot);
        }
    }

    pub(super) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// From the oldest to the newest.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.walk(self.oldest, |link| link.newer)
    }

    /// From the newest to the oldest.
    pub(super) fn iter_newest(&self) -> impl Iterator<Item = (u32, &T)> {
        self.walk(self.newest, |link| link.older)
    }

    fn walk(&self, first: u32, next: fn(&Link) -> u32) -> impl Iterator<Item = (u32, &T)> {
        let mut at = first;
        std::iter::from_fn(move || {
            let here = at;
            at = next(self.links.get(here as usize)?);
            Some((here, self.get(here)?))
        })
    }

    fn link(&mut self, slot: u32) {
        let older = std::mem::replace(&mut self.newest, slot);
        match self.links.get_mut(older as usize) {
            Some(neighbour) => neighbour.newer = slot,
            None => self.oldest = slot,
        }
        self.links[slot as usize] = Link { older, newer: NONE };
    }

    fn unlink(&mut self, slot: u32) {
        let Link { older, newer } = self.links[slot as usize];
        match self.links.get_mut(older as usize) {
            Some(neighbour) => neighbour.newer = newer,
            None => self.oldest = newer,
        }
        match self.links.get_mut(newer as usize) {
            Some(neighbour) => neighbour.older = older,
            None => self.newest = older,
        }
    }
}

impl<T: Clone> Recency<T> {
    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.cell(slot)?.as_mut()
    }

    /// Inserts as the newest and returns its number, valid until it is removed.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            if self.links.len() == self.chunks.len() * CHUNK {
                self.chunks.push(Arc::new(array::from_fn(|_| None)));
            }
            self.links.push(Link { older: NONE, newer: NONE });
            (self.links.len() - 1) as u32
        });
        if let Some(cell) = self.cell(slot) {
            *cell = Some(value);
        }
        self.link(slot);
        slot
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<T> {
        let value = self.cell(slot)?.take()?;
        self.unlink(slot);
        self.free.push(slot);
        Some(value)
    }

    fn cell(&mut self, slot: u32) -> Option<&mut Option<T>> {
        let (chunk, index) = place(slot);
        Some(&mut Arc::make_mut(self.chunks.get_mut(chunk)?)[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_the_last_touch_and_slots_are_reused() {
        let mut recency = Recency::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| recency.insert(name));
        recency.touch(a);
        assert_eq!(recency.remove(c), Some("c"));
        assert_eq!(recency.insert("d"), c);
        recency.touch(b);
        let names = |order: &mut dyn Iterator<Item = (u32, &&'static str)>| {
            order.map(|(_, name)| *name).collect::<String>()
        };
        assert_eq!(names(&mut recency.iter()), "adb");
        assert_eq!(names(&mut recency.iter_newest()), "bda");
        assert_eq!((recency.len(), recency.oldest()), (3, Some(a)));
        for slot in [a, b, c] {
            recency.remove(slot);
        }
        assert_eq!((recency.remove(a), recency.oldest(), recency.len()), (None, None, 0));
    }

    #[test]
    fn a_copy_stays_as_it_is_whatever_happens_to_the_other() {
        let mut recency = Recency::default();
        for number in 0..100 {
            recency.insert(number);
        }
        let copy = recency.clone();
        recency.touch(7);
        recency.remove(8);
        *recency.get_mut(9).unwrap() = 900;
        recency.insert(800);
        let values = |of: &Recency<u32>| of.iter().map(|(_, value)| *value).collect::<Vec<_>>();
        assert_eq!(values(&copy), (0..100).collect::<Vec<_>>());
        let changed = (0..7).chain([900]).chain(10..100).chain([7, 800]);
        assert_eq!(values(&recency), changed.collect::<Vec<_>>());
        let shared = |chunk: usize| Arc::ptr_eq(&copy.chunks[chunk], &recency.chunks[chunk]);
        assert_eq!([0, 1, 2, 3].map(shared), [false, true, true, true]);
    }
}
