//! Answers which of many numbers a value is: ports, ids.

use alert::Value;
use hashbrown::HashMap;

use super::{Bits, BitsBuilder};
use crate::ir::{Literal, Predicate, Test};

#[derive(Debug)]
pub(crate) struct Numbers {
    bits: Bits,
    places: HashMap<i128, u32, foldhash::fast::FixedState>,
}

/// Fewer numbers are compared as soon as they are looked up.
const NUMBERS_MIN: usize = 8;

impl Numbers {
    pub(super) fn serves(predicate: &Predicate) -> bool {
        let number = |literal: &Literal| matches!(literal, Literal::Number(_));
        match &predicate.test {
            Test::Equal(literal) => number(literal),
            Test::In(items) | Test::Intersects(items) => items.iter().all(number),
            _ => false,
        }
    }

    /// Returns whether a look into a table is sooner than to compare one by one.
    pub(super) fn pay<'a>(predicates: impl Iterator<Item = &'a Predicate>) -> bool {
        let (mut asked, mut numbers) = (0, 0);
        for predicate in predicates {
            asked += 1;
            numbers += match &predicate.test {
                Test::In(items) | Test::Intersects(items) => items.len(),
                _ => 1,
            };
        }
        asked >= 2 || numbers >= NUMBERS_MIN
    }

    pub(super) fn new(predicates: &[(u32, &Predicate)]) -> Self {
        let mut wanted: HashMap<i128, Vec<u32>> = HashMap::new();
        let mut add = |literal: &Literal, bit: u32| {
            if let Literal::Number(number) = literal {
                wanted.entry(*number).or_default().push(bit);
            }
        };
        for (bit, predicate) in predicates {
            match &predicate.test {
                Test::Equal(literal) => add(literal, *bit),
                Test::In(items) | Test::Intersects(items) => {
                    items.iter().for_each(|item| add(item, *bit));
                }
                _ => {}
            }
        }
        let mut bits = BitsBuilder::default();
        let places = wanted.into_iter().map(|(number, set)| (number, bits.add(&set))).collect();
        Self { bits: bits.build(), places }
    }

    #[inline]
    pub(super) fn answer(&self, value: &Value<'_>, answers: &mut [u64]) {
        let number: i128 = match value {
            Value::I64(number) => (*number).into(),
            Value::U64(number) => (*number).into(),
            _ => return,
        };
        if let Some(place) = self.places.get(&number) {
            self.bits.set(*place, answers);
        }
    }
}
