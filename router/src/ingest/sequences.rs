//! Numbers that senders give their alerts: what is missing among them was lost before it came here.
//!
//! A sender numbers the alerts of a stream one by one, and says with each request which it brings:
//! `saker-sequence: STREAM FIRST-LAST`. It waits for an answer before it sends the next. What it
//! sends again because an answer was lost is no alert more: the alerts' ids tell.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use ::http::{HeaderMap, HeaderName};
use jiff::Timestamp;

use super::decode::Refusal;

const SEQUENCE: HeaderName = HeaderName::from_static("saker-sequence");
/// Streams known at a time; beyond them, whoever was silent the longest is forgotten.
const STREAMS_MAX: usize = 10_000;
const STREAM_CHARS_MAX: usize = 64;

/// Which alerts of a stream a request brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    stream: String,
    first: u64,
    last: u64,
}

/// What the numbers of one request say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Finding {
    /// Alerts that never came.
    pub(super) lost: u64,
    /// Alerts that had come before.
    pub(super) repeated: u64,
}

/// A stream, as far as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamView {
    /// `saker.sender`; absent if nobody knows who it is.
    pub sender: Option<String>,
    pub stream: String,
    /// The number its next alert has.
    pub next: u64,
    pub lost: u64,
    pub repeated: u64,
    pub last_seen: Timestamp,
}

/// How far each stream came, since the router's start.
#[derive(Debug, Default)]
pub(super) struct Sequences(Mutex<BTreeMap<Key, StreamView>>);

type Key = (Option<String>, String);

impl Sequence {
    /// Returns what a request says, if it says anything.
    pub(super) fn read(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let Some(value) = headers.get(SEQUENCE) else { return Ok(None) };
        let read = value.to_str().ok().and_then(Self::parse);
        let error = "the header `saker-sequence` is no `STREAM FIRST-LAST`, as in `a1b2 17-42`";
        read.map(Some).ok_or_else(|| Refusal::invalid(error))
    }

    fn parse(text: &str) -> Option<Self> {
        let (stream, range) = text.trim().split_once(' ')?;
        let (first, last) = range.split_once('-')?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        // There is always a next number.
        let is_range = first <= last && last < u64::MAX;
        ((1..=STREAM_CHARS_MAX).contains(&stream.len()) && stream.chars().all(plain) && is_range)
            .then(|| Self { stream: stream.to_owned(), first, last })
    }

    /// Says whether a body with so many alerts can be what these numbers are of. There may be fewer:
    /// then some were lost.
    pub(super) fn check(&self, alerts: usize) -> Result<(), Refusal> {
        let numbers = self.last - self.first + 1;
        if alerts as u64 <= numbers {
            return Ok(());
        }
        let error = format!("the body has {alerts} alerts, `saker-sequence` is of {numbers}");
        Err(Refusal::invalid(error))
    }
}

impl Sequences {
    /// Notes that so many alerts with these numbers are durable, and returns what that says. The
    /// first request of a stream says nothing but where it is.
    pub(super) fn note(
        &self,
        sender: Option<&str>,
        sequence: Sequence,
        alerts: usize,
        now: Timestamp,
    ) -> Finding {
        let Sequence { stream, first, last } = sequence;
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (sender.map(str::to_owned), stream.clone());
        if streams.len() >= STREAMS_MAX && !streams.contains_key(&key) {
            let oldest = streams.iter().min_by_key(|(_, view)| view.last_seen);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                streams.remove(&oldest);
            }
        }
        let sender = key.0.clone();
        let fresh =
            StreamView { sender, stream, next: first, lost: 0, repeated: 0, last_seen: now };
        let view = streams.entry(key).or_insert(fresh);
        let within = (last - first + 1).saturating_sub(alerts as u64);
        let finding = Finding {
            lost: first.saturating_sub(view.next) + within,
            repeated: view.next.min(last + 1).saturating_sub(first).saturating_sub(within),
        };
        view.next = view.next.max(last + 1);
        view.lost += finding.lost;
        view.repeated += finding.repeated;
        view.last_seen = now;
        finding
    }

    /// Returns every stream there is, by sender.
    pub(super) fn views(&self) -> Vec<StreamView> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(sequences: &Sequences, stream: &str, numbers: &str, alerts: usize) -> (u64, u64) {
        let sequence = Sequence::parse(&format!("{stream} {numbers}")).unwrap();
        let found = sequences.note(Some("agents"), sequence, alerts, Timestamp::UNIX_EPOCH);
        (found.lost, found.repeated)
    }

    #[test]
    fn what_is_missing_or_comes_again_is_counted() {
        let sequences = Sequences::default();
        assert_eq!(note(&sequences, "a", "100-109", 10), (0, 0), "the first says where it is");
        assert_eq!(note(&sequences, "a", "110-119", 10), (0, 0));
        assert_eq!(note(&sequences, "a", "125-129", 5), (5, 0), "120 to 124");
        assert_eq!(note(&sequences, "a", "125-134", 10), (0, 5), "125 to 129 again");
        assert_eq!(note(&sequences, "a", "125-134", 10), (0, 10));
        assert_eq!(note(&sequences, "b", "0-0", 1), (0, 0), "another stream");
        let views = sequences.views();
        assert_eq!((views[0].next, views[0].lost, views[0].repeated), (135, 5, 15));
    }

    #[test]
    fn numbers_without_an_alert_are_lost_ones() {
        let sequences = Sequences::default();
        assert_eq!(note(&sequences, "a", "0-9", 8), (2, 0));
        assert_eq!(note(&sequences, "a", "0-9", 8), (2, 8));
    }

    #[test]
    fn only_so_many_streams_are_known() {
        let sequences = Sequences::default();
        for stream in 0..STREAMS_MAX + 5 {
            let sequence = Sequence::parse(&format!("s{stream} 0-0")).unwrap();
            let now = Timestamp::from_second(i64::try_from(stream).unwrap()).unwrap();
            sequences.note(None, sequence, 1, now);
        }
        let views = sequences.views();
        assert_eq!(views.len(), STREAMS_MAX);
        assert!(views.iter().all(|view| view.last_seen.as_second() >= 5));
    }

    #[test]
    fn what_is_no_sequence_is_refused() {
        for wrong in [
            "",
            "a",
            "a 1",
            "a 2-1",
            "a 1-",
            "a -1",
            " 1-2",
            "a b 1-2",
            "ä 1-2",
            "a 0-18446744073709551615",
        ] {
            assert_eq!(Sequence::parse(wrong), None, "{wrong}");
        }
        assert!(Sequence::parse(&format!("{} 1-2", "a".repeat(65))).is_none());
        let sequence = Sequence::parse("a 1-2").unwrap();
        assert!(
            sequence.check(2).is_ok() && sequence.check(0).is_ok() && sequence.check(3).is_err()
        );
    }
}
