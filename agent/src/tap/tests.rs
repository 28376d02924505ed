//! What a tap hands on, what it leaves out, and when it ends.

use std::sync::atomic::Ordering;

use alert::{Event, EventKind};
use rules::{RuleSet, Source};

use super::{Choice, Form, Request, Tap, Tapped, WAITING_MAX, tap};

fn rules() -> std::sync::Arc<RuleSet> {
    let text =
        "- rule: R\n  desc: d\n  condition: evt.type = execve\n  output: o\n  priority: INFO\n";
    RuleSet::load(&[Source { name: "r".to_owned(), text: text.to_owned() }]).unwrap().rules
}

fn event(name: &str) -> Event {
    let events = rules::read_events(&Source {
        name: "e".to_owned(),
        text: format!("{{ evt.type: execve, proc.name: {name} }}"),
    });
    events.unwrap().remove(0).event
}

fn request(choice: Choice, events_max: u64) -> Request {
    let form = Form::Events;
    Request { choice, form, events_max, seconds_max: 60, rate_max: None, bytes_max: None }
}

fn of(condition: &str, events_max: u64) -> (Tap, Tapped) {
    tap(&request(Choice::Condition(condition.to_owned()), events_max), &rules()).unwrap()
}

fn names(tapped: &mut Tapped) -> Vec<String> {
    std::iter::from_fn(|| tapped.events.try_recv().ok())
        .map(|event| event.process.name.to_string())
        .collect()
}

#[test]
fn only_chosen_events_are_handed_on_and_it_ends_with_the_last() {
    let (mut tap, mut tapped) = of("evt.type = execve and\n proc.name in (a, b)", 2);
    assert_eq!(tapped.kinds, [EventKind::Execve]);
    assert!(tap.event(&event("x")) && tap.event(&event("a")) && !tap.event(&event("b")));
    assert_eq!(names(&mut tapped), ["a", "b"]);
    assert_eq!(tapped.counts.seen.load(Ordering::Relaxed), 2);
}

#[test]
fn what_nobody_takes_in_time_is_counted_and_holds_nothing_up() {
    let (mut tap, mut tapped) = of("evt.type = execve", u64::MAX);
    let chosen = event("a");
    for _ in 0..WAITING_MAX + 7 {
        assert!(tap.event(&chosen));
    }
    assert_eq!(names(&mut tapped).len(), WAITING_MAX);
    assert_eq!(tapped.counts.dropped.load(Ordering::Relaxed), 7);
}

#[test]
fn what_comes_above_the_rate_is_counted_and_left_out() {
    let choice = Choice::Condition("evt.type = execve".to_owned());
    let request = Request { rate_max: Some(3), ..request(choice, 1000) };
    let (mut tap, mut tapped) = tap(&request, &rules()).unwrap();
    // A second would have to pass between two of them for a fourth.
    for _ in 0..5 {
        assert!(tap.event(&event("a")));
    }
    assert_eq!(names(&mut tapped).len(), 3);
    assert_eq!(tapped.counts(), (5, 0, 2));
}

#[test]
fn it_ends_when_nobody_listens_also_if_nothing_is_chosen() {
    let (mut tap, tapped) = of("evt.type = execve and proc.name = never", 5);
    assert!(tap.event(&event("a")));
    drop(tapped);
    assert!(!tap.event(&event("a")));
}

#[test]
fn alerts_of_one_rule_choose_the_events_that_raised_them() {
    let (mut tap, mut tapped) = tap(&request(Choice::Rule("R".to_owned()), 1), &rules()).unwrap();
    assert!(tap.event(&event("a")) && tap.alert("Other", &event("a")));
    assert!(!tap.alert("R", &event("b")));
    assert_eq!(names(&mut tapped), ["b"]);
}

#[test]
fn what_is_asked_for_wrongly_is_refused_with_its_cause() {
    let refused = |choice| tap(&request(choice, 1), &rules()).unwrap_err();
    let unknown = refused(Choice::Condition("proc.nmae = x".to_owned()));
    assert!(unknown.contains("did you mean `proc.name`?"), "{unknown}");
    assert!(!unknown.contains("rule"), "{unknown}");
    assert!(refused(Choice::Rule("X".to_owned())).contains("no rule in force is called `X`"));
}
