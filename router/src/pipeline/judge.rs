//! Says of alerts that were decided upon how they stand now. Changes nothing.

use alert::Alert;
use rules::Condition;

use super::{Pipeline, SilenceId, arrival, facts::Facts, fingerprint::Fingerprints};

/// How an alert stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The condition holds, or there is none.
    pub matches: bool,
    /// The silence that hides it now.
    pub silenced: Option<SilenceId>,
}

impl Pipeline {
    /// Returns for each alert whether the condition holds, which may ask for its finding's score
    /// and count, and which silence is active over it.
    pub fn judge_again<'a>(
        &self,
        alerts: impl Iterator<Item = &'a Alert>,
        condition: Option<&Condition>,
    ) -> Vec<Judged> {
        if condition.is_none() && self.silences.current_len() == 0 {
            return alerts.map(|_| Judged { matches: true, silenced: None }).collect();
        }
        let mut fingerprints = Fingerprints::new(&self.config.fingerprints);
        let mut judge = |alert: &Alert| {
            let fingerprint = fingerprints.identify(alert, &Facts::of(alert)).fingerprint;
            let slot = self.by_fingerprint.get(&fingerprint);
            let live = slot.and_then(|slot| self.findings.get(*slot));
            let mut subject = arrival::subject(alert, fingerprint, live.map_or(1, |it| it.count));
            subject.score = live.map(|live| live.points_at(self.clock.now(), &self.config.score));
            Judged {
                matches: condition.is_none_or(|condition| condition.matches(&subject)),
                silenced: self.silences.find(&subject, self.wall()).cloned(),
            }
        };
        alerts.map(&mut judge).collect()
    }
}
