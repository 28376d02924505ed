//! Tests that live beside rules: events a rule must match, and events it must not.

mod event;

use alert::Event;

use crate::{
    Diagnostic, RuleSet, Source,
    diagnostic::Code,
    load::{Case, Item, read_items},
    text::Files,
    yaml,
};

/// The outcome of all cases.
#[derive(Clone, Debug, Default)]
pub struct TestReport {
    /// Cases that were run.
    pub cases: usize,
    /// Rules that have at least one case.
    pub rules: usize,
    /// Enabled rules without a case.
    pub untested: Vec<String>,
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
    let mut report = TestReport::default();
    let rules = match RuleSet::load(sources) {
        Ok(loaded) => loaded.rules,
        Err(errors) => {
            report.failures = errors;
            return report;
        }
    };
    let mut matcher = rules.matcher();
    let mut tested = hashbrown::HashSet::new();
    let mut files = Files::default();
    for source in sources {
        // Faults of the files were told by the load above.
        let mut told = Vec::new();
        let documents = yaml::read(&mut files, &source.name, &source.text, &mut told);
        for item in read_items(&files, &documents, &mut told) {
            let Item::Case(case) = item else { continue };
            if !rules.rules().iter().any(|rule| rule.name == case.rule.as_str()) {
                let message = format!("there is no enabled rule `{}`", case.rule.as_str());
                report.failures.push(case.place.error(&files, Code::CaseFailed, message));
                continue;
            }
            tested.insert(case.rule.as_str().to_owned());
            let mut matches = |event: &Event| {
                let mut found = false;
                matcher.matches(event, &mut |rule| found |= rule.name == case.rule.as_str());
                found
            };
            run(&files, &case, &mut matches, &mut report);
        }
    }
    report.rules = tested.len();
    let untested = rules.rules().iter().filter(|rule| !tested.contains(&rule.name));
    report.untested = untested.map(|rule| rule.name.clone()).collect();
    report
}

fn run(
    files: &Files,
    case: &Case,
    matches: &mut dyn FnMut(&Event) -> bool,
    report: &mut TestReport,
) {
    let expected = case.matching.iter().map(|node| (node, true));
    for (node, expected) in expected.chain(case.ignored.iter().map(|node| (node, false))) {
        report.cases += 1;
        let event = match event::read(files, node) {
            Ok(event) => event,
            Err(fault) => {
                report.failures.push(fault);
                continue;
            }
        };
        if matches(&event) != expected {
            let rule = case.rule.as_str();
            let message = match expected {
                true => format!("`{rule}` does not match this event, but must"),
                false => format!("`{rule}` matches this event, but must not"),
            };
            report.failures.push(node.error(files, Code::CaseFailed, message));
        }
    }
}
