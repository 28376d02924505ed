//! `saker rules explain`: what a rule asks, and why an event matched it or did not.

use rules::{Explanation, KernelPlan, KindPlan, Lifetime, LoadOptions, RuleSet, Trace};

use super::{
    events::{self, Named},
    everything, load, with_builtin,
};
use crate::{
    args::{ExplainRuleArgs, Format},
    exit::{Code, fail},
    print,
};

pub(super) fn execute(arguments: &ExplainRuleArgs) -> anyhow::Result<Code> {
    let sources = with_builtin(&arguments.rules, arguments.builtin)?;
    let (_, disabled) = load(&sources, &LoadOptions::default())?;
    let is_disabled = disabled.iter().any(|rule| rule.name == arguments.rule);
    let (rules, _) = load(&sources, &everything())?;
    let Some(explanation) = rules.explain(&arguments.rule) else {
        return Err(fail(Code::NotFound, unknown(&rules, &arguments.rule)));
    };
    let Some(path) = &arguments.event else {
        match arguments.format {
            Format::Json => print::json(&serde_json::json!({
                "enabled": !is_disabled,
                "explanation": explanation,
                "plan": rules.plan(&arguments.rule),
                "kernel_filter": rules.kernel_plan(&arguments.rule),
            }))?,
            Format::Text => {
                print::line(text(&explanation, is_disabled));
                if let Some(plan) = rules.plan(&arguments.rule) {
                    plan.kinds.iter().for_each(|kinds| print::line(plan_text(kinds)));
                }
                let kernel = rules.kernel_plan(&arguments.rule);
                kernel.iter().flatten().for_each(|plan| print::line(kernel_text(plan)));
            }
        }
        return Ok(Code::Success);
    };
    let events = events::read(path)?;
    let chosen = match (arguments.index, &events[..]) {
        (None, []) => return Err(fail(Code::Invalid, "there is no event in it")),
        (None, [only]) => Some(only),
        (None, _) => None,
        (Some(index), events) => match index.checked_sub(1).and_then(|at| events.get(at)) {
            Some(event) => Some(event),
            None => {
                let message = format!("there is no event {index}, only 1 to {}", events.len());
                return Err(fail(Code::NotFound, message));
            }
        },
    };
    match chosen {
        Some(named) => one(&rules, arguments, named),
        None => many(&rules, arguments, &events),
    }
}

fn unknown(rules: &RuleSet, name: &str) -> String {
    let lower = name.to_lowercase();
    let near = rules.rules().iter().find(|rule| rule.name.to_lowercase().contains(&lower));
    match near {
        Some(rule) => format!("no rule is called `{name}`; did you mean `{}`?", rule.name),
        None => format!("no rule is called `{name}`; `saker rules list` shows them"),
    }
}

/// Shows one event in full; the answer is the exit code.
fn one(rules: &RuleSet, arguments: &ExplainRuleArgs, named: &Named) -> anyhow::Result<Code> {
    let Some(trace) = rules.trace(&arguments.rule, &named.event) else {
        return Err(fail(Code::NotFound, unknown(rules, &arguments.rule)));
    };
    match arguments.format {
        Format::Json => print::json(&trace)?,
        Format::Text => {
            print::line(trace.condition_text());
            print::line(format_args!("\n{}", verdict(&trace, named)));
        }
    }
    Ok(if trace.matches { Code::Success } else { Code::Failure })
}

fn verdict(trace: &Trace, named: &Named) -> String {
    let answer = if trace.matches { "matches" } else { "does not match" };
    let path = match trace.path {
        "resolved" => " by the path the kernel resolved",
        _ => "",
    };
    let decided = trace.decided_by.join("\n  ");
    let event = named.name.as_deref().map_or_else(|| "the event".to_owned(), print::plain);
    format!(
        "`{}` {answer} {event}{path}. It was decided by:\n  {}",
        print::plain(&trace.rule),
        decided
    )
}

