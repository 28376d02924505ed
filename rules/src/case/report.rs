//! What came of the cases, for people and for scripts.

use std::fmt;

use serde::Serialize;

use crate::{Diagnostic, Trace};

/// The outcome of all cases.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TestReport {
    /// Cases that were run.
    pub cases: usize,
    /// Rules that have at least one case.
    pub rules: usize,
    /// Enabled rules without a case.
    pub untested: Vec<String>,
    /// Cases that did not hold, and files that did not load.
    pub failures: Vec<TestFailure>,
}

impl TestReport {
    /// Returns whether every case held.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// A case that did not hold, or what kept a file from being loaded. Prints as an annotated snippet
/// with what was expected and what decided.
#[derive(Clone, Debug, Serialize)]
pub struct TestFailure {
    #[serde(flatten)]
    pub diagnostic: Diagnostic,
    /// The case's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// How the rule came to its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
}

/// Something about an alert that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `output`, `priority`, or a field's name.
    pub what: String,
    pub expected: String,
    pub got: String,
}

impl From<Diagnostic> for TestFailure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostic, case: None, differences: Vec::new(), trace: None }
    }
}

impl TestFailure {
    /// Returns what is printed, with terminal colours if `color`.
    pub fn render(&self, color: bool) -> String {
        let mut text = self.diagnostic.render(color);
        for Difference { what, expected, got } in &self.differences {
            text.push_str(&format!("\n  {what}\n    expected {expected}\n    got      {got}"));
        }
        if let Some(trace) = &self.trace {
            text.push_str("\n  the answers of its condition, those that decide marked with >:\n");
            for line in trace.condition_text().lines() {
                text.push_str(&format!("    {line}\n"));
            }
            text.truncate(text.trim_end().len());
        }
        text
    }
}

impl fmt::Display for TestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}
