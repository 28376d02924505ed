//! How often senders are heard, so that one that falls silent is noticed.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Senders whose rhythm is learnt; beyond it the one that is silent for longest is forgotten.
const SENDERS_MAX: usize = 1000;
/// Longer names are not learnt.
const NAME_BYTES_MAX: usize = 256;
/// The last gaps that count.
const GAPS_MAX: usize = 15;
/// With fewer, nothing is expected.
const GAPS_MIN: usize = 9;

/// Senders by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Rhythms(BTreeMap<Box<str>, Rhythm>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Rhythm {
    /// When it was heard last, by the wall clock.
    last: Timestamp,
    /// Seconds between the last times it was heard; what came within one second is one time.
    gaps: VecDeque<u32>,
}

/// A sender that was heard often enough to be expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    pub sender: Box<str>,
    pub last: Timestamp,
    /// The median of its last gaps.
    pub gap: Duration,
}

impl Rhythms {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Notes that a sender was heard.
    pub(super) fn hear(&mut self, sender: &str, now: Timestamp) {
        if let Some(rhythm) = self.0.get_mut(sender) {
            return rhythm.hear(now);
        }
        if sender.len() > NAME_BYTES_MAX {
            return;
        }
        if self.0.len() >= SENDERS_MAX {
            let silent = self.0.iter().min_by_key(|(_, rhythm)| rhythm.last);
            if let Some(silent) = silent.map(|(name, _)| name.clone()) {
                self.0.remove(&silent);
            }
        }
        self.0.insert(sender.into(), Rhythm { last: now, gaps: VecDeque::new() });
    }

    /// Returns those that were heard often enough, by name.
    pub(super) fn expected(&self) -> impl Iterator<Item = Expected> {
        self.0.iter().filter_map(|(sender, rhythm)| {
            let gap = rhythm.gap()?;
            Some(Expected { sender: sender.clone(), last: rhythm.last, gap })
        })
    }
}

impl Rhythm {
    fn hear(&mut self, now: Timestamp) {
        let gap = now.duration_since(self.last).as_secs();
        if gap == 0 {
            return;
        }
        self.last = now;
        // A clock that was set back makes no gap.
        if let Ok(gap) = u32::try_from(gap) {
            self.gaps.push_back(gap);
        }
        if self.gaps.len() > GAPS_MAX {
            self.gaps.pop_front();
        }
    }

    fn gap(&self) -> Option<Duration> {
        if self.gaps.len() < GAPS_MIN {
            return None;
        }
        let mut gaps: Vec<u32> = self.gaps.iter().copied().collect();
        gaps.sort_unstable();
        gaps.get(gaps.len() / 2).map(|gap| Duration::from_secs((*gap).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Returns what is expected, in seconds, of a sender that was heard at these.
    fn check(seconds: impl IntoIterator<Item = i64>) -> Option<u64> {
        let mut rhythms = Rhythms::default();
        for second in seconds {
            rhythms.hear("token:node-1", at(second));
        }
        rhythms.expected().next().map(|expected| expected.gap.as_secs())
    }

    #[test]
    fn a_sender_is_expected_once_it_was_heard_often_enough() {
        assert_eq!(check((0..9).map(|turn| turn * 60)), None);
        assert_eq!(check((0..10).map(|turn| turn * 60)), Some(60));
    }

    #[test]
    fn many_alerts_at_once_are_one_time_and_a_long_silence_is_no_rhythm() {
        let bursts = (0..12).flat_map(|turn| [turn * 300; 50]);
        assert_eq!(check(bursts), Some(300));
        let pause = (0..12).map(|turn| turn * 10 + if turn > 5 { 100_000 } else { 0 });
        assert_eq!(check(pause), Some(10));
    }

    #[test]
    fn only_the_last_gaps_count_and_a_clock_that_is_set_back_makes_none() {
        let slower = (0..20).chain((1..=15).map(|turn| 20 + turn * 60));
        assert_eq!(check(slower), Some(60));
        assert_eq!(check([100, 0, 100, 0, 100, 0, 100, 0, 100, 0]), None);
    }

    #[test]
    fn so_many_senders_are_learnt_and_the_most_silent_is_forgotten_first() {
        let mut rhythms = Rhythms::default();
        for number in 0..2000 {
            rhythms.hear(&format!("sender-{number}"), at(number));
            rhythms.hear("sender-0", at(number));
        }
        rhythms.hear(&"x".repeat(1000), at(3000));
        assert_eq!(rhythms.0.len(), SENDERS_MAX);
        assert!(rhythms.0.contains_key("sender-0") && !rhythms.0.contains_key("sender-1"));
        let text = serde_json::to_string(&rhythms).unwrap();
        let again: Rhythms = serde_json::from_str(&text).unwrap();
        assert_eq!(again.expected().collect::<Vec<_>>(), rhythms.expected().collect::<Vec<_>>());
    }
}
