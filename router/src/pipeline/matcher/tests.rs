//! What Alertmanager promises of matchers, case by case, in our words; and what follows from it for
//! any text.

use proptest::prelude::*;
use rules::Subject;
use serde_json::json;

use super::*;
use crate::pipeline::tests::alert_with;

/// Name, sign and value.
type Parts = (&'static str, &'static str, &'static str);

/// Texts, and the matchers they are read as.
const READ: &[(&str, &[Parts])] = &[
    ("", &[]),
    ("{}", &[]),
    (" { } ", &[]),
    ("a=b", &[("a", "=", "b")]),
    ("a!=b", &[("a", "!=", "b")]),
    ("a=~b", &[("a", "=~", "b")]),
    ("a!~b", &[("a", "!~", "b")]),
    ("{a=b}", &[("a", "=", "b")]),
    ("{a=b,}", &[("a", "=", "b")]),
    ("a=b, ", &[("a", "=", "b")]),
    ("a=\"b\"", &[("a", "=", "b")]),
    ("a=\"\"", &[("a", "=", "")]),
    ("a=", &[("a", "=", "")]),
    ("a=~", &[("a", "=~", "")]),
    ("{ a = b , c != \"d\" }", &[("a", "=", "b"), ("c", "!=", "d")]),
    ("a=b,c=~d.*,e!~f|g", &[("a", "=", "b"), ("c", "=~", "d.*"), ("e", "!~", "f|g")]),
    ("a=\"b,c\"", &[("a", "=", "b,c")]),
    ("a=\"{b}\"", &[("a", "=", "{b}")]),
    ("{a=\"{b}\"}", &[("a", "=", "{b}")]),
    ("a=\"b=c\"", &[("a", "=", "b=c")]),
    ("a=b=c", &[("a", "=", "b=c")]),
    ("a==b", &[("a", "=", "=b")]),
    ("a=b c", &[("a", "=", "b c")]),
    ("a=\" b \"", &[("a", "=", " b ")]),
    (r#"a="say \"b\"""#, &[("a", "=", "say \"b\"")]),
    (r#"a="b\\c""#, &[("a", "=", "b\\c")]),
    (r#"a="b\nc""#, &[("a", "=", "b\nc")]),
    (r#"a="b\tc""#, &[("a", "=", "b\\tc")]),
    (r#"a=~"\d+""#, &[("a", "=~", "\\d+")]),
    (r"a=~\d+", &[("a", "=~", "\\d+")]),
    ("a=ключ", &[("a", "=", "ключ")]),
    ("ключ=a", &[("ключ", "=", "a")]),
    ("a=🙂", &[("a", "=", "🙂")]),
    ("\"a b\"=c", &[("a b", "=", "c")]),
    (r#""a\"b"=~"c""#, &[("a\"b", "=~", "c")]),
    ("label.severity=\"page\"", &[("label.severity", "=", "page")]),
    ("evt.arg[0]=x", &[("evt.arg[0]", "=", "x")]),
    ("k8s.ns.name!~\"dev-.*\"", &[("k8s.ns.name", "!~", "dev-.*")]),
];

#[test]
fn every_way_to_write_matchers_is_read() {
    for (text, expected) in READ {
        let read = Matcher::parse_all(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        let parts =
            |it: &Matcher| (it.name().to_owned(), it.comparison().sign(), it.value().to_owned());
        let read: Vec<_> = read.iter().map(parts).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, sign, value)| ((*name).to_owned(), *sign, (*value).to_owned()))
            .collect();
        assert_eq!(read, expected, "{text}");
    }
}

/// Texts that are no matchers, and a part of what is said of them.
const REFUSED: &[(&str, &str)] = &[
    ("a", "no comparison"),
    ("{a}", "no comparison"),
    ("a!b", "no comparison"),
    ("=b", "no name"),
    ("!=b", "no name"),
    ("\"\"=b", "no name"),
    (",", "no comparison"),
    ("a=b,,c=d", "no comparison"),
    ("{a=b", "a brace is not closed"),
    ("a=b}", "a brace is not closed"),
    ("a=\"b", "a quote is not closed"),
    ("a=b\"", "a quote is not closed"),
    ("a=b\"c", "a quote is not closed"),
    ("a=\"b\"c", "a quote is not closed"),
    ("\"a=b", "a quote is not closed"),
    ("a\"b=c", "such a name is written in quotes"),
    ("a=~(b", "the pattern `(b`: unclosed group"),
    ("a=~b)", "the pattern `b)`: unopened group"),
    ("a=~b)|(c", "the pattern `b)|(c`: unopened group"),
    ("a!~[b", "the pattern `[b`: unclosed character class"),
    ("a=~*", "repetition operator missing expression"),
    ("a=~\"(?=b)\"", "look-around"),
    ("a=~\"(b)\\\\1\"", "backreference"),
    ("a=~\"((b{1000}){1000}){10}\"", "it is too large"),
];

#[test]
fn what_is_no_matcher_is_refused_and_told_why() {
    for (text, expected) in REFUSED {
        let error = Matcher::parse_all(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

/// A matcher, and whether it holds for an alert whose label `a` is absent, empty, `b`, `bb`, `B`.
const HOLDS: &[(&str, [bool; 5])] = &[
    ("label.a=b", [false, false, true, false, false]),
    ("label.a!=b", [true, true, false, true, true]),
    ("label.a=", [true, true, false, false, false]),
    ("label.a!=", [false, false, true, true, true]),
    ("label.a=~b", [false, false, true, false, false]),
    ("label.a=~b+", [false, false, true, true, false]),
    ("label.a=~\"b|B\"", [false, false, true, false, true]),
    ("label.a=~\"(?i)b\"", [false, false, true, false, true]),
    ("label.a!~b", [true, true, false, true, true]),
    ("label.a!~b+", [true, true, false, false, true]),
    ("label.a=~.*", [true, true, true, true, true]),
    ("label.a=~.+", [false, false, true, true, true]),
    ("label.a!~.*", [false, false, false, false, false]),
    ("label.a!~.+", [true, true, false, false, false]),
    ("label.a=~", [true, true, false, false, false]),
    ("label.a!~", [false, false, true, true, true]),
    ("label.a=~b?", [true, true, true, false, false]),
    ("label.a=~\"|b\"", [true, true, true, false, false]),
    ("label.a=~^b$", [false, false, true, false, false]),
    ("label.a=~^b", [false, false, true, false, false]),
    ("label.a=~\"[[:lower:]]+\"", [false, false, true, true, false]),
    ("label.a=~\"\\w{2}\"", [false, false, false, true, false]),
];

#[test]
fn a_matcher_holds_for_the_whole_value_and_an_absent_one_is_empty() {
    let values = [
        json!({}),
        json!({"label.a": ""}),
        json!({"label.a": "b"}),
        json!({"label.a": "bb"}),
        json!({"label.a": "B"}),
    ];
    for (text, expected) in HOLDS {
        let matchers = Matcher::parse_all(text).unwrap();
        let held = values.clone().map(|fields| {
            let alert = alert_with(fields);
            matchers[0].matches(&Subject::new(&alert))
        });
        assert_eq!(held, *expected, "{text}");
        assert_eq!(matchers[0].takes_empty(), expected[0], "{text}");
    }
}

#[test]
fn names_are_those_that_routes_group_by() {
    let alert = alert_with(json!({"k8s.ns.name": "shop", "k8s.pod.name": "web-7d4b9c6f5d-x2x4z",
        "user.uid": 0, "empty": null}));
    let subject = Subject { fingerprint: Some(alert::Fingerprint(7)), ..Subject::new(&alert) };
    for text in [
        "rule=\"test rule\"",
        "source=syscall",
        "hostname=host",
        "priority=Warning",
        "workload=web",
        "fingerprint=~0*7",
        "k8s.ns.name=~sh.p",
        "user.uid=0",
        "empty=\"\"",
        "nothing=\"\"",
    ] {
        assert!(text.parse::<Matcher>().unwrap().matches(&subject), "{text}");
    }
}

#[test]
fn what_would_hide_everything_is_no_silence() {
    let fault = |text: &str| fault(&Matcher::parse_all(text).unwrap());
    assert!(fault("a=~.*, b!=c").is_some());
    assert!(fault("").is_some());
    assert_eq!(fault("a=~.*, b=c"), None);
    assert_eq!(fault("a=~.+"), None);
}

proptest! {
    #[test]
    fn any_matcher_reads_back_as_it_was_written(name in ".{1,12}", value in ".{0,20}|\"[\\\\n\"]*", negated: bool) {
        let comparison = if negated { Comparison::NotEqual } else { Comparison::Equal };
        let matcher = Matcher::new(&name, comparison, &value).unwrap();
        prop_assert_eq!(&matcher.to_string().parse::<Matcher>().unwrap(), &matcher);
        let both = format!("{{{matcher},{matcher}}}");
        prop_assert_eq!(Matcher::parse_all(&both).unwrap(), vec![matcher.clone(), matcher]);
    }

    #[test]
    fn no_text_makes_reading_panic(text in ".{0,40}|[a\"\\\\=!~{},() ]{0,16}") {
        if let Ok(matchers) = Matcher::parse_all(&text) {
            let alert = alert_with(json!({"a": "b"}));
            all(&matchers, &Subject::new(&alert));
        }
    }

    /// Alertmanager's own definition, with the fields in a map.
    #[test]
    fn matchers_agree_with_a_naive_evaluator(
        matchers in prop::collection::vec(
            (0..3_usize, 0..4_usize, prop::sample::select(vec!["", "x", "y", "xy"])), 0..4),
        fields in prop::collection::btree_map(
            prop::sample::select(vec!["f0", "f1", "f2"]),
            prop::sample::select(vec!["", "x", "y", "xy"]), 0..3),
    ) {
        let signs = ["=", "!=", "=~", "!~"];
        let texts: Vec<String> = matchers
            .iter()
            .map(|(field, sign, value)| format!("f{field}{}{value}", signs[*sign]))
            .collect();
        let naive = matchers.iter().all(|(field, sign, value)| {
            let name = format!("f{field}");
            let is_same = fields.get(name.as_str()).copied().unwrap_or("") == *value;
            is_same == (sign % 2 == 0)
        });
        let alert = alert_with(serde_json::to_value(&fields).unwrap());
        let ours = all(&Matcher::parse_all(&texts.join(",")).unwrap(), &Subject::new(&alert));
        prop_assert_eq!(ours, naive);
    }
}
