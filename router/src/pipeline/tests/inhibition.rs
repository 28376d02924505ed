//! Inhibition hides targets while their sources are active, in whatever order they come.

use expect_test::expect;
use serde_json::{Value, json};

use super::script::{Run, alert, at, check_with};
use crate::record::Record;

/// An inhibition of `b` by `a` in the same namespace.
fn a_hides_b() -> Value {
    json!({"inhibitions": [
        {"name": "down", "source": "rule = a", "target": "rule = b", "equal": ["k8s.ns.name"]},
    ], "routes": [{"name": "all", "group_by": ["rule"], "quiet": "100s"}]})
}

#[test]
fn a_target_is_hidden_while_its_source_is_active_and_told_of_when_it_ends() {
    check_with(
        &[a_hides_b()],
        "a@0 b@1 tick@2 b@90 tick@100 tick@102",
        expect![[r#"
            a@0: all→soc
            b@1: inhibited:down
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            b@90: inhibited:down
            tick@100: group of 1/1 closed: quiet; 2 hidden by inhibited:down back to all→soc
            tick@102: N2 opened soc with 0; N2 is soc#1 [b×2] 1/2 new 2"#]],
    );
}

#[test]
fn a_target_that_waits_to_be_told_is_withheld_when_its_source_comes_later() {
    check_with(
        &[a_hides_b()],
        "b@0 b:x@0 a@1 tick@2 tick@3 tick@100",
        expect![[r#"
        b@0: all→soc
        b:x@0: all→soc
        a@1: all→soc
        tick@2: soc not told of 1: inhibited:down; soc not told of 1: inhibited:down
        tick@3: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        tick@100: group of 2/2 closed: quiet"#]],
    );
}

#[test]
fn only_equal_fields_inhibit_and_an_absent_one_is_an_empty_one() {
    check_with(
        &[a_hides_b()],
        "a/shop@0 b/shop@1 b/bank@1 b@1 a@2 b:x@3",
        expect![[r#"
            a/shop@0: all→soc
            b/shop@1: inhibited:down
            b/bank@1: all→soc
            b@1: all→soc
            a@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; all→soc
            b:x@3: soc not told of 1: inhibited:down; N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1 1 hidden; inhibited:down"#]],
    );
}

#[test]
fn what_is_critical_does_not_wait_for_a_source() {
    check_with(
        &[a_hides_b()],
        "b!@0 a@1 b!@2",
        expect![[r#"
        b!@0: all→soc; N1 opened soc with 1; N1 is soc#1 [b×1] 1/1 new 1
        a@1: all→soc
        b!@2: inhibited:down"#]],
    );
}

#[test]
fn a_restart_between_source_and_target_changes_nothing() {
    check_with(
        &[a_hides_b()],
        "a@0 restart b@1 restart tick@2 restart tick@100 restart tick@102",
        expect![[r#"
        a@0: all→soc
        b@1: inhibited:down
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        tick@100: group of 1/1 closed: quiet; 1 hidden by inhibited:down back to all→soc
        tick@102: N2 opened soc with 0; N2 is soc#1 [b×1] 1/1 new 1"#]],
    );
    check_with(
        &[a_hides_b()],
        "b@0 restart a@1 restart tick@2 restart tick@100",
        expect![[r#"
        b@0: all→soc
        a@1: all→soc
        tick@2: soc not told of 1: inhibited:down
        tick@100: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; group of 1/1 closed: quiet"#]],
    );
}

#[test]
fn a_source_whose_time_ended_while_nothing_ran_still_counts_for_a_while() {
    check_with(
        &[a_hides_b()],
        "a@0 b@90 restart tick@170 a@175 b@176 tick@275 tick@277",
        expect![[r#"
        a@0: all→soc
        b@90: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; inhibited:down
        tick@170: group of 1/1 closed: quiet
        a@175: all→soc
        b@176: inhibited:down
        tick@275: N2 opened soc with 1; N2 is soc#1 [a×2] 1/1 new 1; group of 1/1 closed: quiet"#]],
    );
    check_with(
        &[a_hides_b()],
        "a@0 b@90 restart tick@170 b@400 tick@470 tick@472",
        expect![[r#"
        a@0: all→soc
        b@90: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; inhibited:down
        tick@170: group of 1/1 closed: quiet
        b@400: inhibited:down
        tick@470: 2 hidden by inhibited:down back to all→soc
        tick@472: N2 opened soc with 0; N2 is soc#1 [b×2] 1/2 new 2"#]],
    );
}

#[test]
fn a_finding_that_is_both_is_not_hidden_by_itself_or_its_like() {
    let same = json!({"inhibitions": [
        {"name": "one", "source": "rule in (a, c)", "target": "rule in (b, c)"},
    ]});
    check_with(
        &[same],
        "c@0 c:x@0 a@1 c@2 b@3",
        expect![[r#"
        c@0: default→soc
        c:x@0: default→soc
        a@1: default→soc
        c@2: soc not told of 1: inhibited:one; soc not told of 1: inhibited:one; inhibited:one
        b@3: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; inhibited:one"#]],
    );
}

#[test]
fn with_several_sources_the_last_one_ends_it() {
    check_with(
        &[a_hides_b()],
        "a@0 a:x@50 b@90 tick@100 tick@150 tick@152",
        expect![[r#"
        a@0: all→soc
        a:x@50: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; all→soc
        b@90: inhibited:down
        tick@150: N2 updated soc with 2 for N1; N2 is soc#2 [a×1] 2/2 new 2; group of 2/2 closed: quiet; 1 hidden by inhibited:down back to all→soc
        tick@152: N3 opened soc with 0; N3 is soc#1 [b×1] 1/1 new 1"#]],
    );
}

#[test]
fn a_reload_takes_inhibitions_up_and_down_for_what_is_active() {
    let without = json!({"routes": [{"name": "all", "group_by": ["rule"], "quiet": "100s"}]});
    check_with(
        &[without.clone(), a_hides_b()],
        "a@0 config:1@1 b@2 config:0@3 tick@5",
        expect![[r#"
            a@0: all→soc
            config:1@1: configured
            b@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; inhibited:down
            config:0@3: configured; 1 hidden by inhibited:down back to all→soc
            tick@5: N2 opened soc with 0; N2 is soc#1 [b×1] 1/1 new 1"#]],
    );
    check_with(
        &[without, a_hides_b()],
        "b@0 a@0 config:1@1 tick@2",
        expect![[r#"
        b@0: all→soc
        a@0: all→soc
        config:1@1: configured
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; soc not told of 1: inhibited:down"#]],
    );
}

#[test]
fn a_hidden_finding_may_be_hidden_by_something_else_then() {
    check_with(
        &[a_hides_b()],
        "silence:b:60@0 a@10 b@11 tick@60 tick@110 tick@112",
        expect![[r#"
        silence:b:60@0: silence b added
        a@10: all→soc
        b@11: silence:b
        tick@60: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; silence b expired after 1
        tick@110: group of 1/1 closed: quiet; 1 hidden by inhibited:down back to all→soc
        tick@112: N2 opened soc with 0; N2 is soc#1 [b×1] 1/1 new 1"#]],
    );
}

#[test]
fn a_source_that_is_evicted_hides_nothing_any_more() {
    let small = json!({"limits": {"findings_max": 2}, "inhibitions": [
        {"source": "rule = a", "target": "rule = b"}]});
    check_with(
        &[small],
        "a@0 b@1 c@2 tick@4",
        expect![[r#"
        a@0: default→soc
        b@1: inhibited:inhibition-1
        c@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; finding of 1 evicted; default→soc; 1 hidden by inhibited:inhibition-1 back to default→soc
        tick@4: N2 opened soc with 0; N2 is soc#1 [b×1] 1/1 new 1; N3 opened soc with 1; N3 is soc#1 [c×1] 1/1 new 1"#]],
    );
}

#[test]
fn what_is_told_of_a_group_leaves_out_who_is_hidden() {
    let one = json!({"inhibitions": [{"source": "rule = a", "target": "rule = b"}],
        "routes": [{"name": "all", "group_by": ["source"]}]});
    check_with(
        &[one],
        "b@0 c@0 tick@2 a@10 b@11 c:x@12 tick@62",
        expect![[r#"
        b@0: all→soc
        c@0: all→soc
        tick@2: N1 opened soc with 2; N1 is soc#1 [c×1 b×1] 2/2 new 2
        a@10: all→soc
        b@11: inhibited:inhibition-1
        c:x@12: all→soc
        tick@62: N2 updated soc with 4 for N1; N2 is soc#2 [c×1 a×1 c×1] 4/4 new 4"#]],
    );
}

#[test]
fn a_source_may_come_to_match_with_a_later_alert() {
    let many = json!({"inhibitions": [
        {"source": "rule = a and count >= 3", "target": "rule = b"}]});
    check_with(
        &[many],
        "a@0 b@0 tick@2 a*2@3 b:x@4",
        expect![[r#"
        a@0: default→soc
        b@0: default→soc
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1
        a*2@3: duplicate
        b:x@4: inhibited:inhibition-1"#]],
    );
}

#[test]
fn what_each_inhibition_holds_back_now_is_listed() {
    let mut run = Run::new(a_hides_b());
    for (what, second) in [("a/shop", 0), ("b/shop", 1), ("b/shop:x", 1), ("b/bank", 1)] {
        run.record(&Record::Alert(Box::new(alert(what, at(second)))));
    }
    let [view] = &run.pipeline.inhibitions()[..] else { panic!("there is one") };
    assert_eq!((&*view.name, view.sources, view.held), ("down", 1, 2));
    assert_eq!((&*view.source, &*view.target), ("rule = a", "rule = b"));
    let [holding] = &view.holding[..] else { panic!("one finding holds others back") };
    assert_eq!((holding.held, holding.listed.len()), (2, 2));
    let source = run.pipeline.finding(holding.source).unwrap();
    assert_eq!(source.sample.rule, "a");
    run.record(&Record::Tick { now: at(101) });
    let [view] = &run.pipeline.inhibitions()[..] else { panic!("the rule stays") };
    assert_eq!((view.sources, view.held, view.holding.len()), (0, 0, 0));
}
