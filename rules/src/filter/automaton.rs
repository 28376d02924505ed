//! Finds in one pass over a path which of many patterns it fits, with tables a kernel program reads.
//!
//! The path is read **from its last byte to its first**: the kernel meets names from the leaf
//! upwards, and `..` in a typed path folds on the way (count them, and skip as many names). One
//! automaton serves all kinds of event. From [`Automaton::START`], for each byte:
//!
//! ```text
//! entry = next[state << 6 | classes[byte]]
//! state = entry & 0x3fff
//! if (entry & 0x8000) mask |= outputs[hit[state]]
//! ```
//!
//! and after the first byte of the path `mask |= outputs[last[state]]`. `outputs` is an array of
//! masks that each kind of event has of its own; its first is empty. What the start itself finds,
//! `hit[0]`, is in a kind's quiet mask already.

mod build;
mod classes;
#[cfg(test)]
mod tests;

pub(super) use build::Builder;

/// States, at most: two bits of an entry are left.
const STATES_MAX: usize = 1 << 14;
/// Classes of bytes, at most.
const CLASSES_MAX: usize = 1 << CLASS_BITS;
/// Outputs, at most, the empty one among them.
pub(super) const OUTPUTS_MAX: usize = 1 << 12;
const CLASS_BITS: u32 = 6;
/// Set in an entry if something is found where it leads.
const FOUND: u16 = 1 << 15;

/// The tables. Equal patterns give equal tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Automaton {
    /// The class of each byte.
    pub classes: [u8; 256],
    /// The state that follows, by state and class: 64 entries for each state.
    pub next: Vec<u16>,
    /// The output of each state that is entered.
    pub hit: Vec<u16>,
    /// The output of each state in which a path ends.
    pub last: Vec<u16>,
}

impl Automaton {
    /// The state before the last byte of a path.
    pub const START: usize = 0;

    /// Returns the states it has.
    pub fn states(&self) -> usize {
        self.hit.len()
    }

    /// Calls `found` with the number of every output of a path.
    pub(super) fn run(&self, path: &[u8], found: &mut dyn FnMut(u16)) {
        let mut state = Self::START;
        found(self.hit[state]);
        for byte in path.iter().rev() {
            let entry = self.next[state << CLASS_BITS | self.classes[*byte as usize] as usize];
            state = (entry & !FOUND) as usize;
            if entry & FOUND != 0 {
                found(self.hit[state]);
            }
        }
        found(self.last[state]);
    }
}
