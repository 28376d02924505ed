//! Notices that alerts of a sender get lost before they come here, by the numbers it gives them.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::trouble::{Kind, Trouble};
use crate::ingest::StreamView;

/// A loss is told of for this long.
const TOLD_FOR: Duration = Duration::from_secs(600);
/// Senders that are told of at a time. Beyond it, `saker_ingest_sender_lost_total` counts them.
const SENDERS_MAX: usize = 100;

/// How much each stream had lost at the last look, and when that rose. As many as there are streams.
#[derive(Debug, Default)]
pub(super) struct Losses(BTreeMap<(Option<String>, String), (u64, Option<Instant>)>);

impl Losses {
    /// Returns which senders lost something lately. The numbers begin with 0 at the router's start.
    pub(super) fn observe(&mut self, now: Instant, streams: Vec<StreamView>) -> Vec<Trouble> {
        let mut before = std::mem::take(&mut self.0);
        let mut lost: BTreeMap<Option<String>, u64> = BTreeMap::new();
        for view in streams {
            let key = (view.sender, view.stream);
            let (known, rose) = before.remove(&key).unwrap_or_default();
            let rose = if view.lost > known { Some(now) } else { rose };
            let rose = rose.filter(|at| now - *at < TOLD_FOR);
            if rose.is_some() {
                *lost.entry(key.0.clone()).or_default() += view.lost;
            }
            self.0.insert(key, (view.lost, rose));
        }
        lost.into_iter().take(SENDERS_MAX).map(|(sender, lost)| trouble(sender, lost)).collect()
    }
}

fn trouble(sender: Option<String>, lost: u64) -> Trouble {
    let subject = sender.unwrap_or_else(|| "unknown".to_owned());
    let summary = format!("{lost} alerts of sender {subject} never came since the router's start");
    Trouble { kind: Kind::SenderLosing, subject, summary, hold: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn view(sender: &str, stream: &str, lost: u64) -> StreamView {
        StreamView {
            sender: Some(sender.to_owned()),
            stream: stream.to_owned(),
            next: 100,
            lost,
            repeated: 0,
            last_seen: Timestamp::UNIX_EPOCH,
        }
    }

    fn told(troubles: &[Trouble]) -> Vec<&str> {
        troubles.iter().map(|trouble| trouble.subject.as_str()).collect()
    }

    #[test]
    fn a_sender_is_losing_while_its_losses_rise_and_for_a_while_after() {
        let (mut losses, start) = (Losses::default(), Instant::now());
        assert_eq!(losses.observe(start, vec![view("a", "1", 0), view("b", "1", 0)]), []);
        let now = start + Duration::from_secs(5);
        let seen = losses.observe(now, vec![view("a", "1", 7), view("b", "1", 0)]);
        assert_eq!(told(&seen), ["a"]);
        assert!(seen[0].summary.starts_with("7 alerts"), "{}", seen[0].summary);
        let seen = losses.observe(now + TOLD_FOR / 2, vec![view("a", "1", 7), view("b", "1", 0)]);
        assert_eq!(told(&seen), ["a"]);
        assert_eq!(losses.observe(now + TOLD_FOR, vec![view("a", "1", 7)]), []);
        assert_eq!(losses.0.len(), 1, "a stream that is gone is forgotten");
    }

    #[test]
    fn streams_of_one_sender_count_together_and_there_is_room_for_so_many_senders() {
        let (mut losses, now) = (Losses::default(), Instant::now());
        let seen = losses.observe(now, vec![view("a", "1", 1), view("a", "2", 2)]);
        assert_eq!(told(&seen), ["a"]);
        assert!(seen[0].summary.starts_with("3 alerts"), "{}", seen[0].summary);
        let many = (0..1000).map(|index| view(&format!("sender {index}"), "1", 1)).collect();
        assert_eq!(losses.observe(now, many).len(), SENDERS_MAX);
    }
}
