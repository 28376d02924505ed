//! Every example in the manual of the rule language is read, so that none is wrong.

use std::{fs, path::PathBuf};

use rules::{RuleSet, Source};

/// Returns the pages with their names.
fn pages() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/rules");
    let entries = fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let pages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut pages: Vec<_> = pages
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("a text")))
        .collect();
    pages.sort();
    pages
}

/// Returns the language and text of every fenced block.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let blocks = page.split("```").skip(1).step_by(2);
    blocks.filter_map(|block| block.split_once('\n')).collect()
}

#[test]
fn every_rule_file_in_the_manual_loads() {
    let mut seen = 0;
    for (name, page) in pages() {
        for (_, text) in blocks(&page).into_iter().filter(|(language, _)| *language == "yaml") {
            let source = Source { name: name.clone(), text: text.to_owned() };
            if let Err(errors) = RuleSet::load(&[source]) {
                panic!("{}\nin\n{text}", errors[0]);
            }
            seen += 1;
        }
    }
    assert!(seen >= 3, "the manual has examples");
}

#[test]
fn every_test_in_the_manual_that_stands_beside_its_rule_holds() {
    let mut cases = 0;
    for (name, page) in pages() {
        for (_, text) in blocks(&page).into_iter().filter(|(language, _)| *language == "yaml") {
            if !text.contains("- rule:") {
                continue;
            }
            let report = rules::test(&[Source { name: name.clone(), text: text.to_owned() }]);
            assert!(report.passed(), "{}\nin\n{text}", report.failures[0]);
            cases += report.cases;
        }
    }
    assert!(cases >= 3, "the manual has tests");
}

#[test]
fn the_error_that_the_manual_shows_is_the_one_told() {
    let (_, page) = pages().into_iter().find(|(name, _)| name.ends_with("README.md")).expect("it");
    let of = |wanted: &str| {
        let block = blocks(&page).into_iter().find(|(language, _)| *language == wanted);
        block.expect("an example").1.to_owned()
    };
    let text = of("yaml").replacen("fd.name", "fd.nmae", 1);
    let errors = RuleSet::load(&[Source { name: "my-rules.yaml".to_owned(), text }])
        .expect_err("the field does not exist");
    assert_eq!(errors[0].to_string().trim_end(), of("text").trim_end());
}

#[test]
fn every_condition_in_the_manual_compiles() {
    let mut seen = 0;
    for (name, page) in pages() {
        for (_, text) in blocks(&page).into_iter().filter(|(language, _)| *language == "condition")
        {
            for condition in text.lines().filter(|line| !line.trim().is_empty()) {
                let condition = condition.split("   #").next().unwrap_or_default();
                let text = format!(
                    "- rule: R\n  desc: d\n  condition: |\n    {condition}\n  \
                     output: \"%proc.name\"\n  priority: NOTICE\n"
                );
                let source = Source { name: name.clone(), text };
                if let Err(errors) = RuleSet::load(&[source]) {
                    panic!("{}", errors[0]);
                }
                seen += 1;
            }
        }
    }
    assert!(seen >= 1, "the manual has examples");
}

#[test]
fn every_block_says_what_it_is() {
    for (name, page) in pages() {
        for (language, text) in blocks(&page) {
            assert!(
                // `yml` is configuration, which is not of this crate; `yaml builtin` changes our rules.
                ["yaml", "yaml builtin", "yml", "condition", "sh", "text", "json"]
                    .contains(&language),
                "{name}: a block says `{language}`:\n{text}"
            );
        }
    }
}
