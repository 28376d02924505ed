//! `saker rules`: the tools of those who write rules.

mod check;
mod events;
mod explain;
mod import;
mod lint;
mod list;
mod parse;
mod test;
mod top;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use rules::{Diagnostic, LoadOptions, Pick, Rule, RuleSet, Selection, Source};

use crate::{
    args::{RuleFiles, RulesCommand},
    exit::{Code, fail},
    print,
};

pub(crate) fn execute(command: RulesCommand) -> anyhow::Result<Code> {
    match command {
        RulesCommand::Check(arguments) => check::execute(&arguments),
        RulesCommand::Parse(arguments) => parse::execute(&arguments),
        RulesCommand::Lint(arguments) => lint::execute(&arguments),
        RulesCommand::Test(arguments) => test::execute(&arguments),
        RulesCommand::List(arguments) => list::execute(&arguments),
        RulesCommand::Top(arguments) => super::wait(top::execute(&arguments)),
        RulesCommand::Import(arguments) => import::execute(&arguments),
        RulesCommand::Explain(arguments) => explain::execute(&arguments),
    }
}

impl RuleFiles {
    /// Returns the texts to load, in their order.
    fn sources(&self) -> anyhow::Result<Vec<Source>> {
        with_builtin(&self.files, self.builtin)
    }
}

fn with_builtin(files: &[PathBuf], builtin: bool) -> anyhow::Result<Vec<Source>> {
    let mut all = if builtin && !files.is_empty() { rules::builtin() } else { Vec::new() };
    all.extend(sources(files)?);
    Ok(all)
}

/// Returns the rule files' texts, a folder's by name, or the built-in rules when none is named.
pub(crate) fn sources(files: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    if files.is_empty() {
        return Ok(rules::builtin());
    }
    let mut all = Vec::new();
    for path in files {
        for file in files_of(path)? {
            all.push(read(&file)?);
        }
    }
    Ok(all)
}

/// Reads one rule file.
pub(crate) fn read(file: &Path) -> anyhow::Result<Source> {
    let text =
        text_of(file).with_context(|| format!("failed to read the rule file {}", name_of(file)))?;
    Ok(Source { name: name_of(file), text })
}

/// Stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Returns the rule files a path stands for: itself, or those of a folder.
fn files_of(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if path == Path::new(STANDARD_INPUT) {
        return Ok(vec![path.to_owned()]);
    }
    let files = agent::rule_files(path)?;
    if files.is_empty() {
        print::note(format_args!("no file in {} ends in .yaml or .yml", path.display()));
    }
    Ok(files)
}

fn text_of(file: &Path) -> std::io::Result<String> {
    match file == Path::new(STANDARD_INPUT) {
        true => std::io::read_to_string(std::io::stdin()),
        false => std::fs::read_to_string(file),
    }
}

/// Returns a file's name as it is shown.
fn name_of(file: &Path) -> String {
    match file == Path::new(STANDARD_INPUT) {
        true => "standard input".to_owned(),
        false => file.display().to_string(),
    }
}

/// Compiles rules; what is wrong with them is the error.
pub(crate) fn compile(sources: &[Source]) -> anyhow::Result<Arc<RuleSet>> {
    load(sources, &LoadOptions::default()).map(|(rules, _)| rules)
}

/// Compiles rules, and tells which of them are switched off.
fn load(sources: &[Source], options: &LoadOptions) -> anyhow::Result<(Arc<RuleSet>, Vec<Rule>)> {
    let report = RuleSet::load_with(sources, options);
    match report.rules {
        Some(rules) => Ok((rules, report.disabled)),
        None => Err(wrong(&report.errors().cloned().collect::<Vec<_>>())),
    }
}

/// Returns options under which no rule is switched off.
fn everything() -> LoadOptions {
    let all = Selection::Enable(Pick::Rule("*".to_owned()));
    LoadOptions { selections: vec![all], ..LoadOptions::default() }
}

/// Returns faults as the error that ends the command.
fn wrong(diagnostics: &[Diagnostic]) -> anyhow::Error {
    let texts: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    fail(Code::Invalid, texts.join("\n"))
}

/// Returns whether `text` is `pattern`, in which `*` stands for any text; case does not count.
fn like(pattern: &str, text: &str) -> bool {
    rules::wildcard(&pattern.to_lowercase(), &text.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("read", "Read", true),
            ("read", "read it", false),
            ("*", "", true),
            ("*shell*", "Terminal Shell in", true),
            ("a*b", "ab", true),
            ("a*ab", "ab", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
        ] {
            assert_eq!(like(pattern, text), expected, "{pattern} {text}");
        }
    }
}
