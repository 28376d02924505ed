//! While a source floods, it is told of in one summary instead of many notifications.

use expect_test::expect;
use serde_json::{Value, json};

use super::script::{Run, check_with};

/// A storm begins with three alerts in a minute and is over after two minutes without any.
fn storms() -> Value {
    json!({
        "storm": {"begin": 3, "within": "1m", "end": 1, "calm": "2m", "interval": "1m"},
        "routes": [{"group_by": ["rule"], "group_wait": "0s"}],
    })
}

#[test]
fn a_flood_is_told_in_one_summary_with_its_begin_and_its_end() {
    check_with(
        &[storms()],
        "a@0 b@1 c@2 ok:soc@3 ok:soc@3 ok:soc@3 d@4 ok:soc@4 e@5 f@6 e@7 tick@64 ok:soc@64 tick@122 tick@242",
        expect![[r#"
            a@0: route-1→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            b@1: route-1→soc; N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1
            c@2: storm of hostname=host, source=syscall after 3; route-1→soc; N3 opened soc with 1; N3 is soc#1 [c×1] 1/1 new 1
            ok:soc@3: N1 delivered 1
            ok:soc@3: N2 delivered 1
            ok:soc@3: N3 delivered 1
            d@4: route-1→soc; N4 opened soc with 1; N4 is soc#1 [d×1] 1/1 new 1 storm: d×1
            ok:soc@4: N4 delivered 1
            e@5: route-1→soc
            f@6: route-1→soc
            e@7: duplicate
            tick@64: N5 updated soc with 2; N5 is soc#2 [f×1 e×2 d×1] 3/4 new 3 storm: e×2 d×1 f×1
            ok:soc@64: N5 delivered 2
            tick@242: storm of hostname=host, source=syscall over after 4; N6 storm_ended soc with 0; N6 is soc#3 [f×1 e×2 d×1] 3/4 new 0 storm over: e×2 d×1 f×1"#]],
    );
}

#[test]
fn what_comes_slowly_is_no_storm() {
    check_with(
        &[storms()],
        "a@0 b@30 c@61 d@70",
        expect![[r#"
        a@0: route-1→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        b@30: route-1→soc; N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1
        c@61: route-1→soc; N3 opened soc with 1; N3 is soc#1 [c×1] 1/1 new 1
        d@70: route-1→soc; N4 opened soc with 1; N4 is soc#1 [d×1] 1/1 new 1"#]],
    );
}

#[test]
fn critical_findings_are_told_at_once_in_a_storm() {
    check_with(
        &[storms()],
        "a@0 b@1 c@2 d@3 e!@4 tick@5",
        expect![[r#"
        a@0: route-1→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        b@1: route-1→soc; N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1
        c@2: storm of hostname=host, source=syscall after 3; route-1→soc; N3 opened soc with 1; N3 is soc#1 [c×1] 1/1 new 1
        d@3: route-1→soc; N4 opened soc with 1; N4 is soc#1 [d×1] 1/1 new 1 storm: d×1
        e!@4: route-1→soc; N5 opened soc with 1; N5 is soc#1 [e×1] 1/1 new 1"#]],
    );
}

#[test]
fn only_the_source_that_floods_is_summed_up() {
    let mut config = storms();
    config["storm"]["by"] = json!(["k8s.ns.name"]);
    check_with(
        &[config],
        "a/shop@0 b/shop@1 c/shop@2 d/shop@3 d/bank@4",
        expect![[r#"
        a/shop@0: route-1→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        b/shop@1: route-1→soc; N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1
        c/shop@2: storm of k8s.ns.name=shop after 3; route-1→soc; N3 opened soc with 1; N3 is soc#1 [c×1] 1/1 new 1
        d/shop@3: route-1→soc; N4 opened soc with 1; N4 is soc#1 [d×1] 1/1 new 1 storm: d×1
        d/bank@4: route-1→soc; N5 opened soc with 1; N5 is soc#1 [d×1] 1/1 new 1"#]],
    );
}

#[test]
fn a_route_that_is_told_one_by_one_stays_so() {
    let mut config = storms();
    config["routes"] = json!([
        {"name": "people", "group_by": ["rule"], "group_wait": "0s", "continue": true},
        {"name": "machines", "group_by": ["rule"], "group_wait": "0s", "storm": false},
    ]);
    check_with(
        &[config],
        "a@0 b@1 c@2 d@3 e@4",
        expect![[r#"
        a@0: people→soc machines→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; N2 opened soc with 1; N2 is soc#1 [a×1] 1/1 new 1
        b@1: people→soc machines→soc; N3 opened soc with 1; N3 is soc#1 [b×1] 1/1 new 1; N4 opened soc with 1; N4 is soc#1 [b×1] 1/1 new 1
        c@2: storm of hostname=host, source=syscall after 3; people→soc machines→soc; N5 opened soc with 1; N5 is soc#1 [c×1] 1/1 new 1; N6 opened soc with 1; N6 is soc#1 [c×1] 1/1 new 1
        d@3: people→soc machines→soc; N7 opened soc with 1; N7 is soc#1 [d×1] 1/1 new 1 storm: d×1; N8 opened soc with 1; N8 is soc#1 [d×1] 1/1 new 1
        e@4: people→soc machines→soc; N9 opened soc with 1; N9 is soc#1 [e×1] 1/1 new 1"#]],
    );
}

#[test]
fn what_goes_on_after_a_storm_is_not_told_again_and_begins_no_other() {
    check_with(
        &[storms()],
        "a@0 b@1 c@2 d@3 e@3 f@3 tick@63 tick@122 d@200 e@200 f@200 tick@242 d@250 e@250 f@250 g@251",
        expect![[r#"
            a@0: route-1→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            b@1: route-1→soc; N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1
            c@2: storm of hostname=host, source=syscall after 3; route-1→soc; N3 opened soc with 1; N3 is soc#1 [c×1] 1/1 new 1
            d@3: route-1→soc; N4 opened soc with 1; N4 is soc#1 [d×1] 1/1 new 1 storm: d×1
            e@3: route-1→soc
            f@3: route-1→soc
            tick@63: N5 updated soc with 3 for N4; N5 is soc#2 [d×1 f×1 e×1] 3/3 new 3 storm: d×1 e×1 f×1
            d@200: duplicate
            e@200: duplicate
            f@200: duplicate
            tick@242: storm of hostname=host, source=syscall over after 6; N6 storm_ended soc with 3 for N5; N6 is soc#3 [d×2 f×2 e×2] 3/6 new 6 storm over: d×2 e×2 f×2
            d@250: duplicate
            e@250: duplicate
            f@250: duplicate
            g@251: route-1→soc; N7 opened soc with 1; N7 is soc#1 [g×1] 1/1 new 1"#]],
    );
}

#[test]
fn a_storm_that_comes_again_has_a_begin_of_its_own() {
    check_with(
        &[storms()],
        "a@0 b@1 c@2 d@3 tick@122 tick@242 tick@302 e@310 f@311 g@312 h@313 tick@370",
        expect![[r#"
            a@0: route-1→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            b@1: route-1→soc; N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1
            c@2: storm of hostname=host, source=syscall after 3; route-1→soc; N3 opened soc with 1; N3 is soc#1 [c×1] 1/1 new 1
            d@3: route-1→soc; N4 opened soc with 1; N4 is soc#1 [d×1] 1/1 new 1 storm: d×1
            tick@242: storm of hostname=host, source=syscall over after 1; N5 storm_ended soc with 1 for N4; N5 is soc#2 [d×1] 1/1 new 1 storm over: d×1
            e@310: route-1→soc; N6 opened soc with 1; N6 is soc#1 [e×1] 1/1 new 1
            f@311: route-1→soc; N7 opened soc with 1; N7 is soc#1 [f×1] 1/1 new 1
            g@312: storm of hostname=host, source=syscall after 3; route-1→soc; N8 opened soc with 1; N8 is soc#1 [g×1] 1/1 new 1
            h@313: route-1→soc; N9 updated soc with 2 for N5; N9 is soc#3 [h×1 d×1] 2/2 new 2 storm: d×1 h×1"#]],
    );
}

#[test]
fn a_configuration_without_storms_ends_them() {
    let without = json!({"routes": [{"group_by": ["rule"], "group_wait": "0s"}]});
    check_with(
        &[storms(), without],
        "a@0 b@1 c@2 d@3 config:1@4 e@5",
        expect![[r#"
        a@0: route-1→soc; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        b@1: route-1→soc; N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1
        c@2: storm of hostname=host, source=syscall after 3; route-1→soc; N3 opened soc with 1; N3 is soc#1 [c×1] 1/1 new 1
        d@3: route-1→soc; N4 opened soc with 1; N4 is soc#1 [d×1] 1/1 new 1 storm: d×1
        config:1@4: storm of hostname=host, source=syscall over after 1; N5 closed soc with 1 for N4; N5 is soc#2 closed [d×1] 1/1 new 1 storm over: d×1; group of 1/1 closed: route_removed; configured
        e@5: route-1→soc; N6 opened soc with 1; N6 is soc#1 [e×1] 1/1 new 1"#]],
    );
}

#[test]
fn a_summary_lists_ten_rules_and_counts_the_others() {
    let mut run = Run::new(storms());
    for index in 0..400 {
        let mut alert = super::script::alert("a", super::script::at(1));
        alert.rule = format!("rule {index}");
        alert.id = alert::AlertId::from_u128(index);
        let times = if index == 300 { 3 } else { 1 };
        for time in 0..times {
            alert.id = alert::AlertId::from_u128(1000 * time + index);
            run.record(&crate::record::Record::Alert(Box::new(alert.clone())));
        }
    }
    run.restart();
    let groups = run.pipeline.groups(crate::pipeline::Page::default());
    let summary = groups.items.iter().find_map(|group| group.storm.as_ref()).unwrap();
    let listed: u64 = summary.rules.iter().map(|rule| rule.count).sum();
    assert_eq!(summary.rules.len(), 10);
    assert_eq!(listed + summary.others_count, 399, "three were told before it began");
    assert_eq!(run.pipeline.counts().storms, 1);
}
