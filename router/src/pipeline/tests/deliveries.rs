//! What becomes of notifications.

use alert::NotificationId;
use expect_test::expect;
use serde_json::json;

use super::script::{Run, alert, at, check, check_with, dead, delivered};
use crate::{
    pipeline::{Effect, Page, ReasonKind},
    record::Record,
};

#[test]
fn a_dead_letter_that_is_given_up_stays_counted_and_is_delivered_by_nobody() {
    check(
        "a!@0 dead:soc@1 purge:soc@2 again@3",
        expect![[r#"
        a!@0: default→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        dead:soc@1: N1 dead with 1: refused
        purge:soc@2: N1 purged with 1 by ann"#]],
    );
}

#[test]
fn an_outcome_told_twice_counts_once() {
    check(
        "a!@0 ok:soc@1 again@2",
        expect![[r#"
            a!@0: default→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            ok:soc@1: N1 delivered 1"#]],
    );
    check(
        "a!@0 dead:soc@1 again@2",
        expect![[r#"
            a!@0: default→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            dead:soc@1: N1 dead with 1: refused"#]],
    );
}

#[test]
fn a_dead_letter_is_replayed_under_its_id() {
    check(
        "a!@0 dead:soc@1 replay:soc@2 ok:soc@3",
        expect![[r#"
            a!@0: default→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            dead:soc@1: N1 dead with 1: refused
            replay:soc@2: N1 replayed with 1; N1 is soc#1 [a×1] 1/1 new 1
            ok:soc@3: N1 delivered 1"#]],
    );
}

#[test]
fn a_replayed_letter_may_die_again() {
    check(
        "a!@0 dead:soc@1 replay:soc@2 dead:soc@3 replay:soc@4 again@5",
        expect![[r#"
            a!@0: default→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            dead:soc@1: N1 dead with 1: refused
            replay:soc@2: N1 replayed with 1; N1 is soc#1 [a×1] 1/1 new 1
            dead:soc@3: N1 dead with 1: refused
            replay:soc@4: N1 replayed with 1; N1 is soc#1 [a×1] 1/1 new 1
            again@5: replay refused: no such dead letter"#]],
    );
}

#[test]
fn a_replay_joins_the_newer_notification_of_its_group() {
    check(
        "a!@0 dead:soc@1 a:x!!@2 replay:soc@3 ok:soc@4",
        expect![[r#"
            a!@0: default→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            dead:soc@1: N1 dead with 1: refused
            a:x!!@2: default→soc; N2 escalated soc with 1; N2 is soc#2 [a×1 a×1] 2/2 new 1
            replay:soc@3: N1 replayed with 1 into N2
            ok:soc@4: N2 delivered 2"#]],
    );
}

#[test]
fn a_newer_replay_takes_the_place_of_an_older_one() {
    let quiet = json!({"routes": [{"quiet": "10s"}]});
    check_with(
        &[quiet],
        "a!@0 dead:soc@1 a:x!!@2 dead:soc@3 tick@300 replay:soc:oldest@301 replay:soc@302 ok:soc@303",
        expect![[r#"
            a!@0: route-1→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            dead:soc@1: N1 dead with 1: refused
            a:x!!@2: route-1→soc; N2 escalated soc with 1; N2 is soc#2 [a×1 a×1] 2/2 new 1
            dead:soc@3: N2 dead with 1: refused
            tick@300: group of 2/2 closed: quiet
            replay:soc:oldest@301: N1 replayed with 1; N1 is soc#1 [a×1] 1/1 new 1
            replay:soc@302: N2 replayed with 1; N1 superseded by N2; N2 is soc#2 [a×1 a×1] 2/2 new 1
            ok:soc@303: N2 delivered 2"#]],
    );
}

#[test]
fn one_output_is_dead_while_the_other_has_it() {
    check_with(
        &[json!({"outputs": ["soc", "stream"]})],
        "a!@0 dead:soc@1 ok:stream@1",
        expect![[r#"
            a!@0: default→soc+stream; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; N2 opened stream with 1; N2 is stream#1 [a×1] 1/1 new 1
            dead:soc@1: N1 dead with 1: refused
            ok:stream@1: N2 delivered 1"#]],
    );
}

#[test]
fn what_was_given_up_and_arrived_all_the_same_is_delivered() {
    let mut run = Run::new(json!({}));
    run.record(&Record::Alert(Box::new(alert("a!", at(0)))));
    let notification = notified(&run);
    run.record(&dead(at(1), &notification));
    assert_eq!(run.pipeline.ledger().outputs["soc"].dead_lettered, 1);
    run.record(&delivered(at(2), &notification));
    let ledger = run.pipeline.ledger().outputs["soc"];
    assert_eq!((ledger.dead_lettered, ledger.delivered), (0, 1));
    run.record(&dead(at(3), &notification));
    assert_eq!(run.pipeline.ledger().outputs["soc"], ledger);
}

#[test]
fn an_outcome_of_something_unknown_is_nothing() {
    let mut run = Run::new(json!({}));
    run.record(&Record::Alert(Box::new(alert("a!", at(0)))));
    let mut notification = (*notified(&run)).clone();
    notification.id = NotificationId(1);
    let before = super::script::snapshot(&run.pipeline);
    for record in [delivered(at(0), &notification), dead(at(0), &notification)] {
        run.record(&record);
        assert!(run.effects.is_empty());
        assert_eq!(super::script::snapshot(&run.pipeline), before);
    }
}

#[test]
fn dead_letters_beyond_their_bound_are_dropped_but_counted() {
    check_with(
        &[json!({"limits": {"dead_letters_max": 1}})],
        "a!@0 dead:soc@1 b!@2 dead:soc@3",
        expect![[r#"
            a!@0: default→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            dead:soc@1: N1 dead with 1: refused
            b!@2: default→soc; N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1
            dead:soc@3: N2 dead with 1: refused; N1 dropped with 1"#]],
    );
}

#[test]
fn undelivered_notifications_beyond_their_bound_become_dead_letters() {
    check_with(
        &[json!({"limits": {"pending_max": 1}})],
        "a!@0 b!@1 replay:soc@2",
        expect![[r#"
            a!@0: default→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            b!@1: default→soc; N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1; N1 withdrawn; N1 dead with 1: too much is undelivered
            replay:soc@2: N1 replayed with 1; N1 is soc#1 [a×1] 1/1 new 1; N2 withdrawn; N2 dead with 1: too much is undelivered"#]],
    );
}

#[test]
fn what_is_undelivered_survives_a_restart_with_its_id() {
    check(
        "a!@0 b@0 restart tick@2 restart ok:soc@3 dead:soc@4 restart replay:soc@5",
        expect![[r#"
            a!@0: default→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            b@0: default→soc
            tick@2: N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1
            ok:soc@3: N1 delivered 1
            dead:soc@4: N2 dead with 1: refused
            replay:soc@5: N2 replayed with 1; N2 is soc#1 [b×1] 1/1 new 1"#]],
    );
}

#[test]
fn after_a_restart_the_most_severe_is_first() {
    let mut run = Run::new(json!({}));
    for (id, what) in ["a", "b!", "c", "d!!"].into_iter().enumerate() {
        let mut alert = alert(what, at(0));
        alert.id = alert::AlertId::from_u128(id as u128);
        run.record(&Record::Alert(Box::new(alert)));
    }
    run.record(&Record::Tick { now: at(2) });
    run.restart();
    let rules: String = run.pipeline.pending().iter().map(rule).collect();
    assert_eq!(rules, "dbac");
}

#[test]
fn a_receipt_is_kept_for_the_next_update_and_past_the_end_of_the_group() {
    let mut run = Run::new(json!({"routes": [{"notify_close": true, "quiet": "1m"}]}));
    run.record(&Record::Alert(Box::new(alert("a!", at(0)))));
    let first = notified(&run);
    assert_eq!(run.pipeline.receipt(first.group, "soc"), None);
    run.record(&delivered(at(1), &first));
    let remote = |run: &Run| {
        run.pipeline.receipt(first.group, "soc").and_then(|receipt| receipt.remote_id.clone())
    };
    assert_eq!(remote(&run).as_deref(), Some("remote-1"));
    run.record(&Record::Tick { now: at(61) });
    assert!(run.pipeline.groups(Page::default()).items.is_empty());
    run.restart();
    assert_eq!(remote(&run).as_deref(), Some("remote-1"));
    let last = run.pipeline.pending().pop().unwrap();
    let Effect::Notify(last) = last else { panic!() };
    run.record(&delivered(at(62), &last));
    assert_eq!(remote(&run), None);
}

#[test]
fn the_ledger_tells_every_end() {
    let mut run = Run::new(json!({"outputs": ["soc", "stream"]}));
    for (id, what) in [(1, "a!"), (2, "a!"), (2, "a!"), (3, "b")] {
        let mut alert = alert(what, at(0));
        alert.id = alert::AlertId::from_u128(id);
        run.record(&Record::Alert(Box::new(alert)));
        if id == 1 {
            let notification = notified(&run);
            run.record(&dead(at(0), &notification));
        }
    }
    let ledger = run.pipeline.ledger();
    assert_eq!((ledger.accepted, ledger.routed), (4, 2));
    assert_eq!(ledger.suppressed[&ReasonKind::Duplicate], 1);
    assert_eq!(ledger.suppressed[&ReasonKind::Redelivered], 1);
    let json = serde_json::to_string(&ledger).unwrap();
    assert_eq!(serde_json::from_str::<crate::pipeline::Ledger>(&json).unwrap(), ledger);
    expect![[r#"{"accepted":4,"suppressed":{"redelivered":1,"duplicate":1,"silence":0,"no_route":0,"no_output":0,"muted":0,"inactive":0,"inhibited":0,"resolved":0,"window":0},"routed":2,"outputs":{"soc":{"routed":2,"pending":1,"delivered":0,"dead_lettered":1,"suppressed":0},"stream":{"routed":2,"pending":2,"delivered":0,"dead_lettered":0,"suppressed":0}}}"#]].assert_eq(&json);
}

#[test]
fn a_notification_is_found_by_its_id_until_it_is_delivered() {
    let mut run = Run::new(json!({}));
    run.record(&Record::Alert(Box::new(alert("a!", at(0)))));
    let notification = notified(&run);
    let find = |run: &Run| run.pipeline.notification(notification.id);
    assert_eq!(find(&run), Some(notification.clone()));
    run.record(&dead(at(1), &notification));
    assert_eq!(find(&run), Some(notification.clone()));
    run.record(&delivered(at(1), &notification));
    assert_eq!(find(&run), None);
}

/// Returns the notification the last record made.
fn notified(run: &Run) -> std::sync::Arc<alert::Notification> {
    let mut effects = run.effects.iter();
    let found = effects.find_map(|effect| match effect {
        Effect::Notify(notification) => Some(notification.clone()),
        _ => None,
    });
    found.unwrap()
}

fn rule(effect: &Effect) -> &str {
    match effect {
        Effect::Notify(notification) => &notification.top().unwrap().sample.rule,
        _ => "?",
    }
}
