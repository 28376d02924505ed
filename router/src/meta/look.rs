//! Looks at everything that can be wrong.

use std::{path::Path, time::Duration};

use jiff::Timestamp;

use super::{
    Meta, MetaConfig,
    clock::Clock,
    losses::Losses,
    room::Room,
    trouble::{Kind, Trouble},
};
use crate::{api::types::OutputStatus, dispatch::BreakerState, pipeline::Expected};

/// Gaps of its usual length after which a sender is late.
const LATE_FACTOR: u32 = 10;
/// Silence after which nobody waits for a sender whose rhythm was learnt.
const GONE_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);
/// Late senders that are told of at once.
const LATE_MAX: usize = 100;

/// What is remembered from one look to the next.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) clock: Clock,
    pub(super) losses: Losses,
    pub(super) room: Room,
}

impl Meta {
    /// Returns what is wrong now.
    pub(super) async fn look(&self, config: &MetaConfig, past: &mut Past) -> Vec<Trouble> {
        let hold = config.hold.0;
        let instant = self.core.machine().instant();
        let mut seen = past.losses.observe(instant, self.ingest.streams());
        for output in self.api.dispatcher.status() {
            seen.extend(of_output(&output, config));
        }
        if !config.senders.is_empty()
            && let Ok(heard) = self.core.ask(|state| state.pipeline.heard().clone()).await
        {
            let now = self.core.machine().now();
            for (name, interval) in &config.senders {
                let last = heard.get(name.as_str());
                seen.extend(last.and_then(|last| silent(name, interval.0, *last, now)));
            }
        }
        if let Some(floor) = config.senders_learnt
            && let Ok(expected) = self.core.ask(|state| state.pipeline.expected()).await
        {
            let now = self.core.machine().now();
            seen.extend(
                expected.iter().filter_map(|it| late(it, config, floor.0, now)).take(LATE_MAX),
            );
        }
        if let Some(free) = free_percent(&self.data)
            && free < config.disk_free_percent_min
        {
            let summary = format!("{free} % of the disk of the router's data are free");
            let kind = Kind::DiskNearlyFull;
            seen.push(Trouble { kind, subject: "data".to_owned(), summary, hold });
        }
        seen.extend(past.room.observe(instant, self.ingest.refused_for_room(), hold));
        let machine = self.core.machine();
        let jump = past.clock.jump(machine.now(), machine.instant(), config.clock_jump.0);
        if let Some(step) = jump {
            let summary = format!("the router's clock jumped by {step:#}");
            let (kind, subject) = (Kind::ClockJumped, "clock".to_owned());
            seen.push(Trouble { kind, subject, summary, hold: Duration::ZERO });
        }
        if let Some(reason) = &self.api.config.load().refused {
            let summary = format!("a changed configuration is refused: {reason}");
            let kind = Kind::ConfigRefused;
            seen.push(Trouble { kind, subject: "configuration".to_owned(), summary, hold });
        }
        seen
    }
}

/// Returns what is wrong with an output.
fn of_output(output: &OutputStatus, config: &MetaConfig) -> Vec<Trouble> {
    let subject = output.name.clone();
    let why = output.last_error.as_deref().unwrap_or("it takes nothing");
    let trouble = |kind, hold, summary| Trouble { kind, subject: subject.clone(), summary, hold };
    let mut troubles = Vec::new();
    match output.breaker {
        BreakerState::Closed => {}
        BreakerState::Disabled => {
            let summary = format!("output {subject} is disabled: {why}");
            troubles.push(trouble(Kind::OutputDisabled, Duration::ZERO, summary));
        }
        BreakerState::Trying | BreakerState::Open => {
            let summary = format!("output {subject} fails: {why}");
            troubles.push(trouble(Kind::OutputFailing, config.hold.0, summary));
        }
    }
    let oldest = output.oldest_seconds.unwrap_or(0);
    if Duration::from_secs(oldest) >= config.queue_age.0 {
        let minutes = oldest / 60;
        let summary = format!("a notification for output {subject} waits for {minutes} minutes");
        troubles.push(trouble(Kind::NotificationsWaiting, Duration::ZERO, summary));
    }
    troubles
}

fn silent(name: &str, interval: Duration, last: Timestamp, now: Timestamp) -> Option<Trouble> {
    let silence = Duration::try_from(now.duration_since(last)).unwrap_or_default();
    (silence >= interval).then(|| Trouble {
        kind: Kind::SenderSilent,
        subject: name.to_owned(),
        summary: format!(
            "sender {name} sent nothing since {last:.0}; it is due every {interval:?}"
        ),
        hold: Duration::ZERO,
    })
}

/// Returns what is wrong with a sender whose rhythm was learnt. What is configured wins, and who is silent
/// for very long is taken to be gone.
fn late(
    expected: &Expected,
    config: &MetaConfig,
    floor: Duration,
    now: Timestamp,
) -> Option<Trouble> {
    let Expected { sender, last, gap } = expected;
    let silence = Duration::try_from(now.duration_since(*last)).unwrap_or_default();
    if config.senders.contains_key(&**sender) || silence > GONE_AFTER {
        return None;
    }
    let interval = floor.max(*gap * LATE_FACTOR);
    silent(sender, interval, *last, now).map(|trouble| Trouble { hold: config.hold.0, ..trouble })
}

/// Returns how much of a folder's disk is free for us, in percent.
fn free_percent(folder: &Path) -> Option<u8> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    let percent = disk.f_bavail.saturating_mul(100).checked_div(disk.f_blocks)?;
    u8::try_from(percent).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_whose_rhythm_was_learnt_is_late_after_ten_gaps_but_not_before_the_floor() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut config = MetaConfig::default();
        let is_late = |config: &MetaConfig, gap, silence| {
            let gap = Duration::from_secs(gap);
            let expected = Expected { sender: "token:a".into(), last: at(0), gap };
            late(&expected, config, Duration::from_secs(300), at(silence)).is_some()
        };
        assert!(!is_late(&config, 60, 599) && is_late(&config, 60, 600));
        assert!(!is_late(&config, 1, 299) && is_late(&config, 1, 300));
        assert!(is_late(&config, 1, 604_800) && !is_late(&config, 1, 604_801), "it is gone");
        let hour = service::config::HumanDuration(Duration::from_secs(3600));
        config.senders.insert("token:a".to_owned(), hour);
        assert!(!is_late(&config, 60, 600), "what is configured wins");
    }
}
