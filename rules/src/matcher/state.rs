//! The answers found so far: for one event, and for its process.

use alert::EventKind;
use hashbrown::HashMap;

use super::{
    costs::Tally,
    index::Index,
    program::{Any, Entry, Op, Program},
    read::number_behind,
    select::ones,
};
use crate::ir::{EventView, Graph, PathView};

/// Answers kept by number.
const NUMBERED_MAX: usize = 256;

/// What the text that an index looks at follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Numbered {
    index: u32,
    kind: EventKind,
    behind: u32,
}

/// What a matcher keeps from one event to the next, so that nothing is allocated.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) known: Box<[u64]>,
    pub(super) answers: Box<[u64]>,
    /// Words of `known` and `answers` that are not 0, those of the process left out.
    pub(super) written: Vec<u32>,
    pub(super) text: String,
    /// Answers of indexes whose text follows from a number that was seen before.
    numbered: HashMap<Numbered, Box<[u64]>>,
    pub(super) tally: Tally,
}

impl Room {
    pub(super) fn new(program: &Program, tally: Tally) -> Self {
        let bits = || vec![0; program.words()].into_boxed_slice();
        let (written, text) = (Vec::with_capacity(program.words()), String::new());
        Self { known: bits(), answers: bits(), written, text, numbered: HashMap::new(), tally }
    }
}

/// Answers the bits of one event as they are asked for.
pub(super) struct Evaluation<'a> {
    pub(super) program: &'a Program,
    pub(super) graph: &'a Graph,
    pub(super) view: EventView<'a>,
    pub(super) group: u32,
    /// Names the rule set, in the memory of processes.
    pub(super) generation: u64,
    room: &'a mut Room,
    recalled: Recalled,
    /// Whether a predicate on a momentary field was asked.
    moment: bool,
}

/// What was taken from the process's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Recalled {
    NotYet,
    /// What was known, and nothing is to be added.
    Known,
    /// Something was found out that is to be remembered.
    Learned,
    /// No event of this kind can match, whatever it is.
    Barren,
}

/// A process's memory: the generation, a bit for each group of kinds whose rules it cannot match,
/// the bits that are known, their answers.
const HEAD_WORDS: usize = 2;

impl<'a> Evaluation<'a> {
    pub(super) fn new(
        program: &'a Program,
        graph: &'a Graph,
        view: EventView<'a>,
        group: u32,
        generation: u64,
        room: &'a mut Room,
    ) -> Self {
        for word in room.written.drain(..) {
            room.known[word as usize] = 0;
            room.answers[word as usize] = 0;
        }
        let (recalled, moment) = (Recalled::NotYet, false);
        Self { program, graph, view, group, generation, room, recalled, moment }
    }

    /// Returns whether something was asked that another event like this one may answer otherwise.
    pub(super) const fn asked_moment(&self) -> bool {
        self.moment
    }

    #[inline]
    pub(super) fn answers(&self) -> &[u64] {
        &self.room.answers
    }

    /// Takes what is known of the process from its memory; to be called before a bit that depends
    /// on the process alone is asked. Returns false if no event of the kind can match.
    #[inline]
    pub(super) fn recall(&mut self) -> bool {
        if self.recalled == Recalled::NotYet {
            self.recalled = self.remembered();
        }
        self.recalled != Recalled::Barren
    }

    fn remembered(&mut self) -> Recalled {
        let words = self.program.process_words();
        let known = &mut self.room.known[..words];
        if let Some(memory) = self.view.event.process.remembered()
            && memory.len() == HEAD_WORDS + 2 * words
            && memory[0] == self.generation
        {
            if self.group < 64 && memory[1] >> self.group & 1 != 0 {
                return Recalled::Barren;
            }
            known.copy_from_slice(&memory[HEAD_WORDS..HEAD_WORDS + words]);
            self.room.answers[..words].copy_from_slice(&memory[HEAD_WORDS + words..]);
        } else {
            known.fill(0);
            self.room.answers[..words].fill(0);
        }
        Recalled::Known
    }

    /// Gives what was found out about the process to its memory. `barren` says that it cannot match
    /// a rule of this group.
    pub(super) fn remember(&mut self, barren: bool) {
        if self.recalled != Recalled::Learned && !(barren && self.recalled == Recalled::Known) {
            return;
        }
        let words = self.program.process_words();
        let Some(mut memory) = self.view.event.process.remembered() else { return };
        let length = HEAD_WORDS + 2 * words;
        if memory.len() != length || memory[0] != self.generation {
            memory.reset(length);
            memory[0] = self.generation;
        }
        if barren && self.group < 64 {
            memory[1] |= 1 << self.group;
        }
        memory[HEAD_WORDS..HEAD_WORDS + words].copy_from_slice(&self.room.known[..words]);
        memory[HEAD_WORDS + words..].copy_from_slice(&self.room.answers[..words]);
    }

