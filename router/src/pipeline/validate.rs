//! Says what is wrong with a configuration, all of it at once.

use std::{collections::HashSet, time::Duration};

use serde::Serialize;
use service::config::HumanBytes;

use super::{
    Inhibition, PipelineConfig, Route,
    fingerprint::OWN_FIELDS_MAX,
    inhibit,
    interval::Intervals,
    route::{self, DEPTH_MAX},
    storm::StormConfig,
    window::{WINDOWS_MAX, Window},
};

/// Two notifications of a group closer than this are one's own denial of service.
const GROUP_INTERVAL_MIN: Duration = Duration::from_secs(1);
const QUIET_MIN: Duration = Duration::from_secs(10);
const HALF_LIFE_MIN: Duration = Duration::from_secs(60);
/// Each is asked about every alert.
const INHIBITIONS_MAX: usize = 1000;
const NAME_BYTES_MAX: usize = 128;

/// One thing wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigProblem {
    /// Where, for example `routes[0].outputs[1]`.
    pub path: String,
    pub message: String,
    pub hint: Option<String>,
}

impl PipelineConfig {
    /// Returns everything wrong with it, given the names of the configured outputs.
    pub fn validate(&self, outputs: &[&str]) -> Vec<ConfigProblem> {
        let intervals = self.intervals.keys().map(String::as_str).collect();
        let mut problems = Problems { outputs, intervals, found: Vec::new() };
        problems.intervals(&self.intervals);
        problems.routes("routes", &self.routes, 1);
        problems.silences(self);
        problems.inhibitions(&self.inhibitions);
        problems.windows(&self.windows);
        problems.fingerprints(self);
        problems.score(self);
        problems.storm(self.storm.as_ref());
        problems.limits(self);
        problems.found
    }
}

struct Problems<'a> {
    outputs: &'a [&'a str],
    intervals: Vec<&'a str>,
    found: Vec<ConfigProblem>,
}

