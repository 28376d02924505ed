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
use crate::{api::types::OutputStatus, dispatch::BreakerState};

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

/// Returns how much of a folder's disk is free for us, in percent.
fn free_percent(folder: &Path) -> Option<u8> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    let percent = disk.f_bavail.saturating_mul(100).checked_div(disk.f_blocks)?;
    u8::try_from(percent).ok()
}
