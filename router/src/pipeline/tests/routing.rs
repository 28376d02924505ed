//! Which routes take an alert. The vectors' shapes follow Alertmanager's route tests (Apache-2.0).

use expect_test::expect;
use serde_json::json;

use super::script::{check, check_with};

#[test]
fn without_routes_everything_goes_to_every_output() {
    check_with(&[json!({"outputs": ["soc", "stream"]})], "a@0", expect!["a@0: default→soc+stream"]);
}

#[test]
fn without_outputs_nobody_is_told_and_that_is_a_reason() {
    check_with(&[json!({"outputs": []})], "a@0", expect!["a@0: no_output"]);
}

#[test]
fn what_no_route_takes_is_suppressed_with_that_reason() {
    check_with(
        &[json!({"routes": [{"match": "rule = a"}]})],
        "a@0 b@0",
        expect![[r#"
        a@0: route-1→soc
        b@0: no_route"#]],
    );
}

#[test]
fn an_empty_list_of_outputs_is_a_place_to_end() {
    check_with(
        &[json!({"routes": [{"match": "rule = a", "outputs": []}, {}]})],
        "a@0 b@0",
        expect![[r#"
            a@0: no_output
            b@0: route-2→soc"#]],
    );
}

#[test]
fn the_first_route_that_matches_takes_the_alert() {
    check_with(
        &[json!({"outputs": ["x", "y"], "routes": [
            {"name": "first", "match": "rule = a", "outputs": ["x"]},
            {"name": "second", "outputs": ["y"]},
        ]})],
        "a@0 b@0",
        expect![[r#"
            a@0: first→x
            b@0: second→y"#]],
    );
}

#[test]
fn continue_goes_on_to_the_next_route() {
    check_with(
        &[json!({"outputs": ["x", "y"], "routes": [
            {"match": "rule = a", "outputs": ["x"], "continue": true},
            {"outputs": ["y"]},
        ]})],
        "a@0 b@0 a@1",
        expect![[r#"
            a@0: route-1→x route-2→y
            b@0: route-2→y
            a@1: duplicate"#]],
    );
}

#[test]
fn a_child_takes_what_it_matches_and_its_parent_keeps_the_rest() {
    check_with(
        &[
            json!({"outputs": ["x", "y", "z"], "routes": [{"name": "team", "outputs": ["x"], "routes": [
                {"name": "loud", "match": "priority >= critical", "outputs": ["y"]},
                {"match": "rule = b"},
            ]}]}),
        ],
        "a@0 a!@0 b@0",
        expect![[r#"
            a@0: team→x
            a!@0: team/loud→y; N1 opened y with 1; N1 is y#1 [a×2] 1/1 new 1
            b@0: team/route-2→x"#]],
    );
}

#[test]
fn a_child_that_continues_lets_its_siblings_match_too() {
    check_with(
        &[
            json!({"outputs": ["x", "y", "z"], "routes": [{"name": "p", "outputs": ["x"], "routes": [
                {"name": "one", "outputs": ["y"], "continue": true},
                {"name": "two", "match": "rule = a", "outputs": ["z"]},
            ]}]}),
        ],
        "a@0 b@0",
        expect![[r#"
            a@0: p/one→y p/two→z
            b@0: p/one→y"#]],
    );
}

#[test]
fn continue_of_a_child_does_not_make_its_parent_continue() {
    check_with(
        &[json!({"outputs": ["x", "y"], "routes": [
            {"name": "p", "routes": [{"name": "c", "outputs": ["x"], "continue": true}]},
            {"name": "q", "outputs": ["y"]},
        ]})],
        "a@0",
        expect!["a@0: p/c→x"],
    );
}

#[test]
fn children_inherit_what_they_do_not_say() {
    check_with(
        &[json!({"routes": [{"group_wait": "9s", "group_by": ["source"], "routes": [
            {"match": "rule = a"}, {"group_by": ["rule"]},
        ]}]})],
        "a@0 a/shop@0 b@0 c@0 tick@2 tick@9",
        expect![[r#"
            a@0: route-1/route-1→soc
            a/shop@0: route-1/route-1→soc
            b@0: route-1/route-2→soc
            c@0: route-1/route-2→soc
            tick@9: N1 opened soc with 1; N1 is soc#1 [b×1] 1/1 new 1; N2 opened soc with 1; N2 is soc#1 [c×1] 1/1 new 1; N3 opened soc with 2; N3 is soc#1 [a×1 a×1] 2/2 new 2"#]],
    );
}

#[test]
fn a_route_may_match_the_score_and_the_count() {
    check_with(
        &[
            json!({"score": {"criticality": [{"match": "k8s.ns.name = bank", "points": 50}]}, "routes": [
                {"name": "high", "match": "score >= 90"}, {"name": "many", "match": "count >= 3"},
            ]}),
        ],
        "a@0 a/bank@0 a@0 a@0",
        expect![[r#"
            a@0: no_route
            a/bank@0: high→soc
            a@0: no_route
            a@0: many→soc"#]],
    );
}

#[test]
fn grouping_by_fingerprint_tells_of_each_finding_alone() {
    check_with(
        &[json!({"routes": [{"group_by": ["fingerprint"]}]})],
        "a:x@0 a:y@0 a:x@1 tick@2",
        expect![[r#"
            a:x@0: route-1→soc
            a:y@0: route-1→soc
            a:x@1: duplicate
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×2] 1/2 new 2; N2 opened soc with 1; N2 is soc#1 [a×1] 1/1 new 1"#]],
    );
}

#[test]
fn the_same_output_named_twice_is_told_once() {
    check_with(
        &[json!({"routes": [{"outputs": ["soc", "soc"]}]})],
        "a@0",
        expect!["a@0: route-1→soc"],
    );
}

#[test]
fn a_redelivered_alert_is_counted_once() {
    check(
        "a~7@0 a~7@1 tick@2 a~7@3",
        expect![[r#"
        a~7@0: default→soc
        a~7@1: redelivered
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
        a~7@3: redelivered"#]],
    );
}

#[test]
fn another_alert_under_a_used_id_is_another_alert() {
    check(
        "a~7@0 b~7@1",
        expect![[r#"
        a~7@0: default→soc
        b~7@1: default→soc"#]],
    );
}

#[test]
fn ids_beyond_the_bound_are_forgotten() {
    check_with(
        &[json!({"limits": {"seen_alerts_max": 2}})],
        "a~1@0 a~2@0 a~3@0 a~1@0 a~3@0",
        expect![[r#"
            a~1@0: default→soc
            a~2@0: duplicate
            a~3@0: duplicate
            a~1@0: duplicate
            a~3@0: redelivered"#]],
    );
}

#[test]
fn beyond_its_bound_the_finding_quiet_for_longest_is_forgotten() {
    check_with(
        &[json!({"limits": {"findings_max": 2}})],
        "a@0 b@1 a@2 c@3 b@4",
        expect![[r#"
        a@0: default→soc
        b@1: default→soc
        a@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; duplicate
        c@3: N2 opened soc with 1; N2 is soc#1 [b×1] 1/1 new 1; finding of 1 evicted; default→soc
        b@4: finding of 2 evicted; default→soc"#]],
    );
}

#[test]
fn beyond_its_bound_the_group_quiet_for_longest_tells_and_closes() {
    check_with(
        &[json!({"limits": {"groups_max": 2}})],
        "a@0 b@1 a@1 c@1 tick@3",
        expect![[r#"
        a@0: default→soc
        b@1: default→soc
        a@1: duplicate
        c@1: N1 closed soc with 1; N1 is soc#1 closed [b×1] 1/1 new 1; group of 1/1 closed: evicted; default→soc
        tick@3: N2 opened soc with 1; N2 is soc#1 [a×2] 1/2 new 2; N3 opened soc with 1; N3 is soc#1 [c×1] 1/1 new 1"#]],
    );
}

/// 22:13:20 UTC on a Tuesday is the script's start.
fn with_intervals(routes: serde_json::Value) -> serde_json::Value {
    json!({"outputs": ["x", "y"], "routes": routes, "intervals": {
        "evening": [{"times": [{"start_time": "22:00", "end_time": "22:14"}]}],
        "wednesday": [{"weekdays": ["wednesday"]}, {"weekdays": ["tuesday"], "years": [2024]}],
    }})
}

#[test]
fn a_mute_route_tells_nobody_until_the_interval_ends() {
    check_with(
        &[with_intervals(json!([{"outputs": ["x"], "mute": ["wednesday", "evening"]}]))],
        "a@0 a@39 a@40 tick@42",
        expect![[r#"
            a@0: muted:evening
            a@39: muted:evening
            a@40: route-1→x
            tick@42: N1 opened x with 1; N1 is x#1 [a×3] 1/1 new 1"#]],
    );
}

#[test]
fn a_route_is_active_in_any_of_its_intervals() {
    check_with(
        &[with_intervals(json!([{"outputs": ["x"], "active": ["wednesday", "evening"]}]))],
        "a@39 b@40 b@6400 tick@6402",
        expect![[r#"
            a@39: route-1→x
            b@40: inactive
            b@6400: N1 opened x with 1; N1 is x#1 [a×1] 1/1 new 1; group of 1/1 closed: quiet; route-1→x
            tick@6402: N2 opened x with 1; N2 is x#1 [b×1] 1/1 new 1"#]],
    );
}

#[test]
fn only_the_route_itself_is_mute_and_others_go_on() {
    check_with(
        &[with_intervals(json!([
            {"name": "p", "mute": ["evening"], "continue": true, "routes": [
                {"name": "c", "match": "rule = a", "outputs": ["x"]},
            ]},
            {"name": "q", "match": "rule = b", "outputs": ["y"]},
        ]))],
        "a@0 b@0 d@0",
        expect![[r#"
            a@0: p/c→x
            b@0: q→y
            d@0: muted:evening"#]],
    );
}
