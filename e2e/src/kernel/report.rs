//! What a guest told: lines that start with `@` frame the output of its steps.

use std::collections::BTreeMap;

/// One step's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Exit status; `None` when the guest stopped before.
    pub status: Option<i32>,
    /// All it wrote.
    pub output: String,
}

impl Step {
    /// Returns its output if it succeeded.
    #[track_caller]
    pub fn succeeded(&self) -> &str {
        assert_eq!(self.status, Some(0), "the step failed:\n{}", self.output);
        &self.output
    }
}

/// All steps of a guest.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The kernel's version, once it has booted.
    pub release: Option<String>,
    steps: BTreeMap<String, Step>,
    /// The guest went through all its steps.
    pub done: bool,
    /// What the kernel itself said.
    pub console: String,
}

impl Report {
    /// Reads what came over the line.
    pub(super) fn read(told: &str, console: String) -> Self {
        let mut report = Self { console, ..Self::default() };
        let mut open: Option<(String, Step)> = None;
        for line in told.lines().map(|line| line.trim_end_matches('\r')) {
            let mut words = line.split_ascii_whitespace();
            match (words.next(), words.next()) {
                (Some("@booted"), Some(release)) => report.release = Some(release.to_owned()),
                (Some("@begin"), Some(name)) => {
                    let step = Step { status: None, output: String::new() };
                    report.keep(open.replace((name.to_owned(), step)));
                }
                (Some("@end"), Some(_)) => {
                    if let Some((_, step)) = &mut open {
                        step.status = words.next().and_then(|status| status.parse().ok());
                    }
                    report.keep(open.take());
                }
                (Some("@done"), None) => report.done = true,
                _ => {
                    if let Some((_, step)) = &mut open {
                        step.output.push_str(line);
                        step.output.push('\n');
                    }
                }
            }
        }
        report.keep(open);
        report
    }

    fn keep(&mut self, step: Option<(String, Step)>) {
        self.steps.extend(step);
    }

    /// Returns a step, which must have begun.
    #[track_caller]
    pub fn step(&self, name: &str) -> &Step {
        self.steps.get(name).unwrap_or_else(|| {
            panic!("the guest did not come to the step {name}:\n{}", self.console_end())
        })
    }

    /// Returns the last lines of the kernel's own words.
    pub fn console_end(&self) -> String {
        let lines: Vec<&str> = self.console.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_their_output_and_their_status() {
        let told = "@booted 6.1.0\n@begin a\none\r\ntwo\n@end a 0\n@begin b\n@end b 3\n@done\n";
        let report = Report::read(told, String::new());
        assert_eq!(report.release.as_deref(), Some("6.1.0"));
        assert_eq!(report.step("a").succeeded(), "one\ntwo\n");
        assert_eq!(report.step("b").status, Some(3));
        assert!(report.done);
    }

    #[test]
    fn a_step_that_never_ended_has_no_status() {
        let report = Report::read("@booted 6.1.0\n@begin a\nhalf", String::new());
        assert_eq!(report.step("a"), &Step { status: None, output: "half\n".to_owned() });
        assert!(!report.done);
    }
}
