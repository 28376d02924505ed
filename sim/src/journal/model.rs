//! What the journal must hold, as its callers know it.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use journal::{AppendError, Journal, ReadError, Sync};

/// What a caller knows of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// No answer yet, or it died with the process.
    Unknown,
    /// It is at this sequence.
    Taken(u64),
    /// None of its records may ever be there.
    Refused,
}

#[derive(Debug)]
struct Call {
    records: Vec<Bytes>,
    fate: Fate,
}

/// Where a cursor may be after the next start.
#[derive(Debug)]
struct Place {
    /// As it was last made durable.
    at: u64,
    /// Moves whose end nobody knows.
    tried: Vec<u64>,
    /// It holds records back: its making did not fail.
    holds: bool,
}

impl Place {
    /// Returns the furthest it may be.
    fn last(&self) -> u64 {
        self.tried.iter().copied().fold(self.at, u64::max)
    }
}

#[derive(Debug)]
pub(super) struct Model {
    sync: Sync,
    calls: Vec<Call>,
    /// The records that were answered or found, by sequence.
    known: BTreeMap<u64, Bytes>,
    /// After the last record that was answered.
    end: u64,
    cursors: BTreeMap<&'static str, Place>,
}

impl Model {
    pub(super) fn new(sync: Sync) -> Self {
        Self { sync, calls: Vec::new(), known: BTreeMap::new(), end: 0, cursors: BTreeMap::new() }
    }

    /// Makes a call of records with these lengths.
    pub(super) fn call(&mut self, lengths: &[usize]) -> (u64, Vec<Bytes>) {
        let call = self.calls.len() as u64;
        let records: Vec<Bytes> = lengths
            .iter()
            .enumerate()
            .map(|(place, length)| super::record(call, place, lengths.len(), *length))
            .collect();
        self.calls.push(Call { records: records.clone(), fate: Fate::Unknown });
        (call, records)
    }

    pub(super) fn answered(&mut self, call: u64, answer: &Result<Range<u64>, AppendError>) {
        let Call { records, fate } = &mut self.calls[call as usize];
        match answer {
            Ok(range) => {
                assert_eq!(range.end - range.start, records.len() as u64);
                assert_eq!(range.start, self.end, "a gap, or a sequence used twice");
                self.end = range.end;
                *fate = Fate::Taken(range.start);
                self.known.extend(range.clone().zip(records.iter().cloned()));
            }
            // What the disk holds of it is unknown.
            Err(AppendError::Failed) => {}
            Err(AppendError::Full | AppendError::TooLarge | AppendError::Closed) => {
                *fate = Fate::Refused;
            }
        }
    }

    /// The power went: what was synced only by the segment may be gone.
    pub(super) fn power_lost(&mut self) {
        if self.sync == Sync::None {
            self.end = 0;
        }
    }

    /// Checks everything the journal holds after a start against what is known.
    pub(super) fn opened(&mut self, journal: &Journal, records: &Range<u64>) {
        assert!(records.end >= self.end, "{} answered, {records:?} there", self.end);
        if self.sync == Sync::None {
            self.known.retain(|sequence, _| *sequence < records.end);
            for call in &mut self.calls {
                if matches!(call.fate, Fate::Taken(at) if at + call.records.len() as u64 > records.end)
                {
                    call.fate = Fate::Unknown;
                }
            }
        }
        if self.sync == Sync::Data {
            let needed = self.cursors.values().filter(|place| place.holds).map(Place::last).min();
            if let Some(needed) = needed {
                assert!(records.start <= needed, "{records:?}, but a cursor needs {needed}");
            }
        }
        self.learn(journal, records);
    }

    /// Learns of calls nobody was told of: each is there whole, in its order, or not at all.
    fn learn(&mut self, journal: &Journal, records: &Range<u64>) {
        let first = journal.first();
        let mut next = self.known.keys().next_back().map_or(0, |last| last + 1).max(first);
        let mut reader = match journal.read(next) {
            Err(ReadError::Io { .. }) => return,
            reader => reader.expect("a reader"),
        };
        loop {
            let (sequence, bytes) = match reader.next() {
                Err(ReadError::Io { .. }) => return,
                record => match record.expect("a record, or the end") {
                    Some(record) => record,
                    None => break,
                },
            };
            assert_eq!(sequence, next);
            let (call, place) = parse(&bytes);
            let Call { records: called, fate } = &mut self.calls[call as usize];
            assert_eq!(bytes, called[place], "another record");
            if place == 0 {
                assert_eq!(*fate, Fate::Unknown, "call {call} is there, at {sequence}");
                *fate = Fate::Taken(sequence);
            }
            assert_eq!(*fate, Fate::Taken(sequence - place as u64), "call {call} is torn");
            next += 1;
            self.known.insert(sequence, bytes);
            let is_whole = place + 1 == called.len();
            assert!(is_whole || next < records.end, "half of call {call} is there");
        }
        assert_eq!(next, records.end);
        self.end = next;
        self.check_records(journal, first..next);
    }

    /// Reads records and returns how many there were; each must be the one that was appended.
    pub(super) fn check_records(&self, journal: &Journal, range: Range<u64>) -> u64 {
        let mut reader = match journal.read(range.start) {
            Ok(reader) => reader,
            Err(ReadError::Io { .. }) => return 0,
            Err(error) => panic!("{error}"),
        };
        for sequence in range.clone() {
            let record = match reader.next() {
                Ok(record) => record,
                Err(ReadError::Io { .. }) => return 0,
                Err(error) => panic!("{error}"),
            };
            let (found, bytes) = record.expect("a durable record");
            assert_eq!((found, Some(&bytes)), (sequence, self.known.get(&sequence)));
        }
        range.end - range.start
    }

    /// A cursor was opened: it is where it was, or new at the beginning.
    pub(super) fn cursor_opened(&mut self, name: &'static str, at: u64, first: u64) {
        if let Some(place) = self.cursors.get(name)
            && place.holds
        {
            let may_be = at == place.at || place.tried.contains(&at);
            assert!(may_be || self.sync == Sync::None, "cursor {name} is at {at}, not {place:?}");
        }
        self.cursors.insert(name, Place { at, tried: Vec::new(), holds: at >= first });
    }

    /// A cursor was not made, as its caller was told; it may be there all the same, and holds nothing.
    pub(super) fn cursor_refused(&mut self, name: &'static str) {
        self.cursors.entry(name).or_insert(Place { at: 0, tried: Vec::new(), holds: false });
    }

    pub(super) fn cursor_moved(&mut self, name: &'static str, to: u64, done: bool) {
        let Some(place) = self.cursors.get_mut(name) else { return };
        if done {
            *place = Place { at: to, tried: Vec::new(), holds: true };
        } else {
            place.tried.push(to);
        }
    }
}

fn parse(bytes: &[u8]) -> (u64, usize) {
    let text = std::str::from_utf8(bytes).expect("a record of ours");
    let mut parts = text.split(':').map(str::parse);
    let call = parts.next().and_then(Result::ok).expect("a call");
    (call, parts.next().and_then(Result::ok).expect("a place") as usize)
}
