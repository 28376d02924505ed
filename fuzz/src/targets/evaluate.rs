//! A condition, a line `---`, and bytes that events are made of.

use ::rules::RuleSet;

use super::language::{Choices, RULE, WORDS, event, rule, words};
use crate::{Read, Target, with_text};

const EVENTS: usize = 3;

pub(crate) const TARGET: Target = Target { name: "evaluate", run, words: WORDS };

fn run(input: &[u8]) -> Read {
    with_text(input, check)
}

/// The matcher says of every event what a plain walk over the condition says.
fn check(text: &str) -> Read {
    let (condition, rest) = text.split_once("\n---\n").unwrap_or((text, ""));
    let read = RuleSet::load(&[rule(condition, "%proc.name")]);
    if let Ok(loaded) = &read {
        let mut matcher = loaded.rules.matcher();
        let mut choices = Choices { bytes: rest.as_bytes(), words: words(condition) };
        for _ in 0..EVENTS {
            let event = event(&mut choices);
            let mut matched = false;
            matcher.matches(&event, &mut |_| matched = true);
            let plain = loaded.rules.trace(RULE, &event).is_some_and(|trace| trace.matches);
            assert_eq!(matched, plain, "{condition}\n{event:?}");
        }
    }
    Read::of(&read)
}
