//! Templates people write: what compiles renders, within the destination's limit.

use templates::{Engine, Escape, Override, Part, samples};

use crate::{Read, Target, with_text};

/// The limit of the simulated destination.
const CHARS_MAX: usize = 3000;
const PART: &str = "text";

pub(crate) const TARGET: Target = Target {
    name: "template",
    run,
    words: &[
        "{{",
        "}}",
        "{{{",
        "{{#if ",
        "{{/if}}",
        "{{#each findings}}",
        "{{/each}}",
        "{{else}}",
        "{{#unless ",
        "this",
        "../",
        "@index",
        "rule",
        "output",
        "priority",
        "findings",
        "fields.",
        "(lookup ",
        "truncate ",
        "{{~",
        "~}}",
        "{{!-- ",
        "{{> ",
        "{{#with ",
        "{{/with}}",
        "\\{{",
    ],
};

/// The first byte chooses the escape.
fn run(input: &[u8]) -> Read {
    let Some((first, rest)) = input.split_first() else { return Read::Refused };
    with_text(rest, |source| check(*first, source))
}

fn check(escape: u8, source: &str) -> Read {
    let escapes = [Escape::Html, Escape::SlackMrkdwn, Escape::Markdown, Escape::Line, Escape::Text];
    let escape = escapes[escape as usize % escapes.len()];
    let part = Part { name: PART, escape, chars_max: CHARS_MAX, builtin: "{{priority}}" };
    let custom = Override {
        part: PART.to_owned(),
        file: format!("fuzz.{}.hbs", escape.extension()),
        source: source.to_owned(),
    };
    let Ok(engine) = Engine::new(&[part], &[custom]) else { return Read::Refused };
    for (name, notification) in samples::all() {
        let rendered = engine.render(&notification);
        assert!(rendered.fallbacks.is_empty(), "{name}: {:?}", rendered.fallbacks);
        assert!(rendered.parts[PART].chars().count() <= CHARS_MAX, "{name}: too long");
    }
    Read::Taken
}
