//! What became of one alert, found out decision by decision.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alert::{AlertId, Fingerprint, GroupId, NotificationId};

use crate::pipeline::{Decision, DecisionKind, Notified, Reason, Routing, Verdict, Withheld};

/// What is found out about one alert.
#[derive(Debug)]
pub(super) struct Story {
    alert: AlertId,
    decisions: Vec<Decision>,
    /// Journal sequence of the alert that was decided first.
    sequence: Option<u64>,
    fingerprint: Option<Fingerprint>,
    /// What must still tell of the alert, and the notification that will.
    owed: BTreeMap<(GroupId, Arc<str>), Option<NotificationId>>,
    /// Nobody was told of it, or not all, as something hid it: it may be told of after all.
    hidden: bool,
    /// Sequence of the record because of which it is.
    returned: Option<u64>,
}

impl Story {
    pub(super) fn new(alert: AlertId) -> Self {
        Self {
            alert,
            decisions: Vec::new(),
            sequence: None,
            fingerprint: None,
            owed: BTreeMap::new(),
            hidden: false,
            returned: None,
        }
    }

    pub(super) fn alert(&self) -> AlertId {
        self.alert
    }

    pub(super) fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// Returns the journal sequence of the alert, once it is known.
    pub(super) fn sequence(&self) -> Option<u64> {
        self.sequence
    }

    /// Returns whether something hides it of which the end is not known.
    pub(super) fn is_hidden(&self) -> bool {
        self.hidden
    }

    /// Returns the groups that must still tell of it.
    pub(super) fn groups(&self) -> BTreeSet<GroupId> {
        self.owed.keys().map(|(group, _)| *group).collect()
    }

    /// Returns whether everybody who was owed the alert has it, and nobody else will.
    pub(super) fn is_told(&self) -> bool {
        self.sequence.is_some() && self.owed.is_empty() && !self.hidden
    }

    /// Returns whether some output is still to take it.
    pub(super) fn is_pending(&self) -> bool {
        !self.owed.is_empty() && !self.is_dead()
    }

    /// Returns the decisions about it in their order: first when it came, however often, and then
    /// what followed.
    pub(super) fn told(mut self) -> Vec<Decision> {
        self.decisions.sort_by_key(|decision| decision.sequence);
        self.decisions
    }

    /// Returns the texts one of which is in every decision that is about the alert.
    pub(super) fn needles(&self) -> Vec<String> {
        let mut needles = vec![self.alert.to_string()];
        if self.hidden {
            needles.extend(self.fingerprint.map(|fingerprint| fingerprint.to_string()));
        }
        for ((group, _), notification) in &self.owed {
            needles.push(group.to_string());
            needles.extend(notification.map(|id| id.to_string()));
        }
        needles
    }

    /// Keeps a decision that is about the alert, and returns whether it is.
    pub(super) fn take(&mut self, decision: Decision) -> bool {
        if self.decisions.contains(&decision) {
            return false;
        }
        let concerns = match &decision.kind {
            DecisionKind::Alert(of) if of.alert == self.alert => {
                if self.sequence.is_none() {
                    self.sequence = Some(decision.sequence);
                    self.fingerprint = Some(of.fingerprint);
                    match &of.verdict {
                        Verdict::Routed => self.owes(&of.routes),
                        Verdict::Suppressed(reason) => self.hidden = may_return(reason),
                    }
                }
                true
            }
            DecisionKind::Alert(of) => {
                // A new finding of this kind: the one that was hidden is forgotten.
                let is_new = Some(of.fingerprint) == self.fingerprint && of.finding_count == 1;
                self.hidden &= !is_new;
                false
            }
            DecisionKind::FindingEvicted { fingerprint, .. } => {
                self.hidden &= Some(*fingerprint) != self.fingerprint;
                false
            }
            DecisionKind::Returned { fingerprint, routes, .. } => {
                let is_ours = self.hidden
                    && Some(*fingerprint) == self.fingerprint
                    && Some(decision.sequence) > self.sequence;
                if is_ours {
                    self.hidden = false;
                    self.returned = Some(decision.sequence);
                    self.owes(routes);
                }
                is_ours
            }
            DecisionKind::Notified(notified) => self.is_notified(decision.sequence, notified),
            DecisionKind::Withheld(withheld) => self.is_withheld(withheld),
            DecisionKind::Delivered { notification, .. } => {
                let before = self.owed.len();
                self.owed.retain(|_, tells| *tells != Some(*notification));
                self.owed.len() < before
            }
            kind => self.moves(kind),
        };
        if concerns {
            self.decisions.push(decision);
        }
        concerns
    }

    /// Notes a notification that tells of it.
    fn is_notified(&mut self, sequence: u64, notified: &Notified) -> bool {
        let covers = self.sequence.is_some_and(|at| notified.first <= at && at <= notified.last)
            || self.returned.is_some_and(|at| at <= sequence);
        let key = (notified.group, Arc::clone(&notified.output));
        match self.owed.get_mut(&key) {
            Some(tells) if covers && (tells.is_none() || *tells == notified.replaces) => {
                *tells = Some(notified.notification);
                true
            }
            _ => false,
        }
    }

