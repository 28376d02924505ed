//! The only place that reads the real clock.

use std::{sync::LazyLock, time::Instant};

use jiff::Timestamp;

/// Returns the wall clock's time.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Returns nanoseconds on a clock that never goes back; only their difference means something.
pub fn monotonic_ns() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
