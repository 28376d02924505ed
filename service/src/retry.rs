//! How long to wait before one tries again.

use std::time::Duration;

use jiff::Timestamp;

/// A `Retry-After` longer than this is cut.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(5);

/// Waits that grow with every failure in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delays {
    pub min: Duration,
    pub max: Duration,
}

impl Delays {
    /// Returns a random time below a limit that doubles with every failure.
    pub fn after(self, failures: u32) -> Duration {
        let limit = self.min.saturating_mul(1 << failures.min(10)).min(self.max);
        limit.mul_f64(rand::random_range(0.1..1.0))
    }
}

/// Reads a `Retry-After`: seconds, or an HTTP date. What is far away is cut to five minutes.
pub fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let delay = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
            Duration::try_from(date.duration_since(now)).unwrap_or_default()
        }
    };
    Some(delay.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let now = "2026-11-21T08:00:00Z".parse().expect("time");
        let check = |text| retry_after(text, now).map(|delay| delay.as_secs());
        assert_eq!(check("7"), Some(7));
        assert_eq!(check(" 0 "), Some(0));
        assert_eq!(check("Sat, 21 Nov 2026 08:00:42 GMT"), Some(42));
        assert_eq!(check("Sat, 21 Nov 2026 07:00:00 GMT"), Some(0));
        assert_eq!(check("99999999999"), Some(300));
        assert_eq!(check("-1"), None);
        assert_eq!(check("soon"), None);
    }

    #[test]
    fn waiting_grows_and_is_never_long() {
        let delays = Delays { min: Duration::from_millis(200), max: Duration::from_secs(30) };
        for failures in 1..100 {
            let delay = delays.after(failures);
            assert!(delay >= delays.min / 10 && delay <= delays.max, "{delay:?}");
        }
        assert!(delays.after(1) <= delays.min * 2);
    }
}
