//! `saker rules import`: what rules written for Falco would do here.

use std::{
    collections::BTreeMap,
    io::IsTerminal,
    path::{Path, PathBuf},
};

use agent::{
    AgentConfig,
    config::{AppendOutputConfig, SelectionConfig},
};
use alert::{EventKind, EventSource, Priority};
use anyhow::Context;
use rules::{Code as Fault, LoadOptions, LoadReport, Rule, RuleSet};
use serde::{Deserialize, Serialize};

use super::{everything, load, sources, wrong};
use crate::{
    args::{Format, ImportArgs},
    exit::{Code, fail},
    print,
};

/// What of Falco's configuration decides which rules there are; the rest is left alone.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FalcoConfig {
    #[serde(alias = "rules_file")]
    rules_files: Vec<PathBuf>,
    rules: Vec<SelectionConfig>,
    priority: Option<String>,
    append_output: Vec<AppendOutputConfig>,
    static_fields: BTreeMap<String, String>,
}

/// What becomes of a rule. The worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Fate {
    /// It does what it does in Falco.
    Loaded,
    /// It loads, and something about it deserves a look.
    Warned,
    /// It is switched off.
    Disabled,
    /// Some kinds of event it asks about are reported by no sensor, or fields it reads are known to
    /// nobody.
    Partial,
    /// No sensor reports any kind of event it asks about.
    Unseen,
    /// Its condition can never hold.
    Dead,
    /// It is not loaded.
    Skipped,
}

impl Fate {
    const ALL: [Self; 7] = [
        Self::Loaded,
        Self::Warned,
        Self::Disabled,
        Self::Partial,
        Self::Unseen,
        Self::Dead,
        Self::Skipped,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Warned => "warned",
            Self::Disabled => "disabled",
            Self::Partial => "partial",
            Self::Unseen => "unseen",
            Self::Dead => "dead",
            Self::Skipped => "skipped",
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Loaded => "do what they do in Falco",
            Self::Warned => "load, and deserve a look",
            Self::Disabled => "are switched off",
            Self::Partial => "can match, but lack a kind of event or a field",
            Self::Unseen => "cannot match yet: nothing reports their events",
            Self::Dead => "can never match, here or anywhere",
            Self::Skipped => "are not loaded",
        }
    }
}

/// One line of the answer.
#[derive(Debug, Serialize)]
struct Outcome {
    rule: String,
    fate: Fate,
    /// Kinds of event that no sensor reports.
    kinds_unseen: Vec<&'static str>,
    /// Fields of its condition that have no value yet.
    fields_unknown: Vec<String>,
    warnings: Vec<String>,
}

pub(super) fn execute(arguments: &ImportArgs) -> anyhow::Result<Code> {
    let (mut files, options) = match &arguments.falco_config {
        Some(path) => configured(path)?,
        None => Default::default(),
    };
    files.extend(arguments.files.iter().cloned());
    if files.is_empty() {
        return Err(fail(Code::Invalid, "the configuration names no `rules_files`"));
    }
    let sources = sources(&files)?;
    let report = RuleSet::load_with(&sources, &options);
    let Some(rules) = &report.rules else {
        return Err(wrong(&report.errors().cloned().collect::<Vec<_>>()));
    };
    let (all, _) = load(&sources, &everything())?;
    let outcomes = outcomes(rules, &all, &report);
    match arguments.format {
        Format::Json => outcomes.iter().try_for_each(print::json)?,
        Format::Text => show(&outcomes, &report),
    }
    let good = |outcome: &Outcome| outcome.fate < Fate::Partial;
    Ok(if outcomes.iter().all(good) { Code::Success } else { Code::Failure })
}

fn configured(path: &Path) -> anyhow::Result<(Vec<PathBuf>, LoadOptions)> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.display().to_string();
    let none = std::iter::empty();
    let (config, _) = service::config::read::<FalcoConfig>(&name, text, folder, "FALCO_", none)
        .map_err(|error| fail(Code::Invalid, error.to_string()))?;
    let priority = match &config.priority {
        None => Priority::Debug,
        Some(name) => name.parse().map_err(|_| {
            fail(Code::Invalid, format!("`priority: {name}` of {} is none", path.display()))
        })?,
    };
    // Falco takes files that are not there for folders yet to be filled.
    let files = config.rules_files.into_iter().map(|file| folder.join(file));
    let (there, missing): (Vec<_>, Vec<_>) = files.partition(|file| file.exists());
    for file in missing {
        print::note(format_args!("{} is named and not there", file.display()));
    }
    let config = AgentConfig {
        rule_selection: config.rules,
        priority,
        append_output: config.append_output,
        static_fields: config.static_fields,
        ..AgentConfig::default()
    };
    Ok((there, config.load_options()))
}

