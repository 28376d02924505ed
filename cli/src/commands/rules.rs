//! `saker rules`: checks, tests and lists rules.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use rules::{RuleSet, Source};

use crate::{
    args::{Format, RuleFiles, RulesCommand},
    exit::{Code, fail},
    print,
};

pub(crate) fn execute(command: RulesCommand) -> anyhow::Result<Code> {
    match command {
        RulesCommand::Check(files) => check(&files),
        RulesCommand::Test(files) => test(&files),
        RulesCommand::List(files) => list(&files),
    }
}

/// Returns the rule files' texts, or the built-in rules when none is named.
pub(crate) fn sources(files: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    if files.is_empty() {
        return Ok(rules::builtin());
    }
    files.iter().map(|file| read(file)).collect()
}

/// Reads one rule file.
pub(crate) fn read(file: &std::path::Path) -> anyhow::Result<Source> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("failed to read the rule file {}", file.display()))?;
    Ok(Source { name: file.display().to_string(), text })
}

/// Compiles rules; what is wrong with them is the error.
pub(crate) fn compile(sources: &[Source]) -> anyhow::Result<Arc<RuleSet>> {
    match RuleSet::load(sources) {
        Ok(loaded) => Ok(loaded.rules),
        Err(diagnostics) => {
            let texts: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
            Err(fail(Code::Invalid, texts.join("\n")))
        }
    }
}

fn check(files: &RuleFiles) -> anyhow::Result<Code> {
    let color = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let (count, diagnostics) = match RuleSet::load(&sources(&files.files)?) {
        Ok(loaded) => (Some(loaded.rules.rules().len()), loaded.warnings),
        Err(errors) => (None, errors),
    };
    match files.format {
        Format::Json => print::json(&serde_json::json!({
            "valid": count.is_some(),
            "rules": count,
            "diagnostics": diagnostics,
        }))?,
        Format::Text => {
            for diagnostic in &diagnostics {
                print::note(diagnostic.render(color));
            }
            match count {
                Some(count) => {
                    print::line(format_args!("{count} rules, {} warnings", diagnostics.len()))
                }
                None => print::line(format_args!("invalid: {} errors", diagnostics.len())),
            }
        }
    }
    Ok(if count.is_some() { Code::Success } else { Code::Invalid })
}

fn test(files: &RuleFiles) -> anyhow::Result<Code> {
    let mut sources = sources(&files.files)?;
    if files.files.is_empty() {
        sources.extend(rules::builtin_cases());
    }
    let report = rules::test(&sources);
    match files.format {
        Format::Json => print::json(&serde_json::json!({
            "passed": report.passed(),
            "cases": report.cases,
            "rules": report.rules,
            "failures": report.failures,
        }))?,
        Format::Text => {
            for failure in &report.failures {
                print::note(failure);
            }
            let failed = report.failures.len();
            print::line(format_args!(
                "{} rules, {} cases, {failed} failed",
                report.rules, report.cases
            ));
        }
    }
    Ok(if report.passed() { Code::Success } else { Code::Failure })
}

fn list(files: &RuleFiles) -> anyhow::Result<Code> {
    let rules = compile(&sources(&files.files)?)?;
    if files.format == Format::Json {
        for rule in rules.rules() {
            print::json(&serde_json::json!({
                "name": rule.name,
                "priority": rule.priority,
                "description": rule.description,
                "source": rule.source,
                "tags": rule.tags,
            }))?;
        }
        return Ok(Code::Success);
    }
    let rows: Vec<Vec<String>> = rules
        .rules()
        .iter()
        .map(|rule| vec![rule.priority.to_string(), print::plain(&rule.name), rule.tags.join(" ")])
        .collect();
    print::line(print::table(&["priority", "rule", "tags"], &rows));
    Ok(Code::Success)
}
