//! A new configuration takes over what is there.

use expect_test::expect;
use serde_json::json;

use super::script::{check_with, config};
use crate::pipeline::PipelineConfig;

#[test]
fn the_same_configuration_again_changes_nothing() {
    check_with(
        &[json!({})],
        "a@0 config:0@1 a@1 tick@2 config:0@3",
        expect![[r#"
        a@0: default→soc
        config:0@1: configured
        a@1: duplicate
        tick@2: N1 opened soc with 1; N1 is soc#1 [a×2] 1/2 new 2
        config:0@3: configured"#]],
    );
}

#[test]
fn what_is_owed_to_a_removed_output_becomes_dead_letters() {
    check_with(
        &[json!({"outputs": ["soc", "stream"]}), json!({})],
        "a!@0 b@0 config:1@1 tick@2 replay:stream@3 config:0@4 replay:stream@5",
        expect![[r#"
            a!@0: default→soc+stream; N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1; N2 opened stream with 1; N2 is stream#1 [a×1] 1/1 new 1
            b@0: default→soc+stream
            config:1@1: N2 withdrawn; N2 dead with 1: output removed; N3 updated stream with 1; N3 dead with 1: output removed; configured
            tick@2: N4 opened soc with 1; N4 is soc#1 [b×1] 1/1 new 1
            replay:stream@3: replay refused: its output is not configured
            config:0@4: configured
            replay:stream@5: N3 replayed with 1; N3 is stream#1 [b×1] 1/1 new 1"#]],
    );
}

#[test]
fn an_added_output_hears_of_new_findings() {
    check_with(
        &[json!({}), json!({"outputs": ["soc", "stream"]})],
        "a@0 tick@2 config:1@3 a@4 a:x@5 tick@7 tick@62",
        expect![[r#"
            a@0: default→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            config:1@3: configured
            a@4: duplicate
            a:x@5: default→soc+stream
            tick@7: N2 opened stream with 1; N2 is stream#1 [a×1 a×2] 2/3 new 3
            tick@62: N3 updated soc with 2 for N1; N3 is soc#2 [a×1 a×2] 2/3 new 3"#]],
    );
}

#[test]
fn groups_of_a_removed_route_tell_what_they_have_and_close() {
    check_with(
        &[json!({"routes": [{"name": "old"}]}), json!({"routes": [{"name": "new"}]})],
        "a@0 config:1@1 a@2 tick@4",
        expect![[r#"
            a@0: old→soc
            config:1@1: N1 closed soc with 1; N1 is soc#1 closed [a×1] 1/1 new 1; group of 1/1 closed: route_removed; configured
            a@2: new→soc
            tick@4: N2 opened soc with 1; N2 is soc#1 [a×2] 1/1 new 1"#]],
    );
}

#[test]
fn open_groups_live_by_their_routes_new_settings() {
    check_with(
        &[json!({"routes": [{}]}), json!({"routes": [{"quiet": "10s", "notify_close": true}]})],
        "a@0 tick@2 config:1@3 a:x@4 tick@62 tick@122",
        expect![[r#"
            a@0: route-1→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            config:1@3: configured
            a:x@4: route-1→soc
            tick@62: N2 updated soc with 2 for N1; N2 is soc#2 [a×1 a×1] 2/2 new 2
            tick@122: N3 closed soc with 2 for N2; N3 is soc#3 closed [a×1] 2/2 new 2; group of 2/2 closed: quiet"#]],
    );
}

#[test]
fn smaller_bounds_apply_at_once() {
    check_with(
        &[
            json!({}),
            json!({"limits": {"findings_max": 1, "groups_max": 1, "pending_max": 1, "dead_letters_max": 0}}),
        ],
        "a@0 b!@0 c!@0 config:1@1",
        expect![[r#"
            a@0: default→soc
            b!@0: default→soc; N1 opened soc with 1; N1 is soc#1 [b×1] 1/1 new 1
            c!@0: default→soc; N2 opened soc with 1; N2 is soc#1 [c×1] 1/1 new 1
            config:1@1: N3 closed soc with 1; N3 is soc#1 closed [a×1] 1/1 new 1; N1 withdrawn; N1 dead with 1: too much is undelivered; N1 dropped with 1; N2 withdrawn; N2 dead with 1: too much is undelivered; N2 dropped with 1; group of 1/1 closed: evicted; group of 1/1 closed: evicted; finding of 1 evicted; finding of 1 evicted; configured"#]],
    );
}

#[test]
fn a_rule_may_be_given_its_own_fingerprint() {
    check_with(
        &[json!({"fingerprints": [{"rule": "a", "fields": ["k8s.ns.name"]}]})],
        "a:x@0 a:y@0 b:x@0 b:y@0",
        expect![[r#"
            a:x@0: default→soc
            a:y@0: duplicate
            b:x@0: default→soc
            b:y@0: default→soc"#]],
    );
}

fn check_problems(json: serde_json::Value, expected: expect_test::Expect) {
    let problems = config(json).validate(&["soc", "stream"]);
    let lines = problems.iter().map(|problem| {
        let hint = problem.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}: {}{hint}", problem.path, problem.message)
    });
    expected.assert_eq(&lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_default_configuration_has_no_problems() {
    assert_eq!(PipelineConfig::default().validate(&[]), []);
}

#[test]
fn an_unknown_output_is_a_problem_with_a_hint() {
    check_problems(
        json!({"routes": [{"outputs": ["sco"], "routes": [{"outputs": ["pager"]}]}]}),
        expect![[r#"
            routes[0].outputs[0]: there is no output `sco` (did you mean `soc`?)
            routes[0].routes[0].outputs[0]: there is no output `pager` (outputs are soc, stream)"#]],
    );
}

#[test]
fn an_interval_that_is_not_there_or_cannot_hold_is_refused() {
    check_problems(
        json!({
            "intervals": {"nights": [{"location": "Nowhere"}], "never": []},
            "routes": [{"mute": ["night"], "active": ["nights", "weekend"]}],
        }),
        expect![[r#"
            intervals.never: it never holds (an entry that says nothing, `{}`, always holds)
            intervals.nights[0].location: this machine knows no time zone `Nowhere`
            routes[0].active[1]: there is no interval `weekend` (intervals are defined under `intervals`)
            routes[0].mute[0]: there is no interval `night` (did you mean `nights`?)"#]],
    );
}

#[test]
fn routes_no_alert_can_reach_and_equal_names_are_problems() {
    check_problems(
        json!({"routes": [{"name": "a"}, {"name": "a", "match": "rule = x"}, {"name": "x/y"}]}),
        expect![[r#"
            routes[1].name: two routes are named `a` (explanations and groups name routes by it)
            routes[1]: no alert can reach this route (route 1 above takes every alert)
            routes[2].name: a name is not empty and has no `/` (a path of names separates them by `/`)
            routes[2]: no alert can reach this route (route 1 above takes every alert)"#]],
    );
}

#[test]
fn intervals_and_limits_have_least_values() {
    check_problems(
        json!({
            "routes": [{"group_interval": "0s", "quiet": "1s", "group_by": [""]}],
            "limits": {"findings_max": 0, "sample_bytes_max": "1B"},
        }),
        expect![[r#"
            routes[0].group_by[0]: a field has a name without blanks around it
            routes[0].group_interval: group_interval is at least 1s
            routes[0].quiet: quiet is at least 10s
            limits.findings_max: it is at least 1
            limits.sample_bytes_max: it is at least 1KiB"#]],
    );
}

#[test]
fn a_silence_needs_an_author_a_start_and_an_end_within_thirty_days() {
    let silence = |id, author, starts, ends| {
        json!({"id": id, "match": "rule = a", "starts": starts, "ends": ends, "author": author,
            "comment": "why"})
    };
    check_problems(
        json!({"silences": [
            silence("a", "", None, "2023-11-15T00:00:00Z"),
            silence("b", "ann", Some("2023-11-15T00:00:00Z"), "2024-11-15T00:00:00Z"),
            silence("b", "ann", None, "2023-11-15T00:00:00Z"),
        ]}),
        expect![[r#"
            silences[0]: id, author and comment are required
            silences[1]: it lasts for more than 30 days (what must be quiet for longer is an exception of its rule)
            silences[2].id: two silences have the id `b`
            silences[2].starts: a configured silence says when it starts (its 30 days at most are counted from there)"#]],
    );
}

#[test]
fn fingerprint_fields_that_differ_every_time_are_problems() {
    check_problems(
        json!({"fingerprints": [{"rule": "a", "fields": ["proc.pid", "fingerprint"]}, {"rule": "a", "fields": []}]}),
        expect![[r#"
            fingerprints[0].fields[0]: `proc.pid` cannot identify a finding (it differs in every alert, so nothing would be a repeat)
            fingerprints[0].fields[1]: `fingerprint` cannot identify a finding (a fingerprint cannot be made of itself)
            fingerprints[1].rule: rule `a` has two fingerprints"#]],
    );
}

#[test]
fn unknown_keys_are_refused() {
    for json in
        [json!({"rotues": []}), json!({"routes": [{"output": []}]}), json!({"limits": {"x": 1}})]
    {
        assert!(serde_json::from_value::<PipelineConfig>(json.clone()).is_err(), "{json}");
    }
}

#[test]
fn a_configuration_reads_back_as_it_was_written() {
    let config = config(
        json!({"routes": [{"match": "rule = a", "quiet": "5m", "routes": [{"continue": true}]}]}),
    );
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<PipelineConfig>(&json).unwrap(), config);
}
