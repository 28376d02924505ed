//! Which hooks each kernel grants.

use std::fmt::Write;

use e2e::Report;
use serde_json::Value;

use crate::guests::{Backend, reports};

fn sensor(report: &Report, backend: Backend) -> Value {
    let output = report.step(backend.name()).succeeded();
    let (_, status) = output.split_once("#status\n").expect("a status");
    let (status, _) = status.split_once("\n#deeds").expect("the end of the status");
    let status: Value = serde_json::from_str(status).unwrap_or_else(|_| panic!("{status}"));
    status["sensor"].clone()
}

/// Returns the kinds of event that the status says nothing sees.
pub(crate) fn unwatched(report: &Report, backend: Backend) -> Vec<String> {
    let sensor = sensor(report, backend);
    let named = sensor["unavailable"].as_array().unwrap().iter().flat_map(|unavailable| {
        unavailable["what"].as_str().unwrap().split(", ").map(str::to_owned)
    });
    named.collect()
}

#[test]
fn every_program_of_both_back_ends_is_accepted_and_attached() {
    let Some(reports) = reports() else { return };
    let mut refused = String::new();
    for (kernel, report) in reports {
        for backend in Backend::ALL {
            for unavailable in sensor(report, backend)["unavailable"].as_array().unwrap() {
                let (kernel, backend) = (kernel.name, backend.name());
                writeln!(refused, "{backend} on {kernel}: {unavailable:#}").unwrap();
            }
        }
    }
    assert!(refused.is_empty(), "{refused}");
}

#[test]
fn a_chosen_back_end_alone_watches_system_calls() {
    let Some(reports) = reports() else { return };
    for (kernel, report) in reports {
        for (backend, letter) in [(Backend::Trampoline, "T"), (Backend::Syscall, "S")] {
            let sensor = sensor(report, backend);
            let hooks = sensor["hooks"].as_array().unwrap();
            let opens = hooks.iter().find(|hook| {
                hook["kinds"].as_array().unwrap().contains(&"openat".into())
                    && hook["note"].as_str().is_none_or(|note| !note.contains("io_uring"))
            });
            let opens = opens.unwrap_or_else(|| panic!("{}: {sensor:#}", kernel.name));
            assert_eq!(opens["backend"], letter, "{}: {opens}", kernel.name);
        }
    }
}
