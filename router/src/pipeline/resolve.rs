//! What has an end: it goes on until then, comes again, or is said to be over.
//!
//! Alertmanager's and Prometheus's alerts are states. Each one that comes says until when it holds
//! unless it comes again; one whose end is not in the future says that it is over. A finding of such
//! alerts stays open until its end, however quiet it is; then its groups tell of that, each output
//! after its group interval, so that what comes and goes within it is not told.

use alert::Alert;
use jiff::Timestamp;

use super::{Pipeline, timer::Timer};

impl Pipeline {
    /// Takes in one more alert of an open finding; returns when that had ended, if it had.
    pub(super) fn go_on(&mut self, slot: u32, alert: &Alert) -> Option<Timestamp> {
        alert.ends?;
        let live = self.findings.get_mut(slot)?;
        let ended = live.go_on(alert)?;
        for membership in &live.memberships {
            if let Some(group) = self.groups.get_mut(membership.group) {
                group.open += 1;
            }
        }
        self.unschedule_finding(slot);
        self.schedule_new_finding(slot);
        Some(ended)
    }

    /// Ends the finding in this slot, if what is over is what goes on there.
    pub(super) fn resolve(&mut self, slot: Option<u32>, ends: Timestamp) {
        let Some(slot) = slot else { return };
        let Some(live) = self.findings.get_mut(slot) else { return };
        if live.is_ended_by(ends) {
            live.ends = Some(ends);
            self.unschedule_finding(slot);
            self.end_finding(slot);
        }
    }

    /// Ends a finding whose timer is not set. It is forgotten when its groups told of it.
    pub(super) fn end_finding(&mut self, slot: u32) {
        let now = self.clock.now();
        let Some(live) = self.findings.get_mut(slot) else { return };
        live.ended = Some(now);
        let groups: Vec<u32> = live.memberships.iter().map(|at| at.group).collect();
        self.end_source(slot);
        for group in groups {
            if let Some(group) = self.groups.get_mut(group) {
                group.end_one(now);
            }
            self.schedule(group);
        }
        self.close_finding_if_quiet(slot);
    }

    /// Looks again at this time whether a finding has ended whose timer is not set.
    pub(super) fn end_later(&mut self, slot: u32, at: Timestamp) {
        if let Some(live) = self.findings.get_mut(slot) {
            live.close_at = Some(at);
            self.timers.set(at, Timer::CloseFinding(live.fingerprint));
        }
    }

    fn unschedule_finding(&mut self, slot: u32) {
        if let Some(live) = self.findings.get_mut(slot)
            && let Some(at) = live.close_at.take()
        {
            self.timers.clear(at, Timer::CloseFinding(live.fingerprint));
        }
    }
}
