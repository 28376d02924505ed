//! Keys that were used, what was asked with each, and what was answered. Bounded in number, bytes
//! and time.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use axum::body::Bytes;
use http::{HeaderValue, StatusCode};
use tokio::time::Instant;

/// How long an answer is kept.
pub(super) const WINDOW: Duration = Duration::from_secs(24 * 3600);
/// Answers kept at most; the oldest is forgotten before its time.
pub(super) const ANSWERS_MAX: usize = 4096;
pub(super) const ANSWERS_BYTES_MAX: usize = 16 << 20;

/// Names what a caller asks once: digest of the caller, the key, the method and the path.
pub(super) type Name = u128;

/// An answer that can be given again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content: Option<HeaderValue>,
    pub(super) body: Bytes,
}

#[derive(Debug)]
struct Entry {
    /// Digest of the body.
    request: u128,
    /// Absent as long as it is worked on.
    answer: Option<Answer>,
}

/// What to do with a request that has a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// It is the first: do it, and say how it ended.
    First,
    /// It was done.
    Again(Answer),
    /// It is being done.
    UnderWay,
    /// The key was used with another body.
    Other,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    entries: HashMap<Name, Entry>,
    /// Those with an answer, the oldest first.
    answered: VecDeque<(Instant, Name)>,
    bytes: usize,
}

impl Table {
    pub(super) fn begin(&mut self, now: Instant, name: Name, request: u128) -> Begun {
        while let Some(&(since, oldest)) = self.answered.front()
            && now.saturating_duration_since(since) >= WINDOW
        {
            self.answered.pop_front();
            self.forget(oldest);
        }
        match self.entries.get(&name) {
            Some(entry) if entry.request != request => Begun::Other,
            Some(Entry { answer: Some(answer), .. }) => Begun::Again(answer.clone()),
            Some(_) => Begun::UnderWay,
            None => {
                self.entries.insert(name, Entry { request, answer: None });
                Begun::First
            }
        }
    }

    /// Keeps how a request ended; without an answer it may be tried again. Returns how many answers
    /// were forgotten before their time.
    pub(super) fn end(&mut self, now: Instant, name: Name, answer: Option<Answer>) -> u64 {
        let Some(answer) = answer else {
            self.forget(name);
            return 0;
        };
        let Some(entry) = self.entries.get_mut(&name) else { return 0 };
        self.bytes += answer.body.len();
        entry.answer = Some(answer);
        self.answered.push_back((now, name));
        let mut forgotten = 0;
        while self.answered.len() > ANSWERS_MAX || self.bytes > ANSWERS_BYTES_MAX {
            let Some((_, oldest)) = self.answered.pop_front() else { break };
            self.forget(oldest);
            forgotten += 1;
        }
        forgotten
    }

    fn forget(&mut self, name: Name) {
        let answer = self.entries.remove(&name).and_then(|entry| entry.answer);
        self.bytes -= answer.map_or(0, |answer| answer.body.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(bytes: usize) -> Answer {
        Answer { status: StatusCode::OK, content: None, body: Bytes::from(vec![b'x'; bytes]) }
    }

    #[test]
    fn a_key_is_answered_the_same_for_its_window_and_is_then_as_new() {
        let (mut table, now) = (Table::default(), Instant::now());
        assert_eq!(table.begin(now, 1, 7), Begun::First);
        assert_eq!(table.begin(now, 1, 7), Begun::UnderWay);
        assert_eq!(table.begin(now, 1, 8), Begun::Other);
        assert_eq!(table.end(now, 1, Some(answer(3))), 0);
        assert_eq!(table.begin(now, 1, 7), Begun::Again(answer(3)));
        assert_eq!(table.begin(now, 1, 8), Begun::Other);
        assert_eq!(table.begin(now + WINDOW, 1, 8), Begun::First);
    }

    #[test]
    fn what_came_to_nothing_may_be_tried_again() {
        let (mut table, now) = (Table::default(), Instant::now());
        assert_eq!(table.begin(now, 1, 7), Begun::First);
        assert_eq!(table.end(now, 1, None), 0);
        assert_eq!(table.begin(now, 1, 8), Begun::First);
    }

    #[test]
    fn the_oldest_answers_are_forgotten_when_there_are_too_many() {
        let (mut table, now) = (Table::default(), Instant::now());
        let last = ANSWERS_MAX as u128;
        for name in 0..=last {
            assert_eq!(table.begin(now, name, 7), Begun::First);
            assert_eq!(table.end(now, name, Some(answer(1))), u64::from(name == last));
        }
        assert_eq!(table.begin(now, 1, 7), Begun::Again(answer(1)));
        assert_eq!(table.begin(now, 0, 7), Begun::First);
        assert_eq!((table.entries.len(), table.bytes), (ANSWERS_MAX + 1, ANSWERS_MAX));
    }

    #[test]
    fn the_oldest_answers_are_forgotten_when_they_are_too_large() {
        let (mut table, now) = (Table::default(), Instant::now());
        for name in 0..3 {
            table.begin(now, name, 7);
            let forgotten = table.end(now, name, Some(answer(ANSWERS_BYTES_MAX / 2)));
            assert_eq!(forgotten, u64::from(name == 2));
        }
        assert_eq!(table.bytes, ANSWERS_BYTES_MAX);
    }
}
