//! Changes inputs by a seed: the same seed makes the same inputs.

use sim::chance::Chance;

use crate::INPUT_BYTES_MAX;

/// Bytes that mean something to most formats.
const TELLING: [u8; 16] = *b"{}[]\"\\:,\n \0()=-\xff";

/// Makes inputs of others.
#[derive(Debug)]
pub struct Mutator<'a> {
    chance: Chance,
    from: &'a [Vec<u8>],
    words: &'a [&'a str],
}

impl<'a> Mutator<'a> {
    /// Returns one that makes inputs of these, and of words.
    pub fn new(seed: u64, from: &'a [Vec<u8>], words: &'a [&'a str]) -> Self {
        Self { chance: Chance::new(seed), from, words }
    }

    /// Returns the next input: one of those it has, changed in some places.
    pub fn make(&mut self) -> Vec<u8> {
        let mut input = self.pick(self.from).cloned().unwrap_or_default();
        for _ in 0..self.chance.within(1..=6) {
            self.change(&mut input);
        }
        input.truncate(INPUT_BYTES_MAX);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.chance.below(input.len() as u64 + 1) as usize;
        let end = (at + self.chance.within(1..=24) as usize).min(input.len());
        match self.chance.below(8) {
            0 => _ = input.drain(at..end),
            1 => {
                // Many of the same: what grows faster than its input shows here.
                let times = if self.chance.percent(20) { self.chance.within(2..=300) } else { 1 };
                let piece = input[at..end].repeat(times as usize);
                input.splice(at..at, piece);
            }
            2 => {
                let word = self.pick(self.words).map_or(&b""[..], |word| word.as_bytes());
                input.splice(at..at, word.iter().copied());
            }
            3 => {
                let word = self.pick(self.words).map_or(&b""[..], |word| word.as_bytes());
                input.splice(at..end, word.iter().copied());
            }
            4 => {
                let other = self.pick(self.from).cloned().unwrap_or_default();
                let cut = self.chance.below(other.len() as u64 + 1) as usize;
                input.truncate(at);
                input.extend(&other[cut..]);
            }
            5 => {
                let number =
                    self.chance.one_of(["-1", "0", "18446744073709551616", "1e999", "0x0"]);
                input.splice(at..end, number.bytes());
            }
            _ => {
                let byte = match self.chance.percent(60) {
                    true => self.chance.one_of(TELLING),
                    false => self.chance.below(256) as u8,
                };
                match input.get_mut(at) {
                    Some(place) => *place = byte,
                    None => input.push(byte),
                }
            }
        }
    }

    fn pick<'b, T>(&mut self, of: &'b [T]) -> Option<&'b T> {
        of.get(self.chance.below(of.len() as u64) as usize)
    }
}
