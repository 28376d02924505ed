//! Finds the rules an event matches: every distinct predicate is answered at most once per event,
//! and one that reads only the process at most once per process.

mod estimate;
mod index;
mod program;
mod state;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use alert::Event;

pub(crate) use program::Program;
use state::{Evaluation, ProcessCache};

use crate::{
    Rule, RuleSet,
    ir::{EventView, PathView},
};

/// Finds the rules an event matches. Each thread has its own.
#[derive(Debug)]
pub struct Matcher {
    rules: Arc<RuleSet>,
    known: Box<[u64]>,
    answers: Box<[u64]>,
    processes: ProcessCache,
    matched: Vec<u32>,
}

impl Matcher {
    pub(crate) fn new(rules: Arc<RuleSet>) -> Self {
        let program = rules.program();
        let words = program.words();
        let processes = ProcessCache::new(program.process_words());
        let bits = || vec![0; words].into_boxed_slice();
        Self { known: bits(), answers: bits(), processes, matched: Vec::new(), rules }
    }

    /// Calls `hit` for every rule that matches, in the order of their definition.
    ///
    /// An opened file has the path the program wrote and the path the kernel resolved; where they
    /// differ, a rule matches if it does so for either.
    pub fn matches(&mut self, event: &Event, hit: &mut dyn FnMut(&Rule)) {
        let Self { rules, known, answers, processes, matched } = self;
        let program = rules.program();
        let entries = program.entries(event.kind);
        if entries.is_empty() {
            return;
        }
        matched.clear();
        let process_words = program.process_words();
        known[process_words..].fill(0);
        answers[process_words..].fill(0);
        let slot = processes.load(&event.process, known, answers);
        let mut evaluation = Evaluation {
            program,
            graph: rules.graph(),
            view: EventView { event, path: PathView::Written },
            known,
            answers,
        };
        for entry in entries {
            if evaluation.answer(entry.root) {
                matched.push(entry.rule);
            }
        }
        if EventView::other_path(event).is_some() {
            evaluation.forget_paths();
            evaluation.view.path = PathView::Resolved;
            for entry in entries.iter().filter(|entry| entry.reads_path) {
                if evaluation.answer(entry.root) && !matched.contains(&entry.rule) {
                    matched.push(entry.rule);
                }
            }
            matched.sort_unstable();
        }
        processes.store(slot, known, answers);
        for rule in matched.iter() {
            hit(&rules.rules()[*rule as usize]);
        }
    }
}
