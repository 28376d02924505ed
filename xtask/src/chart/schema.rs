//! Makes the schema of the chart's values: a frame written by hand, and in it the product's own schema where
//! values are passed on to the configuration.
//!
//! In the frame `{"saker:at": POINTER}` becomes what the product's schema has there. `{"saker:partial": POINTER}`
//! becomes the same with nothing required, for values that are laid over what the chart sets.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::{Context, bail};
use serde_json::{Map, Value, json};

pub(super) const FILE: &str = "deploy/helm/saker/values.schema.json";
const FRAME: &str = "deploy/helm/values.frame.json";
const DEFINITIONS: &str = "#/$defs/";
const PARTIAL: &str = ".partial";

pub(super) fn make(product: &Value) -> anyhow::Result<String> {
    let frame = fs::read(FRAME).with_context(|| format!("failed to read {FRAME}"))?;
    let frame: Value =
        serde_json::from_slice(&frame).with_context(|| format!("failed to parse {FRAME}"))?;
    let text = serde_json::to_string_pretty(&assemble(frame, product)?)?;
    Ok(text + "\n")
}

fn assemble(mut frame: Value, product: &Value) -> anyhow::Result<Value> {
    place(&mut frame, product)?;
    let mut done: BTreeMap<String, Value> = definitions(&frame).clone().into_iter().collect();
    let mut wanted: Vec<String> = references(&frame).into_iter().collect();
    while let Some(name) = wanted.pop() {
        if done.contains_key(&name) {
            continue;
        }
        let whole = name.strip_suffix(PARTIAL).unwrap_or(&name);
        let mut definition = definitions(product)
            .get(whole)
            .with_context(|| format!("neither the frame nor the configuration defines `{whole}`"))?
            .clone();
        if name.ends_with(PARTIAL) {
            make_partial(&mut definition);
        }
        wanted.extend(references(&definition));
        done.insert(name, definition);
    }
    frame["$defs"] = Value::Object(done.into_iter().collect());
    Ok(frame)
}

/// Replaces the frame's marks.
fn place(node: &mut Value, product: &Value) -> anyhow::Result<()> {
    match node {
        Value::Array(items) => items.iter_mut().try_for_each(|item| place(item, product)),
        Value::Object(keys) => {
            for (mark, partial) in [("saker:at", false), ("saker:partial", true)] {
                let Some(pointer) = keys.get(mark) else { continue };
                let Some(pointer) = pointer.as_str() else { bail!("`{mark}` must be a text") };
                // What is not in the schema is left to the program that reads it.
                let mut found = find(product, pointer).cloned().unwrap_or(json!({}));
                if partial {
                    make_partial(&mut found);
                }
                *node = found;
                return Ok(());
            }
            keys.values_mut().try_for_each(|value| place(value, product))
        }
        _ => Ok(()),
    }
}

/// Returns what is at a pointer, going through references.
fn find<'a>(product: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(product, |node, step| {
        let to = node["$ref"].as_str().and_then(|to| to.strip_prefix(DEFINITIONS));
        let node = to.and_then(|name| definitions(product).get(name)).unwrap_or(node);
        node.get(step)
    })
}

/// Makes nothing required, down to where values replace each other as a whole: lists and choices.
fn make_partial(node: &mut Value) {
    let Value::Object(keys) = node else { return };
    keys.remove("required");
    if let Some(Value::String(reference)) = keys.get_mut("$ref") {
        reference.push_str(PARTIAL);
    }
    if let Some(Value::Object(properties)) = keys.get_mut("properties") {
        properties.values_mut().for_each(make_partial);
    }
    for several in ["anyOf", "allOf"] {
        if let Some(Value::Array(choices)) = keys.get_mut(several) {
            choices.iter_mut().for_each(make_partial);
        }
    }
}

fn definitions(schema: &Value) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    schema["$defs"].as_object().unwrap_or(&NONE)
}

fn references(node: &Value) -> BTreeSet<String> {
    match node {
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Object(keys) => {
            let own = keys
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|to| to.strip_prefix(DEFINITIONS));
            let deeper = keys.values().flat_map(references);
            own.map(str::to_owned).into_iter().chain(deeper).collect()
        }
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product() -> Value {
        json!({
            "properties": { "router": { "$ref": "#/$defs/Router" }, "outputs": { "items": { "$ref": "#/$defs/Output" } } },
            "$defs": {
                "Router": {
                    "required": ["tls"],
                    "properties": { "tls": { "anyOf": [{ "$ref": "#/$defs/Tls" }, { "type": "null" }] },
                                    "tokens": { "items": { "$ref": "#/$defs/Token" } } },
                },
                "Tls": { "required": ["key"] },
                "Token": { "required": ["name"] },
                "Output": { "required": ["kind"] },
                "Unused": {},
            },
        })
    }

    #[test]
    fn a_mark_becomes_the_product_s_schema_with_what_it_refers_to() {
        let frame = json!({ "properties": { "outputs": { "saker:at": "/properties/outputs" } } });
        let made = assemble(frame, &product()).unwrap();
        assert_eq!(made["properties"]["outputs"]["items"]["$ref"], "#/$defs/Output");
        assert_eq!(made["$defs"], json!({ "Output": { "required": ["kind"] } }));
    }

    #[test]
    fn a_mark_reaches_through_references() {
        let frame = json!({ "saker:at": "/properties/router/properties/tokens" });
        assert_eq!(assemble(frame, &product()).unwrap()["items"]["$ref"], "#/$defs/Token");
    }

    #[test]
    fn a_partial_mark_requires_nothing_but_within_the_items_of_lists() {
        let made = assemble(json!({ "saker:partial": "/properties/router" }), &product()).unwrap();
        assert_eq!(made["$ref"], "#/$defs/Router.partial");
        let definitions = &made["$defs"];
        assert_eq!(definitions["Router.partial"].get("required"), None);
        assert_eq!(definitions["Tls.partial"], json!({}));
        assert_eq!(definitions["Token"], json!({ "required": ["name"] }));
        assert_eq!(definitions.get("Tls"), None);
    }

    #[test]
    fn a_part_that_is_not_in_the_schema_is_left_to_the_program() {
        let made =
            assemble(json!({ "saker:partial": "/properties/response" }), &product()).unwrap();
        assert_eq!(made, json!({ "$defs": {} }));
    }
}
