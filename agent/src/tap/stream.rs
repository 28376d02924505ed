//! The forms in which events are handed over.

use std::io;

use alert::Event;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::Answer;
use crate::recorder::{Header, Writer};

/// Bytes of a recording in one line.
const PART_BYTES_MAX: usize = 256 << 10;

/// Makes answers of events.
pub(super) trait Stream: Send {
    /// Takes events in and returns what there is to say.
    fn events(&mut self, events: &mut Vec<Event>) -> io::Result<Vec<Answer>>;

    /// Returns what was gathered and need not wait.
    fn gathered(&mut self) -> io::Result<Vec<Answer>>;

    /// Returns whether it has its full size.
    fn is_full(&self) -> bool;

    /// Returns what is missing at the end. Called once.
    fn finish(&mut self) -> io::Result<Vec<Answer>>;
}

/// Each event by itself.
pub(super) struct Events;

impl Stream for Events {
    fn events(&mut self, events: &mut Vec<Event>) -> io::Result<Vec<Answer>> {
        Ok(events.drain(..).map(|event| Answer::Event(Box::new(event))).collect())
    }

    fn gathered(&mut self) -> io::Result<Vec<Answer>> {
        Ok(Vec::new())
    }

    fn is_full(&self) -> bool {
        false
    }

    fn finish(&mut self) -> io::Result<Vec<Answer>> {
        Ok(Vec::new())
    }
}

/// A recording, cut into parts.
pub(super) struct Parts {
    writer: Option<Writer<Vec<u8>>>,
    bytes_max: u64,
}

impl Parts {
    pub(super) fn new(hostname: String, bytes_max: u64) -> io::Result<Self> {
        let writer = Writer::new(Vec::new(), &Header::here(hostname))?;
        Ok(Self { writer: Some(writer), bytes_max })
    }

    fn taken(&mut self, bytes_min: usize) -> Vec<Answer> {
        let Some(writer) = &mut self.writer else { return Vec::new() };
        if writer.out_mut().len() <= bytes_min {
            return Vec::new();
        }
        parts(&std::mem::take(writer.out_mut()))
    }
}

impl Stream for Parts {
    fn events(&mut self, events: &mut Vec<Event>) -> io::Result<Vec<Answer>> {
        for event in events.drain(..) {
            if let Some(writer) = self.writer.as_mut().filter(|at| at.bytes() < self.bytes_max) {
                writer.push(&event)?;
            }
        }
        Ok(self.taken(PART_BYTES_MAX))
    }

    fn gathered(&mut self) -> io::Result<Vec<Answer>> {
        if let Some(writer) = &mut self.writer {
            writer.end_chunk()?;
        }
        Ok(self.taken(0))
    }

    fn is_full(&self) -> bool {
        self.writer.as_ref().is_none_or(|writer| writer.bytes() >= self.bytes_max)
    }

    fn finish(&mut self) -> io::Result<Vec<Answer>> {
        let Some(writer) = self.writer.take() else { return Ok(Vec::new()) };
        let (bytes, _) = writer.finish()?;
        Ok(parts(&bytes))
    }
}

fn parts(bytes: &[u8]) -> Vec<Answer> {
    bytes.chunks(PART_BYTES_MAX).map(|part| Answer::Part(STANDARD.encode(part))).collect()
}
