//! When a group tells, and what.

use expect_test::expect;
use serde_json::json;

use super::script::{check, check_with};

#[test]
fn the_first_alert_of_a_finding_waits_for_company() {
    check(
        "a@0 tick@1 tick@2",
        expect![[r#"
        a@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1"#]],
    );
}

#[test]
fn critical_does_not_wait() {
    check("a!@0", expect!["a!@0: default→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1"]);
}

#[test]
fn a_critical_alert_ends_the_wait_of_its_group() {
    check(
        "a@0 a:x!@1 tick@2",
        expect![[r#"
            a@0: default→soc
            a:x!@1: default→soc; N1 opened soc with 2; N1 is soc#1 [a×1 a×1] 2/2 new 2"#]],
    );
}

#[test]
fn repeats_are_suppressed_and_counted() {
    check(
        "a@0 a@1 tick@2 a@3 a@4",
        expect![[r#"
        a@0: default→soc
        a@1: duplicate
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×2] 1/2 new 2
        a@3: duplicate
        a@4: duplicate"#]],
    );
}

#[test]
fn a_new_finding_updates_the_group_after_the_interval() {
    check(
        "a@0 tick@2 a:x@3 tick@61 tick@62",
        expect![[r#"
        a@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        a:x@3: default→soc
        tick@62: N2 updated soc with 2 for N1; N2 is soc#2 [a×1 a×1] 2/2 new 2"#]],
    );
}

#[test]
fn a_new_finding_after_the_interval_is_told_at_once() {
    check(
        "a@0 tick@2 a:x@100",
        expect![[r#"
        a@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        a:x@100: default→soc; N2 updated soc with 2 for N1; N2 is soc#2 [a×1 a×1] 2/2 new 2"#]],
    );
}

#[test]
fn a_higher_priority_escalates_at_once_and_only_once() {
    check(
        "a@0 tick@2 a:x!@3 a:y!@4 a:z!!@5 tick@65",
        expect![[r#"
            a@0: default→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            a:x!@3: default→soc; N2 escalated soc with 2 for N1; N2 is soc#2 [a×1 a×1] 2/2 new 2
            a:y!@4: default→soc
            a:z!!@5: default→soc; N3 escalated soc with 4 for N2; N3 is soc#3 [a×1 a×1 a×1] 4/4 new 4"#]],
    );
}

#[test]
fn a_finding_that_goes_on_is_told_again_after_the_repeat_interval() {
    check_with(
        &[json!({"routes": [{"repeat_interval": "30m", "quiet": "1h"}]})],
        "a@0 tick@2 ok:soc@3 a@900 a@1799 a@1800 a@1801 tick@1900",
        expect![[r#"
            a@0: route-1→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            ok:soc@3: N1 delivered 1
            a@900: duplicate
            a@1799: duplicate
            a@1800: route-1→soc; N2 updated soc with 1; N2 is soc#2 [a×4] 1/4 new 3
            a@1801: duplicate"#]],
    );
}

#[test]
fn a_newer_notification_takes_the_place_of_an_undelivered_one() {
    check(
        "a@0 tick@2 a:x@3 tick@62 ok:soc@63",
        expect![[r#"
        a@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        a:x@3: default→soc
        tick@62: N2 updated soc with 2 for N1; N2 is soc#2 [a×1 a×1] 2/2 new 2
        ok:soc@63: N2 delivered 2"#]],
    );
}

#[test]
fn groups_are_per_rule_and_namespace() {
    check(
        "a/shop@0 a/bank@0 b/shop@0 tick@2",
        expect![[r#"
        a/shop@0: default→soc
        a/bank@0: default→soc
        b/shop@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [b×1] 1/1 new 1; N2 opened soc with 1; N2 is soc#1 [a×1] 1/1 new 1; N3 opened soc with 1; N3 is soc#1 [a×1] 1/1 new 1"#]],
    );
}

#[test]
fn a_quiet_group_closes_and_opens_again_as_another() {
    check(
        "a@0 tick@2 tick@3600 a@3601 tick@3603",
        expect![[r#"
        a@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        tick@3600: group of 1/1 closed: quiet
        a@3601: default→soc
        tick@3603: N2 opened soc with 1; N2 is soc#1 [a×1] 1/1 new 1"#]],
    );
}

#[test]
fn activity_keeps_a_group_open() {
    check(
        "a@0 tick@2 a@3000 tick@3600 a@6000 tick@9599 tick@9600",
        expect![[r#"
        a@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        a@3000: duplicate
        a@6000: duplicate
        tick@9600: group of 1/3 closed: quiet"#]],
    );
}

#[test]
fn the_end_of_a_group_is_told_if_asked_for() {
    check_with(
        &[json!({"routes": [{"notify_close": true, "quiet": "10m"}]})],
        "a@0 tick@2 ok:soc@3 a@10 tick@609 tick@610 ok:soc@611",
        expect![[r#"
            a@0: route-1→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            ok:soc@3: N1 delivered 1
            a@10: duplicate
            tick@610: N2 closed soc with 0; N2 is soc#2 closed [a×2] 1/2 new 1; group of 1/2 closed: quiet
            ok:soc@611: N2 delivered 0"#]],
    );
}

#[test]
fn the_end_takes_the_place_of_what_is_undelivered() {
    check_with(
        &[json!({"routes": [{"notify_close": true, "quiet": "10m"}]})],
        "a@0 tick@2 tick@600 ok:soc@601",
        expect![[r#"
            a@0: route-1→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            tick@600: N2 closed soc with 1 for N1; N2 is soc#2 closed [a×1] 1/1 new 1; group of 1/1 closed: quiet
            ok:soc@601: N2 delivered 1"#]],
    );
}

#[test]
fn a_group_tells_before_it_closes() {
    check_with(
        &[json!({"routes": [{"quiet": "10s", "group_interval": "5m"}]})],
        "a@0 tick@2 a:x@3 tick@13 tick@302",
        expect![[r#"
            a@0: route-1→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            a:x@3: route-1→soc
            tick@302: N2 updated soc with 2 for N1; N2 is soc#2 [a×1] 2/2 new 2; group of 2/2 closed: quiet"#]],
    );
}

#[test]
fn a_finding_leaves_a_group_that_others_keep_open() {
    check_with(
        &[json!({"routes": [{"quiet": "1m"}]})],
        "a:x@0 tick@2 a:y@50 tick@62 tick@63 a:x@64 tick@122",
        expect![[r#"
            a:x@0: route-1→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            a:y@50: route-1→soc
            tick@62: N2 updated soc with 2 for N1; N2 is soc#2 [a×1] 2/2 new 2
            a:x@64: route-1→soc
            tick@122: N3 updated soc with 3 for N2; N3 is soc#3 [a×1] 3/3 new 3"#]],
    );
}

#[test]
fn an_output_that_edits_its_messages_is_told_of_counts_once_per_interval() {
    check_with(
        &[json!({"outputs": ["mail", "soc"], "outputs_updated_in_place": ["soc"]})],
        "a@0 tick@2 ok:soc@3 ok:mail@3 a*5@10 tick@62 a@63 tick@100 tick@122",
        expect![[r#"
            a@0: default→mail+soc
            tick@2: N1 opened mail with 1; N1 is mail#1 [a×1] 1/1 new 1; N2 opened soc with 1; N2 is soc#1 [a×1] 1/1 new 1
            ok:soc@3: N2 delivered 1
            ok:mail@3: N1 delivered 1
            a*5@10: duplicate
            tick@62: N3 counted soc with 0; N3 is soc#2 [a×6] 1/6 new 5
            a@63: duplicate
            tick@122: N4 counted soc with 0 for N3; N4 is soc#3 [a×7] 1/7 new 6"#]],
    );
}

#[test]
fn new_counts_ride_along_with_a_new_finding() {
    check_with(
        &[json!({"outputs_updated_in_place": ["soc"]})],
        "a@0 tick@2 a@10 a:x@11 tick@62",
        expect![[r#"
            a@0: default→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            a@10: duplicate
            a:x@11: default→soc
            tick@62: N2 updated soc with 2 for N1; N2 is soc#2 [a×1 a×2] 2/3 new 3"#]],
    );
}

#[test]
fn without_a_wait_the_first_alert_is_told_at_once() {
    check_with(
        &[json!({"routes": [{"group_wait": "0s"}]})],
        "a@0 a:x@0 tick@60",
        expect![[r#"
        a@0: route-1→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        a:x@0: route-1→soc
        tick@60: N2 updated soc with 2 for N1; N2 is soc#2 [a×1 a×1] 2/2 new 2"#]],
    );
}

#[test]
fn late_ticks_tell_what_was_due() {
    check(
        "a@0 b@1 tick@4000",
        expect![[r#"
        a@0: default→soc
        b@1: default→soc
        tick@4000: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1; group of 1/1 closed: quiet; group of 1/1 closed: quiet"#]],
    );
}

#[test]
fn critical_is_first_among_what_is_due() {
    check(
        "a@0 b@0 c!@0 c:x!@1 a:x@3 tick@62",
        expect![[r#"
            a@0: default→soc
            b@0: default→soc
            c!@0: default→soc; N1 opened soc with 1; N1 is soc#1 [c×1] 1/1 new 1
            c:x!@1: default→soc
            a:x@3: N2 opened soc with 1; N2 is soc#1 [a×1] 1/1 new 1; N3 opened soc with 1; N3 is soc#1 [b×1] 1/1 new 1; default→soc
            tick@62: N4 updated soc with 2 for N1; N4 is soc#2 [c×1 c×1] 2/2 new 2"#]],
    );
}

#[test]
fn a_storm_lists_the_worst_and_counts_all() {
    let mut run = super::script::Run::new(json!({}));
    for index in 0..30 {
        let mut alert = super::script::alert("a", super::script::at(0));
        alert.id = alert::AlertId::from_u128(index);
        alert
            .fields
            .insert("proc.name".into(), format!("p{}", char::from(b'a' + index as u8)).into());
        alert.priority = if index == 7 { alert::Priority::Error } else { alert.priority };
        run.record(&crate::record::Record::Alert(Box::new(alert)));
    }
    run.record(&crate::record::Record::Tick { now: super::script::at(2) });
    let notification = run.effects.iter().find_map(|effect| match effect {
        crate::pipeline::Effect::Notify(notification) => Some(notification.clone()),
        _ => None,
    });
    let notification = notification.unwrap();
    assert_eq!((notification.findings.len(), notification.findings_count), (20, 30));
    assert_eq!(notification.top().unwrap().sample.text("proc.name"), Some("ph"));
    assert!(notification.findings.is_sorted_by_key(|finding| std::cmp::Reverse(finding.score)));
}
