//! The alerting rules: what promtool says of them, and that each has its runbook and its test.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, bail};

use crate::run::run;

const FOLDER: &str = "dashboards/prometheus";
const RULES: &str = "rules.yaml";
const TESTS: &str = "rules_test.yaml";
/// What every runbook tells, in this order.
const SECTIONS: [&str; 4] = ["## What it means", "## Look", "## Mend", "## Escalate"];

/// Reports every breach, then fails if there was one.
pub(crate) fn check() -> anyhow::Result<()> {
    let problems = problems()?;
    if !problems.is_empty() {
        bail!("{} problem(s) of the rules:\n  {}", problems.len(), problems.join("\n  "));
    }
    let promtool = |arguments: &[&str]| {
        let mut command = Command::new("promtool");
        command.args(arguments).current_dir(FOLDER);
        command
    };
    run("Prometheus rules", &mut promtool(&["check", "rules", RULES]))?;
    run("tests of the Prometheus rules", &mut promtool(&["test", "rules", TESTS]))
}

/// Looks at what promtool does not. The rule file is ours and plain: a line for each key.
fn problems() -> anyhow::Result<Vec<String>> {
    let read = |name: &str| {
        let path = Path::new(FOLDER).join(name);
        fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
    };
    let (rules, tests) = (read(RULES)?, read(TESTS)?);
    let mut problems = Vec::new();
    for alert in rules.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap_or_default();
        for key in ["severity: ", "summary: ", "description: ", "runbook_url: "] {
            if !alert.contains(key) {
                problems.push(format!("{name}: no {key}"));
            }
        }
        if !tests.contains(&format!("\"{name}\"")) {
            problems.push(format!("{name}: no test in {TESTS}"));
        }
        let url = alert.split("runbook_url: ").nth(1).and_then(|rest| rest.lines().next());
        let Some(runbook) = url.filter(|url| url.starts_with("docs/runbooks/")) else {
            problems.push(format!("{name}: its runbook is not in docs/runbooks"));
            continue;
        };
        let Ok(text) = fs::read_to_string(runbook) else {
            problems.push(format!("{name}: {runbook} is not there"));
            continue;
        };
        let mut rest = text.as_str();
        for section in SECTIONS {
            match rest.split_once(section) {
                Some((_, after)) => rest = after,
                None => problems.push(format!("{runbook}: no section `{section}` in its place")),
            }
        }
        if !text.contains(name) {
            problems.push(format!("{runbook}: does not name {name}"));
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_has_a_severity_a_runbook_and_a_test() {
        std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).unwrap();
        assert_eq!(problems().unwrap(), Vec::<String>::new());
    }
}
