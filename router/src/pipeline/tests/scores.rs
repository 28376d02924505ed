//! Scores fall while nothing comes, and decide what is delivered first.

use alert::Lane;
use expect_test::expect;
use serde_json::{Value, json};

use super::script::{Run, alert, at};
use crate::{
    pipeline::{DecisionKind, Effect, FindingsQuery},
    record::Record,
};

fn run(config: Value, alerts: &[(&str, i64)]) -> Run {
    let mut run = Run::new(config);
    for (what, second) in alerts {
        let mut alert = alert(what, at(*second));
        alert.id = alert::AlertId::from_u128(run.sequence.into());
        run.record(&Record::Alert(Box::new(alert)));
    }
    run
}

fn tick(run: &mut Run, second: i64) {
    run.record(&Record::Tick { now: at(second) });
}

/// Returns what the only finding's score is made of now.
fn items(run: &Run) -> String {
    let findings = run.pipeline.findings(&FindingsQuery::default()).items;
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    let items: Vec<String> =
        finding.score_items.iter().map(|item| format!("{} {}", item.points, item.reason)).collect();
    format!("{} = {}", finding.score, items.join(" + "))
}

/// Returns the route, score and lane of every notification made by the last record, in their order.
fn told(run: &Run) -> Vec<(String, u8, Lane)> {
    let told = run.effects.iter().filter_map(|effect| match effect {
        Effect::Notify(it) => Some((it.route.clone(), it.score, it.lane())),
        _ => None,
    });
    told.collect()
}

fn day_long() -> Value {
    json!({"score": {"half_life": "10m"}, "routes": [{"quiet": "1d", "group_wait": "0s"}]})
}

#[test]
fn a_finding_that_is_not_seen_loses_points_and_has_them_back_with_its_next_alert() {
    let mut run = run(day_long(), &[("a", 0)]);
    expect!["45 = 40 priority Warning + 5 not seen before"].assert_eq(&items(&run));
    tick(&mut run, 600);
    expect!["43 = 40 priority Warning + 5 not seen before + -2 not seen for 10m"]
        .assert_eq(&items(&run));
    let before = items(&run);
    run.restart();
    assert_eq!(items(&run), before);
    tick(&mut run, 80_000);
    expect!["40 = 40 priority Warning + 5 not seen before + -5 not seen for 22h13m"]
        .assert_eq(&items(&run));
    let is_listed = |run: &Run, score_min| {
        let query = FindingsQuery { score_min, ..FindingsQuery::default() };
        !run.pipeline.findings(&query).items.is_empty()
    };
    assert!(is_listed(&run, 40) && !is_listed(&run, 41));
    run.record(&Record::Alert(Box::new(alert("a", at(80_001)))));
    expect!["40 = 40 priority Warning + 5 not seen before + -5 not seen for 22h13m"]
        .assert_eq(&items(&run));
}

#[test]
fn what_goes_on_until_its_end_loses_no_points_before() {
    let mut run = run(day_long(), &[("a^4000", 0)]);
    tick(&mut run, 3999);
    expect!["45 = 40 priority Warning + 5 not seen before"].assert_eq(&items(&run));
}

#[test]
fn a_notification_has_the_score_of_what_it_lists_and_the_lane_of_that() {
    let config = json!({
        "score": {
            "half_life": "10m", "rarity_points": 0, "lanes": {"urgent": 70, "elevated": 40},
            "criticality": [
                {"match": "k8s.ns.name = bank", "points": 50},
                {"match": "k8s.ns.name = test", "points": -60},
            ],
        },
        "routes": [
            {"name": "bank", "match": "k8s.ns.name = bank"},
            {"name": "test", "match": "k8s.ns.name = test"},
            {"name": "rest"},
        ],
    });
    let alerts = [("a", 0), ("b?", 0), ("c/test", 0), ("d/bank?", 0)];
    let mut run = run(config, &alerts);
    tick(&mut run, 2);
    let expected = [
        ("bank".to_owned(), 70, Lane::Urgent),
        ("rest".to_owned(), 40, Lane::Elevated),
        ("rest".to_owned(), 20, Lane::Ordinary),
        ("test".to_owned(), 0, Lane::Ordinary),
    ];
    assert_eq!(told(&run)[0], expected[0], "what is urgent comes first");
    let mut all = told(&run);
    all.sort_by_key(|(route, score, _)| (route.clone(), std::cmp::Reverse(*score)));
    assert_eq!(all, expected);

    // A second finding of the group is told when the first has lost what was above its priority.
    run.record(&Record::Alert(Box::new(alert("d/bank:x?", at(3)))));
    tick(&mut run, 62);
    assert_eq!(told(&run), [("bank".to_owned(), 68, Lane::Elevated)]);
    let notified = run.effects.iter().find_map(|effect| match effect {
        Effect::Decided(decision) => match &decision.kind {
            DecisionKind::Notified(notified) => Some((notified.score, notified.lane())),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(notified, Some((68, Lane::Elevated)), "and explained so");
}

#[test]
fn what_is_critical_is_urgent_whatever_its_score() {
    let config = json!({"score": {"criticality": [{"match": "rule exists", "points": -100}]}});
    let run = run(config, &[("a!", 0)]);
    assert_eq!(told(&run), [("default".to_owned(), 0, Lane::Urgent)]);
}

#[test]
fn what_goes_on_stays_a_step_of_the_attack_it_belongs_to() {
    let config = json!({"score": {"rarity_points": 0}, "routes": [{"quiet": "1d"}]});
    let mut run = Run::new(config);
    let mut came = |rule: &str, tactic: &str, second: i64| {
        let mut alert = alert("a", at(second));
        alert.id = alert::AlertId::from_u128(run.sequence.into());
        alert.rule = rule.to_owned();
        alert.tags = vec![format!("mitre_{tactic}")];
        run.record(&Record::Alert(Box::new(alert)));
        run.effects.iter().find_map(|effect| match effect {
            Effect::Decided(decision) => match &decision.kind {
                DecisionKind::Alert(alert) => Some(alert.score),
                _ => None,
            },
            _ => None,
        })
    };
    assert_eq!(came("Shell", "execution", 0), Some(40));
    // An hour and a half later it is still going on, and the others follow.
    assert_eq!(came("Shell", "execution", 5400), Some(40));
    assert_eq!(came("Cron", "persistence", 5401), Some(40));
    assert_eq!(came("Upload", "exfiltration", 5402), Some(55), "the third in order");
    // What is part of it is raised when it comes again.
    assert_eq!(came("Cron", "persistence", 5403), Some(55));
    assert_eq!(came("Shell", "execution", 5404), Some(55));
}
