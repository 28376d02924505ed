//! A set of the groups of rules that an event can still match.

use std::ops::{BitAnd, BitOr, BitOrAssign};

/// Groups of rules of one kind of event, a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mask(pub [u64; 2]);

impl Mask {
    /// Groups that a mask can hold.
    pub const BITS: usize = 128;
    /// No group.
    pub const NONE: Self = Self([0; 2]);

    /// Returns the set of the first `count` groups.
    pub(super) fn first(count: usize) -> Self {
        let word = |count: usize| match count {
            64.. => u64::MAX,
            count => (1 << count) - 1,
        };
        Self([word(count), word(count.saturating_sub(64))])
    }

    pub(super) fn set(&mut self, bit: usize) {
        self.0[bit / 64 % 2] |= 1 << (bit % 64);
    }

    /// Returns whether a group is in it.
    pub const fn has(self, bit: usize) -> bool {
        self.0[bit / 64 % 2] >> (bit % 64) & 1 != 0
    }

    /// Returns whether no group is in it.
    pub const fn is_empty(self) -> bool {
        self.0[0] | self.0[1] == 0
    }
}

impl BitAnd for Mask {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self([self.0[0] & other.0[0], self.0[1] & other.0[1]])
    }
}

impl BitOr for Mask {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self([self.0[0] | other.0[0], self.0[1] | other.0[1]])
    }
}

impl BitOrAssign for Mask {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_groups_fill_one_word_after_the_other() {
        assert_eq!(Mask::first(0), Mask::NONE);
        assert_eq!(Mask::first(3), Mask([7, 0]));
        assert_eq!(Mask::first(64), Mask([u64::MAX, 0]));
        assert_eq!(Mask::first(65), Mask([u64::MAX, 1]));
        assert_eq!(Mask::first(128), Mask([u64::MAX; 2]));
    }

    #[test]
    fn a_group_that_was_set_is_there_and_no_other() {
        let mut mask = Mask::NONE;
        mask.set(70);
        let set: Vec<usize> = (0..Mask::BITS).filter(|bit| mask.has(*bit)).collect();
        assert_eq!(set, [70]);
        assert!((mask & Mask::first(70)).is_empty());
    }
}