impl Problems<'_> {
    fn add(&mut self, path: String, message: impl Into<String>, hint: Option<String>) {
        self.found.push(ConfigProblem { path, message: message.into(), hint });
    }

    fn routes(&mut self, path: &str, routes: &[Route], depth: usize) {
        if depth > DEPTH_MAX && !routes.is_empty() {
            let message = format!("routes are nested deeper than {DEPTH_MAX}");
            self.add(path.to_owned(), message, None);
            return;
        }
        let mut names = HashSet::new();
        let mut takes_all: Option<usize> = None;
        for (index, route) in routes.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let name = route::name(route, index);
            if name.is_empty() || name.contains('/') {
                let hint = Some("a path of names separates them by `/`".to_owned());
                self.add(format!("{path}.name"), "a name is not empty and has no `/`", hint);
            }
            if !names.insert(name.clone()) {
                let hint = Some("explanations and groups name routes by it".to_owned());
                self.add(format!("{path}.name"), format!("two routes are named `{name}`"), hint);
            }
            if let Some(earlier) = takes_all {
                let hint = format!("route {} above takes every alert", earlier + 1);
                self.add(path.clone(), "no alert can reach this route", Some(hint));
            }
            if route.condition.is_none() && !route.goes_on && takes_all.is_none() {
                takes_all = Some(index);
            }
            self.route(&path, route);
            self.routes(&format!("{path}.routes"), &route.routes, depth + 1);
        }
    }

    fn route(&mut self, path: &str, route: &Route) {
        let names = route.outputs.iter().flatten().enumerate();
        for (index, name) in names.filter(|(_, name)| !self.outputs.contains(&name.as_str())) {
            let path = format!("{path}.outputs[{index}]");
            self.found.push(ConfigProblem {
                path,
                message: format!("there is no output `{name}`"),
                hint: Some(match nearest(name, self.outputs) {
                    Some(nearest) => format!("did you mean `{nearest}`?"),
                    None => format!("outputs are {}", self.outputs.join(", ")),
                }),
            });
        }
        for (key, names) in [("active", &route.active), ("mute", &route.mute)] {
            for (index, name) in names.iter().enumerate() {
                if !self.intervals.contains(&name.as_str()) {
                    let hint = match nearest(name, &self.intervals) {
                        Some(nearest) => format!("did you mean `{nearest}`?"),
                        None => "intervals are defined under `intervals`".to_owned(),
                    };
                    let message = format!("there is no interval `{name}`");
                    self.add(format!("{path}.{key}[{index}]"), message, Some(hint));
                }
            }
        }
        for (index, name) in route.group_by.iter().flatten().enumerate() {
            if name.trim() != name || name.is_empty() {
                let path = format!("{path}.group_by[{index}]");
                self.add(path, "a field has a name without blanks around it", None);
            }
        }
        let at_least = [
            ("group_interval", route.group_interval, GROUP_INTERVAL_MIN),
            ("repeat_interval", route.repeat_interval, GROUP_INTERVAL_MIN),
            ("quiet", route.quiet, QUIET_MIN),
        ];
        for (name, value, min) in at_least {
            if value.is_some_and(|value| value.0 < min) {
                let message = format!("{name} is at least {}s", min.as_secs());
                self.add(format!("{path}.{name}"), message, None);
            }
        }
    }

    fn intervals(&mut self, intervals: &Intervals) {
        for (name, entries) in intervals {
            if entries.is_empty() {
                let hint = Some("an entry that says nothing, `{}`, always holds".to_owned());
                self.add(format!("intervals.{name}"), "it never holds", hint);
            }
            for (index, interval) in entries.iter().enumerate() {
                if let Some(fault) = interval.fault() {
                    let path = format!("intervals.{name}[{index}].{}", fault.key);
                    self.add(path, fault.message, None);
                }
            }
        }
    }

    fn silences(&mut self, config: &PipelineConfig) {
        let mut ids = HashSet::new();
        for (index, silence) in config.silences.iter().enumerate() {
            let path = format!("silences[{index}]");
            if !ids.insert(&silence.id) {
                let message = format!("two silences have the id `{}`", silence.id);
                self.add(format!("{path}.id"), message, None);
            }
            if let Err(message) = silence.check() {
                let is_too_long = message.contains("30 days");
                let hint = "what must be quiet for longer is an exception of its rule".to_owned();
                self.add(path, message, is_too_long.then_some(hint));
            } else if silence.starts.is_none() {
                let hint = Some("its 30 days at most are counted from there".to_owned());
                self.add(
                    format!("{path}.starts"),
                    "a configured silence says when it starts",
                    hint,
                );
            }
        }
        if config.silences.len() > config.limits.silences_max {
            self.add("silences".to_owned(), "more silences than limits.silences_max", None);
        }
    }

    fn windows(&mut self, windows: &[Window]) {
        if windows.len() > WINDOWS_MAX {
            self.add("windows".to_owned(), format!("more than {WINDOWS_MAX} windows"), None);
        }
        let mut names = HashSet::new();
        for (index, window) in windows.iter().enumerate() {
            if let Err(message) = window.check() {
                self.add(format!("windows[{index}]"), message, None);
            }
            if !names.insert(&window.name) {
                let message = format!("two windows are named `{}`", window.name.escape_debug());
                self.add(format!("windows[{index}].name"), message, None);
            }
        }
    }

    fn inhibitions(&mut self, inhibitions: &[Inhibition]) {
        if inhibitions.len() > INHIBITIONS_MAX {
            let message = format!("more than {INHIBITIONS_MAX} inhibitions");
            self.add("inhibitions".to_owned(), message, None);
        }
        let mut names = HashSet::new();
        for (index, inhibition) in inhibitions.iter().enumerate() {
            let path = format!("inhibitions[{index}]");
            let name = inhibit::name(inhibition, index);
            if name.trim() != name || name.is_empty() || name.len() > NAME_BYTES_MAX {
                let message =
                    format!("a name has 1 to {NAME_BYTES_MAX} bytes without blanks around it");
                self.add(format!("{path}.name"), message, None);
            }
            if !names.insert(name.clone()) {
                let hint = Some("explanations name inhibitions by it".to_owned());
                self.add(
                    format!("{path}.name"),
                    format!("two inhibitions are named `{name}`"),
                    hint,
                );
            }
            for (field, name) in inhibition.equal.iter().enumerate() {
                if name.trim() != name || name.is_empty() {
                    let path = format!("{path}.equal[{field}]");
                    self.add(path, "a field has a name without blanks around it", None);
                }
            }
        }
    }

    fn fingerprints(&mut self, config: &PipelineConfig) {
        let mut rules = HashSet::new();
        for (index, rule) in config.fingerprints.iter().enumerate() {
            let path = format!("fingerprints[{index}]");
            if !rules.insert(&rule.rule) {
                let message = format!("rule `{}` has two fingerprints", rule.rule);
                self.add(format!("{path}.rule"), message, None);
            }
            if rule.fields.len() > OWN_FIELDS_MAX {
                let message = format!("at most {OWN_FIELDS_MAX} fields");
                self.add(format!("{path}.fields"), message, None);
            }
            for (field, name) in rule.fields.iter().enumerate() {
                let hint = match name.as_str() {
                    "fingerprint" => "a fingerprint cannot be made of itself",
                    "evt.time" | "proc.pid" | "evt.num" | "proc.tty" | "thread.tid" => {
                        "it differs in every alert, so nothing would be a repeat"
                    }
                    _ => continue,
                };
                let path = format!("{path}.fields[{field}]");
                self.add(path, format!("`{name}` cannot identify a finding"), Some(hint.into()));
            }
        }
    }

    fn score(&mut self, config: &PipelineConfig) {
        let score = &config.score;
        let lists = [
            ("criticality", &score.criticality),
            ("exposure", &score.exposure),
            ("sender_trust", &score.sender_trust),
        ];
        for (name, rules) in lists {
            for (index, rule) in rules.iter().enumerate() {
                if !(-100..=100).contains(&rule.points) {
                    let path = format!("score.{name}[{index}].points");
                    self.add(path, "points are between -100 and 100", None);
                }
            }
        }
        if !score.half_life.0.is_zero() && score.half_life.0 < HALF_LIFE_MIN {
            let hint = Some("`0s`: scores stay as they are".to_owned());
            let message = format!("it is at least {}s", HALF_LIFE_MIN.as_secs());
            self.add("score.half_life".to_owned(), message, hint);
        }
        let lanes = score.lanes;
        for (name, least) in [("urgent", lanes.urgent), ("elevated", lanes.elevated)] {
            if !(1..=100).contains(&least) {
                self.add(format!("score.lanes.{name}"), "a score is between 1 and 100", None);
            }
        }
        if lanes.elevated > lanes.urgent {
            let message = format!("it is at most urgent, {}", lanes.urgent);
            self.add("score.lanes.elevated".to_owned(), message, None);
        }
    }

    fn storm(&mut self, storm: Option<&StormConfig>) {
        let Some(storm) = storm else { return };
        if storm.by.is_empty() {
            let hint = Some("without a field, all senders together would be one source".to_owned());
            self.add("storm.by".to_owned(), "it names at least one field", hint);
        }
        for (index, name) in storm.by.iter().enumerate() {
            if name.trim() != name || name.is_empty() {
                let path = format!("storm.by[{index}]");
                self.add(path, "a field has a name without blanks around it", None);
            }
        }
        if storm.begin < 2 {
            self.add("storm.begin".to_owned(), "it is at least 2", None);
        }
        if storm.end == 0 || storm.end >= storm.begin {
            let hint = "a storm must not begin again by what lets it end".to_owned();
            let message = format!("it is at least 1 and less than begin, {}", storm.begin);
            self.add("storm.end".to_owned(), message, Some(hint));
        }
        for (name, value) in
            [("within", storm.within), ("calm", storm.calm), ("interval", storm.interval)]
        {
            if value.0 < GROUP_INTERVAL_MIN {
                let message = format!("{name} is at least {}s", GROUP_INTERVAL_MIN.as_secs());
                self.add(format!("storm.{name}"), message, None);
            }
        }
    }

    fn limits(&mut self, config: &PipelineConfig) {
        let limits = &config.limits;
        let at_least = [
            ("seen_alerts_max", limits.seen_alerts_max, 1),
            ("findings_max", limits.findings_max, 1),
            ("groups_max", limits.groups_max, 1),
            ("pending_max", limits.pending_max, 1),
        ];
        for (name, value, min) in at_least {
            if value < min {
                self.add(format!("limits.{name}"), format!("it is at least {min}"), None);
            }
        }
        let at_least = [
            ("pending_bytes_max", limits.pending_bytes_max, HumanBytes(1 << 20)),
            ("sample_field_bytes_max", limits.sample_field_bytes_max, HumanBytes(64)),
            ("sample_bytes_max", limits.sample_bytes_max, HumanBytes(1024)),
        ];
        for (name, value, min) in at_least {
            if value < min {
                self.add(format!("limits.{name}"), format!("it is at least {min}"), None);
            }
        }
    }
}

/// Returns the name that differs from `name` in at most two letters, if there is one.
fn nearest<'a>(name: &str, names: &[&'a str]) -> Option<&'a str> {
    let distance = |other: &str| {
        let mut row: Vec<usize> = (0..=other.chars().count()).collect();
        for (i, a) in name.chars().enumerate() {
            let mut corner = std::mem::replace(&mut row[0], i + 1);
            for (j, b) in other.chars().enumerate() {
                let change = corner + usize::from(a != b);
                corner = row[j + 1];
                row[j + 1] = change.min(row[j] + 1).min(corner + 1);
            }
        }
        row.last().copied().unwrap_or_default()
    };
    let ranked = names.iter().map(|other| (distance(other), *other));
    ranked.min().filter(|(distance, _)| *distance <= 2).map(|(_, other)| other)
}
