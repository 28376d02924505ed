//! Rule files.

use ::rules::{RuleSet, Source};

use crate::{Read, Target, with_text};

const TOLD_BYTES_MAX: usize = 1 << 20;

pub(crate) const TARGET: Target = Target {
    name: "rules",
    run,
    words: &[
        "- rule: r\n",
        "  desc: d\n",
        "  condition: ",
        "  output: \"%proc.name\"\n",
        "  priority: NOTICE\n",
        "- macro: m\n",
        "- list: l\n",
        "  items: [a, b]\n",
        "  append: true\n",
        "  override:\n",
        "  exceptions:\n",
        "  - name: e\n",
        "    fields: [proc.name]\n",
        "    comps: [=]\n",
        "    values:\n",
        "  tags: [T1059]\n",
        "  enabled: false\n",
        "- required_engine_version: 0.50.0\n",
        "evt.type = execve",
        " and ",
        " or ",
        "not ",
        "(m)",
        " in (l)",
        "&a",
        "*a",
        "<<: ",
        "|\n",
        ">\n",
    ],
};

fn run(input: &[u8]) -> Read {
    with_text(input, check)
}

fn check(text: &str) -> Read {
    let source = Source { name: "fuzz.yaml".to_owned(), text: text.to_owned() };
    let read = RuleSet::load(&[source]);
    let told = match &read {
        Ok(loaded) => {
            drop(loaded.rules.matcher());
            &loaded.warnings
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "refused for no reason");
            errors
        }
    };
    for diagnostic in told {
        assert!(diagnostic.to_string().len() <= TOLD_BYTES_MAX);
    }
    Read::of(&read)
}
