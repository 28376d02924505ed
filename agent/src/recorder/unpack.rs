//! Makes events of a chunk's text, of which nothing is believed.

use std::sync::Arc;

use alert::{Container, Detail, Event, EventKind, Process};
use serde::Deserialize;

use super::ANCESTORS_MAX;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Container(Arc<Container>),
    Process(ProcessLine),
    Event(EventLine),
}

#[derive(Deserialize)]
struct ProcessLine {
    parent: Option<u32>,
    container: Option<u32>,
    is: Process,
}

#[derive(Deserialize)]
struct EventLine {
    #[serde(default = "one")]
    number: i64,
    time: i64,
    kind: EventKind,
    #[serde(default)]
    result: i64,
    tid: Option<i32>,
    vtid: Option<i32>,
    cpu: Option<u32>,
    #[serde(default)]
    via_io_uring: bool,
    process: u32,
    detail: Detail,
}

const fn one() -> i64 {
    1
}

/// The events of one chunk, in order.
#[derive(Default)]
pub(super) struct Unpacker {
    text: Vec<u8>,
    at: usize,
    last: (u64, u64),
    /// Each with how many ancestors it has.
    processes: Vec<(Arc<Process>, u8)>,
    containers: Vec<Arc<Container>>,
}

/// Why a line of a chunk says nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("a line of a chunk is not to be understood: {0}")]
    NoLine(#[from] serde_json::Error),
    #[error("a line of a chunk names what is not there")]
    NoSuch,
    #[error("a process has too many ancestors")]
    Ancestors,
}

impl Unpacker {
    pub(super) fn new(text: Vec<u8>) -> Self {
        Self { text, ..Self::default() }
    }

    /// Returns the next event; nothing at the end of the chunk.
    pub(super) fn next(&mut self) -> Result<Option<Event>, LineError> {
        while self.at < self.text.len() {
            let rest = &self.text[self.at..];
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let line = serde_json::from_slice(&rest[..end])?;
            self.at += end + 1;
            match line {
                Line::Container(container) => self.containers.push(container),
                Line::Process(line) => self.process(line)?,
                Line::Event(line) => return self.event(line).map(Some),
            }
        }
        Ok(None)
    }

    fn process(&mut self, line: ProcessLine) -> Result<(), LineError> {
        let mut process = line.is;
        let mut depth = 0;
        if let Some(number) = line.parent {
            let (parent, above) = self.processes.get(number as usize).ok_or(LineError::NoSuch)?;
            if *above >= ANCESTORS_MAX {
                return Err(LineError::Ancestors);
            }
            depth = above + 1;
            process.parent = Some(Arc::clone(parent));
        } else {
            // A text may hold a row of its own; the writer's never does.
            process.parent = None;
        }
        if let Some(number) = line.container {
            let container = self.containers.get(number as usize).ok_or(LineError::NoSuch)?;
            process.container = Some(Arc::clone(container));
        }
        self.processes.push((Arc::new(process), depth));
        Ok(())
    }

    fn event(&mut self, line: EventLine) -> Result<Event, LineError> {
        let (process, _) = self.processes.get(line.process as usize).ok_or(LineError::NoSuch)?;
        let process = Arc::clone(process);
        let number = self.last.0.wrapping_add_signed(line.number);
        let time_ns = self.last.1.wrapping_add_signed(line.time);
        self.last = (number, time_ns);
        Ok(Event {
            number,
            time_ns,
            kind: line.kind,
            result: line.result,
            tid: line.tid.unwrap_or(process.key.pid),
            vtid: line.vtid,
            cpu: line.cpu,
            via_io_uring: line.via_io_uring,
            process,
            detail: line.detail,
        })
    }
}
