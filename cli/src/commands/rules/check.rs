//! `saker rules check`: compiles rule files and shows what is wrong with them.

use std::io::IsTerminal;

use rules::{LoadOptions, LoadReport, RuleSet, Source};

use super::{files_of, name_of, text_of};
use crate::{
    args::{CheckArgs, Format},
    exit::Code,
    print,
};

pub(super) fn execute(arguments: &CheckArgs) -> anyhow::Result<Code> {
    let report = load(arguments)?;
    match arguments.format {
        Format::Json => print::json(&report)?,
        Format::Text => show(&report),
    }
    Ok(match report.successful() {
        false => Code::Invalid,
        true if arguments.strict && report.warnings().next().is_some() => Code::Failure,
        true => Code::Success,
    })
}

/// Loads what can be read; what cannot is told beside the faults of the rest.
fn load(arguments: &CheckArgs) -> anyhow::Result<LoadReport> {
    let mut sources = match arguments.rules.builtin || arguments.rules.files.is_empty() {
        true => rules::builtin(),
        false => Vec::new(),
    };
    let mut unreadable = Vec::new();
    for path in &arguments.rules.files {
        let files = match path.is_dir() {
            true => files_of(path)?,
            false => vec![path.clone()],
        };
        for file in files {
            match text_of(&file) {
                Ok(text) => sources.push(Source { name: name_of(&file), text }),
                Err(error) => unreadable.push((name_of(&file), error)),
            }
        }
    }
    let mut report = RuleSet::load_with(&sources, &LoadOptions::default());
    for (name, error) in unreadable {
        report.add_unreadable(&name, &error);
    }
    Ok(report)
}

fn show(report: &LoadReport) {
    let color = std::io::stderr().is_terminal();
    for diagnostic in report.warnings().chain(report.errors()) {
        print::note(format_args!("{}\n", diagnostic.render(color)));
    }
    let (errors, warnings) = (report.errors().count(), report.warnings().count());
    match &report.rules {
        Some(rules) => print::line(format_args!(
            "{} loaded from {}, {}",
            print::counted(rules.rules().len(), "rule"),
            print::counted(report.files.len(), "file"),
            print::counted(warnings, "warning"),
        )),
        None => print::line(format_args!(
            "the rules do not load: {}, {}",
            print::counted(errors, "error"),
            print::counted(warnings, "warning"),
        )),
    }
}
