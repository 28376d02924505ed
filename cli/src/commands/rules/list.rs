//! `saker rules list`: which rules there are, and where they come from.

use alert::EventKind;
use rules::{LoadOptions, Rule, RuleSet};

use super::{everything, like, load};
use crate::{
    args::{Format, ListArgs},
    exit::Code,
    print,
};

/// Kinds of event that are named; a rule of more is asked about nearly everything.
const KINDS_MAX: usize = 4;

pub(super) fn execute(arguments: &ListArgs) -> anyhow::Result<Code> {
    let sources = arguments.rules.sources()?;
    let (_, disabled) = load(&sources, &LoadOptions::default())?;
    let is_enabled = |rule: &Rule| disabled.iter().all(|off| off.name != rule.name);
    // What a rule that is switched off would ask is known of a set in which it is not.
    let (rules, _) = load(&sources, &everything())?;
    let chosen = rules.rules().iter().filter(|rule| wanted(arguments, &rules, rule));
    let chosen: Vec<(&Rule, bool)> = chosen.map(|rule| (rule, is_enabled(rule))).collect();
    if arguments.format == Format::Json {
        for (rule, enabled) in chosen {
            print::json(&json(&rules, rule, enabled))?;
        }
        return Ok(Code::Success);
    }
    let rows: Vec<Vec<String>> =
        chosen.iter().map(|(rule, enabled)| row(&rules, rule, *enabled)).collect();
    print::line(print::table(&["", "priority", "rule", "events", "tags", "defined in"], &rows));
    let off = chosen.iter().filter(|(_, enabled)| !enabled).count();
    print::note(format_args!("\n{}, {off} of them off", print::counted(chosen.len(), "rule")));
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

fn row(rules: &RuleSet, rule: &Rule, enabled: bool) -> Vec<String> {
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
        if enabled { "on" } else { "off" }.to_owned(),
        rule.priority.to_string(),
        print::plain(&rule.name),
        kinds,
        print::plain(&rule.tags.join(" ")),
        format!("{}:{line}", print::plain(&file)),
    ]
}

fn json(rules: &RuleSet, rule: &Rule, enabled: bool) -> serde_json::Value {
    let (file, line) = rule.location();
    serde_json::json!({
        "name": rule.name,
        "enabled": enabled,
        "priority": rule.priority,
        "description": rule.description,
        "source": rule.source,
        "tags": rule.tags,
        "exceptions": rule.exceptions,
        "kinds": rules.kinds(rule).into_iter().map(EventKind::name).collect::<Vec<_>>(),
        "file": file,
        "line": line,
    })
}
