//! Takes from an event what a program was told: it may be a secret.

use std::sync::Arc;

use alert::{Detail, Event, Process};

/// Stands where something was taken away.
const REDACTED: &str = "redacted";

/// Returns the event without the arguments and the environment of its process and its ancestors. How
/// many arguments there were, the first of them, and the names of variables stay.
pub fn redact(event: &Event) -> Event {
    let detail = match &event.detail {
        Detail::Module { file, .. } => {
            Detail::Module { parameters: REDACTED.into(), file: file.clone() }
        }
        other => other.clone(),
    };
    let chain: Vec<&Process> =
        std::iter::once(&*event.process).chain(event.process.ancestors()).collect();
    let mut parent = None;
    for process in chain.into_iter().rev() {
        parent = Some(Arc::new(Process { parent, ..bare(process) }));
    }
    let process = parent.unwrap_or_else(|| Arc::clone(&event.process));
    Event { process, detail, ..event.clone() }
}

fn bare(process: &Process) -> Process {
    let arguments = process.arguments.iter().enumerate();
    let arguments = arguments.map(|(index, argument)| match index {
        0 => argument.clone(),
        _ => REDACTED.into(),
    });
    let environment = process.environment.iter().map(|variable| match variable.split_once('=') {
        Some((name, _)) => format!("{name}={REDACTED}").into(),
        None => REDACTED.into(),
    });
    Process {
        arguments: arguments.collect(),
        environment: environment.collect(),
        ..process.clone()
    }
}
