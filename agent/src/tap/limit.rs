//! Holds events back that come faster than somebody wants them.

use std::time::Instant;

/// Lets through so many events a second, a second's worth at once.
#[derive(Debug)]
pub(super) struct RateLimit {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl RateLimit {
    pub(super) fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, tokens: per_second, filled: Instant::now() }
    }

    pub(super) fn takes(&mut self) -> bool {
        self.takes_at(Instant::now())
    }

    fn takes_at(&mut self, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + seconds * self.per_second).min(self.per_second);
        self.filled = now;
        let takes = self.tokens >= 1.0;
        if takes {
            self.tokens -= 1.0;
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn so_many_pass_in_a_second() {
        let mut limit = RateLimit::new(10);
        let start = limit.filled;
        let mut passed = |at: Duration| (0..50).filter(|_| limit.takes_at(start + at)).count();
        assert_eq!(passed(Duration::ZERO), 10);
        assert_eq!(passed(Duration::from_millis(500)), 5);
        assert_eq!(passed(Duration::from_secs(60)), 10);
    }
}
