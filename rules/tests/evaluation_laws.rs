//! Laws that every condition keeps, on random conditions over random alerts.

use alert::{Alert, AlertId, Fields, Priority};
use proptest::prelude::*;
use rules::{Condition, Subject, Verdict};
use serde_json::Value as Json;

const NAMES: [&str; 6] =
    ["proc.name", "user.uid", "fd.rip", "proc.aname", "a.truth", "k8s.ns.name"];
const WORDS: [&str; 10] =
    ["bash", "ba", "5", "-1", "1.5", "10.0.0.1", "10.0.0.0/8", "true", "\"\"", "/usr/bin"];

fn alert(fields: Fields) -> Alert {
    Alert {
        id: AlertId::from_u128(1),
        time: "2026-01-01T00:00:00Z".parse().expect("a time"),
        received: "2026-01-01T00:00:01Z".parse().expect("a time"),
        rule: "r".to_owned(),
        priority: Priority::Warning,
        source: "syscall".to_owned(),
        hostname: "h".to_owned(),
        output: "o".to_owned(),
        tags: vec!["a".to_owned(), "b".to_owned()],
        fields,
        ends: None,
    }
}

fn verdict(condition: &str, alert: &Alert) -> Verdict {
    let compiled = Condition::parse(condition).unwrap_or_else(|error| panic!("{error}"));
    let verdict = compiled.evaluate(&Subject::new(alert));
    if verdict != Verdict::Unknown {
        let matches = compiled.matches(&Subject::new(alert));
        assert_eq!(matches, verdict == Verdict::True, "{condition}");
    }
    verdict
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        prop::sample::select(&["bash", "ba", "5", "-1", "10.0.0.1", "true", "", "/usr/bin/x"][..])
            .prop_map(Json::from),
        (-3..9_i64).prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<bool>().prop_map(Json::from),
        ".{0,8}".prop_map(Json::from),
    ]
}

fn value() -> impl Strategy<Value = Json> {
    prop_oneof![
        4 => scalar(),
        1 => prop::collection::vec(scalar(), 0..4).prop_map(Json::from),
        1 => Just(Json::Null),
        1 => Just(serde_json::json!({ "a": [1] })),
    ]
}

fn fields() -> impl Strategy<Value = Fields> {
    let name = prop::sample::select(&NAMES[..]);
    prop::collection::btree_map(name.prop_map(str::to_owned), value(), 0..6)
}

/// A check whose answer may be unknown: `exists` never is.
fn check() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(&NAMES[..]);
    let word = || prop::sample::select(&WORDS[..]);
    let words = || prop::collection::vec(word(), 0..4).prop_map(|words| words.join(", "));
    let side = prop_oneof![
        4 => name().prop_map(str::to_owned),
        1 => name().prop_map(|name| format!("tolower({name})")),
        1 => name().prop_map(|name| format!("b64({name})")),
        1 => name().prop_map(|name| format!("concat({name}, \"x\")")),
    ];
    let operator = "=|!=|contains|icontains|startswith|endswith|glob|iglob|regex";
    let modifier = "oneof|anyof|allof";
    prop_oneof![
        (side.clone(), operator, word()).prop_map(|(a, b, c)| format!("{a} {b} {c}")),
        (side.clone(), "<|<=|>|>=", "[0-9]").prop_map(|(a, b, c)| format!("{a} {b} {c}")),
        (side.clone(), "in|intersects|pmatch", words())
            .prop_map(|(a, b, c)| format!("{a} {b} ({c})")),
        (side.clone(), operator, modifier, words())
            .prop_map(|(a, b, c, d)| format!("{a} {b} {c} ({d})")),
        (side, "=|!=|<|contains|glob|in|intersects", name())
            .prop_map(|(a, b, c)| format!("{a} {b} val({c})")),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    check().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            inner.prop_map(|inner| format!("not ({inner})")),
        ]
    })
}

fn not(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::True => Verdict::False,
        Verdict::False => Verdict::True,
        Verdict::Unknown => Verdict::Unknown,
    }
}

/// Kleene's `and`: false wins over unknown, unknown over true.
fn both(left: Verdict, right: Verdict) -> Verdict {
    match (left, right) {
        (Verdict::False, _) | (_, Verdict::False) => Verdict::False,
        (Verdict::True, Verdict::True) => Verdict::True,
        _ => Verdict::Unknown,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn connectives_are_kleenes(left in condition(), right in condition(), fields in fields()) {
        let alert = alert(fields);
        let (a, b) = (verdict(&left, &alert), verdict(&right, &alert));
        prop_assert_eq!(verdict(&format!("not ({left})"), &alert), not(a));
        prop_assert_eq!(verdict(&format!("({left}) and ({right})"), &alert), both(a, b));
        prop_assert_eq!(
            verdict(&format!("({left}) or ({right})"), &alert),
            not(both(not(a), not(b)))
        );
    }

    #[test]
    fn a_decided_answer_stays_when_what_was_missing_is_told(
        condition in condition(),
        known in fields(),
        told in fields(),
    ) {
        let before = verdict(&condition, &alert(known.clone()));
        let mut fields = told;
        // A null was missing too.
        fields.extend(known.into_iter().filter(|(_, value)| !value.is_null()));
        if before != Verdict::Unknown {
            prop_assert_eq!(verdict(&condition, &alert(fields)), before);
        }
    }

    #[test]
    fn a_list_of_values_is_a_shorter_way_to_write_them(
        name in prop::sample::select(&NAMES[..]),
        words in prop::collection::vec(prop::sample::select(&WORDS[..]), 1..4),
        value in scalar(),
    ) {
        let alert = alert([(name.to_owned(), value)].into());
        let joined = |word: &str, operator: &str| {
            let checks: Vec<_> = words.iter().map(|value| format!("{name} {operator} {value}")).collect();
            verdict(&checks.join(word), &alert)
        };
        let list = words.join(", ");
        let short = |check: &str| verdict(&format!("{name} {check} ({list})"), &alert);
        prop_assert_eq!(short("in"), joined(" or ", "="));
        prop_assert_eq!(short("intersects"), joined(" or ", "="));
        for operator in ["=", "!=", "contains", "startswith", "endswith", "glob", "icontains"] {
            prop_assert_eq!(short(&format!("{operator} anyof")), joined(" or ", operator));
            prop_assert_eq!(short(&format!("{operator} allof")), joined(" and ", operator));
        }
        prop_assert_eq!(not(joined(" or ", "=")), joined(" and ", "!="));
    }
}
