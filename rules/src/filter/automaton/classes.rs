//! Puts bytes that no pattern tells apart into one class, and more where there are too many.

use hashbrown::HashMap;

use super::{CLASSES_MAX, build::Step};
use crate::filter::pattern::{Bytes, Element};

/// Classes of bytes.
pub(super) struct Classes {
    pub(super) of: [u8; 256],
    /// The bytes of each. A class fits a set if one of its bytes does: to take bytes together finds
    /// more than is there, never less.
    pub(super) bytes: Vec<Vec<u8>>,
    /// The classes that fit each set.
    fits: HashMap<Bytes, Vec<u8>>,
}

impl Classes {
    pub(super) fn new(steps: &[Step]) -> Self {
        let mut sets: HashMap<Bytes, usize> = HashMap::new();
        for step in steps {
            if let Step::Read(Element::One(set) | Element::Many(set)) = step {
                *sets.entry(*set).or_default() += 1;
            }
        }
        let mut bytes: Vec<Vec<u8>> = vec![(0..=u8::MAX).collect()];
        for set in sets.keys() {
            bytes = bytes
                .into_iter()
                .flat_map(|class| {
                    let (inside, outside): (Vec<u8>, Vec<u8>) =
                        class.into_iter().partition(|byte| set.has(*byte));
                    [inside, outside]
                })
                .filter(|class| !class.is_empty())
                .collect();
        }
        bytes.sort_unstable();
        let uses = |byte: u8| -> usize {
            let reads = sets.iter().filter(|(set, _)| set.has(byte) && **set != Bytes::ANY);
            reads.map(|(_, uses)| uses).sum()
        };
        while bytes.len() > CLASSES_MAX {
            join_rarest(&mut bytes, &uses);
        }
        let mut of = [0; 256];
        for (number, class) in (0..).zip(&bytes) {
            class.iter().for_each(|byte| of[*byte as usize] = number);
        }
        let fitting = |set: &Bytes| {
            let numbered = (0..).zip(&bytes);
            let fit = numbered.filter(|(_, class)| class.iter().any(|byte| set.has(*byte)));
            fit.map(|(number, _)| number).collect()
        };
        let fits = sets.keys().map(|set| (*set, fitting(set))).collect();
        Self { of, bytes, fits }
    }

    /// Returns the classes that fit a set of the patterns.
    pub(super) fn of_set(&self, set: Bytes) -> &[u8] {
        self.fits.get(&set).map_or(&[], Vec::as_slice)
    }
}

/// Joins the class that fewest patterns ask for with that of its letter in the other case, or with
/// the next rarest. The slash stays alone.
fn join_rarest(classes: &mut Vec<Vec<u8>>, uses: &dyn Fn(u8) -> usize) {
    let mut order: Vec<usize> =
        (0..classes.len()).filter(|class| !classes[*class].contains(&b'/')).collect();
    order.sort_by_key(|class| {
        let letters = classes[*class].iter().all(u8::is_ascii_alphabetic);
        (!letters, classes[*class].iter().map(|byte| uses(*byte)).max())
    });
    let other_case = |class: &[u8]| {
        let [letter] = class else { return None };
        let other = if letter.is_ascii_uppercase() {
            letter.to_ascii_lowercase()
        } else {
            letter.to_ascii_uppercase()
        };
        classes.iter().position(|class| class.contains(&other) && !class.contains(letter))
    };
    let pair = order
        .iter()
        .find_map(|class| Some((*class, other_case(&classes[*class])?)))
        .or_else(|| Some((*order.first()?, *order.get(1)?)));
    let Some((one, other)) = pair else { return };
    let joined = std::mem::take(&mut classes[one]);
    classes[other].extend(joined);
    classes.remove(one);
}
