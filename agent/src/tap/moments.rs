//! Tells of the moments that recordings are made around of.

use alert::{Alert, Event};
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};

use super::Moment;
use crate::around::seconds_ns;

/// Moments on their way: each is a second or more after the one before.
const WAITING_MAX: usize = 16;

/// Hands on moments, but none that the recording of the one before covers.
#[derive(Debug)]
pub(super) struct Moments {
    moments: Sender<Moment>,
    span_ns: u64,
    covered_until_ns: u64,
}

impl Moments {
    /// Returns both ends.
    pub(super) fn new(seconds: u32) -> (Self, Receiver<Moment>) {
        let (moments, receiver) = channel(WAITING_MAX);
        let span_ns = seconds_ns(seconds.into());
        (Self { moments, span_ns, covered_until_ns: 0 }, receiver)
    }

    pub(super) fn tell(
        &mut self,
        event: &Event,
        alert: Option<&Alert>,
    ) -> Result<(), TrySendError<()>> {
        let time_ns = event.time_ns;
        if time_ns <= self.covered_until_ns {
            return Ok(());
        }
        self.moments.try_reserve()?.send(Moment {
            time_ns,
            rule: alert.map(|alert| alert.rule.clone()),
            alert: alert.map(|alert| alert.id),
        });
        self.covered_until_ns = time_ns.saturating_add(self.span_ns);
        Ok(())
    }
}