/// Shows a line for each event.
fn many(rules: &RuleSet, arguments: &ExplainRuleArgs, events: &[Named]) -> anyhow::Result<Code> {
    let mut rows = Vec::new();
    let mut matched = 0;
    for (index, named) in events.iter().enumerate() {
        let Some(trace) = rules.trace(&arguments.rule, &named.event) else { continue };
        matched += usize::from(trace.matches);
        let kind = named.event.kind.name();
        if arguments.format == Format::Json {
            print::json(&serde_json::json!({
                "index": index + 1,
                "name": named.name,
                "kind": kind,
                "process": named.event.process.name,
                "matches": trace.matches,
                "decided_by": trace.decided_by,
            }))?;
            continue;
        }
        rows.push(vec![
            (index + 1).to_string(),
            kind.to_owned(),
            print::plain(&named.event.process.name),
            if trace.matches { "matches".to_owned() } else { "no".to_owned() },
            decided(&trace),
            named.name.as_deref().map(print::plain).unwrap_or_default(),
        ]);
    }
    if arguments.format == Format::Text {
        let head = ["index", "event", "process", "answer", "decided by", "name"];
        print::line(print::table(&head, &rows));
        print::line(format_args!(
            "\n{matched} of {} events match; --index shows one in full",
            events.len()
        ));
    }
    Ok(if matched > 0 { Code::Success } else { Code::Failure })
}

/// What of a check is shown on an event's line.
const SHOWN_CHARACTERS_MAX: usize = 60;

/// Names the check that keeps the event from matching; for one that matches, all of them do.
fn decided(trace: &Trace) -> String {
    let (false, Some(first)) = (trace.matches, trace.decided_by.first()) else {
        return String::new();
    };
    let text = shortened(first);
    match trace.decided_by.len() {
        1 => text,
        count => format!("{text} and {} more", count - 1),
    }
}

fn shortened(check: &str) -> String {
    let mut text: String = check.chars().take(SHOWN_CHARACTERS_MAX).collect();
    if text.len() < check.len() {
        text.push('…');
    }
    text
}

fn text(explanation: &Explanation, is_disabled: bool) -> String {
    let mut lines = vec![
        format!("{} ({})", print::plain(&explanation.rule), explanation.priority),
        format!("  {}", print::plain(&explanation.description)),
        String::new(),
        format!("defined in   {}:{}", print::plain(&explanation.file), explanation.line),
        format!("source       {}", print::plain(&explanation.source)),
        format!("events       {}", explanation.kinds.join(" ")),
    ];
    if is_disabled {
        lines.push("state        off, by `enabled: false`".to_owned());
    }
    for (index, hook) in hooks(explanation).into_iter().enumerate() {
        lines.push(format!("{:<12} {hook}", if index == 0 { "hooks" } else { "" }));
    }
    for (index, tag) in explanation.tags.iter().enumerate() {
        let name = if index == 0 { "tags" } else { "" };
        lines.push(match attack(tag) {
            Some(page) => format!("{name:<12} {}   {page}", print::plain(tag)),
            None => format!("{name:<12} {}", print::plain(tag)),
        });
    }
    if !explanation.exceptions.is_empty() {
        let names = print::plain(&explanation.exceptions.join(", "));
        lines.push(format!("exceptions   {names}   to append values to"));
    }
    lines.push("\ncondition, with its macros and lists".to_owned());
    lines.extend(
        explanation.condition_text().lines().map(|line| format!("  {}", print::plain(line))),
    );
    let rows: Vec<Vec<String>> = explanation
        .fields
        .iter()
        .map(|field| {
            let used = match (field.in_condition, field.in_output) {
                (true, true) => "condition, output",
                (true, false) => "condition",
                _ => "output",
            };
            vec![print::plain(&field.name), used.to_owned(), field.from.to_owned()]
        })
        .collect();
    lines.push(format!("\n{}", print::table(&["field", "read by", "known from"], &rows)));
    lines.join("\n")
}

/// Tells how the rule is matched with events of some kinds: what it costs and how long answers are
/// kept.
fn plan_text(plan: &KindPlan) -> String {
    let kept = |lifetime: Lifetime| match lifetime {
        Lifetime::Process => "process",
        Lifetime::Event => "event",
        Lifetime::Path => "path",
    };
    let rows: Vec<Vec<String>> = plan
        .predicates
        .iter()
        .map(|predicate| {
            vec![
                format!("{:.0}", predicate.cost_ns),
                kept(predicate.kept).to_owned(),
                predicate.index.unwrap_or("-").to_owned(),
                print::plain(&shortened(&predicate.predicate)),
            ]
        })
        .collect();
    let head = ["ns", "kept for a", "index", "predicate"];
    format!("\nmatched with {}\n{}", plan.kinds.join(" "), print::table(&head, &rows))
}

