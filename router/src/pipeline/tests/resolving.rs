//! What has an end: resent, over, back again, in any order, across restarts.

use expect_test::expect;
use serde_json::json;

use super::script::{Run, alert, at, check, check_with};
use crate::{pipeline::Page, record::Record};

#[test]
fn a_firing_that_is_sent_again_is_told_once() {
    check(
        "a^240@0 tick@2 ok:soc@2 a^300@60 a^360@120 tick@130",
        expect![[r#"
        a^240@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        ok:soc@2: N1 delivered 1
        a^300@60: duplicate
        a^360@120: duplicate"#]],
    );
}

#[test]
fn the_end_of_all_of_a_group_is_told_once_and_closes_it() {
    check(
        "a^240@0 tick@2 ok:soc@2 a^300@60 a^90@100 a^90@160 tick@200",
        expect![[r#"
        a^240@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        ok:soc@2: N1 delivered 1
        a^300@60: duplicate
        a^90@100: resolved; N2 resolved soc with 0; N2 is soc#2 closed [a×2✓] 1/2 new 1; group of 1/2 closed: resolved
        a^90@160: resolved"#]],
    );
}

#[test]
fn what_nobody_sends_again_is_over_at_its_end() {
    check(
        "a^240@0 tick@2 ok:soc@2 tick@239 tick@240 tick@241",
        expect![[r#"
        a^240@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        ok:soc@2: N1 delivered 1
        tick@240: N2 resolved soc with 0; N2 is soc#2 closed [a×1✓] 1/1 new 0; group of 1/1 closed: resolved"#]],
    );
}

#[test]
fn the_end_of_one_of_several_is_told_beside_those_that_go_on() {
    check(
        "a^240@0 a:x^240@0 tick@2 ok:soc@2 a^10@10 tick@62 ok:soc@62 a:x^300@70 tick@71",
        expect![[r#"
            a^240@0: default→soc
            a:x^240@0: default→soc
            tick@2: N1 opened soc with 2; N1 is soc#1 [a×1 a×1] 2/2 new 2
            ok:soc@2: N1 delivered 2
            a^10@10: resolved
            tick@62: N2 resolved soc with 0; N2 is soc#2 [a×1✓ a×1] 2/2 new 0
            ok:soc@62: N2 delivered 0
            a:x^300@70: duplicate"#]],
    );
}

#[test]
fn what_is_over_before_anybody_heard_of_it_is_told_as_over() {
    check(
        "a^240@0 a^1@1 tick@2 ok:soc@2 tick@62",
        expect![[r#"
        a^240@0: default→soc
        a^1@1: resolved
        tick@2: N1 resolved soc with 1; N1 is soc#1 closed [a×1✓] 1/1 new 1; group of 1/1 closed: resolved
        ok:soc@2: N1 delivered 1"#]],
    );
}

#[test]
fn what_comes_and_goes_within_the_interval_is_not_told() {
    check(
        "a^240@0 tick@2 ok:soc@2 a^10@10 a^300^20@20 a^30@30 a^300^40@40 tick@62 tick@200",
        expect![[r#"
        a^240@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        ok:soc@2: N1 delivered 1
        a^10@10: resolved
        a^300^20@20: duplicate
        a^30@30: resolved
        a^300^40@40: duplicate"#]],
    );
}

#[test]
fn what_comes_back_after_its_end_was_told_is_news() {
    check(
        "a^240@0 tick@2 ok:soc@2 a^10@10 tick@62 ok:soc@62 a^300^70@70 tick@72",
        expect![[r#"
        a^240@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        ok:soc@2: N1 delivered 1
        a^10@10: resolved
        tick@62: N2 resolved soc with 0; N2 is soc#2 closed [a×1✓] 1/1 new 0; group of 1/1 closed: resolved
        ok:soc@62: N2 delivered 0
        a^300^70@70: default→soc
        tick@72: N3 opened soc with 1; N3 is soc#1 [a×1] 1/1 new 1"#]],
    );
}

#[test]
fn what_comes_back_while_others_go_on_is_news_if_its_end_was_told() {
    check_with(
        &[json!({"routes": [{"group_by": ["source"]}]})],
        "a^900@0 b^900@0 tick@2 ok:soc@2 a^10@10 b^900@61 tick@62 a^900^62@62 tick@122",
        expect![[r#"
            a^900@0: route-1→soc
            b^900@0: route-1→soc
            tick@2: N1 opened soc with 2; N1 is soc#1 [a×1 b×1] 2/2 new 2
            ok:soc@2: N1 delivered 2
            a^10@10: resolved
            b^900@61: duplicate
            tick@62: N2 resolved soc with 0; N2 is soc#2 [a×1✓ b×2] 2/3 new 1
            a^900^62@62: route-1→soc
            tick@122: N3 updated soc with 1 for N2; N3 is soc#3 [b×2 a×1] 3/4 new 2"#]],
    );
}

#[test]
fn a_late_word_of_an_earlier_time_ends_nothing() {
    check(
        "a^240^100@100 tick@102 a^50@103 tick@162 tick@180",
        expect![[r#"
        a^240^100@100: default→soc
        tick@102: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        a^50@103: resolved"#]],
    );
}

#[test]
fn of_two_ends_to_come_the_later_counts_in_whatever_order_they_arrive() {
    check(
        "a^300@0 a^200@1 tick@2 ok:soc@2 tick@201 tick@299 tick@300",
        expect![[r#"
        a^300@0: default→soc
        a^200@1: duplicate
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×2] 1/2 new 2
        ok:soc@2: N1 delivered 1
        tick@300: N2 resolved soc with 0; N2 is soc#2 closed [a×2✓] 1/2 new 0; group of 1/2 closed: resolved"#]],
    );
}

#[test]
fn the_end_of_what_nobody_knows_is_counted_and_tells_nothing() {
    check("a^10@20 tick@100", expect!["a^10@20: resolved"]);
}

#[test]
fn an_output_that_is_not_told_of_ends_hears_of_the_next_time() {
    let config = json!({"outputs": ["soc"], "outputs_untold_of_ends": ["soc"]});
    check_with(
        &[config],
        "a^240@0 tick@2 ok:soc@2 a^10@10 a^240^15@15 a^20@20 tick@62 a^300^70@70 tick@72",
        expect![[r#"
            a^240@0: default→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            ok:soc@2: N1 delivered 1
            a^10@10: resolved
            a^240^15@15: duplicate
            a^20@20: resolved
            tick@62: group of 1/2 closed: resolved
            a^300^70@70: default→soc
            tick@72: N2 opened soc with 1; N2 is soc#1 [a×1] 1/1 new 1"#]],
    );
}

#[test]
fn an_output_that_is_not_told_of_ends_sees_only_what_goes_on() {
    let config = json!({"outputs": ["pager", "soc"], "outputs_untold_of_ends": ["pager"],
        "routes": [{"group_by": ["source"]}]});
    check_with(
        &[config],
        "a^240@0 b^240@0 tick@2 ok:soc@2 ok:pager@2 a^10@10 c^240@20 tick@62",
        expect![[r#"
            a^240@0: route-1→pager+soc
            b^240@0: route-1→pager+soc
            tick@2: N1 opened pager with 2; N1 is pager#1 [a×1 b×1] 2/2 new 2; N2 opened soc with 2; N2 is soc#1 [a×1 b×1] 2/2 new 2
            ok:soc@2: N2 delivered 2
            ok:pager@2: N1 delivered 2
            a^10@10: resolved
            c^240@20: route-1→pager+soc
            tick@62: N3 updated pager with 1; N3 is pager#2 [c×1 b×1] 3/3 new 1; N4 updated soc with 1; N4 is soc#2 [c×1 a×1✓ b×1] 3/3 new 1"#]],
    );
}

#[test]
fn what_goes_on_is_not_quiet() {
    check_with(
        &[json!({"routes": [{"quiet": "20s", "notify_close": true}]})],
        "a^240@0 tick@2 ok:soc@2 tick@25 tick@100 tick@240 tick@262",
        expect![[r#"
            a^240@0: route-1→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            ok:soc@2: N1 delivered 1
            tick@240: N2 resolved soc with 0; N2 is soc#2 closed [a×1✓] 1/1 new 0; group of 1/1 closed: resolved"#]],
    );
}

#[test]
fn a_group_of_both_closes_when_the_events_are_quiet_too() {
    check_with(
        &[json!({"routes": [{"quiet": "20s", "group_by": ["source"]}]})],
        "a^240@0 b@0 tick@2 ok:soc@2 a^5@5 tick@20 tick@62 ok:soc@62 tick@100",
        expect![[r#"
            a^240@0: route-1→soc
            b@0: route-1→soc
            tick@2: N1 opened soc with 2; N1 is soc#1 [a×1 b×1] 2/2 new 2
            ok:soc@2: N1 delivered 2
            a^5@5: resolved
            tick@62: N2 resolved soc with 0; N2 is soc#2 closed [a×1✓] 2/2 new 0; group of 2/2 closed: resolved
            ok:soc@62: N2 delivered 0"#]],
    );
}

#[test]
fn what_was_silenced_is_told_when_the_silence_is_over_and_it_goes_on() {
    check(
        "silence:a:60@0 a^240@0 a^300@61 tick@63",
        expect![[r#"
            silence:a:60@0: silence a added
            a^240@0: silence:a
            a^300@61: silence a expired after 1; 1 hidden by silence:a back to default→soc; duplicate
            tick@63: N1 opened soc with 0; N1 is soc#1 [a×2] 1/2 new 2"#]],
    );
}

#[test]
fn what_ends_while_it_is_silenced_is_forgotten_without_a_word() {
    check(
        "silence:a:600@0 a^240@1 a^5@5 tick@70",
        expect![[r#"
        silence:a:600@0: silence a added
        a^240@1: silence:a
        a^5@5: resolved"#]],
    );
}

#[test]
fn a_silence_does_not_hide_the_end_of_what_was_told() {
    check(
        "a^240@0 tick@2 ok:soc@2 silence:a:600@3 a^5@5 tick@62",
        expect![[r#"
        a^240@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        ok:soc@2: N1 delivered 1
        silence:a:600@3: silence a added
        a^5@5: resolved
        tick@62: N2 resolved soc with 0; N2 is soc#2 closed [a×1✓] 1/1 new 0; group of 1/1 closed: resolved"#]],
    );
}

#[test]
fn a_silence_does_not_hide_the_end_of_what_was_sent_again_under_it() {
    check(
        "a^240@0 tick@2 ok:soc@2 silence:a:600@3 a^300@60 a^61@61 tick@62",
        expect![[r#"
        a^240@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        ok:soc@2: N1 delivered 1
        silence:a:600@3: silence a added
        a^300@60: silence:a
        a^61@61: resolved
        tick@62: N2 resolved soc with 0; N2 is soc#2 closed [a×2✓] 1/1 new 0; group of 1/1 closed: resolved"#]],
    );
}

#[test]
fn what_ended_while_nothing_was_running_may_be_told_of_again() {
    check(
        "a^240@0 tick@2 ok:soc@2 restart tick@900 a^1140@930 tick@1230 tick@1240",
        expect![[r#"
        a^240@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        ok:soc@2: N1 delivered 1
        a^1140@930: duplicate
        tick@1230: N2 resolved soc with 0; N2 is soc#2 closed [a×2✓] 1/2 new 1; group of 1/2 closed: resolved"#]],
    );
}

#[test]
fn what_ended_while_nothing_was_running_and_is_told_of_no_more_is_over() {
    check(
        "a^240@0 tick@2 ok:soc@2 restart tick@900 tick@1199 tick@1200",
        expect![[r#"
        a^240@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        ok:soc@2: N1 delivered 1
        tick@1200: N2 resolved soc with 0; N2 is soc#2 closed [a×1✓] 1/1 new 0; group of 1/1 closed: resolved"#]],
    );
}

#[test]
fn what_has_ended_inhibits_nothing() {
    let config = json!({"inhibitions": [{"source": "rule = a", "target": "rule = b"}]});
    check_with(
        &[config],
        "a^240@0 tick@2 ok:soc@2 b^240@3 a^10@10 tick@10 tick@12 b^10@13 tick@73",
        expect![[r#"
            a^240@0: default→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            ok:soc@2: N1 delivered 1
            b^240@3: inhibited:inhibition-1
            a^10@10: resolved; 1 hidden by inhibited:inhibition-1 back to default→soc
            tick@12: N2 opened soc with 0; N2 is soc#1 [b×1] 1/1 new 1
            b^10@13: resolved
            tick@73: N3 resolved soc with 0; N3 is soc#2 closed [a×1✓] 1/1 new 0; group of 1/1 closed: resolved; N4 resolved soc with 0 for N2; N4 is soc#2 closed [b×1✓] 1/1 new 1; group of 1/1 closed: resolved"#]],
    );
}

#[test]
fn the_end_of_what_was_always_hidden_is_not_told() {
    let config = json!({"inhibitions": [{"source": "rule = a", "target": "rule = b"}],
        "routes": [{"group_by": ["source"]}]});
    check_with(
        &[config],
        "a^900@0 b^900@0 tick@2 ok:soc@2 b^10@10 tick@70 b^900^80@80 tick@140",
        expect![[r#"
            a^900@0: route-1→soc
            b^900@0: inhibited:inhibition-1
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            ok:soc@2: N1 delivered 1
            b^10@10: resolved
            b^900^80@80: inhibited:inhibition-1"#]],
    );
}

#[test]
fn a_restart_between_firing_and_its_end_changes_nothing() {
    check(
        "a^240@0 restart tick@2 restart ok:soc@2 a^10@10 restart tick@62 restart ok:soc@62 restart",
        expect![[r#"
            a^240@0: default→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            ok:soc@2: N1 delivered 1
            a^10@10: resolved
            tick@62: N2 resolved soc with 0; N2 is soc#2 closed [a×1✓] 1/1 new 0; group of 1/1 closed: resolved
            ok:soc@62: N2 delivered 0"#]],
    );
}

#[test]
fn a_clock_that_is_set_back_only_delays_the_end() {
    check(
        "a^2000@1000 tick@1002 ok:soc@1002 tick@900 tick@1500 tick@1999 tick@2000",
        expect![[r#"
        a^2000@1000: default→soc
        tick@1002: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        ok:soc@1002: N1 delivered 1
        tick@2000: N2 resolved soc with 0; N2 is soc#2 closed [a×1✓] 1/1 new 0; group of 1/1 closed: resolved"#]],
    );
}

#[test]
fn the_end_is_that_of_the_sender() {
    let mut run = Run::new(json!({}));
    run.record(&Record::Alert(Box::new(alert("a^240", at(0)))));
    run.record(&Record::Tick { now: at(2) });
    let mut over = alert("a^30", at(45));
    over.id = ::alert::AlertId::from_u128(2);
    run.record(&Record::Alert(Box::new(over)));
    let findings = run.pipeline.findings(&Default::default()).items;
    assert_eq!(findings[0].ended, Some(at(30)));
    assert_eq!(findings[0].count, 1);
    run.record(&Record::Tick { now: at(62) });
    assert!(run.pipeline.groups(Page::default()).items.is_empty());
    run.record(&Record::Tick { now: at(63) });
    assert!(run.pipeline.findings(&Default::default()).items.is_empty());
}