fn outcomes(rules: &RuleSet, all: &RuleSet, report: &LoadReport) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = all
        .rules()
        .iter()
        .map(|rule| {
            let enabled = rules.rules().iter().any(|other| other.name == rule.name);
            outcome(all, rule, enabled, report)
        })
        .collect();
    for warning in report.warnings() {
        let skipped = matches!(warning.code, Fault::UnknownSource | Fault::UnknownFilter);
        if let Some(rule) = warning.rule().filter(|_| skipped)
            && !outcomes.iter().any(|outcome| outcome.rule == rule)
        {
            outcomes.push(Outcome {
                rule: rule.to_owned(),
                fate: Fate::Skipped,
                kinds_unseen: Vec::new(),
                fields_unknown: Vec::new(),
                warnings: vec![warning.message.clone()],
            });
        }
    }
    outcomes
}

fn outcome(all: &RuleSet, rule: &Rule, enabled: bool, report: &LoadReport) -> Outcome {
    let kinds = all.kinds(rule);
    let is_unread = EventSource::from_name(&rule.source) != Some(EventSource::Syscall);
    let unseen = agent::hooks(&kinds).into_iter().filter(|need| need.tracepoint.is_none());
    let mut kinds_unseen: Vec<&str> = unseen.flat_map(|need| need.kinds).collect();
    if kinds.contains(&EventKind::Execve) {
        // The sensor sees both calls at one place and reports them under one name.
        kinds_unseen.retain(|kind| *kind != EventKind::ExecveAt.name());
    }
    let fields = all.explain(&rule.name).map(|explanation| explanation.fields).unwrap_or_default();
    let unknown = fields.into_iter().filter(|field| field.in_condition && !field.supplied);
    let fields_unknown: Vec<String> = unknown.map(|field| field.name).collect();
    // That no sensor reports its events is told by their kinds, if it has any.
    let told = |code: Fault| code == Fault::Unobservable && !is_unread;
    let about = report
        .warnings()
        .filter(|warning| warning.rule() == Some(&rule.name) && !told(warning.code));
    let warnings: Vec<String> =
        about.map(|warning| format!("{}: {}", warning.code.name(), warning.message)).collect();
    let fate = match () {
        () if !enabled => Fate::Disabled,
        () if is_unread => Fate::Unseen,
        () if kinds.is_empty() => Fate::Dead,
        () if kinds_unseen.len() == kinds.len() => Fate::Unseen,
        // A rule about every kind of event is not worse for those that nobody reports.
        () if !fields_unknown.is_empty() || is_partial(&kinds, &kinds_unseen) => Fate::Partial,
        () if !warnings.is_empty() => Fate::Warned,
        () => Fate::Loaded,
    };
    Outcome { rule: rule.name.clone(), fate, kinds_unseen, fields_unknown, warnings }
}

fn is_partial(kinds: &[EventKind], unseen: &[&str]) -> bool {
    !unseen.is_empty() && kinds.len() < EventKind::ALL.len() / 2
}

fn show(outcomes: &[Outcome], report: &LoadReport) {
    let color = std::io::stderr().is_terminal();
    for warning in report.warnings().filter(|warning| warning.rule().is_none()) {
        print::note(format_args!("{}\n", warning.render(color)));
    }
    let rows: Vec<Vec<String>> = outcomes.iter().map(row).collect();
    print::line(print::table(&["fate", "rule", "why"], &rows));
    print::line(format_args!("\n{}", print::counted(outcomes.len(), "rule")));
    for fate in Fate::ALL {
        let count = outcomes.iter().filter(|outcome| outcome.fate == fate).count();
        if count > 0 {
            print::line(format_args!("{count:>5} {:<9} {}", fate.word(), fate.meaning()));
        }
    }
}

/// Names that are shown on a line; more are counted.
const SHOWN_MAX: usize = 6;

fn row(outcome: &Outcome) -> Vec<String> {
    let mut why = Vec::new();
    if !outcome.kinds_unseen.is_empty() && outcome.fate != Fate::Loaded {
        why.push(format!("no sensor: {}", some(&outcome.kinds_unseen)));
    }
    if !outcome.fields_unknown.is_empty() {
        why.push(format!("no value yet: {}", some(&outcome.fields_unknown)));
    }
    let told = |warning: &String| {
        !outcome.fields_unknown.is_empty() && warning.starts_with(Fault::FieldUnsupplied.name())
    };
    why.extend(outcome.warnings.iter().filter(|warning| !told(warning)).cloned());
    let why = print::plain(&why.join("; "));
    vec![outcome.fate.word().to_owned(), print::plain(&outcome.rule), why]
}

fn some(names: &[impl AsRef<str>]) -> String {
    let shown: Vec<&str> = names.iter().take(SHOWN_MAX).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(SHOWN_MAX) {
        0 => shown.join(" "),
        more => format!("{} and {more} more", shown.join(" ")),
    }
}
