//! What loading tells in Falco's shape, and what options make of rules.

use expect_test::{Expect, expect};
use rules::{LoadOptions, Pick, RuleSet, Selection, Source};

fn source(name: &str, text: &str) -> Source {
    Source { name: name.to_owned(), text: text.to_owned() }
}

fn rule(name: &str, more: &str) -> String {
    format!(
        "- rule: {name}\n  desc: d\n  output: o\n  priority: NOTICE\n  \
         condition: evt.type = execve\n{more}"
    )
}

fn check_json(text: &str, expect: Expect) {
    let report = RuleSet::load_with(&[source("my.yaml", text)], &LoadOptions::default());
    expect.assert_eq(&serde_json::to_string_pretty(&report).expect("JSON"));
}

#[test]
fn a_problem_is_told_with_the_items_around_it() {
    check_json(
        "- macro: m\n  condition: proc.nmae = x\n\
         - rule: é\n  desc: d\n  output: o\n  priority: NOTICE\n  condition: evt.type = execve and m\n",
        expect![[r#"
            {
              "falco_load_results": [
                {
                  "name": "my.yaml",
                  "successful": false,
                  "schema_valid": true,
                  "schema_warnings": [],
                  "errors": [
                    {
                      "code": "LOAD_ERR_COMPILE_CONDITION",
                      "codedesc": "A condition cannot be compiled.",
                      "message": "unknown field `proc.nmae`; did you mean `proc.name`?",
                      "context": {
                        "locations": [
                          {
                            "item_type": "rules content",
                            "item_name": "",
                            "position": {
                              "name": "my.yaml",
                              "line": 0,
                              "column": 0,
                              "offset": 0
                            }
                          },
                          {
                            "item_type": "macro",
                            "item_name": "m",
                            "position": {
                              "name": "my.yaml",
                              "line": 0,
                              "column": 2,
                              "offset": 2
                            }
                          },
                          {
                            "item_type": "macro condition",
                            "item_name": "",
                            "position": {
                              "name": "my.yaml",
                              "line": 1,
                              "column": 13,
                              "offset": 24
                            }
                          },
                          {
                            "item_type": "condition expression",
                            "item_name": "",
                            "position": {
                              "name": "my.yaml",
                              "line": 1,
                              "column": 13,
                              "offset": 24
                            }
                          }
                        ],
                        "snippet": "  condition: proc.nmae = x\n             ^\n"
                      }
                    }
                  ],
                  "warnings": []
                }
              ]
            }"#]],
    );
}

#[test]
fn each_file_has_its_own_result() {
    let sources = [source("good.yaml", &rule("a", "")), source("bad.yaml", "- rule: b\n")];
    let mut report = RuleSet::load_with(&sources, &LoadOptions::default());
    let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
    report.add_unreadable("none.yaml", &missing);
    let told: Vec<_> = report
        .files
        .iter()
        .map(|file| {
            let codes: Vec<_> = file.errors.iter().map(|error| error.code.name()).collect();
            format!("{} {} {}", file.name, file.successful(), codes.join(" "))
        })
        .collect();
    expect![[r#"
        good.yaml true 
        bad.yaml false LOAD_ERR_YAML_VALIDATE
        none.yaml false LOAD_ERR_FILE_READ"#]]
    .assert_eq(&told.join("\n"));
    assert!(!report.successful());
}

/// Returns the names of the rules in the set, and the codes of warnings.
fn kept(options: &LoadOptions) -> String {
    let text = rule("shell in pod", "  tags: [pod, shell]\n")
        + &rule("shell on host", "  tags: [host, shell]\n  enabled: false\n")
        + &rule("noise", "  tags: [host]\n").replace("NOTICE", "DEBUG");
    let loaded = RuleSet::load_with(&[source("f", &text)], options).into_result().expect("rules");
    let names = loaded.rules.rules().iter().map(|rule| rule.name.clone());
    let codes = loaded.warnings.iter().map(|warning| warning.code.name().to_owned());
    names.chain(codes).collect::<Vec<_>>().join(", ")
}

#[test]
fn choices_beat_the_files_and_a_later_one_an_earlier_one() {
    let rule = |pattern: &str| Pick::Rule(pattern.to_owned());
    let tag = |tag: &str| Pick::Tag(tag.to_owned());
    for (selections, expected) in [
        (vec![], "shell in pod, noise"),
        (vec![Selection::Disable(rule("*"))], ""),
        (
            vec![Selection::Disable(rule("*")), Selection::Enable(tag("shell"))],
            "shell in pod, shell on host",
        ),
        (
            vec![Selection::Enable(tag("shell")), Selection::Disable(rule("*pod"))],
            "shell on host, noise",
        ),
        (vec![Selection::Enable(rule("shell"))], "shell in pod, noise, SAKER_SELECTION_UNUSED"),
        (vec![Selection::Disable(tag("nothing"))], "shell in pod, noise, SAKER_SELECTION_UNUSED"),
    ] {
        let options = LoadOptions { selections, ..LoadOptions::default() };
        assert_eq!(kept(&options), expected, "{options:?}");
    }
}

#[test]
fn less_severe_rules_are_left_out_but_their_faults_told() {
    let options =
        LoadOptions { priority_min: Some(alert::Priority::Notice), ..LoadOptions::default() };
    assert_eq!(kept(&options), "shell in pod");
    let faulty = rule("r", "").replace("NOTICE", "DEBUG").replace("execve", "execve and (");
    assert!(!RuleSet::load_with(&[source("f", &faulty)], &options).successful());
}
