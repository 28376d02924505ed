//! From events to alerts: limits, replaced rules, and the agent's alerts about itself.

use std::sync::Arc;

use agent::{
    Sinks,
    detect::{ALERTS_LOST, Detector, EVENTS_LOST, HELD_BACK, Limits},
};
use alert::{Alert, Event, EventKind, Priority};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use rules::{RuleSet, Source};

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_700_000_000 * SECOND;

fn rules(priority: &str, path: &str) -> Arc<RuleSet> {
    let text = format!(
        "- rule: r\n  desc: d\n  condition: evt.type = openat and fd.name = {path}\n  \
         output: \"o %proc.cmdline\"\n  priority: {priority}\n"
    );
    RuleSet::load(&[Source { name: "r.yaml".to_owned(), text }]).expect("rules").rules
}

fn event(after_ns: u64, argument: &str) -> Event {
    serde_json::from_value(serde_json::json!({
        "number": 1, "time_ns": START + after_ns, "kind": "openat", "result": 3, "tid": 42,
        "process": {
            "key": { "pid": 42, "start_boot_ns": 1 }, "ppid": 1, "vpid": 42, "sid": 1, "start_ns": 1,
            "name": "cat", "executable": { "path": "/bin/cat", "inode": 1, "ctime_ns": 1, "mtime_ns": 1 },
            "arguments": ["cat", argument], "cwd": "/", "tty": 0, "uid": 0, "gid": 0, "user": "root",
            "group": "root", "login_uid": null, "login_user": null, "capabilities": 0,
            "container": null, "parent": null,
        },
        "detail": { "open": { "raw": "/a", "path": "/a", "resolved": "/a", "flags": 0, "mode": 0,
            "file_type": "file" } },
    }))
    .expect("event")
}

fn limits(burst: f64) -> Limits {
    Limits { rate: 1.0, burst }
}

fn observe(detector: &mut Detector, event: &Event) -> Vec<Alert> {
    let mut alerts = Vec::new();
    detector.observe(event, &mut |alert: &Alert| alerts.push(alert.clone()));
    alerts
}

fn tick(detector: &mut Detector, after: u64, lost: u64, refused: u64) -> Vec<Alert> {
    let now = Timestamp::from_nanosecond((START + after).into()).expect("time");
    let mut alerts = Vec::new();
    let lost = [(EventKind::Execve, 0), (EventKind::Connect, lost)];
    detector.tick(now, &lost, refused, &mut |alert: &Alert| alerts.push(alert.clone()));
    alerts
}

#[test]
fn an_alert_tells_when_where_and_what() {
    let mut detector = Detector::new(rules("WARNING", "/a"), "here".to_owned(), Limits::none());
    let [alert] = &observe(&mut detector, &event(5, "x"))[..] else { panic!("one alert") };
    assert_eq!((alert.rule.as_str(), alert.priority), ("r", Priority::Warning));
    assert_eq!((alert.source.as_str(), alert.hostname.as_str()), ("syscall", "here"));
    assert_eq!(alert.time.as_nanosecond(), i128::from(START + 5));
    assert!(alert.output.contains("cat x"));
    assert!(alert.fields.contains_key("proc.cmdline"));
}

#[test]
fn a_noisy_rule_is_held_back_and_the_rest_is_told() {
    let mut detector = Detector::new(rules("WARNING", "/a"), "here".to_owned(), limits(10.0));
    let raised: usize = (0..1000).map(|n| observe(&mut detector, &event(n, "x")).len()).sum();
    assert_eq!(raised, 10);
    let told = tick(&mut detector, SECOND, 0, 0);
    let [alert] = &told[..] else { panic!("{told:?}") };
    assert_eq!((alert.rule.as_str(), alert.source.as_str()), (HELD_BACK, "internal"));
    assert_eq!(alert.fields["count"], 990);
    assert_eq!(tick(&mut detector, 2 * SECOND, 0, 0), []);
    assert_eq!(observe(&mut detector, &event(5 * SECOND, "x")).len(), 1);
}

#[test]
fn lost_events_and_alerts_are_told_once_a_minute() {
    let mut detector = Detector::new(rules("WARNING", "/a"), "here".to_owned(), limits(10.0));
    assert_eq!(tick(&mut detector, 0, 0, 0), []);
    let told = tick(&mut detector, SECOND, 7, 3);
    assert_eq!(
        told.iter().map(|alert| &*alert.rule).collect::<Vec<_>>(),
        [EVENTS_LOST, ALERTS_LOST]
    );
    assert!(told[0].output.contains("connect=7") && !told[0].output.contains("execve"));
    assert_eq!(tick(&mut detector, 30 * SECOND, 90, 3), []);
    let told = tick(&mut detector, 62 * SECOND, 100, 3);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].fields["count"], 93);
}

#[test]
fn replaced_rules_hold_from_the_next_event_on() {
    let current = Arc::new(ArcSwap::new(rules("WARNING", "/other")));
    let mut detector = Detector::following(Arc::clone(&current), "here".to_owned(), limits(10.0));
    assert_eq!(observe(&mut detector, &event(1, "x")), []);
    current.store(rules("CRITICAL", "/a"));
    assert_eq!(observe(&mut detector, &event(2, "x"))[0].priority, Priority::Critical);
}

#[test]
fn a_process_cannot_make_an_alert_endless() {
    let mut detector = Detector::new(rules("WARNING", "/a"), "here".to_owned(), Limits::none());
    let alerts = observe(&mut detector, &event(1, &"\u{1b}é".repeat(1 << 20)));
    let size = serde_json::to_vec(&alerts[0]).expect("json").len();
    assert!(size < 200 << 10, "{size} bytes");
}

#[test]
fn every_sink_gets_every_alert() {
    let (sender, alerts) = crossbeam_channel::bounded(10);
    let other = sender.clone();
    let mut sinks = Sinks::default()
        .with(move |alert: &Alert| sender.send(("a", alert.id)).expect("send"))
        .with(move |alert: &Alert| other.send(("b", alert.id)).expect("send"));
    let mut detector = Detector::new(rules("WARNING", "/a"), "here".to_owned(), Limits::none());
    detector.observe(&event(1, "x"), &mut sinks);
    let got: Vec<_> = alerts.try_iter().collect();
    assert_eq!((got[0].0, got[1].0, got[0].1), ("a", "b", got[1].1));
}

#[test]
fn a_tick_tells_what_rules_cost_so_far() {
    let rules = rules("WARNING", "/a");
    let mut detector = Detector::new(Arc::clone(&rules), "here".to_owned(), Limits::none());
    observe(&mut detector, &event(5, "x"));
    tick(&mut detector, SECOND, 0, 0);
    let [cost] = &rules.costs()[..] else { panic!("one rule") };
    assert_eq!((cost.evaluated, cost.matched, cost.timed), (1, 1, 1));
    assert!(cost.timed_ns > 0, "its evaluation took time");
}