    /// Adds the rules that match among the candidates.
    pub(super) fn evaluate(
        &mut self,
        entries: &[Entry],
        candidates: &[u64],
        matched: &mut Vec<u32>,
    ) {
        if !self.recall() {
            return;
        }
        let again = self.view.path == PathView::Resolved;
        for (word, flags) in candidates.iter().enumerate() {
            for flag in ones(*flags) {
                let entry = &entries[word * 64 + flag as usize];
                if again && (!entry.reads_path || matched.contains(&entry.rule)) {
                    continue;
                }
                let timed = self.room.tally.begin(entry.rule);
                let holds = self.answer(entry.root);
                self.room.tally.end(entry.rule, timed, holds);
                if holds {
                    matched.push(entry.rule);
                }
            }
        }
    }

    /// Answers a bit; one of a process only after [`Self::recall`].
    #[inline]
    pub(super) fn answer(&mut self, bit: u32) -> bool {
        let (word, flag) = ((bit / 64) as usize, 1_u64 << (bit % 64));
        if self.room.known[word] & flag != 0 {
            return self.room.answers[word] & flag != 0;
        }
        self.find(bit, word, flag)
    }

    fn find(&mut self, bit: u32, word: usize, flag: u64) -> bool {
        let program = self.program;
        let answer = match &program.ops[bit as usize] {
            Op::Always => true,
            Op::Nothing => false,
            Op::Not(child) => !self.answer(*child),
            Op::And(children) => children.iter().all(|child| self.answer(*child)),
            Op::Or(any, children) => {
                any.iter().any(|any| self.any(any))
                    || children.iter().any(|child| self.answer(*child))
            }
            Op::Predicate(index) => {
                self.moment |= program.momentary[*index as usize];
                self.test(*index)
            }
            Op::Fact(fact, index) => {
                self.moment |= program.momentary[*index as usize];
                match fact.holds(self.view.event) {
                    Some(holds) => {
                        self.room.tally.predicate(*index, holds);
                        holds
                    }
                    None => self.test(*index),
                }
            }
            Op::Indexed(index) => {
                self.ask(*index);
                return self.room.answers[word] & flag != 0;
            }
        };
        self.learn(word, flag);
        if answer {
            self.room.answers[word] |= flag;
        }
        answer
    }

    fn test(&mut self, index: u32) -> bool {
        let (predicate, machine) = self.graph.predicate_of(index);
        let holds = predicate.test(machine, &self.view).unwrap_or(false);
        self.room.tally.predicate(index, holds);
        holds
    }

    /// Notes that the answers of some bits of a word are known.
    #[inline]
    fn learn(&mut self, word: usize, flags: u64) {
        let known = &mut self.room.known[word];
        if word < self.program.process_words() {
            self.recalled = Recalled::Learned;
        } else if *known == 0 {
            self.room.written.push(u32::try_from(word).unwrap_or(u32::MAX));
        }
        *known |= flags;
    }

    /// Has all predicates of an index answered; returns it.
    #[inline]
    pub(super) fn ask(&mut self, number: u32) -> &'a Index {
        let index = &self.program.indexes[number as usize];
        let asked = index
            .mask
            .first()
            .is_some_and(|(word, mask)| self.room.known[*word as usize] & mask == *mask);
        if !asked {
            for (word, mask) in &*index.mask {
                self.learn(*word as usize, *mask);
            }
            self.moment |= index.momentary;
            self.look(number, index);
            self.room.tally.index(number, index, &self.room.answers);
        }
        index
    }

    fn look(&mut self, number: u32, index: &Index) {
        let event = self.view.event;
        let Room { text, answers, numbered, .. } = &mut *self.room;
        let Some(behind) = number_behind(event, &index.leaf) else {
            index.answer(&self.view, self.graph, text, answers);
            return;
        };
        let key = Numbered { index: number, kind: event.kind, behind };
        if let Some(known) = numbered.get(&key) {
            for ((word, _), known) in index.mask.iter().zip(known) {
                answers[*word as usize] |= known;
            }
            return;
        }
        index.answer(&self.view, self.graph, text, answers);
        if numbered.len() >= NUMBERED_MAX {
            numbered.clear();
        }
        let found = index.mask.iter().map(|(word, mask)| answers[*word as usize] & mask);
        numbered.insert(key, found.collect());
    }

    fn any(&mut self, any: &Any) -> bool {
        self.ask(any.index);
        any.mask.iter().any(|(word, mask)| self.room.answers[*word as usize] & mask != 0)
    }

    /// Looks at the event through the path the kernel resolved: forgets what depends on the path.
    pub(super) fn look_again(&mut self) {
        let from = self.program.path_word();
        self.room.known[from..].fill(0);
        self.room.answers[from..].fill(0);
        self.view.path = PathView::Resolved;
    }
}
