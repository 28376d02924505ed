//! What a tap hands on, what it leaves out, and when it ends.

use std::sync::atomic::Ordering;

use alert::{Alert, AlertId, Event, EventKind, Fields, Priority};
use base64::{Engine, engine::general_purpose::STANDARD};
use rules::{RuleSet, Source};

use super::{
    Answer, Choice, End, Form, Moment, Request, Surroundings, Tap, Tapped, WAITING_MAX, notice,
    stream, tap,
};
use crate::{
    around::{now_ns, seconds_ns},
    recorder::Recording,
};

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

fn alert(rule: &str) -> Alert {
    let time = jiff::Timestamp::UNIX_EPOCH;
    Alert {
        id: AlertId::from_u128(7),
        time,
        received: time,
        rule: rule.to_owned(),
        priority: Priority::Notice,
        source: "syscall".to_owned(),
        hostname: "h".to_owned(),
        output: String::new(),
        tags: Vec::new(),
        fields: Fields::new(),
        ends: None,
    }
}

fn request(choice: Choice, events_max: u64) -> Request {
    let form = Form::Events;
    Request {
        choice,
        form,
        events_max,
        seconds_max: 60,
        rate_max: None,
        bytes_max: None,
        around: None,
    }
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
    for pattern in ["R", "R*"] {
        let choice = Choice::Rule(pattern.to_owned());
        let (mut tap, mut tapped) = tap(&request(choice, 1), &rules()).unwrap();
        assert!(tap.event(&event("a")) && tap.alert(&alert("Other"), &event("a")));
        assert!(!tap.alert(&alert("R"), &event("b")));
        assert_eq!(names(&mut tapped), ["b"]);
    }
}

fn surroundings(of: Choice, recordings_max: u32) -> Surroundings {
    Surroundings { of, seconds: 2, ring_bytes_max: 1 << 20, recordings_max }
}

fn at(name: &str, time_ns: u64) -> Event {
    Event { time_ns, ..event(name) }
}

#[test]
fn a_moment_that_a_recording_covers_begins_no_other() {
    let (_, mut tapped) = of("evt.type = execve", u64::MAX);
    let around = surroundings(Choice::Rule("R".to_owned()), 1);
    let mut notice = notice(&around, &rules(), &mut tapped).unwrap();
    let (raised, second) = (alert("R"), seconds_ns(1));
    for time_ns in [10 * second, 11 * second, 12 * second, 12 * second + 1] {
        assert!(notice.alert(&raised, &at("a", time_ns)));
    }
    let mut moments = tapped.moments.take().unwrap();
    let told: Vec<Moment> = std::iter::from_fn(|| moments.try_recv().ok()).collect();
    let moment = |time_ns| Moment { time_ns, rule: Some("R".to_owned()), alert: Some(raised.id) };
    assert_eq!(told, [moment(10 * second), moment(12 * second + 1)]);
}

#[test]
fn a_condition_s_moments_are_of_kinds_that_are_watched_for_them() {
    let (_, mut tapped) = of("evt.type = execve", u64::MAX);
    let condition = "evt.type in (execve, connect)".to_owned();
    notice(&surroundings(Choice::Condition(condition), 1), &rules(), &mut tapped).unwrap();
    assert_eq!(tapped.kinds, [EventKind::Execve, EventKind::Connect]);
}

/// Returns the programs of each recording that the answers hold.
fn recordings(answers: Vec<Answer>) -> Vec<Vec<String>> {
    let (mut bytes, mut recordings) = (Vec::new(), Vec::new());
    for answer in answers {
        match answer {
            Answer::Around { .. } => assert!(bytes.is_empty(), "one begins in another"),
            Answer::Part(part) => bytes.extend(STANDARD.decode(part).unwrap()),
            Answer::Whole { events } => {
                let input = std::io::Cursor::new(std::mem::take(&mut bytes));
                let recording = Recording::read("parts".as_ref(), Box::new(input)).unwrap();
                let names = recording.map(|event| event.unwrap().process.name.to_string());
                recordings.push(names.collect::<Vec<_>>());
                assert_eq!(recordings.last().unwrap().len() as u64, events);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(bytes.is_empty(), "one is not whole");
    recordings
}

#[test]
fn each_moment_has_a_whole_recording_of_what_is_around_it_until_there_are_enough() {
    let (_, mut tapped) = of("evt.type = execve", u64::MAX);
    let around = surroundings(Choice::Rule("R".to_owned()), 2);
    let mut notice = notice(&around, &rules(), &mut tapped).unwrap();
    let request = Request {
        form: Form::Recording,
        around: Some(around),
        ..request(Choice::Condition("evt.type = execve".to_owned()), u64::MAX)
    };
    let moments = tapped.moments.take();
    let mut stream = stream::of(&request, moments, "h".to_owned()).unwrap();
    let (start, second) = (now_ns() - seconds_ns(100), seconds_ns(1));
    let mut answers = Vec::new();
    answers.extend(
        stream.events(&mut vec![at("long ago", start), at("before", start + 9 * second)]).unwrap(),
    );
    notice.alert(&alert("R"), &at("one", start + 10 * second));
    answers.extend(stream.events(&mut vec![at("one", start + 10 * second)]).unwrap());
    assert_eq!(stream.full(), None);
    answers.extend(stream.events(&mut vec![at("after", start + 11 * second)]).unwrap());
    notice.alert(&alert("R"), &at("two", start + 50 * second));
    answers.extend(stream.events(&mut vec![at("two", start + 50 * second)]).unwrap());
    answers.extend(stream.gathered().unwrap());
    assert_eq!(stream.full(), Some(End::Recordings));
    answers.extend(stream.finish().unwrap());
    assert_eq!(recordings(answers), [vec!["before", "one", "after"], vec!["two"]]);
}

#[test]
fn what_is_asked_for_wrongly_is_refused_with_its_cause() {
    let refused = |choice| tap(&request(choice, 1), &rules()).unwrap_err();
    let unknown = refused(Choice::Condition("proc.nmae = x".to_owned()));
    assert!(unknown.contains("did you mean `proc.name`?"), "{unknown}");
    assert!(!unknown.contains("rule"), "{unknown}");
    assert!(refused(Choice::Rule("X".to_owned())).contains("no rule in force is called `X`"));
}
