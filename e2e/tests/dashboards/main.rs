//! The dashboards and rules ask for what the running programs expose, and a real Prometheus
//! answers.

#![expect(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod compose;
mod exposed;
mod promql;
mod queries;
mod run;

use std::collections::BTreeSet;

use e2e::eventually;
use serde_json::Value;

use crate::{
    exposed::Exposed,
    queries::Query,
    run::{ASKED_S, FAILING, ONCE, THROTTLED, run},
};

/// Labels Prometheus adds to what it scrapes.
const OF_THE_TARGET: [&str; 2] = ["job", "instance"];

#[test]
fn every_metric_and_label_of_a_query_is_exposed() {
    let exposed = Exposed::by(&run().targets());
    let rules = queries::of_rules();
    let mut problems = Vec::new();
    for query in queries::of_dashboards().iter().chain(&rules) {
        check(query, &exposed, &rules, &mut problems);
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

fn check(query: &Query, exposed: &Exposed, rules: &[Query], problems: &mut Vec<String>) {
    let place = &query.place;
    let names = match promql::names(&query.as_sent()) {
        Ok(names) => names,
        Err(problem) => return problems.push(format!("{place}: {problem}")),
    };
    if names.selectors.is_empty() {
        problems.push(format!("{place}: names no metric"));
    }
    let mut all = BTreeSet::new();
    for (metric, asked) in &names.selectors {
        let Some(labels) = labels_of(metric, exposed, rules) else {
            problems.push(format!("{place}: nobody exposes `{metric}`"));
            return;
        };
        for label in asked.iter().filter(|label| !labels.contains(*label)) {
            problems.push(format!("{place}: `{metric}` has no label `{label}`"));
        }
        all.extend(labels);
    }
    for (label, metrics) in &names.groupings {
        let kept = metrics.iter().filter_map(|metric| labels_of(metric, exposed, rules));
        if !kept.flatten().any(|kept| kept == *label) {
            problems.push(format!("{place}: nothing of {metrics:?} has the label `{label}`"));
        }
    }
    for label in query.legend.iter().filter(|label| !all.contains(*label)) {
        problems.push(format!("{place}: the legend shows `{label}`, which nothing has"));
    }
}

/// Returns the labels of a metric, be it scraped or recorded.
fn labels_of(metric: &str, exposed: &Exposed, rules: &[Query]) -> Option<BTreeSet<String>> {
    let mut labels: BTreeSet<String> = OF_THE_TARGET.map(str::to_owned).into();
    if metric == "up" {
        return Some(labels);
    }
    if let Some(rule) = rules.iter().find(|rule| rule.recorded.as_deref() == Some(metric)) {
        for (metric, _) in promql::names(&rule.expression).ok()?.selectors {
            labels.extend(labels_of(&metric, exposed, rules)?);
        }
        return Some(labels);
    }
    labels.extend(exposed.labels(metric)?.iter().cloned());
    Some(labels)
}

#[test]
fn the_page_on_metrics_lists_what_is_exposed() {
    let documented = Exposed::documented();
    let mut problems = Vec::new();
    for (metric, labels) in Exposed::scraped(&run().targets()).families() {
        match documented.labels(&metric) {
            None => problems.push(format!("`{metric}` is not in docs/metrics.md")),
            Some(told) if *told != labels => {
                problems.push(format!("`{metric}` has {labels:?}, docs/metrics.md says {told:?}"));
            }
            Some(_) => {}
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn prometheus_takes_every_query() {
    let problems: Vec<_> = queries::of_dashboards()
        .iter()
        .filter_map(|query| {
            let answer = run().prometheus.ask(&query.as_sent()).err()?;
            Some(format!("{}: {answer}", query.place))
        })
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn a_panel_of_what_runs_shows_something() {
    let scraped = Exposed::scraped(&run().targets());
    for query in queries::of_dashboards() {
        let names = promql::names(&query.as_sent()).unwrap();
        let runs = names.selectors.iter().all(|(metric, _)| scraped.labels(metric).is_some());
        // A comparison leaves out what is as it should be.
        let leaves_out = [" > 0", " == "].iter().any(|sign| query.expression.contains(sign));
        if !runs || leaves_out {
            continue;
        }
        eventually(&query.place, || match run().prometheus.ask(&query.as_sent()) {
            Ok(series) if !series.is_empty() => Ok(()),
            other => Err(format!("{other:?}: {}", query.as_sent())),
        });
    }
}

#[test]
fn an_alert_that_came_once_is_counted_once() {
    let queries = queries::of_dashboards();
    let rules = queries.iter().find(|query| query.place == "soc-overview.json: Rules A");
    let expression = rules.expect("the panel").as_sent();
    eventually(ONCE, || {
        let series = run().prometheus.ask(&expression)?;
        let found = series.iter().find(|series| series["metric"]["rule"] == ONCE);
        match found.and_then(|series| series["value"][1].as_str()) {
            Some("1") => Ok(()),
            _ => Err(format!("{series:?}")),
        }
    });
}

#[test]
fn recording_rules_have_values() {
    for rule in queries::of_rules() {
        let Some(recorded) = rule.recorded else { continue };
        if recorded.starts_with("saker:agent") && run().agent.is_none() {
            continue;
        }
        eventually(&recorded, || match run().prometheus.ask(&recorded) {
            Ok(series) if !series.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }
    let failing = format!("saker:attempts_failed:ratio15m{{output=\"{FAILING}\"}} == 1");
    eventually(&failing, || match run().prometheus.ask(&failing) {
        Ok(series) if series.len() == 1 => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

#[test]
fn an_output_that_is_asked_for_time_tells_until_when() {
    let left = format!("saker_dispatch_paused_until_seconds{{output=\"{THROTTLED}\"}} - time()");
    let seconds = eventually(&left, || {
        let series = run().prometheus.ask(&left)?;
        let value = series.first().and_then(|series| series["value"][1].as_str());
        let left: f64 = value.and_then(|value| value.parse().ok()).unwrap_or_default();
        if left > 0.0 { Ok(left) } else { Err(format!("{series:?}")) }
    });
    assert!((f64::from(ASKED_S) / 2.0..f64::from(ASKED_S) + 2.0).contains(&seconds), "{seconds}");
    let asked = format!("saker_dispatch_retry_after_total{{output=\"{THROTTLED}\"}}");
    assert_eq!(run().prometheus.ask(&asked).unwrap()[0]["value"][1], "1");
}

#[test]
fn promtool_finds_nothing() {
    for arguments in [["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"]] {
        let mut promtool = std::process::Command::new("promtool");
        promtool.args(arguments).current_dir(queries::folder().join("prometheus"));
        let output = promtool.output().expect("promtool, of the package prometheus");
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
    }
}

#[test]
fn an_output_that_fails_is_told_and_none_that_works() {
    let firing = "ALERTS{alertname=\"SakerOutputFailing\",alertstate=\"firing\"}";
    let told = format!("{firing} and on () ALERTS{{output=\"{FAILING}\",alertstate=\"firing\"}}");
    let series = eventually("the alert", || match run().prometheus.ask(&told) {
        Ok(series) if !series.is_empty() => Ok(series),
        other => {
            Err(format!("{other:?}; all: {:?}", run().prometheus.ask("ALERTS").unwrap_or_default()))
        }
    });
    for alert in &series {
        assert!([FAILING, THROTTLED].map(Value::from).contains(&alert["metric"]["output"]));
        assert_eq!(alert["metric"]["job"], "saker-router");
        assert_eq!(alert["metric"]["severity"], "warning");
    }
}

#[test]
fn every_rule_can_be_evaluated() {
    let rules = eventually("all rules evaluated", || {
        let answer = run().prometheus.get("/api/v1/rules")?;
        let groups = answer["data"]["groups"].as_array().cloned().unwrap_or_default();
        let rules: Vec<_> = groups
            .iter()
            .flat_map(|g| g["rules"].as_array().cloned().unwrap_or_default())
            .collect();
        let unknown = rules.iter().filter(|rule| rule["health"] == "unknown").count();
        if rules.is_empty() || unknown > 0 {
            return Err(format!("{unknown} of {} are not evaluated yet", rules.len()));
        }
        Ok(rules)
    });
    assert_eq!(rules.len(), queries::of_rules().len());
    let bad: Vec<_> = rules.iter().filter(|rule| rule["health"] != "ok").collect();
    assert!(bad.is_empty(), "{bad:#?}");
}
