//! Stands in for `Condition::matches` until it is landed.

use alert::Priority;
use rules::{Condition, Subject};

pub(super) fn holds(condition: &Condition, subject: &Subject<'_>) -> bool {
    condition.text().split(" and ").all(|term| {
        if let Some((name, value)) = term.split_once(">=") {
            return match name.trim() {
                "priority" => {
                    value.trim().parse::<Priority>().is_ok_and(|min| subject.alert.priority >= min)
                }
                "score" => subject.score >= value.trim().parse().ok(),
                _ => subject.count >= value.trim().parse().ok(),
            };
        }
        term.split_once('=').is_some_and(|(name, value)| match name.trim() {
            "rule" => subject.alert.rule == value.trim().trim_matches('"'),
            name => subject.alert.text(name) == Some(value.trim()),
        })
    })
}
