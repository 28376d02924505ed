//! Output formats of rules, and formats of alerts.

use ::rules::{Format, RuleSet};

use super::language::{Choices, WORDS, check_told, event, rule};
use crate::{Read, Target, with_text};

pub(crate) const TARGET: Target = Target { name: "output", run, words: WORDS };

fn run(input: &[u8]) -> Read {
    with_text(input, check)
}

/// What compiles prints the same of an event each time, as JSON can hold it.
fn check(text: &str) -> Read {
    let read = RuleSet::load(&[rule("evt.type = openat", text)]);
    if let Ok(loaded) = &read {
        let words = vec!["x".to_owned()];
        let event = event(&mut Choices { bytes: text.as_bytes(), words });
        for rule in loaded.rules.rules() {
            let rendered = rule.render(&event);
            assert_eq!(rendered, rule.render(&event), "of {text:?}");
            assert!(serde_json::to_string(&rendered).is_ok());
        }
    }
    let format = Format::parse(text);
    if let Err(diagnostic) = &format {
        check_told(std::slice::from_ref(diagnostic), &[]);
    }
    if read.is_ok() || format.is_ok() { Read::Taken } else { Read::Refused }
}
