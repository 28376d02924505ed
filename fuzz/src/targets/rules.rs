//! Rule files.

use ::rules::{LintOptions, RuleSet, Source, lint};

use super::language::check_told;
use crate::{Read, Target, with_text};

/// Between the files of one load.
const NEXT_FILE: &str = "\n%%%\n";

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
        "\n%%%\n",
        "\n---\n",
        "!!str ",
        "\r\n",
        "\t",
        "\u{feff}",
    ],
};

fn run(input: &[u8]) -> Read {
    with_text(input, check)
}

/// Loading, linting and testing them says where something is wrong.
fn check(text: &str) -> Read {
    let file = |(number, text): (usize, &str)| Source {
        name: format!("{number}.yaml"),
        text: text.to_owned(),
    };
    let sources: Vec<_> = text.split(NEXT_FILE).enumerate().map(file).collect();
    let read = RuleSet::load(&sources);
    match &read {
        Ok(loaded) => {
            for rule in loaded.rules.rules() {
                assert!(loaded.rules.explain(&rule.name).is_some(), "{}", rule.name);
            }
            drop(loaded.rules.matcher());
            check_told(&loaded.warnings, &sources);
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "refused for no reason");
            check_told(errors, &sources);
        }
    }
    check_told(&lint(&sources, &LintOptions { pedantic: true, ignored: Vec::new() }), &sources);
    ::rules::test(&sources);
    Read::of(&read)
}
