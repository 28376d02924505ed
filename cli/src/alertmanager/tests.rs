//! What Alertmanager's words become here.

use alert::{Alert, AlertId, Fields, Priority};
use expect_test::{Expect, expect};
use proptest::prelude::*;
use router::pipeline::Matcher;
use rules::{Condition, Subject};

use super::{import, matcher::condition, pattern};

/// Prints the condition of matchers.
fn check(matchers: &str, expected: Expect) {
    let shown = Matcher::parse_all(matchers).and_then(|matchers| {
        let conditions: Result<Vec<_>, _> = matchers.iter().map(condition).collect();
        conditions.map(|conditions| conditions.join(" and "))
    });
    expected.assert_eq(&shown.unwrap_or_else(|error| format!("error: {error}")));
}

/// Returns whether a condition holds for an alert whose label `a` has this value.
fn holds(condition: &str, value: Option<&str>) -> bool {
    let condition =
        Condition::parse(condition).unwrap_or_else(|error| panic!("{condition}: {error}"));
    let mut fields = Fields::new();
    if let Some(value) = value {
        fields.insert("label.a".to_owned(), value.into());
    }
    let at = jiff::Timestamp::UNIX_EPOCH;
    let alert = Alert {
        id: AlertId::from_u128(1),
        time: at,
        received: at,
        rule: "r".to_owned(),
        priority: Priority::Notice,
        source: "s".to_owned(),
        hostname: "h".to_owned(),
        output: "o".to_owned(),
        tags: Vec::new(),
        fields,
        ends: None,
    };
    condition.matches(&Subject::new(&alert))
}

