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
use rules::{Diagnostic, RuleSet, Source};

use crate::{
    args::{RuleFiles, RulesCommand},
    exit::{Code, fail},
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
        for file in agent::rule_files(path)? {
            all.push(read(&file)?);
        }
    }
    Ok(all)
}

/// Reads one rule file.
pub(crate) fn read(file: &Path) -> anyhow::Result<Source> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("failed to read the rule file {}", file.display()))?;
    Ok(Source { name: file.display().to_string(), text })
}

/// Compiles rules; what is wrong with them is the error.
pub(crate) fn compile(sources: &[Source]) -> anyhow::Result<Arc<RuleSet>> {
    match RuleSet::load(sources) {
        Ok(loaded) => Ok(loaded.rules),
        Err(diagnostics) => Err(wrong(&diagnostics)),
    }
}

/// Returns faults as the error that ends the command.
fn wrong(diagnostics: &[Diagnostic]) -> anyhow::Error {
    let texts: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
    fail(Code::Invalid, texts.join("\n"))
}

/// Returns whether `text` is `pattern`, in which `*` stands for any text; case does not count.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_lowercase(), text.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
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
