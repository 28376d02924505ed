//! Which of the waiting notifications goes next: the more severe ones, and now and then another, so
//! that a storm of severe ones cannot keep the rest back for ever.

use alert::Lane;

/// Returns how many of a full round are a lane's, while all lanes have something.
const fn share(lane: Lane) -> u8 {
    match lane {
        Lane::Urgent => 16,
        Lane::Elevated => 4,
        Lane::Ordinary => 1,
    }
}

/// Whose turn it is.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    left: [u8; 3],
}

impl Turn {
    pub(crate) fn new() -> Self {
        Self { left: Lane::ALL.map(share) }
    }

    /// Returns the lane to take from, of those that have something.
    pub(crate) fn next(&mut self, has: impl Fn(Lane) -> bool) -> Option<Lane> {
        let first = Lane::ALL.into_iter().find(|lane| has(*lane))?;
        let turn = Lane::ALL.into_iter().find(|lane| has(*lane) && self.left[*lane as usize] > 0);
        let lane = turn.unwrap_or_else(|| {
            self.left = Lane::ALL.map(share);
            first
        });
        self.left[lane as usize] -= 1;
        Some(lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urgent_ones_overtake_and_others_are_not_starved() {
        let mut turn = Turn::new();
        let round: Vec<_> = (0..21).filter_map(|_| turn.next(|_| true)).collect();
        assert!(round[..16].iter().all(|lane| *lane == Lane::Urgent));
        assert!(round[16..20].iter().all(|lane| *lane == Lane::Elevated));
        assert_eq!(round[20], Lane::Ordinary);
        assert_eq!(turn.next(|_| true), Some(Lane::Urgent));
    }

    #[test]
    fn a_lane_alone_always_has_its_turn() {
        let mut turn = Turn::new();
        for _ in 0..100 {
            assert_eq!(turn.next(|lane| lane == Lane::Ordinary), Some(Lane::Ordinary));
        }
        assert_eq!(turn.next(|_| false), None);
    }
}
