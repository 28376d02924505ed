//! Every lint has its page, every page its lint, and the page's examples do what it says.

use std::{collections::BTreeSet, fs, path::PathBuf};

use rules::{LintOptions, RuleSet, Source, lint, lints};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/rules/lint")
}

fn page(name: &str) -> String {
    let path = folder().join(format!("{name}.md"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the example below a heading as a rule file.
fn example(page: &str, heading: &str) -> String {
    let start = page.find(heading).unwrap_or_else(|| panic!("no {heading}"));
    let block = page[start..].split("```").nth(1).expect("an example");
    match block.split_once('\n').expect("its language and its text") {
        ("condition", text) => {
            let text = text.trim_end().replace('\n', "\n    ");
            format!(
                "- rule: Example\n  desc: An example.\n  condition: >\n    {text}\n  \
                 output: Example | command=%proc.cmdline\n  priority: NOTICE\n"
            )
        }
        (_, text) => text.to_owned(),
    }
}

fn found(text: &str, name: &str) -> bool {
    let source = Source { name: "example.yaml".to_owned(), text: text.to_owned() };
    if let Err(errors) = RuleSet::load(std::slice::from_ref(&source)) {
        panic!("{name}: {}", errors[0]);
    }
    let options = LintOptions { pedantic: true, ..LintOptions::default() };
    let code = lints().iter().find(|lint| lint.name == name).expect("a lint").code;
    lint(&[source], &options).iter().any(|diagnostic| diagnostic.code == code)
}

#[test]
fn every_lint_has_a_page_and_every_page_a_lint() {
    let pages = fs::read_dir(folder()).expect("the folder is there");
    let pages: BTreeSet<String> = pages
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a text"))
        .filter(|name| name != "README.md")
        .collect();
    let expected: BTreeSet<String> =
        lints().iter().map(|lint| format!("{}.md", lint.name)).collect();
    assert_eq!(pages, expected);
}

#[test]
fn every_page_begins_with_its_name_code_and_group() {
    for lint in lints() {
        let group = if lint.pedantic { "Pedantic: runs when asked for." } else { "On by default." };
        let wanted = format!("# {}\n\n`{}`. {group}\n", lint.name, lint.code.name());
        assert!(page(lint.name).starts_with(&wanted), "{}", lint.name);
        let code = format!("SAKER_LINT_{}", lint.name.to_uppercase().replace('-', "_"));
        assert_eq!(lint.code.name(), code);
    }
}

#[test]
fn every_bad_example_is_found_and_every_good_one_is_not() {
    for lint in lints() {
        let page = page(lint.name);
        assert!(found(&example(&page, "## Bad"), lint.name), "{}: bad is not found", lint.name);
        assert!(!found(&example(&page, "## Good"), lint.name), "{}: good is found", lint.name);
    }
}

#[test]
fn a_comment_silences_every_lint_but_that_of_comments() {
    for lint in lints().iter().filter(|lint| lint.name != "unused-silence") {
        let mark = format!("# saker-lint: ignore {} (shown in the manual)\n", lint.name);
        let bad = example(&page(lint.name), "## Bad");
        // Above every item, since the last of several rules may be the one that is told.
        let silenced: String = bad
            .split_inclusive('\n')
            .flat_map(|line| if line.starts_with("- ") { [&*mark, line] } else { ["", line] })
            .collect();
        assert!(!found(&silenced, lint.name), "{}", lint.name);
    }
}

#[test]
fn an_ignored_lint_does_not_run() {
    for name in lints().iter().filter(|lint| !lint.pedantic).map(|lint| lint.name) {
        let bad = example(&page(name), "## Bad");
        let source = Source { name: "example.yaml".to_owned(), text: bad };
        let options = LintOptions { ignored: vec![name.to_owned()], ..LintOptions::default() };
        let code = lints().iter().find(|lint| lint.name == name).expect("a lint").code;
        assert!(lint(&[source], &options).iter().all(|found| found.code != code), "{name}");
    }
}

#[test]
fn the_index_is_current() {
    let mut text = String::from(
        "# Lints\n\nWhat is valid in a rule file and yet hardly what its author meant. This page is \
         written from the source; do not edit it.\n\n\
         `saker rules lint` runs them. A finding is silenced where it stands:\n\n\
         ```yaml\n# saker-lint: ignore forgeable-exception (the name is all we have)\n\
         - rule: Shadow file read\n  # …\n```\n\n\
         The comment stands in the item or above it, names one lint or several with commas between \
         them, and ends with the reason in parentheses. \
         It covers what is found in that item only: a macro has silences of its own.\n\n\
         | lint | meaning | runs |\n| --- | --- | --- |\n",
    );
    for lint in lints() {
        let runs = if lint.pedantic { "when asked for" } else { "by default" };
        text += &format!("| [{0}]({0}.md) | {1} | {runs} |\n", lint.name, lint.code.meaning());
    }
    expect_test::expect_file!["../../docs/rules/lint/README.md"].assert_eq(&text);
}
