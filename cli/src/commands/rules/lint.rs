//! `saker rules lint`: what loads and is hardly meant.

use std::io::IsTerminal;

use rules::{Diagnostic, Lint, LintOptions, lints};

use super::compile;
use crate::{
    args::{Format, LintArgs},
    exit::{Code, fail},
    print,
};

pub(super) fn execute(arguments: &LintArgs) -> anyhow::Result<Code> {
    if arguments.list {
        list(arguments.format)?;
        return Ok(Code::Success);
    }
    arguments.select.iter().chain(&arguments.ignore).try_for_each(|name| known(name))?;
    let mut sources = arguments.rules.sources()?;
    if arguments.rules.files.is_empty() || arguments.rules.builtin {
        sources.extend(rules::builtin_cases());
    }
    compile(&sources)?;
    let options = LintOptions {
        // What is asked for by its name is wanted, pedantic or not.
        pedantic: arguments.pedantic || !arguments.select.is_empty(),
        ignored: arguments.ignore.clone(),
    };
    let mut found = rules::lint(&sources, &options);
    if !arguments.select.is_empty() {
        found.retain(|diagnostic| {
            lint_of(diagnostic)
                .is_some_and(|lint| arguments.select.iter().any(|name| name == lint.name))
        });
    }
    match arguments.format {
        Format::Json => found.iter().try_for_each(|diagnostic| print::json(&json(diagnostic)))?,
        Format::Text => show(&found),
    }
    Ok(if found.is_empty() { Code::Success } else { Code::Failure })
}

fn lint_of(diagnostic: &Diagnostic) -> Option<&'static Lint> {
    lints().iter().find(|lint| lint.code == diagnostic.code)
}

fn known(name: &str) -> anyhow::Result<()> {
    if lints().iter().any(|lint| lint.name == name) {
        return Ok(());
    }
    let names: Vec<&str> = lints().iter().map(|lint| lint.name).collect();
    let message = format!("there is no lint `{name}`; there are {}", names.join(", "));
    Err(fail(Code::Invalid, message))
}

fn page(lint: &Lint) -> String {
    format!("docs/rules/lint/{}.md", lint.name)
}

fn list(format: Format) -> anyhow::Result<()> {
    if format == Format::Json {
        return lints().iter().try_for_each(|lint| {
            print::json(&serde_json::json!({
                "name": lint.name,
                "code": lint.code,
                "pedantic": lint.pedantic,
                "page": page(lint),
            }))
        });
    }
    let group = |lint: &Lint| if lint.pedantic { "pedantic" } else { "standard" };
    let row = |lint: &Lint| vec![lint.name.to_owned(), group(lint).to_owned(), page(lint)];
    let rows: Vec<Vec<String>> = lints().iter().map(row).collect();
    print::line(print::table(&["lint", "group", "page"], &rows));
    Ok(())
}

fn json(diagnostic: &Diagnostic) -> serde_json::Value {
    let lint = lint_of(diagnostic);
    serde_json::json!({
        "lint": lint.map(|lint| lint.name),
        "page": lint.map(page),
        "rule": diagnostic.rule(),
        "diagnostic": diagnostic,
    })
}

fn show(found: &[Diagnostic]) {
    let color = std::io::stderr().is_terminal();
    for diagnostic in found {
        print::note(diagnostic.render(color));
        if let Some(lint) = lint_of(diagnostic) {
            print::note(format_args!("  = see {}, or --ignore {}\n", page(lint), lint.name));
        }
    }
    print::line(match found.len() {
        0 => "nothing was found".to_owned(),
        1 => "1 thing was found".to_owned(),
        count => format!("{count} things were found"),
    });
}
