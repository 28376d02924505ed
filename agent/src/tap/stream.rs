//! The forms in which events are handed over.

use std::io;

use alert::Event;
use base64::{Engine, engine::general_purpose::STANDARD};

use tokio::sync::mpsc::Receiver;

use super::{Answer, End, Form, Moment, Request, Surroundings};
use crate::{
    around::{Window, now_ns, seconds_ns},
    recorder::{Header, Writer},
};

/// Bytes of a recording in one line.
const PART_BYTES_MAX: usize = 256 << 10;

/// Makes answers of events.
pub(super) trait Stream: Send {
    /// Takes events in and returns what there is to say.
    fn events(&mut self, events: &mut Vec<Event>) -> io::Result<Vec<Answer>>;

    /// Returns what was gathered and need not wait. Called once a second.
    fn gathered(&mut self) -> io::Result<Vec<Answer>>;

    /// Returns why there is room for no more, if so.
    fn full(&self) -> Option<End>;

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

    fn full(&self) -> Option<End> {
        None
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

    fn full(&self) -> Option<End> {
        let full = self.writer.as_ref().is_none_or(|writer| writer.bytes() >= self.bytes_max);
        full.then_some(End::Bytes)
    }

    fn finish(&mut self) -> io::Result<Vec<Answer>> {
        let Some(writer) = self.writer.take() else { return Ok(Vec::new()) };
        let (bytes, ending) = writer.finish()?;
        let mut answers = parts(&bytes);
        answers.push(Answer::Whole { events: ending.events });
        Ok(answers)
    }
}

/// Recordings of what is around moments, one after the other.
pub(super) struct Around {
    moments: Receiver<Moment>,
    window: Window<Vec<u8>>,
    /// Recordings that may still begin.
    left: u32,
    /// Of recordings that are whole.
    bytes: u64,
    bytes_max: u64,
}

impl Around {
    pub(super) fn new(
        around: &Surroundings,
        moments: Receiver<Moment>,
        hostname: String,
        bytes_max: u64,
    ) -> Self {
        let span_ns = seconds_ns(around.seconds.into());
        let window = Window::new(hostname, span_ns, around.ring_bytes_max);
        Self { moments, window, left: around.recordings_max, bytes: 0, bytes_max }
    }

    /// Ends the recording that is open if it is over, and begins one where there is a moment for it.
    fn look(&mut self) -> io::Result<Vec<Answer>> {
        let mut answers = Vec::new();
        if self.window.is_over(now_ns()) {
            answers.extend(self.end()?);
        }
        while self.left > 0
            && let Ok(moment) = self.moments.try_recv()
        {
            answers.extend(self.end()?);
            let from_ns = self.window.begin(moment.time_ns, Vec::new())?;
            self.left -= 1;
            answers.push(Answer::Around { moment, from_ns });
        }
        answers.extend(self.written());
        Ok(answers)
    }

    fn written(&mut self) -> Vec<Answer> {
        self.window.out_mut().map(std::mem::take).map(|bytes| parts(&bytes)).unwrap_or_default()
    }

    fn end(&mut self) -> io::Result<Vec<Answer>> {
        let mut bytes = self.window.open_bytes().unwrap_or_default();
        let Some((rest, events)) = self.window.end()? else { return Ok(Vec::new()) };
        bytes = bytes.saturating_add(rest.len() as u64);
        self.bytes = self.bytes.saturating_add(bytes);
        let mut answers = parts(&rest);
        answers.push(Answer::Whole { events });
        Ok(answers)
    }
}

impl Stream for Around {
    fn events(&mut self, events: &mut Vec<Event>) -> io::Result<Vec<Answer>> {
        events.drain(..).try_for_each(|event| self.window.event(&event))?;
        self.look()
    }

    fn gathered(&mut self) -> io::Result<Vec<Answer>> {
        self.look()
    }

    fn full(&self) -> Option<End> {
        let open = self.window.open_bytes();
        match self.bytes.saturating_add(open.unwrap_or_default()) >= self.bytes_max {
            true => Some(End::Bytes),
            false => (self.left == 0 && open.is_none()).then_some(End::Recordings),
        }
    }

    fn finish(&mut self) -> io::Result<Vec<Answer>> {
        self.end()
    }
}

/// Returns the stream of what was asked for.
pub(super) fn of(
    request: &Request,
    moments: Option<Receiver<Moment>>,
    hostname: String,
) -> io::Result<Box<dyn Stream>> {
    let bytes_max = request.bytes_max();
    Ok(match (request.form, request.around.as_ref().zip(moments)) {
        (Form::Events, _) => Box::new(Events),
        (Form::Recording, None) => Box::new(Parts::new(hostname, bytes_max)?),
        (Form::Recording, Some((around, moments))) => {
            Box::new(Around::new(around, moments, hostname, bytes_max))
        }
    })
}

fn parts(bytes: &[u8]) -> Vec<Answer> {
    bytes.chunks(PART_BYTES_MAX).map(|part| Answer::Part(STANDARD.encode(part))).collect()
}
