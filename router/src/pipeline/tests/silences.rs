//! Silences hide, count and end.

use expect_test::expect;
use serde_json::json;

use super::script::{Run, alert, at, check, check_with, config, silence};
use crate::{
    pipeline::{DecisionKind, Effect, Page, Pipeline, Silence, SilenceId},
    record::Record,
};

#[test]
fn a_silence_hides_what_it_matches_until_it_ends() {
    check(
        "silence:a:60@0 a@1 b@1 a@59 a@60",
        expect![[r#"
            silence:a:60@0: silence a added
            a@1: silence:a
            b@1: default→soc
            a@59: N1 opened soc with 1; N1 is soc#1 [b×1] 1/1 new 1; silence:a
            a@60: silence a expired after 2; 2 hidden by silence:a back to default→soc; duplicate"#]],
    );
}

#[test]
fn a_silenced_finding_that_is_still_active_is_told_of_when_the_silence_ends() {
    check(
        "a@0 tick@2 silence:a:60@3 a@4 a@61 a@62",
        expect![[r#"
            a@0: default→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            silence:a:60@3: silence a added
            a@4: silence:a
            a@61: silence a expired after 1; 1 hidden by silence:a back to default→soc; duplicate
            a@62: N2 updated soc with 1 for N1; N2 is soc#2 [a×3] 1/3 new 3; duplicate"#]],
    );
}

#[test]
fn a_person_may_end_a_silence() {
    check(
        "silence:a:60@0 a@1 expire:a@2 expire:a@3 a@4",
        expect![[r#"
            silence:a:60@0: silence a added
            a@1: silence:a
            expire:a@2: silence a expired by ann after 1; 1 hidden by silence:a back to default→soc
            a@4: N1 opened soc with 0; N1 is soc#1 [a×1] 1/1 new 1; duplicate"#]],
    );
}

#[test]
fn a_silence_does_not_outlast_thirty_days_nor_begin_ended() {
    check(
        "silence:a:3000000@0 silence:a:5@9 a@10",
        expect![[r#"
        silence:a:3000000@0: silence a refused: it lasts for more than 30 days
        silence:a:5@9: silence a refused: it has ended already
        a@10: default→soc"#]],
    );
}

#[test]
fn a_silence_with_the_id_of_another_takes_its_place_and_its_hits() {
    check(
        "silence:a:60@0 a@1 silence:a:90@2 a@70 tick@90",
        expect![[r#"
            silence:a:60@0: silence a added
            a@1: silence:a
            silence:a:90@2: silence a added
            a@70: silence:a
            tick@90: silence a expired after 2; 2 hidden by silence:a back to default→soc"#]],
    );
}

#[test]
fn a_silence_may_begin_later() {
    let silence = json!({
        "id": "window", "match": "rule = a", "starts": "2023-11-14T22:13:30Z",
        "ends": "2023-11-14T22:13:40Z", "author": "ann", "comment": "deploy",
    });
    check_with(
        &[json!({"silences": [silence]})],
        "a@9 a@10 a@19 a@20 a@21",
        expect![[r#"
            a@9: default→soc
            a@10: silence:window
            a@19: soc not told of 1: silence:window; silence:window
            a@20: silence window expired after 3; 3 hidden by silence:window back to default→soc; duplicate
            a@21: duplicate"#]],
    );
}

#[test]
fn there_is_room_for_so_many_silences() {
    check_with(
        &[json!({"limits": {"silences_max": 1}})],
        "silence:a:60@0 silence:b:60@0 silence:a:70@0 tick@71 silence:b:100000@72 tick@86471 silence:b:100000@86472",
        expect![[r#"
            silence:a:60@0: silence a added
            silence:b:60@0: silence b refused: there are too many silences
            silence:a:70@0: silence a added
            tick@71: silence a expired after 0
            silence:b:100000@72: silence b refused: there are too many silences
            silence:b:100000@86472: silence b added"#]],
    );
}

#[test]
fn a_silence_survives_a_restart() {
    check(
        "silence:a:60@0 a@1 restart a@2 tick@60 restart a@61",
        expect![[r#"
            silence:a:60@0: silence a added
            a@1: silence:a
            a@2: silence:a
            tick@60: silence a expired after 2; 2 hidden by silence:a back to default→soc
            a@61: duplicate"#]],
    );
}

#[test]
fn silences_of_the_configuration_come_and_go_with_it() {
    let silence = json!({
        "id": "known", "match": "rule = a", "starts": "2023-11-14T22:13:20Z",
        "ends": "2023-11-15T22:13:20Z", "author": "ann", "comment": "known",
    });
    check_with(
        &[json!({"silences": [silence.clone()]}), json!({})],
        "a@1 config:0@2 a@3 config:1@4 a@5",
        expect![[r#"
            a@1: silence:known
            config:0@2: configured
            a@3: silence:known
            config:1@4: silence known expired by configuration after 2; configured; 2 hidden by silence:known back to default→soc
            a@5: duplicate"#]],
    );
}

#[test]
fn an_alert_that_two_outputs_were_not_told_of_counts_once_when_it_is_told() {
    check_with(
        &[
            json!({"outputs": ["soc", "stream"], "routes": [{"name": "all", "group_by": ["source"]}]}),
        ],
        "a@0 b@0 silence:a:60@1 tick@2 a@3 tick@60 tick@62",
        expect![[r#"
            a@0: all→soc+stream
            b@0: all→soc+stream
            silence:a:60@1: silence a added
            tick@2: soc not told of 1: silence:a; stream not told of 1: silence:a; N1 opened soc with 1; N1 is soc#1 [b×1] 1/1 new 1 1 hidden; N2 opened stream with 1; N2 is stream#1 [b×1] 1/1 new 1 1 hidden
            a@3: silence:a
            tick@60: silence a expired after 2; 2 hidden by silence:a back to all→soc+stream
            tick@62: N3 updated soc with 1 for N1; N3 is soc#2 [a×2 b×1] 2/3 new 3; N4 updated stream with 1 for N2; N4 is stream#2 [a×2 b×1] 2/3 new 3"#]],
    );
}

/// Returns a configuration with one silence of these further keys, from the start on for a day.
fn configured(keys: serde_json::Value) -> serde_json::Value {
    let mut silence = json!({
        "id": "s", "starts": "2023-11-14T22:13:20Z", "ends": "2023-11-15T22:13:20Z",
        "author": "ann", "comment": "known",
    });
    silence.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    json!({"silences": [silence]})
}

#[test]
fn a_silence_may_be_made_of_matchers() {
    let matchers = json!({"matchers": ["rule=~\"a|b\"", "k8s.ns.name!=\"shop\""]});
    check_with(
        &[configured(matchers)],
        "a@1 b/shop@2 b/bank@3 c@4",
        expect![[r#"
        a@1: silence:s
        b/shop@2: default→soc
        b/bank@3: silence:s
        c@4: N1 opened soc with 1; N1 is soc#1 [b×1] 1/1 new 1; default→soc"#]],
    );
}

#[test]
fn a_recurring_silence_hides_within_its_times_and_tells_of_what_is_active_after_each() {
    // The start is 22:13:20, a Tuesday.
    let times = json!({"match": "rule = a", "times": [
        {"times": [{"start_time": "22:15", "end_time": "22:16"}, {"start_time": "22:18", "end_time": "22:19"}]},
    ]});
    check_with(
        &[configured(times)],
        "a@0 tick@2 a:x@100 a:x@159 tick@160 tick@162 a:x@280 restart tick@340 tick@342",
        expect![[r#"
            a@0: default→soc
            tick@2: N1 opened soc with 1; N1 is soc#1 [a×1] 1/1 new 1
            a:x@100: silence:s
            a:x@159: silence:s
            tick@160: 2 hidden by silence:s back to default→soc; N2 updated soc with 1 for N1; N2 is soc#2 [a×2 a×1] 2/3 new 3
            a:x@280: silence:s
            tick@340: 1 hidden by silence:s back to default→soc; N3 updated soc with 1 for N2; N3 is soc#3 [a×3 a×1] 2/4 new 4"#]],
    );
}

#[test]
fn what_waits_to_be_told_is_hidden_by_a_silence_that_began_meanwhile() {
    check(
        "a@0 b@0 silence:a:60@1 tick@2 tick@60 tick@62",
        expect![[r#"
            a@0: default→soc
            b@0: default→soc
            silence:a:60@1: silence a added
            tick@2: soc not told of 1: silence:a; N1 opened soc with 1; N1 is soc#1 [b×1] 1/1 new 1
            tick@60: silence a expired after 1; 1 hidden by silence:a back to default→soc
            tick@62: N2 opened soc with 0; N2 is soc#1 [a×1] 1/1 new 1"#]],
    );
}

#[test]
fn a_silence_that_is_changed_keeps_what_it_was() {
    let mut run = Run::new(json!({}));
    for ends in [60, 90, 90, 120] {
        let silence = silence("a", at(ends));
        run.record(&Record::SilenceAdded { at: at(ends / 10), silence });
    }
    run.restart();
    let view = run.pipeline.silence(&SilenceId("a".to_owned())).unwrap();
    let history = view.history.iter().map(|former| (former.silence.ends, former.until));
    assert_eq!(history.collect::<Vec<_>>(), [(at(60), at(9)), (at(90), at(12))]);
    for ends in 200..220 {
        let silence = silence("a", at(ends));
        run.record(&Record::SilenceAdded { at: at(20), silence });
    }
    let view = run.pipeline.silence(&SilenceId("a".to_owned())).unwrap();
    assert_eq!(view.history.len(), 8);
    assert_eq!(view.history[7].silence.ends, at(218));
}

#[test]
fn a_silence_that_is_changed_to_hide_less_lets_go_of_the_rest() {
    let mut run = Run::new(json!({}));
    let other = Silence { id: SilenceId("a".to_owned()), ..silence("b", at(60)) };
    run.record(&Record::SilenceAdded { at: at(0), silence: silence("a", at(60)) });
    run.record(&Record::Alert(Box::new(alert("a", at(1)))));
    run.record(&Record::SilenceAdded { at: at(2), silence: other });
    let returned = |effect: &Effect| matches!(effect, Effect::Decided(it) if matches!(it.kind, DecisionKind::Returned { alerts: 1, .. }));
    assert!(run.effects.iter().any(returned), "{:?}", run.effects);
}

#[test]
fn people_are_told_before_a_silence_ends() {
    let config = json!({"silence_notices": {"before_end": "20s"},
        "routes": [{"name": "ours", "match": "source = saker", "group_wait": "0s"}, {"name": "rest"}]});
    check_with(
        &[config],
        "silence:a:60@0 silence:b:15@0 a@1 restart tick@40 restart tick@60 silence:a:90@61 tick@70 tick@90",
        expect![[r#"
            silence:a:60@0: silence a added
            silence:b:15@0: silence b added
            a@1: silence:a
            tick@40: silence b expired after 0; ours→soc; N1 opened soc with 1; N1 is soc#1 [Silence ends soon×1] 1/1 new 1
            tick@60: silence a expired after 1; 1 hidden by silence:a back to rest→soc
            silence:a:90@61: silence a added
            tick@70: ours→soc
            tick@90: silence a expired after 1; 0 hidden by silence:a back to rest→soc"#]],
    );
}

#[test]
fn silences_that_hide_much_are_reported_each_week() {
    // The start is a Tuesday; the first Monday is 438,400 s later.
    let config = json!({"silence_notices": {"weekly_hits_min": 2},
        "routes": [{"name": "ours", "match": "source = saker", "group_wait": "0s"}, {"name": "rest"}]});
    check_with(
        &[config, json!({})],
        "silence:a:2000000@0 silence:b:2000000@0 a*3@1 b@1 restart tick@438400 a@438401 tick@1043200 config:1@1043201 tick@1648000",
        expect![[r#"
            silence:a:2000000@0: silence a added
            silence:b:2000000@0: silence b added
            a*3@1: silence:a
            b@1: silence:b
            tick@438400: ours→soc; N1 opened soc with 1; N1 is soc#1 [Silences of the week×1] 1/1 new 1
            a@438401: silence:a
            tick@1043200: group of 1/1 closed: quiet
            config:1@1043201: configured"#]],
    );
}

#[test]
fn a_group_that_comes_back_twice_in_one_record_is_two_groups() {
    let mut run = Run::new(json!({"limits": {"groups_max": 1}}));
    let everything = Some("source = syscall".parse().unwrap());
    let silence = Silence { condition: everything, ..silence("all", at(60)) };
    run.record(&Record::SilenceAdded { at: at(0), silence });
    for number in 0..12 {
        let what =
            format!("{}:x{}", ["a", "b"][number % 2], ["j", "k", "l", "m", "n", "o"][number / 2]);
        let mut alert = alert(&what, at(1));
        alert.id = alert::AlertId::from_u128(1 + number as u128);
        run.record(&Record::Alert(Box::new(alert)));
    }
    // All come back, and each group has no room beside the other.
    run.record(&Record::Tick { now: at(60) });
    let closed = run.effects.iter().filter_map(|effect| match effect {
        Effect::Decided(decision) => match &decision.kind {
            DecisionKind::GroupClosed { group, .. } => Some(*group),
            _ => None,
        },
        _ => None,
    });
    let closed: Vec<_> = closed.collect();
    let distinct: std::collections::BTreeSet<_> = closed.iter().collect();
    assert!(closed.len() > 2, "{closed:?}");
    assert_eq!(distinct.len(), closed.len(), "{closed:?}");
}

#[test]
fn the_week_s_report_has_those_that_ended_long_before_it() {
    let config = json!({"silence_notices": {"weekly_hits_min": 2}});
    let mut run = Run::new(config);
    run.record(&Record::SilenceAdded { at: at(0), silence: silence("a", at(60)) });
    for id in 0..3 {
        let mut alert = alert("a", at(1));
        alert.id = alert::AlertId::from_u128(id);
        run.record(&Record::Alert(Box::new(alert)));
    }
    run.record(&Record::Tick { now: at(60) });
    run.record(&Record::Tick { now: at(200_000) });
    assert_eq!(run.pipeline.silences(), [], "it is forgotten");
    run.restart();
    let tick = Record::Tick { now: at(438_400) };
    let mut effects = Vec::new();
    run.pipeline.apply(run.sequence + 1, &tick, &mut effects);
    let notices = run.pipeline.notices(10);
    let output: Vec<&str> = notices.iter().map(|notice| notice.output.as_str()).collect();
    assert_eq!(output, ["1 silences hid much this week:\n3 by a: rule = a"]);
}

#[test]
fn a_notice_is_kept_until_it_comes_from_the_journal() {
    let config = json!({"silence_notices": {"before_end": "20s"}});
    let mut run = Run::new(config);
    run.record(&Record::SilenceAdded { at: at(0), silence: silence("a", at(60)) });
    let mut effects = Vec::new();
    run.pipeline.apply(10, &Record::Tick { now: at(40) }, &mut effects);
    let decided = effects.iter().filter(|effect| matches!(effect, Effect::Decided(_)));
    assert_eq!(decided.count(), 0, "nothing is decided about what the journal does not have");
    let mut bytes = Vec::new();
    run.pipeline.snapshot(&mut bytes);
    let mut pipeline = Pipeline::restore(&bytes).unwrap();
    let notices = pipeline.notices(10);
    let [notice] = &notices[..] else { panic!("{notices:?}") };
    effects.clear();
    for sequence in [11, 12] {
        let record = Record::Alert(Box::new(notice.clone()));
        pipeline.apply(sequence, &record, &mut effects);
    }
    assert_eq!(pipeline.notices(10), []);
    let decided = effects.iter().filter_map(|effect| match effect {
        Effect::Decided(decision) => match &decision.kind {
            DecisionKind::Alert(alert) => Some((decision.sequence, alert.finding_count)),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(decided.collect::<Vec<_>>(), [(11, 1), (12, 1)], "the second was there before");
}

#[test]
fn what_is_wrong_with_a_silence_is_told() {
    for (keys, expected) in [
        (json!({}), "either `match` or `matchers`"),
        (json!({"match": "rule = a", "matchers": ["a=b"]}), "either `match` or `matchers`"),
        (json!({"matchers": ["a=~\".*\""]}), "must not hold for an empty value"),
        (json!({"match": "rule = a", "times": [{"location": "Mars/Base"}]}), "knows no time zone"),
        (
            json!({"match": "rule = a", "times": [{"times": [
            {"start_time": "10:00", "end_time": "09:00"}]}]}),
            "ends before it starts",
        ),
    ] {
        let problems = config(configured(keys)).validate(&["soc"]);
        let text = format!("{problems:?}");
        assert!(problems.len() == 1 && text.contains(expected), "{text}");
    }
}

#[test]
fn a_preview_counts_what_is_active_and_would_be_hidden() {
    let mut run = Run::new(json!({}));
    for (what, time) in [("a", 1), ("a:x", 2), ("b", 3), ("a", 4)] {
        let mut alert = alert(what, at(time));
        alert.id = alert::AlertId::from_u128(time as u128);
        run.record(&Record::Alert(Box::new(alert)));
    }
    let silence = silence("a", at(60));
    let look = |after, limit| run.pipeline.would_hide(&silence, Page { after, limit });
    let (whole, end) = look(None, 10);
    assert_eq!(end, None);
    assert_eq!((whole.examined, whole.findings, whole.alerts), (3, 2, 3));
    assert_eq!(whole.since, Some(at(1)));
    let (mut parts, next) = look(None, 2);
    parts.add(look(next, 2).0);
    assert_eq!(parts, whole);
}
