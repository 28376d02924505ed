//! Maintenance windows suppress or mark, and let go of what is still active.

use expect_test::expect;
use serde_json::{Value, json};

use super::script::{Run, alert, at, check_with, config};
use crate::{
    pipeline::{DecisionKind, Effect, Window},
    record::Record,
};

/// A window over rule `a` from 22:14 to 22:15, 40 s to 100 s after the start, every day.
fn window(keys: &Value) -> Value {
    let mut window = json!({"name": "patch", "match": "rule = a",
        "starts": "2023-11-14T22:14:00", "duration": "1m", "repeat": "FREQ=DAILY"});
    window.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    window
}

fn configured(keys: Value) -> Value {
    json!({"windows": [window(&keys)]})
}

#[test]
fn a_window_suppresses_while_it_is_open_and_tells_of_what_is_active_after() {
    check_with(
        &[configured(json!({}))],
        "a@0 tick@2 a:x@39 a@40 b@41 tick@43 a@99 restart tick@100 a@100 tick@102",
        expect![[r#"
            a@0: default→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            a:x@39: default→soc
            a@40: window patch open until 2023-11-14T22:15:00Z; window:patch
            b@41: default→soc
            tick@43: N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1
            a@99: soc not told of 1: window:patch; window:patch
            tick@100: window patch closed after 3; 1 hidden by window:patch back to default→soc; 2 hidden by window:patch back to default→soc; N3 updated soc with 1 for N1; N3 is soc#2 [a×1 a×3] 2/4 new 4
            a@100: duplicate"#]],
    );
}

#[test]
fn a_window_marks_what_people_hear_of() {
    let mut run = Run::new(configured(json!({"effect": "mark"})));
    let mut told = |at_second| {
        let mut told = alert("a", at(at_second));
        told.id = alert::AlertId::from_u128(at_second as u128);
        run.record(&Record::Alert(Box::new(told)));
        let decided =
            serde_json::to_string(&run.pipeline.findings(&Default::default()).items).unwrap();
        let marked = run.effects.iter().any(|effect| match effect {
            Effect::Decided(decision) => match &decision.kind {
                DecisionKind::Alert(alert) => alert.window.as_deref() == Some("patch"),
                _ => false,
            },
            _ => false,
        });
        (marked, decided.contains("\"saker.window\":\"patch\""))
    };
    assert_eq!([told(39), told(40), told(100)], [(false, false), (true, true), (false, false)]);
    run.restart();
    assert_eq!(run.pipeline.window("patch").unwrap().hits, 1);
}

#[test]
fn windows_of_the_configuration_come_and_go_with_it() {
    check_with(
        &[json!({}), configured(json!({}))],
        "config:1@50 a@51 config:1@52 config:0@53 a@54",
        expect![[r#"
            config:1@50: window patch added by configuration; window patch open until 2023-11-14T22:15:00Z; configured
            a@51: window:patch
            config:1@52: configured
            config:0@53: window patch removed by configuration after 1; configured; 1 hidden by window:patch back to default→soc
            a@54: duplicate"#]],
    );
}

#[test]
fn a_hidden_finding_may_be_in_a_window_and_silenced() {
    check_with(
        &[configured(json!({}))],
        "a@40 silence:a:120@50 a@60 tick@100 tick@120 tick@122",
        expect![[r#"
            a@40: window patch open until 2023-11-14T22:15:00Z; window:patch
            silence:a:120@50: silence a added
            a@60: silence:a
            tick@100: window patch closed after 1
            tick@120: silence a expired after 1; 2 hidden by silence:a back to default→soc
            tick@122: N1 opened soc with 0; N1 is soc#1 [a×2] 1/2 new 2"#]],
    );
}

fn added(run: &mut Run, second: i64, keys: &Value) {
    let window: Window = serde_json::from_value(window(keys)).unwrap();
    let window = Box::new(window);
    run.record(&Record::WindowAdded { at: at(second), window, by: "ann".to_owned() });
}

#[test]
fn a_person_adds_changes_and_removes_a_window() {
    let mut run = Run::new(json!({}));
    added(&mut run, 1, &json!({}));
    run.record(&Record::Alert(Box::new(alert("a", at(45)))));
    assert_eq!(run.pipeline.window("patch").unwrap().hits, 1);
    // It is about something else now: what it hid comes back.
    added(&mut run, 46, &json!({"match": "rule = b"}));
    assert!(format!("{:?}", run.effects).contains("Returned"), "{:?}", run.effects);
    assert_eq!(run.pipeline.window("patch").unwrap().hits, 1);
    let removed =
        Record::WindowRemoved { at: at(47), name: "patch".to_owned(), by: "bob".to_owned() };
    run.record(&removed);
    run.record(&removed);
    assert_eq!(run.pipeline.windows(), []);
}

#[test]
fn a_window_a_person_added_goes_when_it_will_not_open_again() {
    let mut run = Run::new(json!({}));
    added(&mut run, 1, &json!({"repeat": null}));
    run.record(&Record::Tick { now: at(60) });
    run.restart();
    assert!(run.pipeline.window("patch").unwrap().open);
    run.record(&Record::Tick { now: at(100) });
    assert_eq!(run.pipeline.windows(), []);
}

#[test]
fn what_cannot_be_a_window_is_refused() {
    let mut run = Run::new(configured(json!({})));
    added(&mut run, 1, &json!({}));
    assert!(format!("{:?}", run.effects).contains("of the configuration has this name"));
    added(&mut run, 1, &json!({"name": "x", "except": ["2023-11-14"], "repeat": null}));
    assert!(format!("{:?}", run.effects).contains("it never occurs"));
    for number in 0..1000 {
        added(&mut run, 1, &json!({"name": format!("w{number}")}));
    }
    assert!(format!("{:?}", run.effects).contains("there are 1000 windows already"));
    let twice = json!({"windows": [window(&json!({})), window(&json!({}))]});
    let problems = config(twice).validate(&["soc"]);
    assert_eq!(problems[0].path, "windows[1].name");
}
