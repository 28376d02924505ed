//! What is read of Alertmanager's file. It is checked by Alertmanager already; keys that say nothing
//! about who hears of what are passed over.

use std::collections::BTreeMap;

use router::pipeline::{Comparison, Interval, Matcher};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

#[derive(Deserialize)]
pub(super) struct File {
    #[serde(default)]
    pub(super) global: BTreeMap<String, Value>,
    pub(super) route: Route,
    #[serde(default)]
    pub(super) receivers: Vec<Receiver>,
    #[serde(default)]
    pub(super) inhibit_rules: Vec<InhibitRule>,
    #[serde(default)]
    pub(super) time_intervals: Vec<NamedIntervals>,
    /// Their name before version 0.24.
    #[serde(default)]
    pub(super) mute_time_intervals: Vec<NamedIntervals>,
    #[serde(default)]
    pub(super) templates: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
pub(super) struct NamedIntervals {
    pub(super) name: String,
    pub(super) time_intervals: Vec<Interval>,
}

#[derive(Deserialize)]
pub(super) struct Receiver {
    pub(super) name: String,
    /// Lists of destinations, by their kind.
    #[serde(flatten)]
    pub(super) kinds: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
pub(super) struct Route {
    pub(super) receiver: Option<String>,
    pub(super) group_by: Option<Vec<String>>,
    pub(super) group_wait: Option<String>,
    pub(super) group_interval: Option<String>,
    pub(super) repeat_interval: Option<String>,
    #[serde(default)]
    matchers: Matchers,
    #[serde(default, rename = "match")]
    equal: BTreeMap<String, String>,
    #[serde(default, rename = "match_re")]
    regex: BTreeMap<String, String>,
    #[serde(default, rename = "continue")]
    pub(super) goes_on: bool,
    #[serde(default)]
    pub(super) mute_time_intervals: Vec<String>,
    #[serde(default)]
    pub(super) active_time_intervals: Vec<String>,
    #[serde(default)]
    pub(super) routes: Vec<Route>,
}

#[derive(Deserialize)]
pub(super) struct InhibitRule {
    pub(super) name: Option<String>,
    #[serde(default)]
    source_matchers: Matchers,
    #[serde(default)]
    source_match: BTreeMap<String, String>,
    #[serde(default)]
    source_match_re: BTreeMap<String, String>,
    #[serde(default)]
    target_matchers: Matchers,
    #[serde(default)]
    target_match: BTreeMap<String, String>,
    #[serde(default)]
    target_match_re: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) equal: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Matchers {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl Route {
    /// Returns all that must match, of each of the three ways to write it.
    pub(super) fn matchers(&self) -> Result<Vec<Matcher>, String> {
        matchers(&self.matchers, &self.equal, &self.regex)
    }
}

impl InhibitRule {
    /// As [`Route::matchers`], of what hides.
    pub(super) fn source(&self) -> Result<Vec<Matcher>, String> {
        matchers(&self.source_matchers, &self.source_match, &self.source_match_re)
    }

    /// As [`Route::matchers`], of what is hidden.
    pub(super) fn target(&self) -> Result<Vec<Matcher>, String> {
        matchers(&self.target_matchers, &self.target_match, &self.target_match_re)
    }
}

fn matchers(
    written: &Matchers,
    equal: &BTreeMap<String, String>,
    regex: &BTreeMap<String, String>,
) -> Result<Vec<Matcher>, String> {
    let texts = match written {
        Matchers::None => &[][..],
        Matchers::One(text) => std::slice::from_ref(text),
        Matchers::Many(texts) => texts,
    };
    let mut matchers = Vec::new();
    for text in texts {
        matchers.extend(Matcher::parse_all(text)?);
    }
    for (pairs, comparison) in [(equal, Comparison::Equal), (regex, Comparison::Regex)] {
        for (name, value) in pairs {
            matchers.push(Matcher::new(name, comparison, value)?);
        }
    }
    Ok(matchers)
}
