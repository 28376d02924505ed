//! What may hide alerts: works out from the records what is silenced, under maintenance or
//! inhibited, and holds the router's decisions against it.

use std::{collections::BTreeMap, sync::Arc};

use alert::{Alert, Fingerprint};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use router::{
    pipeline::{
        AlertDecision, DecisionKind, PipelineConfig, Reason, Silence, Verdict, Window, WindowEffect,
    },
    record::Record,
};

/// A finding of which something came within this is still there: every route's quiet time is longer.
const SURELY_LIVE: SignedDuration = SignedDuration::from_secs(50);
/// What hides findings in the configurations that have an inhibition: the rule of the source, and
/// that of the target in the same namespace.
pub(super) const INHIBITION: (&str, &str) = ("miner", "scan");

/// What hides the alerts of one rule for a time, by the wall clock.
#[derive(Debug)]
struct Hider {
    rule: String,
    from: Timestamp,
    until: Timestamp,
}

/// What is known of a finding.
#[derive(Debug)]
struct Known {
    rule: String,
    namespace: String,
    /// In the pipeline's time.
    last: Timestamp,
    /// Its last alerts are hidden, by this silence or window.
    hidden: Option<Reason>,
}

/// The time of a record: the pipeline's, and that of the wall clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) now: Timestamp,
    pub(super) wall: Timestamp,
}

#[derive(Debug, Default)]
pub(super) struct Hiding {
    hiders: BTreeMap<String, Hider>,
    known: BTreeMap<Fingerprint, Known>,
    inhibits: bool,
    /// The rule and namespace of the alert that comes: it may inhibit before it is decided upon.
    arriving: Option<(String, String)>,
}

impl Hiding {
    /// A record comes. While a configuration is taken over, its inhibitions and those before may both
    /// have hidden something.
    pub(super) fn begin(&mut self, record: &Record) {
        self.arriving = match record {
            Record::Alert(alert) => Some((alert.rule.clone(), namespace(alert))),
            _ => None,
        };
        if let Record::Configured { config, .. } = record {
            self.inhibits |= inhibits(config);
        }
    }

    /// Takes in a decision, and checks that it is the right one.
    pub(super) fn decided(&mut self, record: &Record, kind: &DecisionKind, at: Moment) {
        match (kind, record) {
            (DecisionKind::Alert(decision), Record::Alert(alert)) => {
                self.alert(alert, decision, at);
            }
            (DecisionKind::SilenceAdded { .. }, Record::SilenceAdded { silence, .. }) => {
                let name = Reason::Silence(silence.id.clone()).to_string();
                self.hiders.insert(name, of_silence(silence));
            }
            (DecisionKind::WindowAdded { .. }, Record::WindowAdded { window, .. })
                if window.effect == WindowEffect::Suppress =>
            {
                let name = Reason::Window(Arc::from(&*window.name)).to_string();
                self.hiders.insert(name, of_window(window));
            }
            (DecisionKind::SilenceExpired { silence, .. }, _) => {
                self.hiders.remove(&Reason::Silence(silence.clone()).to_string());
            }
            (DecisionKind::WindowRemoved { window, .. }, _) => {
                self.hiders.remove(&Reason::Window(Arc::from(&**window)).to_string());
            }
            (DecisionKind::Withheld(withheld), _) => {
                let known = &self.known[&withheld.fingerprint];
                self.check_reason(&withheld.reason, known, at);
                self.hidden(withheld.fingerprint, Some(withheld.reason.clone()));
            }
            (DecisionKind::Returned { fingerprint, .. }, _) => {
                let rule = &self.known[fingerprint].rule;
                let hider = self.over(rule, at.wall).next();
                assert!(hider.is_none(), "{fingerprint} returns, though {hider:?}");
                self.hidden(*fingerprint, None);
            }
            (DecisionKind::FindingEvicted { fingerprint, .. }, _) => {
                self.known.remove(fingerprint);
            }
            (DecisionKind::Configured { .. }, Record::Configured { config, .. }) => {
                self.inhibits = inhibits(config);
            }
            _ => {}
        }
    }

    fn alert(&mut self, alert: &Alert, decision: &AlertDecision, at: Moment) {
        let reason = match &decision.verdict {
            Verdict::Suppressed(Reason::Redelivered) => return,
            Verdict::Suppressed(reason) => Some(reason),
            Verdict::Routed => None,
        };
        let known = Known {
            rule: alert.rule.clone(),
            namespace: namespace(alert),
            last: at.now,
            hidden: None,
        };
        let hides = reason.filter(|reason| self.check_reason(reason, &known, at));
        if hides.is_none() {
            let what = format!("{} at {}: {:?}", alert.rule, at.wall, decision.verdict);
            assert!(self.over(&known.rule, at.wall).next().is_none(), "silenced, and {what}");
            let source = self.source(&known, at.now);
            assert!(source.is_none(), "inhibited by {source:?}, and {what}");
        }
        let hides = hides.cloned();
        self.known.insert(decision.fingerprint, known);
        self.hidden(decision.fingerprint, hides);
    }

