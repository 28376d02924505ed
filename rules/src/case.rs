//! Tests that live beside rules: events a rule must match, and events it must not.

mod compare;
mod event;
mod events;
mod item;
mod report;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;

use alert::Event;
use hashbrown::HashSet;

use crate::{
    Diagnostic, Matcher, Rule, RuleSet, Source,
    diagnostic::Code,
    load::{Item, read_items},
    text::Files,
    yaml::{self, Node},
};

pub use events::{NamedEvent, read_events};
use item::{Case, Expected, ExpectedAlert};
pub(crate) use item::{KEYS, Test, read};
pub use report::{Difference, TestFailure, TestReport};
pub use write::{CaseList, redact, write_case, write_head};

/// Runs the cases found in `sources` against the rules found there.
pub fn test(sources: &[Source]) -> TestReport {
    test_rules(sources, &|_| true)
}

/// Runs those cases that are about a rule `wanted` holds for.
pub fn test_rules(sources: &[Source], wanted: &dyn Fn(&str) -> bool) -> TestReport {
    let rules = match RuleSet::load(sources) {
        Ok(loaded) => loaded.rules,
        Err(errors) => {
            let failures = errors.into_iter().map(Into::into).collect();
            return TestReport { failures, ..TestReport::default() };
        }
    };
    let mut files = Files::default();
    let mut tests = Vec::new();
    for source in sources {
        // Faults of the files were told by the load above.
        let mut told = Vec::new();
        let documents = yaml::read(&mut files, &source.name, &source.text, &mut told);
        tests.extend(read_items(&files, &documents, &mut told).into_iter().filter_map(|item| {
            match item {
                Item::Case(test) => Some(test),
                _ => None,
            }
        }));
    }
    let matcher = rules.matcher();
    let mut run = Run {
        files: &files,
        rules,
        matcher,
        tested: HashSet::new(),
        report: TestReport::default(),
    };
    tests.iter().for_each(|test| run.test(test, wanted));
    run.finish(wanted)
}

struct Run<'a> {
    files: &'a Files,
    rules: Arc<RuleSet>,
    matcher: Matcher,
    tested: HashSet<String>,
    report: TestReport,
}

impl Run<'_> {
    fn finish(mut self, wanted: &dyn Fn(&str) -> bool) -> TestReport {
        let names = self.rules.rules().iter().map(|rule| &rule.name);
        let untested = names.filter(|name| wanted(name) && !self.tested.contains(*name));
        self.report.untested = untested.cloned().collect();
        self.report.rules = self.tested.len();
        self.report
    }

    fn test(&mut self, test: &Test, wanted: &dyn Fn(&str) -> bool) {
        let named = test.name.as_str();
        let mut missing_told = false;
        for case in &test.cases {
            let about: Vec<&str> = match &case.expected {
                Expected::Match(_) | Expected::Ignore => vec![named],
                Expected::Exactly(alerts) => alerts.iter().map(|alert| &*alert.rule).collect(),
            };
            if !wanted(named) && !about.iter().any(|rule| wanted(rule)) {
                continue;
            }
            if let Some(missing) = about.iter().find(|name| self.rule(name).is_none()) {
                if !missing_told {
                    self.missing(test, missing);
                }
                missing_told = true;
                continue;
            }
            self.tested.extend(about.into_iter().map(str::to_owned));
            self.case(named, case);
        }
    }

    fn missing(&mut self, test: &Test, rule: &str) {
        let message = format!("there is no enabled rule `{rule}`");
        let names = self.rules.rules().iter().map(|rule| rule.name.as_str());
        let near = crate::ir::nearest(rule, names).map(|near| format!("did you mean `{near}`?"));
        let diagnostic = test.place.error(self.files, Code::CaseFailed, message).hints(near);
        self.report.failures.push(diagnostic.into());
    }

    fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.rules().iter().find(|rule| rule.name == name)
    }

    fn case(&mut self, named: &str, case: &Case) {
        self.report.cases += 1;
        let event = match event::read(self.files, &case.event) {
            Ok(event) => event,
            Err(fault) => return self.fail(case, fault, |_| {}),
        };
        let mut matched: Vec<String> = Vec::new();
        self.matcher.matches(&event, &mut |rule| matched.push(rule.name.clone()));
        let matches = |rule: &str| matched.iter().any(|name| name == rule);
        match &case.expected {
            Expected::Match(_) if !matches(named) => {
                self.wrong(case, named, &event, "does not match this event, but must");
            }
            Expected::Match(alert) => self.compare(case, alert, &event),
            Expected::Ignore if matches(named) => {
                self.wrong(case, named, &event, "matches this event, but must not");
            }
            Expected::Ignore => {}
            Expected::Exactly(alerts) => {
                for alert in alerts {
                    match matches(&alert.rule) {
                        true => self.compare(case, alert, &event),
                        false => {
                            let why = "does not match this event, but must";
                            self.wrong(case, &alert.rule, &event, why);
                        }
                    }
                }
                for rule in &matched {
                    if !alerts.iter().any(|alert| alert.rule == *rule) {
                        let why = "matches this event too, but is not among its `alerts`";
                        self.wrong(case, rule, &event, why);
                    }
                }
            }
        }
    }

    /// Notes a wrong answer of a rule, and how it came about.
    fn wrong(&mut self, case: &Case, rule: &str, event: &Event, why: &str) {
        let diagnostic = self.diagnostic(&case.place, case, format!("`{rule}` {why}"));
        let trace = self.rules.trace(rule, event);
        self.fail(case, diagnostic, |failure| failure.trace = trace);
    }

    fn compare(&mut self, case: &Case, expected: &ExpectedAlert, event: &Event) {
        let Some(rule) = self.rule(&expected.rule) else { return };
        let differences = compare::differences(expected, rule, event);
        if !differences.is_empty() {
            let message = format!("the alert of `{}` is not as expected", expected.rule);
            let diagnostic = self.diagnostic(&case.place, case, message);
            self.fail(case, diagnostic, |failure| failure.differences = differences);
        }
    }

    fn diagnostic(&self, place: &Node, case: &Case, message: String) -> Diagnostic {
        let message = match &case.name {
            Some(name) => format!("{name}: {message}"),
            None => message,
        };
        place.error(self.files, Code::CaseFailed, message)
    }

    fn fail(&mut self, case: &Case, diagnostic: Diagnostic, add: impl FnOnce(&mut TestFailure)) {
        let mut failure = TestFailure { case: case.name.clone(), ..diagnostic.into() };
        add(&mut failure);
        self.report.failures.push(failure);
    }
}
