//! The evaluator on values of any type: it keeps its promises for data, and never panics.

use std::net::IpAddr;

use alert::{ArgumentRule, Field, Value};
use proptest::prelude::*;

use super::*;
use crate::{
    load::NoMacros,
    parse::{Dialect, Function, Operator, condition},
};

/// A record in which every field has the same value, or none.
struct Everywhere(Option<Value<'static>>);

impl Record for Everywhere {
    fn value(&self, _: &Leaf) -> Option<Value<'_>> {
        self.0.clone()
    }
}

/// Compiles a condition on events; `None` if it is not valid.
fn compile(text: &str) -> Option<(Graph, NodeId)> {
    let expression = condition(text, Dialect::Events).ok()?;
    let mut graph = Graph::default();
    let (mut macros, remarks) = (NoMacros, Vec::new());
    let dialect = Dialect::Events;
    let mut compiler = Compiler {
        graph: &mut graph,
        dialect,
        source: alert::EventSource::Syscall,
        macros: &mut macros,
        remarks,
        depth: 0,
    };
    let node = compiler.expression(&expression)?;
    let valid = !compiler.remarks.iter().any(Remark::is_error);
    valid.then_some((graph, node))
}

fn answer(text: &str, value: Option<Value<'static>>) -> Option<bool> {
    let (graph, node) = compile(text).unwrap_or_else(|| panic!("not valid: {text}"));
    graph.evaluate(node, &Everywhere(value), None)
}

#[test]
fn data_is_compared_byte_by_byte() {
    let data = || Some(Value::Bytes(b"\xca\xfe\xba\xbe\0GET /\xff"[..].into()));
    for (check, expected) in [
        ("bcontains cafebabe", true),
        ("bcontains CAFEBABE", true),
        ("bcontains 0047", true),
        ("bcontains beca", false),
        ("bstartswith cafe", true),
        ("bstartswith fe", false),
        ("bcontains oneof (cafe, dead)", true),
        ("bcontains anyof (dead, babe)", true),
        ("bcontains allof (cafe, dead)", false),
        ("bstartswith anyof (dead, cafe)", true),
        ("contains \"GET /\"", true),
        ("contains get", false),
        ("contains anyof (PUT, GET)", true),
        ("startswith GET", false),
        ("endswith /", false),
        ("= \"GET /\"", false),
        ("!= \"GET /\"", true),
        ("in (GET, PUT)", false),
        ("exists", true),
    ] {
        assert_eq!(answer(&format!("evt.buffer {check}"), data()), Some(expected), "{check}");
        let missing = if check == "exists" { Some(false) } else { None };
        assert_eq!(answer(&format!("evt.buffer {check}"), None), missing, "{check}");
    }
    let text = || Some(Value::Bytes(b"aGk"[..].into()));
    for (condition, expected) in [
        ("evt.buffer = aGk", true),
        ("evt.buffer in (x, aGk)", true),
        ("evt.buffer intersects (aGk)", true),
        ("evt.buffer endswith k", true),
        ("len(evt.buffer) = 3", true),
        ("b64(evt.buffer) = hi", true),
        ("b64(evt.buffer) bcontains 6869", true),
        ("evt.buffer = val(evt.buffer)", true),
    ] {
        assert_eq!(answer(condition, text()), Some(expected), "{condition}");
    }
    assert_eq!(answer("b64(evt.buffer) exists", data()), Some(false));
}

#[test]
fn in_asks_every_element_of_a_list_and_any_ancestor() {
    let list = || Some(Value::List(["a", "b"].map(Value::text).into()));
    for (check, of_a_list, of_ancestors) in [
        ("in (a, b, c)", true, true),
        ("in (a)", false, true),
        ("in (c)", false, false),
        ("intersects (a, c)", true, true),
        ("intersects (c)", false, false),
        ("exists", true, true),
    ] {
        assert_eq!(answer(&format!("fdlist.names {check}"), list()), Some(of_a_list), "{check}");
        assert_eq!(answer(&format!("proc.aname {check}"), list()), Some(of_ancestors), "{check}");
    }
    assert_eq!(answer("len(fdlist.names) = 2", list()), Some(true));
}

