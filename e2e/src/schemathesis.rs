//! Schemathesis: asks a server everything its OpenAPI document allows, and much that it forbids, and
//! holds the answers against the document.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::{Folder, folder::installed};

/// Longer than it ever takes; a server that hangs must not hang the tests.
const PATIENCE: Duration = Duration::from_secs(400);
/// For one answer.
const ANSWER_SECONDS: &str = "60";

/// One run. What it sends follows from the document and the versions in
/// `e2e/servers/schemathesis.txt` alone.
#[derive(Debug)]
pub struct Schemathesis {
    /// Where the document is served.
    pub document: String,
    /// Requests made up for each operation, beside those at the bounds of every parameter.
    pub examples_max: u32,
    /// Operations that are left alone.
    pub without: &'static [&'static str],
}

impl Schemathesis {
    /// Runs it; the error is its report.
    pub fn run(&self) -> Result<(), String> {
        let folder = Folder::new("schemathesis");
        let report = folder.join("report");
        let output = std::fs::File::create(&report).expect("a file for the report");
        let mut command = Command::new(installed("schemathesis-4.32.5/bin/schemathesis"));
        command.args(["run", &self.document, "--no-color"]);
        command.args(["--phases", "coverage,fuzzing", "--checks", "all"]);
        // A document cannot say all that makes a request impossible: that a condition must parse,
        // that only one of two keys may be given.
        command.args(["--exclude-checks", "positive_data_acceptance"]);
        command.args(["--generation-deterministic", "--continue-on-failure", "--no-shrink"]);
        // These depend on how fast the machine is.
        command.args(["--suppress-health-check", "all", "--request-timeout", ANSWER_SECONDS]);
        command.args(["--max-examples", &self.examples_max.to_string()]);
        self.without.iter().for_each(|name| {
            command.args(["--exclude-operation-id", name]);
        });
        command.current_dir(folder.path()).env("NO_PROXY", "*").stdin(Stdio::null());
        command.stderr(output.try_clone().expect("the report's file again")).stdout(output);
        let mut child = command.spawn().expect("schemathesis starts");
        let began = Instant::now();
        let status = loop {
            match child.try_wait().expect("schemathesis can be waited for") {
                Some(status) => break Some(status),
                None if began.elapsed() > PATIENCE => break None,
                None => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        if status.is_none() {
            child.kill().expect("schemathesis can be ended");
            child.wait().expect("schemathesis ends");
        }
        if status.is_some_and(|status| status.success()) {
            return Ok(());
        }
        Err(std::fs::read_to_string(&report).unwrap_or_default())
    }
}