#[test]
fn each_comparison_has_its_condition() {
    check(r#"a="b""#, expect![[r#"label.a = "b""#]]);
    check(r"a = b c ", expect![[r#"label.a = "b c""#]]);
    check(r#"a!="b""#, expect![[r#"not label.a = "b""#]]);
    check(
        r#"{a=~"x|y", b!~"z.*"}"#,
        expect![[r#"label.a regex "x|y" and not label.b regex "z.*""#]],
    );
    check(r#"a="say \"hi, there\"\n""#, expect![[r#"label.a = "say \"hi, there\"\n""#]]);
}

#[test]
fn a_missing_label_is_an_empty_one() {
    check(r#"a="""#, expect![[r#"(not label.a exists or label.a = "")"#]]);
    check(r#"a!="""#, expect![[r#"(label.a exists and not label.a = "")"#]]);
    check(r#"a=~"x?""#, expect![[r#"(not label.a exists or label.a regex "x?")"#]]);
    for (matcher, missing, empty, other) in [
        (r#"a="""#, true, true, false),
        (r#"a!="""#, false, false, true),
        (r#"a=~"x*""#, true, true, false),
        (r#"a!~"x*""#, false, false, true),
        (r#"a!="x""#, true, true, true),
    ] {
        let condition = condition(&Matcher::parse_all(matcher).unwrap()[0]).unwrap();
        assert_eq!(holds(&condition, None), missing, "{condition}");
        assert_eq!(holds(&condition, Some("")), empty, "{condition}");
        assert_eq!(holds(&condition, Some("other")), other, "{condition}");
    }
}

#[test]
fn patterns_are_written_in_our_syntax() {
    check(r#"a=~"^prod-\\d+$""#, expect![[r#"label.a regex "prod-[0-9]+""#]]);
    check(
        r#"a=~"(?:web|db)[^-]*""#,
        expect![[r#"label.a regex "(web|db)[\\x{0}-,.-\\x{10FFFF}]*""#]],
    );
    check(r#"a=~"(?i)ab{2,3}?""#, expect![[r#"label.a regex "[Aa][Bb]{2,3}""#]]);
    check(
        r#"a=~"[\\w.]+|[^\\s]""#,
        expect![[
            r#"label.a regex "[.0-9A-Z_a-z]+|[\\x{0}-\\x{8}\\x{B}\\x{E}-\\x{1F}!-\\x{10FFFF}]""#
        ]],
    );
    check(r#"a=~"[[a&&b]|[]x]|[[:alpha:]]""#, expect![[r#"label.a regex "[&A-\\[\\]a-z]""#]]);
    check(r#"a=~"a\\.b|c""#, expect![[r#"label.a regex "a\\.b|c""#]]);
}

#[test]
fn what_cannot_be_said_here_is_an_error() {
    check(
        r#"a=~"\\bx""#,
        expect![[
            r#"error: the pattern `\\bx`: it looks at ends of words or lines, which ours cannot"#
        ]],
    );
    check(r#"a=~"a$b""#, expect!["error: the pattern `a$b`: an anchor stands inside of it"]);
    check(r#"a=~"(a""#, expect!["error: the pattern `(a`: unclosed group"]);
    check(r#"a="b"#, expect![[r#"error: `a=\"b`: a quote is not closed"#]]);
    check("a", expect!["error: `a`: no comparison"]);
    check(r#"ns:a="b""#, expect!["error: a label named `ns:a` cannot be a field's name"]);
}

fn patterns() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "[abc.*+?|\\\\^$-]".prop_map(|text| regex::escape(&text)),
        Just(".".to_owned()),
        Just("[a-c]".to_owned()),
        Just(r"[^a\]\-\\^]".to_owned()),
        Just("[0-9]".to_owned()),
        Just("[[:alpha:]]".to_owned()),
        Just(r"[a\[\&~]".to_owned()),
        Just("(?i:b)".to_owned()),
        Just("(?s:.)".to_owned()),
        Just(r"[\x00-\x1f]".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("(?:{})", parts.join("|"))),
            (inner.clone(), "[*+?]|[{][0-3][}]|[{]1,[}]|[{]0,2[}]")
                .prop_map(|(part, times)| format!("(?:{part}){times}")),
            inner.prop_map(|part| format!("({part})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_converted_pattern_matches_what_the_pattern_did(
        pattern in patterns(),
        anchored in any::<bool>(),
        texts in prop::collection::vec("[abcB1. \\n*\\\\-]{0,5}", 12),
    ) {
        let pattern = if anchored { format!("^{pattern}$") } else { pattern };
        let whole = regex::Regex::new(&format!("^(?:{pattern})$")).unwrap();
        let converted = pattern::convert(&pattern).unwrap();
        prop_assert_eq!(converted.takes_empty, whole.is_match(""), "{}", pattern);
        let condition = format!("label.a regex {}", rules::quoted(&converted.text));
        for text in texts {
            prop_assert_eq!(
                holds(&condition, Some(&text)),
                whole.is_match(&text),
                "{:?} became {:?}, of {:?}", pattern, converted.text, text
            );
        }
    }
}

#[test]
fn a_whole_configuration_is_taken_over_and_the_rest_is_told() {
    let text = r##"
global:
  smtp_smarthost: mail.example.org:587
  smtp_from: alerts@example.org
  slack_api_url_file: /etc/slack-url
templates: [/etc/alertmanager/*.tmpl]
route:
  receiver: team
  group_by: [alertname, "..."]
  repeat_interval: 1w
  routes:
    - matchers: [severity="page", 'env=~"prod|stage"']
      receiver: night shift
      mute_time_intervals: [holidays]
      continue: true
    - match: { job: backup }
      match_re: { host: "db\\d" }
      group_wait: 1m30s
      active_time_intervals: [holidays]
      receiver: nobody
time_intervals:
  - name: holidays
    time_intervals:
      - { months: [december], days_of_month: ["24:31"], location: Europe/Berlin }
inhibit_rules:
  - { source_matchers: [severity="page"], target_matchers: [severity="warn"], equal: [host] }
  - source_match: { alertname: Down }
    target_match_re: { alertname: "Slow|Late" }
    target_match: { job: backup }
  - { name: all, source_matchers: ['alertname = Lost'], equal: [cluster, zone] }
receivers:
  - name: team
    slack_configs: [{ channel: "#soc", send_resolved: true }]
    email_configs: [{ to: "a@example.org, b@example.org" }]
  - name: night shift
    pagerduty_configs: [{ routing_key: x }]
    webhook_configs: [{ url: "http://pager.example.org/" }]
  - name: nobody
"##;
    let imported = import(text).unwrap();
    expect![[r#"
        outputs:
          night-shift:
            webhook:
              url: http://pager.example.org/
          team:
            email:
              from: alerts@example.org
              port: 587
              server: mail.example.org
              to:
              - a@example.org
              - b@example.org
            send_resolved: false
          team-2:
            slack:
              webhook_url: ${file:/etc/slack-url}
        intervals:
          holidays:
          - days_of_month:
            - "24:31"
            months:
            - december
            location: Europe/Berlin
        routes:
        - name: root
          outputs:
          - team
          - team-2
          group_by:
          - label.alertname
          - fingerprint
          group_wait: 30s
          group_interval: 5m
          repeat_interval: 7d
          routes:
          - match: label.severity = "page" and label.env regex "prod|stage"
            outputs:
            - night-shift
            mute:
            - holidays
            continue: true
          - match: label.job = "backup" and label.host regex "db[0-9]"
            outputs: []
            group_wait: 1m30s
            active:
            - holidays
        inhibitions:
        - source: label.severity = "page"
          target: label.severity = "warn"
          equal:
          - label.host
        - source: label.alertname = "Down"
          target: label.job = "backup" and label.alertname regex "Slow|Late"
        - name: all
          source: label.alertname = "Lost"
          target: priority exists
          equal:
          - label.cluster
          - label.zone
        ---
        receivers[1].pagerduty_configs[0]: there is no output of this kind yet
        receivers[2]: it tells nobody, and so its routes do not
        templates[0]: Saker's templates are written in another language: see docs/templates.md"#]]
    .assert_eq(&format!("{}---\n{}", imported.text, imported.remarks.join("\n")));
}

#[test]
fn an_error_names_its_place() {
    let wrong = |text: &str| import(text).unwrap_err();
    expect!["route.routes[0].receiver: there is no receiver `b`"].assert_eq(&wrong(
        "route: { receiver: a, routes: [{ receiver: b }] }\nreceivers: [{ name: a }]",
    ));
    expect!["route.group_wait: `soon` is not a duration"]
        .assert_eq(&wrong("route: { receiver: a, group_wait: soon }\nreceivers: [{ name: a }]"));
    expect!["route.routes[0].matchers: the pattern `(x`: unclosed group"]
        .assert_eq(&wrong("route: { routes: [{ matchers: ['a=~(x'] }] }"));
    expect![[r#"
        error: line 1 column 1: missing field `route`
         --> <input>:1:1
          |
        1 | receivers: []
          | ^ missing field `route`"#]]
    .assert_eq(&wrong("receivers: []"));
}
