//! Whether a call that failed can be of interest.

use alert::EventKind;

use super::{compile::Parts, conditions::Conditions, draft};
use crate::RuleSet;

impl RuleSet {
    /// Returns whether a rule can match a call of this kind that failed.
    pub(crate) fn wants_failures(&self, kind: EventKind) -> bool {
        let parts = Parts::new(self.graph(), kind, &self.program().conditions(kind));
        let by_result = draft::result(&Conditions::new(kind, self.graph(), &parts.roots));
        by_result.is_none_or(|rules| {
            let mut failures = rules.ranges.iter().filter(|(first, _)| *first < 0);
            failures.any(|(_, possible)| possible.iter().any(|word| *word != 0))
        })
    }
}

#[cfg(test)]
mod tests {
    use alert::EventKind;

    use crate::{RuleSet, Source};

    fn failures(conditions: &[&str]) -> Vec<EventKind> {
        let rule = |(number, condition): (usize, &&str)| {
            format!(
                "- {{rule: r{number}, desc: d, priority: INFO, output: o, condition: '{condition}'}}\n"
            )
        };
        let text = conditions.iter().enumerate().map(rule).collect();
        let source = Source { name: "t".to_owned(), text };
        RuleSet::load(&[source]).expect("rules").rules.requirements().failures
    }

    #[test]
    fn a_rule_that_asks_for_success_wants_no_failures() {
        for condition in [
            "evt.type in (execve, clone) and evt.rawres >= 0",
            "evt.type in (execve, clone) and evt.res = SUCCESS and proc.name = a",
            "evt.type in (execve, clone) and not evt.failed = true",
            "(evt.type = execve and evt.rawres = 0) or (evt.type = clone and evt.rawres > 0)",
        ] {
            assert_eq!(failures(&[condition]), [], "{condition}");
        }
    }

    #[test]
    fn one_rule_that_can_match_a_failure_is_enough() {
        use EventKind::{Clone, Execve};
        let started = "evt.type in (execve, clone) and evt.rawres >= 0";
        for (condition, wanted) in [
            ("evt.type = execve", &[Execve][..]),
            ("evt.type = execve and evt.res = ENOENT", &[Execve]),
            ("evt.type in (execve, clone) and proc.name = a", &[Execve, Clone]),
            ("evt.type = clone and (evt.rawres = 0 or proc.name = a)", &[Clone]),
            ("evt.type = clone and evt.rawres < -1", &[Clone]),
        ] {
            assert_eq!(failures(&[started, condition]), wanted, "{condition}");
        }
    }

    #[test]
    fn no_rules_want_nothing() {
        assert_eq!(failures(&[]), []);
    }
}
