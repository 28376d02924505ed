//! Every rule of ours has its runbook, every runbook its rule, and what a runbook says to add loads.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc};

use rules::{Rule, RuleSet, Source, builtin};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/runbooks/rules")
}

/// Returns the file name of a rule's runbook, without its ending.
fn slug(rule: &str) -> String {
    let mut slug = String::new();
    for letter in rule.to_lowercase().chars().filter(|letter| *letter != '\'') {
        match letter.is_ascii_alphanumeric() {
            true => slug.push(letter),
            false => slug.push('-'),
        }
    }
    slug
}

fn loaded() -> Arc<RuleSet> {
    RuleSet::load(&builtin()).expect("our own rules").rules
}

fn page(rule: &Rule) -> String {
    let path = folder().join(format!("{}.md", slug(&rule.name)));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_rule_has_a_runbook_and_every_runbook_a_rule() {
    let pages = fs::read_dir(folder()).expect("the folder is there");
    let pages: BTreeSet<String> = pages
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a text"))
        .collect();
    let rules = loaded();
    let expected = rules.rules().iter().map(|rule| format!("{}.md", slug(&rule.name))).collect();
    assert_eq!(pages, expected);
}

#[test]
fn every_runbook_says_what_it_means_how_to_see_and_what_to_do() {
    for rule in loaded().rules() {
        let page = page(rule);
        let name = &rule.name;
        assert!(page.starts_with(&format!("# {name}\n\n## What it means\n\n")), "{name}");
        let parts: Vec<&str> = page.split("\n## ").skip(1).collect();
        let headings: Vec<&str> = parts.iter().filter_map(|part| part.lines().next()).collect();
        assert_eq!(headings, ["What it means", "Verify", "Do", "False positives"], "{name}");
        for part in parts {
            assert!(part.lines().skip(1).any(|line| !line.is_empty()), "{name}: {part}");
        }
    }
}

#[test]
fn every_link_of_a_runbook_leads_somewhere() {
    for rule in loaded().rules() {
        for link in page(rule).split("](").skip(1).filter_map(|rest| rest.split_once(')')) {
            assert!(folder().join(link.0).exists(), "{}: {}", rule.name, link.0);
        }
    }
}

#[test]
fn the_exceptions_runbooks_show_load() {
    let mut sources = builtin();
    for rule in loaded().rules() {
        let page = page(rule);
        let text = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
        let text = text.unwrap_or_else(|| panic!("{}: no exception", rule.name)).to_owned();
        assert!(text.starts_with(&format!("- rule: {}\n", rule.name)), "{text}");
        sources.push(Source { name: slug(&rule.name), text });
    }
    match RuleSet::load(&sources) {
        Ok(loaded) => assert!(loaded.warnings.is_empty(), "{}", loaded.warnings[0]),
        Err(errors) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            panic!("{}", errors.join("\n"));
        }
    }
}

#[test]
fn what_the_manual_changes_of_our_rules_loads() {
    let path = folder().join("../../rules/using-builtin.md");
    let page = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}"));
    let blocks: Vec<&str> = page.split("```yaml builtin\n").skip(1).collect();
    assert!(blocks.len() >= 2, "the page has examples");
    for block in blocks {
        let text = block.split("```").next().expect("an end").to_owned();
        let mut sources = builtin();
        sources.push(Source { name: "using-builtin.md".to_owned(), text });
        if let Err(errors) = RuleSet::load(&sources) {
            panic!("{}", errors[0]);
        }
    }
}

#[test]
fn the_list_of_rules_is_current() {
    let rules = loaded();
    let mut text = format!(
        "# Built-in rules\n\nThe {} rules that Saker brings. This page is written from the source; \
         do not edit it. How they are to be used is in [using the built-in \
         rules](using-builtin.md).\n",
        rules.rules().len()
    );
    let mut file = String::new();
    for rule in rules.rules() {
        let (name, _) = rule.location();
        if name != file {
            let title = name.trim_start_matches("builtin/").trim_end_matches(".yaml");
            text += &format!(
                "\n## {title}\n\n| rule | priority | events | tags |\n| --- | --- | --- | --- |\n"
            );
            file = name;
        }
        let kinds: Vec<&str> = rules.kinds(rule).iter().map(|kind| kind.name()).collect();
        text += &format!(
            "| [{}](../runbooks/rules/{}.md) | {} | {} | {} |\n",
            rule.name,
            slug(&rule.name),
            rule.priority,
            kinds.join(" "),
            rule.tags.join(" "),
        );
    }
    expect_test::expect_file!["../../docs/rules/builtin.md"].assert_eq(&text);
}
