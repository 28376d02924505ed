//! `saker rules test`: runs the cases that stand beside rules.

use std::io::IsTerminal;

use rules::TestReport;

use super::like;
use crate::{
    args::{Format, TestArgs},
    exit::{Code, fail},
    print,
};

/// Untested rules that are named; more are counted.
const NAMED_MAX: usize = 10;

pub(super) fn execute(arguments: &TestArgs) -> anyhow::Result<Code> {
    let mut sources = arguments.rules.sources()?;
    if arguments.rules.files.is_empty() || arguments.rules.builtin {
        sources.extend(rules::builtin_cases());
    }
    let wanted = |name: &str| {
        arguments.rule.is_empty() || arguments.rule.iter().any(|pattern| like(pattern, name))
    };
    let report = rules::test_rules(&sources, &wanted);
    if report.passed() && report.cases == 0 && !arguments.rule.is_empty() {
        return Err(fail(Code::NotFound, "no case is about such a rule"));
    }
    let untested = arguments.all_tested && !report.untested.is_empty();
    match arguments.format {
        Format::Json => print::json(&serde_json::json!({
            "passed": report.passed() && !untested,
            "cases": report.cases,
            "rules": report.rules,
            "untested": report.untested,
            "failures": report.failures,
        }))?,
        Format::Text => show(&report),
    }
    Ok(if report.passed() && !untested { Code::Success } else { Code::Failure })
}

fn show(report: &TestReport) {
    let color = std::io::stderr().is_terminal();
    for failure in &report.failures {
        print::note(format_args!("{}\n", failure.render(color)));
    }
    if !report.untested.is_empty() {
        let names = report.untested.iter().take(NAMED_MAX).map(|name| print::plain(name));
        let mut names: Vec<String> = names.collect();
        if report.untested.len() > NAMED_MAX {
            names.push(format!("and {} more", report.untested.len() - NAMED_MAX));
        }
        print::line(format_args!("without a case: {}", names.join(", ")));
    }
    print::line(format_args!(
        "{} tested, {}, {} failed, {} without a case",
        print::counted(report.rules, "rule"),
        print::counted(report.cases, "case"),
        report.failures.len(),
        print::counted(report.untested.len(), "rule"),
    ));
}
