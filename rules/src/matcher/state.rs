//! The answers found so far: for one event, and for the processes seen last.

use std::sync::{Arc, Weak};

use alert::Process;

use super::program::{Any, Op, Program};
use crate::ir::{EventView, Graph, Record};

/// Processes whose answers are kept; each thread has its own.
const PROCESSES_MAX: usize = 4096;

/// Answers the bits of one event as they are asked for.
pub(super) struct Evaluation<'a> {
    pub(super) program: &'a Program,
    pub(super) graph: &'a Graph,
    pub(super) view: EventView<'a>,
    pub(super) known: &'a mut [u64],
    pub(super) answers: &'a mut [u64],
}

impl Evaluation<'_> {
    #[inline]
    pub(super) fn answer(&mut self, bit: u32) -> bool {
        let (word, flag) = ((bit / 64) as usize, 1_u64 << (bit % 64));
        if self.known[word] & flag != 0 {
            return self.answers[word] & flag != 0;
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
                let (predicate, machine) = self.graph.predicate_of(*index);
                predicate.test(machine, &self.view).unwrap_or(false)
            }
            Op::Indexed(index) => {
                self.ask(*index);
                return self.answers[word] & flag != 0;
            }
        };
        self.known[word] |= flag;
        if answer {
            self.answers[word] |= flag;
        }
        answer
    }

    /// Answers all predicates of an index.
    fn ask(&mut self, index: u32) {
        let index = &self.program.indexes[index as usize];
        for (word, mask) in &*index.mask {
            self.known[*word as usize] |= mask;
        }
        if let Some(value) = self.view.value(&index.leaf) {
            index.answer(&value, self.answers);
        }
    }

    fn any(&mut self, any: &Any) -> bool {
        let asked =
            any.mask.first().is_some_and(|(word, mask)| self.known[*word as usize] & mask == *mask);
        if !asked {
            self.ask(any.index);
        }
        any.mask.iter().any(|(word, mask)| self.answers[*word as usize] & mask != 0)
    }

    /// Forgets what depends on the path of the event's file.
    pub(super) fn forget_paths(&mut self) {
        let from = self.program.path_word();
        self.known[from..].fill(0);
        self.answers[from..].fill(0);
    }
}

/// Answers that depend on a process alone, kept by the process's identity.
///
/// A process is immutable behind its `Arc`; a change is another `Arc`. The `Weak` kept here keeps
/// the address from being used again, so an equal address is the same process.
#[derive(Debug)]
pub(super) struct ProcessCache {
    words: usize,
    processes: Box<[Weak<Process>]>,
    /// For each process the words known, then the answers.
    bits: Box<[u64]>,
}

impl ProcessCache {
    pub(super) fn new(words: usize) -> Self {
        Self {
            words,
            processes: (0..PROCESSES_MAX).map(|_| Weak::new()).collect(),
            bits: vec![0; PROCESSES_MAX * 2 * words].into(),
        }
    }

    /// Puts what is known of a process into the first words; returns where to store it again.
    pub(super) fn load(
        &mut self,
        process: &Arc<Process>,
        known: &mut [u64],
        answers: &mut [u64],
    ) -> usize {
        let address = Arc::as_ptr(process).addr();
        // Allocations are aligned: the lowest bits tell nothing.
        let slot = (address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52;
        let words = self.words;
        if Weak::as_ptr(&self.processes[slot]) == Arc::as_ptr(process) {
            let bits = &self.bits[slot * 2 * words..(slot + 1) * 2 * words];
            known[..words].copy_from_slice(&bits[..words]);
            answers[..words].copy_from_slice(&bits[words..]);
        } else {
            self.processes[slot] = Arc::downgrade(process);
            known[..words].fill(0);
            answers[..words].fill(0);
        }
        slot
    }

    pub(super) fn store(&mut self, slot: usize, known: &[u64], answers: &[u64]) {
        let words = self.words;
        let bits = &mut self.bits[slot * 2 * words..(slot + 1) * 2 * words];
        bits[..words].copy_from_slice(&known[..words]);
        bits[words..].copy_from_slice(&answers[..words]);
    }
}
