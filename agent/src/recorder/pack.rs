//! Makes a chunk of events: what several have in common is written once.
//!
//! The text of a chunk is lines of JSON. A process stands before the first event that names it, after
//! its parent and its container; events and children call it by its number in the chunk.

use std::{hash::BuildHasher, io, sync::Arc};

use alert::{Container, Detail, Event, EventKind, Process};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use serde::Serialize;

use super::{
    ANCESTORS_MAX, EVENT_BYTES_MAX,
    frame::{Summary, Tag, frame},
};

/// More processes than these are not listed in a summary.
const PIDS_MAX: usize = 256;
/// Higher levels pack by a few percent more at twice the cost.
const LEVEL: i32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Line<'a> {
    Container(&'a Container),
    Process(ProcessLine<'a>),
    Event(EventLine<'a>),
}

#[derive(Serialize)]
struct ProcessLine<'a> {
    /// Its number in the chunk.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<u32>,
    /// Without parent and container.
    is: &'a Process,
}

#[derive(Serialize)]
struct EventLine<'a> {
    /// What was added to the event's before, in this chunk.
    #[serde(skip_serializing_if = "is_one")]
    number: i64,
    /// Nanoseconds since the event before, in this chunk.
    time: i64,
    kind: EventKind,
    #[serde(skip_serializing_if = "is_zero")]
    result: i64,
    /// Where it is not the process's first.
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vtid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<u32>,
    #[serde(skip_serializing_if = "is_false")]
    via_io_uring: bool,
    process: u32,
    detail: &'a Detail,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
fn is_one(number: &i64) -> bool {
    *number == 1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands references")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// A chunk in the making.
#[derive(Default)]
pub(crate) struct Packer {
    text: Vec<u8>,
    summary: Summary,
    pids: Vec<i32>,
    /// Number and time of the last event.
    last: (u64, u64),
    processes: Entries<Process>,
    containers: Entries<Container>,
}

/// A finished chunk.
pub(crate) struct Chunk {
    pub(crate) summary: Summary,
    /// The whole frame.
    pub(crate) bytes: Vec<u8>,
}

/// What was written once and has a number.
struct Entries<T> {
    /// By address, which stays theirs while they are held.
    numbers: HashMap<usize, u32>,
    held: Vec<Arc<T>>,
    /// Where the line of each is, and how many ancestors it has.
    lines: Vec<(std::ops::Range<usize>, u8)>,
    by_line: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self {
            numbers: HashMap::new(),
            held: Vec::new(),
            lines: Vec::new(),
            by_line: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }
}

impl<T> Entries<T> {
    fn known(&self, item: &Arc<T>) -> Option<u32> {
        self.numbers.get(&Arc::as_ptr(item).addr()).copied()
    }

    /// Gives the item a number. Its line is the end of `text` from `start` on, and is taken back where
    /// an equal one is there.
    fn add(&mut self, item: &Arc<T>, text: &mut Vec<u8>, start: usize, depth: u8) -> u32 {
        let hash = self.hasher.hash_one(&text[start..]);
        let same = |number: &u32| {
            let (line, _) = &self.lines[*number as usize];
            text[line.clone()] == text[start..]
        };
        let number = match self.by_line.find(hash, same) {
            Some(number) => {
                let number = *number;
                text.truncate(start);
                number
            }
            None => {
                let number = u32::try_from(self.lines.len()).unwrap_or(u32::MAX);
                self.lines.push((start..text.len(), depth));
                let (lines, hasher) = (&self.lines, &self.hasher);
                self.by_line.insert_unique(hash, number, |number| {
                    hasher.hash_one(&text[lines[*number as usize].0.clone()])
                });
                number
            }
        };
        self.numbers.insert(Arc::as_ptr(item).addr(), number);
        self.held.push(Arc::clone(item));
        number
    }
}

impl Packer {
    /// Adds an event. One that is longer than any is left out, and the answer is no.
    pub(crate) fn push(&mut self, event: &Event) -> io::Result<bool> {
        let start = self.text.len();
        let process = self.process(&event.process)?;
        let Event {
            number,
            time_ns,
            kind,
            result,
            tid,
            vtid,
            cpu,
            via_io_uring,
            process: of,
            detail,
        } = event;
        let difference = |now: u64, before: u64| now.wrapping_sub(before).cast_signed();
        let line = EventLine {
            number: difference(*number, self.last.0),
            time: difference(*time_ns, self.last.1),
            kind: *kind,
            result: *result,
            tid: (*tid != of.key.pid).then_some(*tid),
            vtid: *vtid,
            cpu: *cpu,
            via_io_uring: *via_io_uring,
            process,
            detail,
        };
        let before = self.text.len();
        self.line(&Line::Event(line))?;
        if self.text.len() - start > EVENT_BYTES_MAX {
            // Its processes stay: they have numbers by now.
            self.text.truncate(before);
            return Ok(false);
        }
        self.last = (*number, *time_ns);
        self.sum_up(*kind, *time_ns, of.key.pid);
        Ok(true)
    }

    pub(crate) const fn summary(&self) -> &Summary {
        &self.summary
    }

    /// Returns the bytes of its text so far.
    pub(crate) const fn len(&self) -> usize {
        self.text.len()
    }

    /// Returns what was gathered as a chunk, and begins the next; nothing where there is no event.
    pub(crate) fn pack(&mut self) -> io::Result<Option<Chunk>> {
        let Self { text, mut summary, mut pids, .. } = std::mem::take(self);
        if summary.events == 0 {
            return Ok(None);
        }
        pids.sort_unstable();
        summary.pids = (pids.len() <= PIDS_MAX).then_some(pids);
        let bytes = frame(Tag::Chunk, &serde_json::to_vec(&summary)?, &text, LEVEL)?;
        Ok(Some(Chunk { summary, bytes }))
    }

    fn sum_up(&mut self, kind: EventKind, time_ns: u64, pid: i32) {
        let Summary { events, first_ns, last_ns, kinds, .. } = &mut self.summary;
        *first_ns = if *events == 0 { time_ns } else { time_ns.min(*first_ns) };
        *last_ns = time_ns.max(*last_ns);
        *events += 1;
        match kinds.get_mut(kind.name()) {
            Some(count) => *count += 1,
            None => {
                kinds.insert(kind.name().to_owned(), 1);
            }
        }
        if self.pids.len() <= PIDS_MAX && !self.pids.contains(&pid) {
            self.pids.push(pid);
        }
    }

    /// Returns the number of a process, after writing what is new of it and its ancestors.
    fn process(&mut self, process: &Arc<Process>) -> io::Result<u32> {
        if let Some(number) = self.processes.known(process) {
            return Ok(number);
        }
        let mut new = vec![process];
        let mut above = process.parent.as_ref();
        let mut number = None;
        while let Some(ancestor) = above.filter(|_| new.len() <= usize::from(ANCESTORS_MAX)) {
            number = self.processes.known(ancestor);
            if number.is_some() {
                break;
            }
            new.push(ancestor);
            above = ancestor.parent.as_ref();
        }
        while let Some(process) = new.pop() {
            number = Some(self.new_process(process, number)?);
        }
        number.ok_or_else(|| io::Error::other("a process without a number"))
    }

    fn new_process(&mut self, process: &Arc<Process>, parent: Option<u32>) -> io::Result<u32> {
        let container = process.container.as_ref().map(|of| self.container(of)).transpose()?;
        let above = parent.map(|number| self.processes.lines[number as usize].1);
        // A row without end would end the stack of who drops it.
        let parent = parent.filter(|_| above < Some(ANCESTORS_MAX));
        let depth = if parent.is_some() { above.map_or(0, |depth| depth + 1) } else { 0 };
        let alone = Process { parent: None, container: None, ..Process::clone(process) };
        let start = self.text.len();
        self.line(&Line::Process(ProcessLine { parent, container, is: &alone }))?;
        Ok(self.processes.add(process, &mut self.text, start, depth))
    }

    fn container(&mut self, container: &Arc<Container>) -> io::Result<u32> {
        if let Some(number) = self.containers.known(container) {
            return Ok(number);
        }
        let start = self.text.len();
        self.line(&Line::Container(container))?;
        Ok(self.containers.add(container, &mut self.text, start, 0))
    }

    fn line(&mut self, line: &Line<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.text, line)?;
        self.text.push(b'\n');
        Ok(())
    }
}
