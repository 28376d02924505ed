//! Silences hide, count and end.

use expect_test::expect;
use serde_json::json;

use super::script::{check, check_with};

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
            a@20: silence window expired after 2; 3 hidden by silence:window back to default→soc; duplicate
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
