//! Makes a configuration of Saker from one of Alertmanager.
//!
//! An alert of Alertmanager is a set of labels. Here each is a field, `label.NAME`, and matchers
//! become conditions over these fields. What cannot be taken over is told, never left out silently.

mod matcher;
mod pattern;
mod read;
mod receiver;

use std::{collections::BTreeMap, time::Duration};

use router::pipeline::{Inhibition, Intervals, Matcher, Route};
use serde::Serialize;
use serde_json::Value;
use service::config::HumanDuration;

use self::read::File;

/// What was made, and what could not be.
#[derive(Debug)]
pub(crate) struct Imported {
    /// A configuration file.
    pub(crate) text: String,
    /// Each begins with its place in the file that was read.
    pub(crate) remarks: Vec<String>,
}

/// The part of a configuration that Alertmanager knows of.
#[derive(Serialize)]
struct Ours {
    outputs: BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "Intervals::is_empty")]
    intervals: Intervals,
    routes: Vec<Route>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inhibitions: Vec<Inhibition>,
}

/// Alertmanager's own defaults, which are not ours.
const GROUP_WAIT: Duration = Duration::from_secs(30);
const GROUP_INTERVAL: Duration = Duration::from_secs(5 * 60);
const REPEAT_INTERVAL: Duration = Duration::from_secs(4 * 3600);

/// A rule without matchers on a side is about every alert.
const EVERY_ALERT: &str = "priority exists";

/// Reads a configuration; an error names the place in it.
pub(crate) fn import(text: &str) -> Result<Imported, String> {
    let file: File = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
    let mut import = Import { remarks: Vec::new(), receivers: BTreeMap::new() };
    let mut outputs = BTreeMap::new();
    for (index, receiver) in file.receivers.iter().enumerate() {
        let names =
            receiver::outputs(index, receiver, &file.global, &mut outputs, &mut import.remarks);
        import.receivers.insert(receiver.name.clone(), names);
    }
    let mut root = import.route("route", &file.route)?;
    root.name.get_or_insert_with(|| "root".to_owned());
    root.group_wait.get_or_insert(HumanDuration(GROUP_WAIT));
    root.group_interval.get_or_insert(HumanDuration(GROUP_INTERVAL));
    root.repeat_interval.get_or_insert(HumanDuration(REPEAT_INTERVAL));
    root.group_by.get_or_insert_default();
    root.outputs.get_or_insert_default();
    let intervals = file.time_intervals.into_iter().chain(file.mute_time_intervals);
    let intervals = intervals.map(|named| (named.name, named.time_intervals)).collect();
    let mut inhibitions = Vec::new();
    for (index, rule) in file.inhibit_rules.iter().enumerate() {
        inhibitions.push(inhibition(&format!("inhibit_rules[{index}]"), rule)?);
    }
    for (index, _) in file.templates.iter().enumerate() {
        let remark = "Saker's templates are written in another language: see docs/templates.md";
        import.remarks.push(format!("templates[{index}]: {remark}"));
    }
    let ours = Ours { outputs, intervals, routes: vec![root], inhibitions };
    let text = serde_saphyr::to_string(&ours).map_err(|error| error.to_string())?;
    Ok(Imported { text, remarks: import.remarks })
}

struct Import {
    remarks: Vec<String>,
    /// Names of the outputs made of each receiver.
    receivers: BTreeMap<String, Vec<String>>,
}

impl Import {
    fn route(&self, place: &str, route: &read::Route) -> Result<Route, String> {
        let outputs = match &route.receiver {
            None => None,
            Some(name) => Some(self.receivers.get(name).cloned().ok_or_else(|| {
                format!("{place}.receiver: there is no receiver `{}`", name.escape_debug())
            })?),
        };
        let matchers_place = format!("{place}.matchers");
        let matchers = route.matchers().map_err(|error| format!("{matchers_place}: {error}"))?;
        let children = route.routes.iter().enumerate();
        let routes = children
            .map(|(index, child)| self.route(&format!("{place}.routes[{index}]"), child))
            .collect::<Result<_, _>>()?;
        Ok(Route {
            name: None,
            condition: condition(&matchers_place, &matchers)?,
            outputs,
            group_by: route
                .group_by
                .as_ref()
                .map(|labels| labels.iter().map(|label| group_by(label)).collect()),
            group_wait: duration(place, "group_wait", route.group_wait.as_deref())?,
            group_interval: duration(place, "group_interval", route.group_interval.as_deref())?,
            repeat_interval: duration(place, "repeat_interval", route.repeat_interval.as_deref())?,
            quiet: None,
            notify_close: None,
            active: route.active_time_intervals.clone(),
            mute: route.mute_time_intervals.clone(),
            goes_on: route.goes_on,
            routes,
            storm: None,
        })
    }
}

fn group_by(label: &str) -> String {
    match label {
        // All labels: the finding's identity comes closest.
        "..." => "fingerprint".to_owned(),
        label => format!("label.{label}"),
    }
}

fn condition(place: &str, matchers: &[Matcher]) -> Result<Option<rules::Condition>, String> {
    if matchers.is_empty() {
        return Ok(None);
    }
    let texts: Result<Vec<_>, _> = matchers.iter().map(matcher::condition).collect();
    let text = texts.map_err(|error| format!("{place}: {error}"))?.join(" and ");
    let parsed = rules::Condition::parse(&text);
    parsed.map(Some).map_err(|error| format!("{place}: {error}"))
}

/// Alertmanager's labels are an alert's identity; here the fields of `equal` may differ between the
/// alerts of one finding, which then counts as a source of each.
fn inhibition(place: &str, rule: &read::InhibitRule) -> Result<Inhibition, String> {
    let all = || rules::Condition::parse(EVERY_ALERT).map_err(|error| error.to_string());
    let side = |side: &str, matchers: Result<Vec<Matcher>, String>| {
        let place = format!("{place}.{side}");
        let matchers = matchers.map_err(|error| format!("{place}: {error}"))?;
        condition(&place, &matchers)?.map_or_else(all, Ok)
    };
    Ok(Inhibition {
        name: rule.name.clone(),
        source: side("source_matchers", rule.source())?,
        target: side("target_matchers", rule.target())?,
        equal: rule.equal.iter().map(|label| format!("label.{label}")).collect(),
    })
}

/// Reads a duration as Prometheus writes it: `1w2d3h4m5s6ms`, and years of 365 days.
fn duration(place: &str, key: &str, text: Option<&str>) -> Result<Option<HumanDuration>, String> {
    let Some(text) = text else { return Ok(None) };
    let wrong = || format!("{place}.{key}: `{}` is not a duration", text.escape_debug());
    const UNITS: [(&str, u64); 7] = [
        ("ms", 1),
        ("s", 1_000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("w", 7 * 86_400_000),
        ("y", 365 * 86_400_000),
    ];
    let (mut rest, mut total) = (text, 0_u64);
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let (number, unit) = (&rest[..digits], &rest[digits..digits + letters]);
        let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
        let part = number.parse::<u64>().ok().zip(factor).and_then(|(n, unit)| n.checked_mul(unit));
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = &rest[digits + letters..];
    }
    if text.is_empty() {
        return Err(wrong());
    }
    Ok(Some(HumanDuration(Duration::from_millis(total))))
}

#[cfg(test)]
mod tests;