    /// Returns whether the reason is one that hides; then it must be in force.
    fn check_reason(&self, reason: &Reason, known: &Known, at: Moment) -> bool {
        match reason {
            Reason::Silence(_) | Reason::Window(_) => {
                let name = reason.to_string();
                let in_force = self.over(&known.rule, at.wall).any(|hider| *hider == name);
                assert!(in_force, "{name} hides {known:?} at {}", at.wall);
            }
            Reason::Inhibited(by) => {
                let source = self.known.get(&by.source);
                let source = source.map(|source| (&source.rule, &source.namespace));
                let arriving = self.arriving.as_ref().map(|(rule, namespace)| (rule, namespace));
                let (rule, namespace) = source.or(arriving).expect("a source that is there");
                assert!(self.inhibits, "inhibited, without an inhibition");
                assert_eq!((rule.as_str(), known.rule.as_str()), INHIBITION);
                assert_eq!(*namespace, known.namespace, "inhibited by another namespace's");
            }
            _ => return false,
        }
        true
    }

    fn hidden(&mut self, fingerprint: Fingerprint, by: Option<Reason>) {
        if let Some(known) = self.known.get_mut(&fingerprint) {
            known.hidden = by.filter(|by| matches!(by, Reason::Silence(_) | Reason::Window(_)));
        }
    }

    /// Checks after a record that what is over ended, and that people are told of what it hid.
    pub(super) fn check(&mut self, at: Moment) {
        for (name, hider) in &self.hiders {
            assert!(at.wall < hider.until, "{name} should be over at {}: {hider:?}", at.wall);
        }
        let ended = |known: &Known| {
            let by = known.hidden.as_ref()?.to_string();
            (!self.hiders.contains_key(&by)).then_some(by)
        };
        for known in self.known.values() {
            let Some(by) = ended(known) else { continue };
            let may_stay = at.now.duration_since(known.last) > SURELY_LIVE
                || self.over(&known.rule, at.wall).next().is_some()
                || self.inhibits && known.rule == INHIBITION.1;
            assert!(may_stay, "{by} is over, and nobody is told of {known:?}");
        }
        let over: Vec<_> = self.known.iter().filter(|(_, known)| ended(known).is_some()).collect();
        let over: Vec<_> = over.into_iter().map(|(fingerprint, _)| *fingerprint).collect();
        // What it is hidden by now, if something does, no decision tells.
        over.into_iter().for_each(|fingerprint| self.hidden(fingerprint, None));
    }

    /// Returns the names of what hides alerts of this rule.
    fn over(&self, rule: &str, wall: Timestamp) -> impl Iterator<Item = &String> {
        let in_force =
            move |hider: &Hider| hider.rule == rule && hider.from <= wall && wall < hider.until;
        self.hiders.iter().filter(move |(_, hider)| in_force(hider)).map(|(name, _)| name)
    }

    /// Returns a finding that is there for certain and inhibits this one.
    fn source(&self, target: &Known, now: Timestamp) -> Option<&Known> {
        if !self.inhibits || target.rule != INHIBITION.1 {
            return None;
        }
        self.known.values().find(|source| {
            source.rule == INHIBITION.0
                && source.namespace == target.namespace
                && now.duration_since(source.last) <= SURELY_LIVE
        })
    }
}

fn namespace(alert: &Alert) -> String {
    alert.text("k8s.ns.name").unwrap_or_default().to_owned()
}

fn of_silence(silence: &Silence) -> Hider {
    Hider {
        rule: rule(silence.condition.as_ref()),
        from: silence.starts.unwrap_or(Timestamp::MIN),
        until: silence.ends,
    }
}

fn of_window(window: &Window) -> Hider {
    let from = TimeZone::UTC.to_timestamp(window.starts).expect("a time");
    let lasts = SignedDuration::try_from(window.duration.0).expect("a short time");
    let until = from.checked_add(lasts).expect("a time");
    Hider { rule: rule(window.condition.as_ref()), from, until }
}

/// Returns the rule a condition of ours asks for.
fn rule(condition: Option<&rules::Condition>) -> String {
    let text = condition.map(rules::Condition::text).unwrap_or_default();
    text.strip_prefix("rule = ").expect("a condition of ours").to_owned()
}

fn inhibits(config: &PipelineConfig) -> bool {
    !config.inhibitions.is_empty()
}
