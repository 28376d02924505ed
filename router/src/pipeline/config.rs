//! Everything that shapes decisions, as a person writes it.

use std::time::Duration;

use alert::{Lane, Priority};
use rules::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::{HumanBytes, HumanDuration};

use super::{
    inhibit::Inhibition, interval::Intervals, notice::SilenceNotices, silence::Silence,
    storm::StormConfig, window::Window,
};

/// The part of the router's configuration the pipeline reads. Appended to the journal when it
/// changes, so that a replay decides as it was decided then.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PipelineConfig {
    /// Names of the configured outputs; the router fills it in.
    pub outputs: Vec<String>,
    /// Those of `outputs` that edit a message they sent: they are also told when only counts
    /// changed. The router fills it in.
    pub outputs_updated_in_place: Vec<String>,
    /// Those of `outputs` that are not told of the end of what they were told of. The router fills
    /// it in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs_untold_of_ends: Vec<String>,
    /// Routes of the router's own alerts, tried before `routes`. The router fills it in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own_routes: Vec<Route>,
    /// Senders of whom it is remembered when they were heard last. The router fills it in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub senders: Vec<String>,
    /// Learns how often other senders are heard. The router fills it in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub learn_senders: bool,
    /// Tried in order, the first that matches takes the alert. Without any, one route takes every
    /// alert to every output.
    pub routes: Vec<Route>,
    /// Times of the calendar, by the names that routes know them by.
    #[serde(skip_serializing_if = "Intervals::is_empty")]
    pub intervals: Intervals,
    pub silences: Vec<Silence>,
    #[serde(skip_serializing_if = "SilenceNotices::is_default")]
    pub silence_notices: SilenceNotices,
    /// What hides other findings while it is active.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inhibitions: Vec<Inhibition>,
    /// Maintenance windows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Fingerprints of particular rules.
    pub fingerprints: Vec<FingerprintRule>,
    pub score: ScoreConfig,
    /// When a source floods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storm: Option<StormConfig>,
    pub limits: Limits,
}

/// Says who hears of which alerts, and how often. What is absent is inherited from the parent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Route {
    /// Shown in explanations; `route-1` for the first of its parent if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Takes alerts for which this holds; all if absent.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub condition: Option<Condition>,
    /// Outputs by name. All configured ones at the top if absent; none if empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Vec<String>>,
    /// Alerts with equal values of these fields are told of together. `rule`, `source`, `hostname`,
    /// `priority`, `workload`, `fingerprint` or any field of the alert. Default: `rule` and
    /// `k8s.ns.name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_by: Option<Vec<String>>,
    /// Waits this long for more before a group's first notification; Critical and above do not
    /// wait. Default: 2s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_wait: Option<HumanDuration>,
    /// Least time between two notifications of a group to one output. Default: 1m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_interval: Option<HumanDuration>,
    /// Tells again of a finding that goes on after this long. Default: 4h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_interval: Option<HumanDuration>,
    /// Findings and groups close when nothing happened for this long. Default: 1h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quiet: Option<HumanDuration>,
    /// Tells when a group closes. Default: no.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notify_close: Option<bool>,
    /// While a source floods, tells of it in one summary instead of many notifications, where `storm`
    /// says what a flood is. Default: yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storm: Option<bool>,
    /// Names of intervals. Outside of all of them nobody is told of what this route takes: such alerts
    /// are suppressed. Always active if absent; not inherited.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub active: Vec<String>,
    /// Names of intervals in which nobody is told, as for `active`; not inherited.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mute: Vec<String>,
    /// Goes on to the next route after this one took the alert.
    #[serde(rename = "continue", skip_serializing_if = "std::ops::Not::not")]
    pub goes_on: bool,
    /// Tried first, in order; the alert stays here if none takes it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
}

/// Makes the fingerprint of one rule's alerts of other fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FingerprintRule {
    /// The rule's name.
    pub rule: String,
    /// Names as in a route's `group_by`. The rule and its source always count.
    pub fields: Vec<String>,
}

/// What makes an alert matter more, or less.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScoreConfig {
    /// How much what it is about matters. All that match count, here and in the other lists.
    pub criticality: Vec<ScoreRule>,
    /// How exposed what it is about is: privileged, in the host's namespaces, reached from outside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exposure: Vec<ScoreRule>,
    /// How much who sent it is trusted: `saker.sender` is its name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sender_trust: Vec<ScoreRule>,
    /// Added when a workload went through three or more ATT&CK tactics in their order within an hour.
    pub chain_points: u8,
    /// Added when this fingerprint was not seen before.
    pub rarity_points: u8,
    /// While a finding is not seen, what its score has above its priority's own points halves in this
    /// time. `0s`: it does not.
    pub half_life: HumanDuration,
    /// From which score on a notification is delivered before others.
    pub lanes: LaneScores,
}

/// The least score of each lane. What is Critical or above is urgent whatever its score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LaneScores {
    pub urgent: u8,
    /// What has less is ordinary.
    pub elevated: u8,
}

impl LaneScores {
    /// Returns the lane of what has this priority and score.
    pub(super) fn lane(self, priority: Priority, score: u8) -> Lane {
        if priority >= Priority::Critical || score >= self.urgent {
            Lane::Urgent
        } else if score >= self.elevated {
            Lane::Elevated
        } else {
            Lane::Ordinary
        }
    }
}

impl Default for LaneScores {
    fn default() -> Self {
        Self { urgent: 80, elevated: 40 }
    }
}

/// Points for alerts of which a condition holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreRule {
    #[serde(rename = "match")]
    #[schemars(with = "String")]
    pub condition: Condition,
    /// -100 to 100.
    pub points: i8,
    /// Shown beside the points; the condition's text if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Bounds of the pipeline's memory, and what happens at each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Alert ids remembered to recognise a redelivery.
    pub seen_alerts_max: usize,
    /// Live findings. Beyond it the one quiet for longest is forgotten.
    pub findings_max: usize,
    /// Open groups. Beyond it the one quiet for longest notifies what it holds and closes.
    pub groups_max: usize,
    /// Undelivered notifications. Beyond it the oldest becomes a dead letter.
    pub pending_max: usize,
    /// All undelivered notifications together; as above.
    pub pending_bytes_max: HumanBytes,
    /// Dead letters kept for a replay. Beyond it the oldest is dropped; it stays counted.
    pub dead_letters_max: usize,
    /// All dead letters together; as above.
    pub dead_letters_bytes_max: HumanBytes,
    /// Silences, expired ones of the last day included. Beyond it none is accepted.
    pub silences_max: usize,
    /// Longest text kept of each field of a finding's sample.
    pub sample_field_bytes_max: HumanBytes,
    /// All of a finding's sample.
    pub sample_bytes_max: HumanBytes,
}

impl Default for ScoreConfig {
    fn default() -> Self {
        Self {
            criticality: Vec::new(),
            exposure: Vec::new(),
            sender_trust: Vec::new(),
            chain_points: 15,
            rarity_points: 5,
            half_life: HumanDuration(Duration::from_secs(3600)),
            lanes: LaneScores::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            seen_alerts_max: 131_072,
            findings_max: 100_000,
            groups_max: 100_000,
            pending_max: 100_000,
            pending_bytes_max: HumanBytes(256 << 20),
            dead_letters_max: 10_000,
            dead_letters_bytes_max: HumanBytes(128 << 20),
            silences_max: 10_000,
            sample_field_bytes_max: HumanBytes(1024),
            sample_bytes_max: HumanBytes(8 * 1024),
        }
    }
}