/// Tells which events of some kinds the kernel leaves out because this rule cannot match them.
fn kernel_text(plan: &KernelPlan) -> String {
    let mut text = format!("\nkernel filter for {}\n", plan.kinds.join(" "));
    if plan.always {
        text.push_str("  every event is told of: without these nothing else can be understood");
    } else if plan.looks_at.is_empty() && plan.paths.is_empty() {
        text.push_str("  undecided: the rule is possible whatever the kernel sees of the event");
    } else {
        text.push_str(&format!("  rules it out by: {}", plan.looks_at.join(", ")));
        if !plan.paths.is_empty() {
            let separator = if plan.looks_at.is_empty() { "" } else { ", " };
            text.push_str(&format!("{separator}a path of which none of these holds"));
        }
        for path in &plan.paths {
            text.push_str(&format!("\n    {}", print::plain(&shortened(path))));
        }
    }
    text
}

/// Returns where the kernel shows the rule's events.
fn hooks(explanation: &Explanation) -> Vec<String> {
    let kinds = explanation.kinds.iter().filter_map(|kind| alert::EventKind::from_name(kind));
    let needs = agent::hooks(&kinds.collect::<Vec<_>>());
    needs
        .into_iter()
        .map(|need| {
            let mut text = match (need.trampoline, need.tracepoint) {
                (Some(function), Some(point)) => format!("trampoline {function}, else {point}"),
                (None, Some(point)) => format!("tracepoint {point}"),
                (_, None) => "no sensor reports them".to_owned(),
            };
            if let Some(point) = need.io_uring {
                text.push_str(&format!(", and {point}"));
            }
            format!("{text} ({})", need.kinds.join(" "))
        })
        .collect()
}

/// Returns the page of an ATT&CK technique, which a tag like `T1059.004` names.
fn attack(tag: &str) -> Option<String> {
    let id = tag.strip_prefix(['T', 't'])?;
    let (technique, sub) = id.split_once('.').map_or((id, None), |(id, sub)| (id, Some(sub)));
    let digits = |text: &str, count: usize| {
        text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !digits(technique, 4) || sub.is_some_and(|sub| !digits(sub, 3)) {
        return None;
    }
    let sub = sub.map(|sub| format!("{sub}/")).unwrap_or_default();
    Some(format!("https://attack.mitre.org/techniques/T{technique}/{sub}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_leaves_out_is_told_for_each_sort_of_event() {
        let plan = |always, looks_at: &[&'static str], paths: &[&str]| KernelPlan {
            kinds: vec!["open", "openat"],
            always,
            looks_at: looks_at.to_vec(),
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        };
        for (plan, expected) in [
            (plan(true, &[], &[]), "  every event is told of"),
            (plan(false, &[], &[]), "  undecided"),
            (plan(false, &["result"], &[]), "  rules it out by: result"),
            (
                plan(false, &["result"], &["fd.name = /a\u{1b}"]),
                "  rules it out by: result, a path of which none of these holds\n    fd.name = /a",
            ),
            (plan(false, &[], &["fd.name = /a"]), "  rules it out by: a path of which none"),
        ] {
            let text = kernel_text(&plan);
            assert!(text.starts_with("\nkernel filter for open openat\n"), "{text}");
            assert!(text.contains(expected) && !text.contains('\u{1b}'), "{text}");
        }
    }

    #[test]
    fn a_technique_has_its_page_and_another_tag_none() {
        let page = |tag| attack(tag).unwrap_or_default();
        assert_eq!(page("T1059.004"), "https://attack.mitre.org/techniques/T1059/004/");
        assert_eq!(page("T1003"), "https://attack.mitre.org/techniques/T1003/");
        for tag in ["mitre_execution", "T10", "T1059.4", "TTPs", "", "T1059.abc"] {
            assert_eq!(page(tag), "", "{tag}");
        }
    }
}
