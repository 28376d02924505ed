//! Which metrics there are, with their labels: scraped, documented, or promised.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Metrics by name, each with its labels.
#[derive(Debug)]
pub(crate) struct Exposed(BTreeMap<String, BTreeSet<String>>);

/// What programs will expose that these tests cannot start yet. Whatever is scraped counts in place
/// of what is promised here; an entry goes when [`crate::run::Run::targets`] has its program.
const PROMISED: &[(&str, &[&str])] = &[
    ("saker_agent_container_lookups_total", &["result"]),
    ("saker_agent_containers_known", &[]),
    ("saker_agent_held_events", &[]),
    ("saker_agent_held_events_total", &["end"]),
    ("saker_agent_orders_total", &["action", "outcome"]),
    ("saker_router_owners_total", &["result"]),
    ("saker_router_owner_objects", &["kind"]),
    ("saker_router_owner_watch_lag_seconds", &["kind"]),
    ("saker_router_owner_contradictions_total", &[]),
    ("saker_router_responder_alerts_total", &["end"]),
    ("saker_router_responder_lag_seconds", &[]),
    ("saker_router_responder_failures_total", &[]),
];

impl Exposed {
    /// Returns what these targets expose, and what is promised.
    pub(crate) fn by(targets: &[(&str, String)]) -> Self {
        let mut exposed = Self::scraped(targets);
        // Without the right to run it, the agent's word is its page.
        if !targets.iter().any(|(job, _)| *job == "saker-agent") {
            for (metric, labels) in Self::documented().0 {
                if metric.starts_with("saker_agent_") {
                    exposed.0.entry(metric).or_insert(labels);
                }
            }
        }
        for (metric, labels) in PROMISED {
            let labels = || labels.iter().map(|label| (*label).to_owned()).collect();
            exposed.0.entry((*metric).to_owned()).or_insert_with(labels);
        }
        exposed
    }

    /// Reads the text Prometheus would: `name{label="value",…} number`, a line for each series.
    pub(crate) fn scraped(targets: &[(&str, String)]) -> Self {
        let mut exposed = BTreeMap::<_, BTreeSet<_>>::new();
        let lines = targets.iter().flat_map(|(_, text)| text.lines());
        for line in lines.filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let end = line.find(['{', ' ']).unwrap();
            let (metric, mut rest) = line.split_at(end);
            let labels = exposed.entry(metric.to_owned()).or_default();
            while let Some((label, after)) =
                rest.strip_prefix(['{', ',']).and_then(|rest| rest.split_once("=\""))
            {
                labels.insert(label.to_owned());
                rest = after_value(after);
            }
        }
        Self(exposed)
    }

    /// Returns what `docs/metrics.md` lists.
    pub(crate) fn documented() -> Self {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        let page = fs::read_to_string(page).unwrap();
        let rows = page.lines().filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, name, _, labels, ..] = cells[..] else { return None };
            let name = name.strip_prefix('`')?.strip_suffix('`')?;
            let labels = labels.split('`').skip(1).step_by(2).map(str::to_owned);
            Some((name.to_owned(), labels.collect()))
        });
        Self(rows.collect())
    }

    pub(crate) fn labels(&self, metric: &str) -> Option<&BTreeSet<String>> {
        self.0.get(metric)
    }

    /// Returns the metrics as they are declared: a histogram is one.
    pub(crate) fn families(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut families = self.0.clone();
        for bucket in self.0.keys().filter(|metric| metric.ends_with("_bucket")) {
            let name = bucket.trim_end_matches("_bucket");
            let mut labels = families.remove(bucket).unwrap_or_default();
            labels.remove("le");
            families.remove(&format!("{name}_sum"));
            families.remove(&format!("{name}_count"));
            families.insert(name.to_owned(), labels);
        }
        families
    }
}

/// Returns what follows the closing quote of a label's value.
fn after_value(value: &str) -> &str {
    let mut escaped = false;
    for (index, next) in value.char_indices() {
        match next {
            '"' if !escaped => return &value[index + 1..],
            '\\' if !escaped => escaped = true,
            _ => escaped = false,
        }
    }
    ""
}
