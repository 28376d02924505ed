//! `saker rules list`: which rules there are, and where they come from.

use alert::EventKind;
use rules::{Rule, RuleSet};

use super::{compile, like};
use crate::{
    args::{Format, ListArgs},
    exit::Code,
    print,
};

/// Kinds of event that are named; a rule of more is asked about nearly everything.
const KINDS_MAX: usize = 4;

pub(super) fn execute(arguments: &ListArgs) -> anyhow::Result<Code> {
    let rules = compile(&arguments.rules.sources()?)?;
    let chosen: Vec<&Rule> =
        rules.rules().iter().filter(|rule| wanted(arguments, &rules, rule)).collect();
    if arguments.format == Format::Json {
        for rule in chosen {
            print::json(&json(&rules, rule))?;
        }
        return Ok(Code::Success);
    }
    let rows: Vec<Vec<String>> = chosen.iter().map(|rule| row(&rules, rule)).collect();
    print::line(print::table(&["priority", "rule", "events", "tags", "defined in"], &rows));
    Ok(Code::Success)
}

fn wanted(arguments: &ListArgs, rules: &RuleSet, rule: &Rule) -> bool {
    let tagged = |pattern: &String| rule.tags.iter().any(|tag| like(pattern, tag));
    let asked = |kind: &String| rules.kinds(rule).iter().any(|known| known.name() == kind);
    arguments.name.as_ref().is_none_or(|pattern| like(pattern, &rule.name))
        && arguments.tag.iter().all(tagged)
        && arguments.priority.is_none_or(|priority| rule.priority >= priority)
        && arguments.source.as_ref().is_none_or(|source| rule.source == *source)
        && arguments.event.as_ref().is_none_or(asked)
}

fn row(rules: &RuleSet, rule: &Rule) -> Vec<String> {
    let kinds: Vec<&str> = rules.kinds(rule).into_iter().map(EventKind::name).collect();
    let kinds = match kinds.len() {
        0 => "none".to_owned(),
        count if count > KINDS_MAX => {
            format!("{} and {} more", kinds[..KINDS_MAX - 1].join(" "), count + 1 - KINDS_MAX)
        }
        _ => kinds.join(" "),
    };
    let (file, line) = rule.location();
    vec![
        rule.priority.to_string(),
        print::plain(&rule.name),
        kinds,
        print::plain(&rule.tags.join(" ")),
        format!("{}:{line}", print::plain(&file)),
    ]
}

fn json(rules: &RuleSet, rule: &Rule) -> serde_json::Value {
    let (file, line) = rule.location();
    serde_json::json!({
        "name": rule.name,
        "priority": rule.priority,
        "description": rule.description,
        "source": rule.source,
        "tags": rule.tags,
        "kinds": rules.kinds(rule).into_iter().map(EventKind::name).collect::<Vec<_>>(),
        "file": file,
        "line": line,
    })
}
