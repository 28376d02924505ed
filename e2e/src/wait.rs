//! Waiting for something another process does, with a bound.

use std::time::{Duration, Instant};

/// How long a test waits for what must happen, on a busy machine.
pub const fn patience() -> Duration {
    Duration::from_secs(30)
}

/// Between two looks at a process that cannot tell us by itself.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks again and again until `look` returns something, and returns it.
///
/// Panics with `what` and the last complaint when that takes longer than [`patience`].
#[track_caller]
pub fn eventually<T, E: std::fmt::Display>(
    what: &str,
    mut look: impl FnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    loop {
        let complaint = match look() {
            Ok(found) => return found,
            Err(complaint) => complaint,
        };
        if start.elapsed() > patience() {
            panic!("{what}: not within {} s: {complaint}", patience().as_secs());
        }
        std::thread::sleep(PAUSE);
    }
}
