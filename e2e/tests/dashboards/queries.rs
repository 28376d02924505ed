//! Every query of the dashboards and rules, and where it stands.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// One query.
#[derive(Debug)]
pub(crate) struct Query {
    /// File and panel, or file and rule.
    pub(crate) place: String,
    pub(crate) expression: String,
    /// The labels its legend shows.
    pub(crate) legend: Vec<String>,
    /// The name a recording rule gives its result.
    pub(crate) recorded: Option<String>,
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dashboards")
}

/// Returns the queries of all dashboards, those of filters included.
pub(crate) fn of_dashboards() -> Vec<Query> {
    let mut queries = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for variable in list(&dashboard["templating"]["list"]) {
            let Some(filter) = variable["query"]["query"].as_str() else { continue };
            let (metric, label) = filter
                .strip_prefix("label_values(")
                .and_then(|rest| rest.strip_suffix(')'))
                .and_then(|rest| rest.split_once(", "))
                .unwrap_or_else(|| panic!("{file}: odd filter {filter}"));
            queries.push(Query {
                place: format!("{file}: filter {label}"),
                expression: metric.to_owned(),
                legend: vec![label.to_owned()],
                recorded: None,
            });
        }
        for panel in list(&dashboard["panels"]) {
            for target in list(&panel["targets"]) {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let (title, letter) = (text(&panel["title"]), text(&target["refId"]));
                queries.push(Query {
                    place: format!("{file}: {title} {letter}"),
                    expression: text(&target["expr"]),
                    legend: legend_labels(&text(&target["legendFormat"])),
                    recorded: None,
                });
            }
        }
    }
    assert!(queries.len() > 100, "{}", queries.len());
    queries
}

/// Returns the queries of all rules.
pub(crate) fn of_rules() -> Vec<Query> {
    let text = fs::read_to_string(folder().join("prometheus/rules.yaml")).unwrap();
    let rules: Value = serde_saphyr::from_str(&text).unwrap();
    let mut queries = Vec::new();
    for rule in list(&rules["groups"]).iter().flat_map(|group| list(&group["rules"])) {
        let name = rule["record"].as_str().or(rule["alert"].as_str()).unwrap();
        let annotations = rule["annotations"].to_string();
        let labels = annotations.split("$labels.").skip(1).map(|rest| {
            let end = rest.find(|next: char| !next.is_ascii_alphanumeric() && next != '_');
            rest[..end.unwrap_or(rest.len())].to_owned()
        });
        queries.push(Query {
            place: format!("rules.yaml: {name}"),
            expression: rule["expr"].as_str().unwrap().to_owned(),
            legend: labels.collect(),
            recorded: rule["record"].as_str().map(str::to_owned),
        });
    }
    assert!(queries.len() > 30, "{}", queries.len());
    queries
}

impl Query {
    /// Returns the expression as Grafana would send it, with everything chosen.
    pub(crate) fn as_sent(&self) -> String {
        let mut expression = self.expression.clone();
        for (variable, value) in [
            ("$__rate_interval", "1m"),
            ("$__interval", "1m"),
            ("$__range", "10m"),
            ("$instance", ".*"),
            ("$output", ".*"),
            ("$source", ".*"),
            ("$k8s_ns_name", ".*"),
        ] {
            expression = expression.replace(variable, value);
        }
        assert!(!expression.contains('$'), "{}: an unknown variable: {expression}", self.place);
        expression
    }
}

fn legend_labels(legend: &str) -> Vec<String> {
    let labels = legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next());
    labels.map(|label| label.trim().to_owned()).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
