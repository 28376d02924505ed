//! What is not in an alert of Alertmanager's and must be decided.

use std::{collections::BTreeMap, time::Duration};

use alert::Priority;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use service::config::HumanDuration;

/// How alerts of Prometheus and Alertmanager are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AlertmanagerConfig {
    /// Priorities by the text of the label `severity`, in any case. Where a text is not here, Falco's
    /// names count, then `page`, `fatal` and `disaster` (Critical), `high` and `major` (Error),
    /// `medium`, `average`, `minor` and `warn` (Warning), `low` (Notice), `none` (Debug).
    #[schemars(with = "BTreeMap<String, String>")]
    pub severities: BTreeMap<String, Priority>,
    /// Priority of an alert without the label, or with a text that is none of these.
    #[schemars(with = "String")]
    pub priority: Priority,
    /// An alert without an end is over when it was not sent again for this long.
    pub resolve_timeout: HumanDuration,
    /// The same for alerts of the webhook, which Alertmanager only sends again after its
    /// `repeat_interval`: more than that.
    pub webhook_timeout: HumanDuration,
}

impl Default for AlertmanagerConfig {
    fn default() -> Self {
        Self {
            severities: BTreeMap::new(),
            priority: Priority::Warning,
            resolve_timeout: HumanDuration(Duration::from_secs(5 * 60)),
            webhook_timeout: HumanDuration(Duration::from_secs(6 * 60 * 60)),
        }
    }
}

impl AlertmanagerConfig {
    /// Returns the priority of an alert with this text in its label `severity`.
    pub(super) fn priority(&self, severity: Option<&str>) -> Priority {
        let Some(severity) = severity.map(str::trim) else { return self.priority };
        let own = self.severities.iter().find(|(name, _)| name.eq_ignore_ascii_case(severity));
        own.map(|(_, priority)| *priority)
            .or_else(|| common_priority(severity))
            .unwrap_or(self.priority)
    }
}

/// Returns the priority of Falco's name, or of a word that rules out there use.
pub(in crate::ingest) fn common_priority(text: &str) -> Option<Priority> {
    text.parse().ok().or_else(|| common(text))
}

/// Returns what the words mean that rules out there use.
fn common(severity: &str) -> Option<Priority> {
    Some(match severity.to_ascii_lowercase().as_str() {
        "page" | "fatal" | "disaster" => Priority::Critical,
        "high" | "major" => Priority::Error,
        "medium" | "average" | "minor" | "warn" => Priority::Warning,
        "low" => Priority::Notice,
        "none" => Priority::Debug,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_severity_is_a_priority_by_the_configuration_then_by_falcos_and_common_names() {
        let own = BTreeMap::from([("page".to_owned(), Priority::Emergency)]);
        let config = AlertmanagerConfig { severities: own, ..AlertmanagerConfig::default() };
        for (severity, priority) in [
            (Some("Page"), Priority::Emergency),
            (Some("critical"), Priority::Critical),
            (Some(" info "), Priority::Informational),
            (Some("high"), Priority::Error),
            (Some("none"), Priority::Debug),
            (Some("whatever"), Priority::Warning),
            (Some(""), Priority::Warning),
            (None, Priority::Warning),
        ] {
            assert_eq!(config.priority(severity), priority, "{severity:?}");
        }
    }
}
