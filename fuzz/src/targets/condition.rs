//! Conditions of routes, silences, searches and rules, Alertmanager's matchers, output formats.

use std::sync::LazyLock;

use ::rules::{Condition, Format, Subject, parse_condition};
use alert::Alert;
use router::pipeline::Matcher;

use crate::{Read, Target, with_text};

/// A diagnostic repeats the text's lines, and says a little of each place.
const TOLD_BYTES_MAX: usize = 1 << 20;

pub(crate) const TARGET: Target = Target {
    name: "condition",
    run,
    words: &[
        " and ",
        " or ",
        "not ",
        "(",
        ")",
        "rule",
        "priority >= ",
        "proc.name",
        "k8s.ns.name",
        " = ",
        " != ",
        " in (",
        " contains ",
        " startswith ",
        " glob ",
        " regex ",
        " exists",
        "tolower(",
        "val(",
        "'",
        "\"",
        "%evt.time",
        "%proc.aname[2]",
        "=~",
        "!~",
        "critical",
        "1.5e9",
        "[*]",
    ],
};

static ALERTS: LazyLock<Vec<Alert>> = LazyLock::new(|| {
    let alerts = [
        r#"{"rule":"shell","priority":"Critical","output":"o","source":"syscall","hostname":"h",
            "time":"2023-11-14T22:13:20Z",            "tags":["T1059"],"output_fields":{"proc.name":"sh","k8s.ns.name":"shop","fd.sport":443}}"#,
        r#"{"rule":"r","priority":"Debug","output":"","time":"2023-11-14T22:13:20Z","output_fields":{}}"#,
    ];
    let received = "2023-11-14T22:13:20Z".parse().expect("a time");
    let read = |json: &str| alert::wire::read_alert(json.as_bytes(), received).expect("an alert");
    alerts.into_iter().map(read).collect()
});

fn run(input: &[u8]) -> Read {
    with_text(input, |text| {
        let read = [condition(text), tree(text), matchers(text), format(text)];
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
        Err(diagnostic) => assert!(diagnostic.to_string().len() <= TOLD_BYTES_MAX),
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

fn format(text: &str) -> Read {
    let read = Format::parse(text);
    if let Err(diagnostic) = &read {
        assert!(diagnostic.to_string().len() <= TOLD_BYTES_MAX);
    }
    Read::of(&read)
}

/// What is printed of a condition is read again as the same one.
fn tree(text: &str) -> Read {
    let Ok(tree) = parse_condition(text) else { return Read::Refused };
    let printed = tree.to_string();
    let again = parse_condition(&printed);
    let again = again.unwrap_or_else(|fault| panic!("{text:?} is printed as {printed:?}: {fault}"));
    assert_eq!(again.to_string(), printed, "of {text:?}");
    Read::Taken
}
