//! Reads the events that rules are asked about: written by a person, or recorded.

use std::{
    io::{BufReader, Read},
    path::Path,
};

use agent::Recording;
use alert::Event;
use anyhow::Context;
use rules::Source;

use super::wrong;

/// A text of events is read whole.
const TEXT_BYTES_MAX: u64 = 16 << 20;
/// What is read of a recording; the rest is left out and said so.
const EVENTS_MAX: usize = 100_000;

/// An event to ask a rule about.
pub(super) struct Named {
    pub(super) name: Option<String>,
    pub(super) event: Event,
}

/// Returns the events of a file or of standard input (`-`), whatever their form.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Named>> {
    let standard_input = path == Path::new("-");
    let path = if standard_input { Path::new("/dev/stdin") } else { path };
    let name = if standard_input { "standard input".into() } else { path.display().to_string() };
    let file = std::fs::File::open(path).with_context(|| format!("failed to open {name}"))?;
    let mut start = Vec::new();
    let mut file = BufReader::new(file);
    let failed = || format!("failed to read {name}");
    file.by_ref().take(Recording::START_BYTES).read_to_end(&mut start).with_context(failed)?;
    let whole = std::io::Cursor::new(start.clone()).chain(file);
    if Recording::is_one(&start) {
        return recorded(Recording::read(Path::new(&name), Box::new(BufReader::new(whole)))?);
    }
    let mut text = String::new();
    whole.take(TEXT_BYTES_MAX).read_to_string(&mut text).with_context(failed)?;
    let events = rules::read_events(&Source { name, text }).map_err(|faults| wrong(&faults))?;
    Ok(events.into_iter().map(|read| Named { name: read.name, event: read.event }).collect())
}

fn recorded(recording: Recording) -> anyhow::Result<Vec<Named>> {
    let mut events = Vec::new();
    for event in recording.take(EVENTS_MAX) {
        events.push(Named { name: None, event: event? });
    }
    if events.len() == EVENTS_MAX {
        crate::print::note(format_args!("only the first {EVENTS_MAX} events are looked at"));
    }
    Ok(events)
}
