//! One rule: which alerts, what to do, how far.

use std::{collections::BTreeMap, time::Duration};

use rules::Condition;
use schemars::JsonSchema;
use serde::Deserialize;
use service::config::HumanDuration;

use crate::action::{Action, Mode};

/// One thing to do about some alerts.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseRule {
    /// Unique; written beside everything it does.
    pub name: String,
    /// A condition in the rule language. Where a missing field makes it undecidable, nothing is
    /// done.
    #[serde(rename = "match")]
    #[schemars(with = "String")]
    pub condition: Condition,
    pub action: Action,
    /// The ceiling of this rule.
    #[serde(default = "auto")]
    pub mode: Mode,
    /// Whether to collect evidence first.
    #[serde(default)]
    pub evidence: EvidencePolicy,
    /// For `kill_pod`: seconds the pod has to end. Absent: what the pod itself asks for.
    #[serde(default)]
    pub grace: Option<HumanDuration>,
    /// For `kill_pod`: delete the pod when eviction is not possible for another reason than a
    /// PodDisruptionBudget.
    #[serde(default)]
    pub allow_delete: bool,
    /// For `kill_pod` and `isolate_pod`: pods of the workload that must stay ready, a number or a
    /// share of the wanted ones such as `50%`.
    #[serde(default)]
    #[schemars(with = "String")]
    pub min_healthy: MinHealthy,
    /// For `kill_pod`: also pods that no controller replaces.
    #[serde(default)]
    pub allow_standalone: bool,
    /// For `label_pod`: labels to set.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// For `label_pod` and `isolate_pod`: how long it lasts.
    #[serde(default = "hour")]
    pub ttl: HumanDuration,
}

const fn auto() -> Mode {
    Mode::Auto
}

const fn hour() -> HumanDuration {
    HumanDuration(Duration::from_secs(3600))
}

/// Whether evidence comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidencePolicy {
    None,
    /// What can be had in time; then it goes on.
    #[default]
    BestEffort,
    /// Without it nothing is done.
    Require,
}

/// Pods of a workload that must stay ready after the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinHealthy {
    Count(u32),
    /// Of the wanted pods, rounded up.
    Percent(u32),
}

impl Default for MinHealthy {
    fn default() -> Self {
        Self::Count(0)
    }
}

impl MinHealthy {
    /// Returns how many must stay ready of so many wanted ones.
    pub fn floor(self, desired: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                let share = (u64::from(desired) * u64::from(percent)).div_ceil(100);
                u32::try_from(share).unwrap_or(u32::MAX)
            }
        }
    }
}

impl std::str::FromStr for MinHealthy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is neither a number nor a share such as `50%`");
        match text.trim().strip_suffix('%') {
            None => text.trim().parse().map(Self::Count).map_err(|_| wrong()),
            Some(percent) => match percent.trim().parse() {
                Ok(percent) if percent <= 100 => Ok(Self::Percent(percent)),
                _ => Err(wrong()),
            },
        }
    }
}

impl<'de> Deserialize<'de> for MinHealthy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u32),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(count) => Ok(Self::Count(count)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}