    /// Notes that an output is not told of it.
    fn is_withheld(&mut self, withheld: &Withheld) -> bool {
        let key = (withheld.group, Arc::clone(&withheld.output));
        let is_ours = self.fingerprint == Some(withheld.fingerprint)
            && self.sequence.is_some_and(|at| withheld.first <= at && at <= withheld.last)
            && self.owed.get(&key) == Some(&None);
        if is_ours {
            self.owed.remove(&key);
            self.hidden |= may_return(&withheld.reason);
        }
        is_ours
    }

    /// Notes what happened to a notification that tells of it.
    fn moves(&mut self, kind: &DecisionKind) -> bool {
        let Some(known) = notification_of(kind) else { return false };
        let Some(telling) = self.owed.values_mut().find(|tells| **tells == Some(known)) else {
            return false;
        };
        if let DecisionKind::Replayed { into: Some(heir), .. }
        | DecisionKind::Superseded { by: heir, .. } = kind
        {
            *telling = Some(*heir);
        }
        true
    }

    fn owes(&mut self, routes: &[Routing]) {
        for routing in routes {
            let Some(group) = routing.group else { continue };
            for output in routing.outputs.iter() {
                self.owed.entry((group, Arc::clone(output))).or_insert(None);
            }
        }
    }

    /// Returns whether everything owed became a dead letter.
    fn is_dead(&self) -> bool {
        self.owed.values().all(|tells| {
            let last = self.decisions.iter().rev().find(|decision| {
                notification_of(&decision.kind).is_some()
                    && notification_of(&decision.kind) == *tells
            });
            last.is_some_and(|last| {
                let kind = &last.kind;
                matches!(kind, DecisionKind::DeadLettered { .. } | DecisionKind::Purged { .. })
            })
        })
    }
}

/// Returns whether people are told of what is hidden for this when it no longer is.
fn may_return(reason: &Reason) -> bool {
    matches!(reason, Reason::Silence(_) | Reason::Window(_) | Reason::Inhibited(_))
}

fn notification_of(kind: &DecisionKind) -> Option<NotificationId> {
    match kind {
        DecisionKind::DeadLettered { notification, .. }
        | DecisionKind::Replayed { notification, .. }
        | DecisionKind::Purged { notification, .. }
        | DecisionKind::ReplayRefused { notification, .. }
        | DecisionKind::Superseded { notification, .. } => Some(*notification),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;
    use crate::pipeline::tests::decided;

    /// Tells the story of the first alert of a timeline, for a configuration of two outputs.
    fn check(timeline: &str, expected: Expect) {
        let config = json!({"outputs": ["soc", "stream"], "routes": [{"name": "all"}]});
        let mut story: Option<Story> = None;
        for decision in decided(config, timeline) {
            let first = match &decision.kind {
                DecisionKind::Alert(of) => Some(of.alert),
                _ => None,
            };
            if story.is_none() {
                story = first.map(Story::new);
            }
            if let Some(story) = story.as_mut().filter(|story| !story.is_told()) {
                let json = serde_json::to_string(&decision).unwrap();
                let is_found = story.needles().iter().any(|needle| json.contains(needle));
                assert!(story.take(decision) <= is_found, "{json}");
            }
        }
        let story = story.unwrap();
        let ends = [
            (story.is_told(), "told"),
            (story.is_pending(), "pending"),
            (story.is_hidden(), "hidden"),
        ];
        let ends = ends.iter().filter(|(holds, _)| *holds).map(|(_, name)| *name);
        let ends = ends.collect::<Vec<_>>().join(" ");
        let name = |decision: &Decision| {
            let json = serde_json::to_value(decision).unwrap();
            let output = json["output"].as_str().map(|output| format!(" {output}"));
            format!("{}{}", json["kind"].as_str().unwrap(), output.unwrap_or_default())
        };
        let told: Vec<String> = story.told().iter().map(name).collect();
        expected.assert_eq(&format!("{}: {ends}", told.join(", ")));
    }

    #[test]
    fn an_alert_that_was_silenced_is_told_of_when_the_silence_ends() {
        check(
            "silence:a:60@0 a@1 b@2 tick@5 tick@60 tick@62 ok:soc@63",
            expect!["alert, returned, notified soc, notified stream: pending"],
        );
        check(
            "silence:a:60@0 a@1 tick@60 tick@62 ok:soc@63 ok:stream@64",
            expect![[
                r#"alert, returned, notified soc, notified stream, delivered soc, delivered stream: told"#
            ]],
        );
    }

    #[test]
    fn an_alert_that_waited_and_was_hidden_by_then_is_told_of_later() {
        check(
            "a@0 silence:a:60@1 tick@2 tick@60 tick@62 ok:soc@63 ok:stream@64",
            expect![[
                r#"alert, withheld soc, withheld stream, returned, notified soc, notified stream, delivered soc, delivered stream: told"#
            ]],
        );
    }

    #[test]
    fn while_it_is_hidden_nothing_is_pending() {
        check("silence:a:60@0 a@1 a@30", expect!["alert: hidden"]);
    }

    #[test]
    fn what_a_later_finding_of_its_kind_is_told_of_is_not_its_story() {
        check("silence:a:9000@0 a@1 tick@4000 a@8000 tick@9000 tick@9002", expect!["alert: told"]);
    }

    #[test]
    fn a_duplicate_is_the_end_of_it() {
        check(
            "a~7@0 tick@2 ok:soc@2 ok:stream@2",
            expect![[
                r#"alert, notified soc, notified stream, delivered soc, delivered stream: told"#
            ]],
        );
    }
}
