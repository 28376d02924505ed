//! Conditions of routes, silences, searches and rules, and Alertmanager's matchers.

use std::sync::LazyLock;

use ::rules::{Condition, RuleSet, Subject, parse_condition};
use alert::Alert;
use router::pipeline::Matcher;

use super::language::{WORDS, check_told, rule};
use crate::{Read, Target, with_text};

pub(crate) const TARGET: Target = Target { name: "condition", run, words: WORDS };

static ALERTS: LazyLock<Vec<Alert>> = LazyLock::new(|| {
    let alerts = [
        r#"{"rule":"shell","priority":"Critical","output":"o","source":"syscall","hostname":"h",
            "time":"2023-11-14T22:13:20Z","tags":["T1059"],"output_fields":{"proc.name":"sh","k8s.ns.name":"shop","fd.sport":443}}"#,
        r#"{"rule":"r","priority":"Debug","output":"","time":"2023-11-14T22:13:20Z","output_fields":{}}"#,
    ];
    let received = "2023-11-14T22:13:20Z".parse().expect("a time");
    let read = |json: &str| alert::wire::read_alert(json.as_bytes(), received).expect("an alert");
    alerts.into_iter().map(read).collect()
});

fn run(input: &[u8]) -> Read {
    with_text(input, |text| {
        let read = [condition(text), tree(text), of_events(text), matchers(text)];
        if read.contains(&Read::Taken) { Read::Taken } else { Read::Refused }
    })
}

/// What is read keeps its text, and says the same of an alert each time.
fn condition(text: &str) -> Read {
    let read = Condition::parse(text);
    match &read {
        Ok(condition) => {
            assert_eq!(condition.text(), text);
            for alert in &*ALERTS {
                let subject = Subject::new(alert);
                assert_eq!(condition.matches(&subject), condition.matches(&subject));
            }
        }
        Err(diagnostic) => check_told(std::slice::from_ref(diagnostic), &[]),
    }
    Read::of(&read)
}

/// A rule of events has more fields and fewer liberties.
fn of_events(text: &str) -> Read {
    let read = RuleSet::load(&[rule(text, "%proc.name")]);
    if let Err(errors) = &read {
        assert!(!errors.is_empty(), "refused for no reason");
        check_told(errors, &[]);
    }
    Read::of(&read)
}

/// What is printed of matchers is read again as the same ones.
fn matchers(text: &str) -> Read {
    let read = Matcher::parse_all(text);
    if let Ok(matchers) = &read {
        let written: Vec<_> = matchers.iter().map(ToString::to_string).collect();
        let again = Matcher::parse_all(&std::format!("{{{}}}", written.join(",")));
        assert_eq!(again.as_ref(), Ok(matchers), "{written:?}");
    }
    Read::of(&read)
}

/// What is printed of a condition is read again as the same one.
fn tree(text: &str) -> Read {
    let tree = match parse_condition(text) {
        Ok(tree) => tree,
        Err(fault) => {
            assert!(fault.line >= 1 && fault.column >= 1, "{fault}");
            return Read::Refused;
        }
    };
    let printed = tree.to_string();
    let again = parse_condition(&printed);
    let again = again.unwrap_or_else(|fault| panic!("{text:?} is printed as {printed:?}: {fault}"));
    assert_eq!(again.to_string(), printed, "of {text:?}");
    Read::Taken
}
