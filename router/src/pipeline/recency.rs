//! Things in the order of their last use, each found by a small stable number.

const NONE: u32 = u32::MAX;

#[derive(Clone, Debug)]
struct Slot<T> {
    value: Option<T>,
    older: u32,
    newer: u32,
}

/// A slab with a list through it: inserting, touching and removing take constant time.
#[derive(Clone, Debug)]
pub(super) struct Recency<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
}

impl<T> Default for Recency<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new(), oldest: NONE, newest: NONE }
    }
}

impl<T> Recency<T> {
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn get(&self, slot: u32) -> Option<&T> {
        self.slots.get(slot as usize)?.value.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        self.slots.get_mut(slot as usize)?.value.as_mut()
    }

    /// Inserts as the newest and returns its number, valid until it is removed.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        let entry = Slot { value: Some(value), older: NONE, newer: NONE };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = entry;
                slot
            }
            None => {
                self.slots.push(entry);
                (self.slots.len() - 1) as u32
            }
        };
        self.link(slot);
        slot
    }

    /// Makes it the newest.
    pub(super) fn touch(&mut self, slot: u32) {
        if slot != self.newest && self.get(slot).is_some() {
            self.unlink(slot);
            self.link(slot);
        }
    }

    pub(super) fn remove(&mut self, slot: u32) -> Option<T> {
        let value = self.slots.get_mut(slot as usize)?.value.take()?;
        self.unlink(slot);
        self.free.push(slot);
        Some(value)
    }

    pub(super) fn oldest(&self) -> Option<u32> {
        (self.oldest != NONE).then_some(self.oldest)
    }

    /// From the oldest to the newest.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.walk(self.oldest, |slot| slot.newer)
    }

    /// From the newest to the oldest.
    pub(super) fn iter_newest(&self) -> impl Iterator<Item = (u32, &T)> {
        self.walk(self.newest, |slot| slot.older)
    }

    fn walk(&self, first: u32, next: fn(&Slot<T>) -> u32) -> impl Iterator<Item = (u32, &T)> {
        let mut at = first;
        std::iter::from_fn(move || {
            let slot = self.slots.get(at as usize)?;
            let here = std::mem::replace(&mut at, next(slot));
            Some((here, slot.value.as_ref()?))
        })
    }

    fn link(&mut self, slot: u32) {
        let older = std::mem::replace(&mut self.newest, slot);
        match self.slots.get_mut(older as usize) {
            Some(neighbour) => neighbour.newer = slot,
            None => self.oldest = slot,
        }
        let entry = &mut self.slots[slot as usize];
        (entry.older, entry.newer) = (older, NONE);
    }

    fn unlink(&mut self, slot: u32) {
        let Slot { older, newer, .. } = self.slots[slot as usize];
        match self.slots.get_mut(older as usize) {
            Some(neighbour) => neighbour.newer = newer,
            None => self.oldest = newer,
        }
        match self.slots.get_mut(newer as usize) {
            Some(neighbour) => neighbour.older = older,
            None => self.newest = older,
        }
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
}
