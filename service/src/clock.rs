//! The only place that reads the real clock.

use jiff::Timestamp;

/// Returns the wall clock's time.
pub fn now() -> Timestamp {
    Timestamp::now()
}
