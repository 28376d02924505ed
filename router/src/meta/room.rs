//! Notices that alerts are refused because there is no room for them, and says how many were.

use std::time::Duration;

use alert::Priority;
use tokio::time::Instant;

use super::trouble::{HOLD_MAX, Kind, Trouble};
use crate::ingest::RefusedCounts;

/// A refusal is told of for this long: longer than trouble may have to hold, so that each is told.
const TOLD_FOR: Duration = HOLD_MAX.saturating_mul(2);

/// How many were refused at the last look, and when that rose.
#[derive(Debug, Default)]
pub(super) struct Room {
    refused: RefusedCounts,
    rose: Option<Instant>,
}

impl Room {
    /// Returns whether alerts were refused lately. The numbers begin with 0 at the router's start.
    pub(super) fn observe(
        &mut self,
        now: Instant,
        refused: RefusedCounts,
        hold: Duration,
    ) -> Option<Trouble> {
        if refused != self.refused {
            self.refused = refused;
            self.rose = Some(now);
        }
        self.rose = self.rose.filter(|at| now - *at < TOLD_FOR);
        self.rose.map(|_| Trouble {
            kind: Kind::DiskNearlyFull,
            subject: "journal".to_owned(),
            summary: format!("no room for alerts: refused since the start {}", said(&refused)),
            hold,
        })
    }
}

/// Returns the counts in words, the most severe first.
fn said(refused: &RefusedCounts) -> String {
    let counted = Priority::ALL.into_iter().zip(refused).rev().filter(|(_, count)| **count > 0);
    let said: Vec<String> =
        counted.map(|(priority, count)| format!("{count} {priority}")).collect();
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_with_their_counts_while_they_go_on_and_for_a_while_after() {
        let (mut room, start) = (Room::default(), Instant::now());
        assert_eq!(room.observe(start, [0; 8], HOLD_MAX), None);
        let refused = [0, 0, 12, 3, 0, 1, 0, 0];
        let told = room.observe(start + Duration::from_secs(5), refused, HOLD_MAX).unwrap();
        assert_eq!(
            told.summary,
            "no room for alerts: refused since the start 1 Critical, 3 Warning, 12 Notice"
        );
        assert!(room.observe(start + TOLD_FOR, refused, HOLD_MAX).is_some());
        let later = start + TOLD_FOR + Duration::from_secs(5);
        assert_eq!(room.observe(later, refused, HOLD_MAX), None);
    }
}
