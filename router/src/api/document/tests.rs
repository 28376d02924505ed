//! The document is true of the router, and of the copy beside the other documents.

use std::collections::BTreeSet;

use expect_test::expect_file;

use super::*;

fn document() -> Value {
    serde_json::from_str(text()).unwrap()
}

#[test]
fn the_copy_in_the_documents_is_what_is_served() {
    expect_file!["../../../../docs/openapi.json"].assert_eq(text());
}

#[test]
fn every_path_of_the_router_is_described() {
    let (router, _) = super::super::described().split_for_parts();
    // Axum tells its paths nowhere else.
    let shown = format!("{router:?}");
    let served: BTreeSet<&str> =
        shown.split('"').filter(|part| part.starts_with('/') && !is_fallback(part)).collect();
    let document = document();
    let described: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert!(served.len() > 20, "{shown}");
    assert_eq!(served, described);
}

/// What is answered when no path fits.
fn is_fallback(path: &str) -> bool {
    path == "/" || path.contains("__private__axum_fallback")
}

/// Calls `visit` with every object in a value.
fn walk(value: &Value, visit: &mut impl FnMut(&Map<String, Value>)) {
    match value {
        Value::Object(map) => {
            visit(map);
            map.values().for_each(|value| walk(value, visit));
        }
        Value::Array(values) => values.iter().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_type_is_referred_to() {
    let document = document();
    let mut referred = BTreeSet::new();
    walk(&document, &mut |map| {
        referred.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
    });
    for reference in &referred {
        let place = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(place).is_some(), "{reference} leads nowhere");
    }
    // The events of a stream have a type, but no place that would refer to it.
    for name in schemas().keys().filter(|name| *name != "Tail") {
        assert!(referred.contains(&format!("#{SCHEMAS}/{name}")), "nothing is a {name}");
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_it_does() {
    let (document, mut names) = (document(), BTreeSet::new());
    for operation in document["paths"].as_object().unwrap().values().flat_map(operations) {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "{name} twice");
        assert!(operation["summary"].is_string(), "{name}");
        assert!(operation["responses"].get("401").is_some(), "{name}");
    }
}

fn operations(path: &Value) -> impl Iterator<Item = &Value> {
    path.as_object().unwrap().values()
}