#[test]
fn a_list_without_elements_satisfies_nothing() {
    let empty = || Some(Value::List(Vec::new()));
    for (condition, expected) in [
        ("proc.aname = x", false),
        ("proc.aname in (x)", false),
        ("proc.aname intersects (x)", false),
        ("proc.aname contains \"\"", false),
        ("proc.aname contains allof (\"\")", false),
        ("len(proc.aname) = 0", true),
        ("join(\",\", proc.aname) = \"\"", true),
    ] {
        assert_eq!(answer(condition, empty()), Some(expected), "{condition}");
    }
}

fn scalar() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        any::<u64>().prop_map(Value::U64),
        any::<IpAddr>().prop_map(Value::Ip),
        prop_oneof![".{0,12}", "[abc/*\\[\\]=]{0,12}"].prop_map(|text| Value::Text(text.into())),
        prop::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| Value::Bytes(bytes.into())),
    ]
}

fn value() -> impl Strategy<Value = Option<Value<'static>>> {
    prop_oneof![
        4 => scalar().prop_map(Some),
        2 => prop::collection::vec(scalar(), 0..4).prop_map(|items| Some(Value::List(items))),
        1 => Just(None),
    ]
}

/// A side of a check: any field, or a function of one.
fn side() -> impl Strategy<Value = String> {
    let fields: Vec<_> = Field::of(alert::EventSource::Syscall).collect();
    let field = prop::sample::select(fields).prop_map(|field| {
        let argument = match field.argument() {
            ArgumentRule::Required => "[name]",
            _ => "",
        };
        format!("{}{argument}", field.name())
    });
    let function = prop::sample::select(Function::ALL);
    (field, prop::option::weighted(0.4, function)).prop_map(|(field, function)| match function {
        None => field,
        Some(Function::Join) => format!("join(\"-\", ({field}, \"x\"))"),
        Some(Function::Concat) => format!("concat({field}, \"x\")"),
        Some(Function::GetOpt) => format!("getopt(({field}, \"-a\"), \"ab:\")"),
        Some(other) => format!("{}({field})", other.word()),
    })
}

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c]{1,3}|[0-9]{1,3}|-1|true|false|cafe|10\\.0\\.0\\.0/8|::1|1\\.2\\.3\\.4|http",
        "[\\[*?a-c!^:\\]-]{1,6}".prop_map(|text| format!("\"{text}\"")),
        "[a-c.*+?(|)\\[\\]{}^$0-9]{0,8}".prop_map(|text| format!("'{text}'")),
    ]
}

fn check() -> impl Strategy<Value = String> {
    let operator = prop::sample::select(Operator::ALL).prop_map(Operator::word);
    let list = || prop::collection::vec(literal(), 0..6).prop_map(|items| items.join(", "));
    prop_oneof![
        (side(), operator.clone(), literal()).prop_map(|(a, b, c)| format!("{a} {b} {c}")),
        (side(), operator.clone(), list()).prop_map(|(a, b, c)| format!("{a} {b} ({c})")),
        (side(), operator.clone(), "oneof|anyof|allof", list())
            .prop_map(|(a, b, c, d)| format!("{a} {b} {c} ({d})")),
        (side(), operator, side()).prop_map(|(a, b, c)| format!("{a} {b} val({c})")),
        side().prop_map(|a| format!("{a} exists")),
    ]
}

proptest! {
    // Many checks are not valid; so many that are must be answered.
    #![proptest_config(ProptestConfig {
        cases: 1000,
        max_global_rejects: 20_000,
        ..ProptestConfig::default()
    })]

    /// Also where a value is not of its field's type, which no sensor should send.
    #[test]
    fn any_check_answers_any_value(text in check(), value in value()) {
        let compiled = compile(&text);
        prop_assume!(compiled.is_some());
        let (graph, node) = compiled.unwrap();
        let record = Everywhere(value);
        let answer = graph.evaluate(node, &record, None);
        for missing in [false, true] {
            let known = graph.evaluate(node, &record, Some(missing));
            prop_assert!(known.is_some() && (answer.is_none() || answer == known), "{}", text);
        }
    }

    #[test]
    fn any_glob_and_regex_answers_any_text(pattern in ".{0,20}", text in ".{0,40}") {
        glob::glob(&pattern, &text, true);
        if let Ok(regex) = regex::compile(&pattern) {
            regex.is_match(&text);
        }
        // A text that is nothing but itself matches itself, however it is written.
        let escaped: String = text.chars().flat_map(|character| ['\\', character]).collect();
        prop_assert!(glob::glob(&escaped, &text, false));
    }
}
