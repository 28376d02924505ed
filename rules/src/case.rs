//! Tests that live beside rules: events a rule must match, and events it must not.

use crate::{Diagnostic, Source};

/// The outcome of all cases.
#[derive(Clone, Debug, Default)]
pub struct TestReport {
    /// Cases that were run.
    pub cases: usize,
    /// Rules that have at least one case.
    pub rules: usize,
    /// Cases that did not hold, and files that did not load.
    pub failures: Vec<Diagnostic>,
}

impl TestReport {
    /// Returns whether every case held.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Runs the cases found in `sources` against the rules found there.
pub fn test(sources: &[Source]) -> TestReport {
    todo!("{sources:?}")
}
