//! Every kind has all that belongs to it; so that adding one cannot be done by halves.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;
use templates::samples;

use crate::{KINDS, peer::parse};

fn example(kind: &crate::Descriptor) -> Value {
    serde_saphyr::from_str(kind.example).expect(kind.name)
}

fn page(kind: &crate::Descriptor) -> String {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/outputs/{}.md", kind.name));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

#[test]
fn names_are_unique_and_found() {
    for kind in KINDS {
        assert_eq!(KINDS.iter().filter(|other| other.name == kind.name).count(), 1);
        assert!(crate::kind(kind.name).is_some());
    }
    assert!(crate::kind("pigeon").is_none());
}

#[test]
fn every_example_parses() {
    for kind in KINDS {
        if let Err(error) = parse(kind.name, &example(kind)) {
            panic!("{}: {error}", kind.name);
        }
    }
}

#[test]
fn every_kind_refuses_a_key_it_does_not_know() {
    for kind in KINDS {
        let mut config = example(kind);
        config.as_object_mut().unwrap().insert("no_such_key".into(), true.into());
        let error = parse(kind.name, &config).err().expect(kind.name).to_string();
        assert!(error.contains("no_such_key"), "{}: {error}", kind.name);
    }
}

#[test]
fn every_kind_renders_every_sample_with_its_built_in_templates() {
    for kind in KINDS {
        let engine = kind.engine(&BTreeMap::new(), Path::new("/")).expect(kind.name);
        for (name, sample) in samples::all() {
            let rendered = engine.render(&sample);
            assert_eq!(rendered.fallbacks, [], "{} {name}", kind.name);
            assert_eq!(rendered.parts.len(), kind.parts.len(), "{} {name}", kind.name);
        }
    }
}

#[test]
fn every_kind_has_a_page_that_names_each_key_and_part() {
    for kind in KINDS {
        let page = page(kind);
        let schema = (kind.schema)(&mut schemars::SchemaGenerator::default());
        let keys = schema.get("properties").and_then(Value::as_object).expect(kind.name);
        let parts = kind.parts.iter().map(|part| part.name);
        for name in keys.keys().map(String::as_str).chain(parts) {
            assert!(page.contains(&format!("`{name}`")), "{}: no `{name}` on its page", kind.name);
        }
        assert!(page.contains("```yaml"), "{}: no example on its page", kind.name);
    }
}

#[test]
fn every_example_on_a_page_parses() {
    for kind in KINDS {
        let page = page(kind);
        let mut found = 0;
        for block in page.split("```yaml\n").skip(1) {
            let (yaml, _) = block.split_once("```").expect("a closing fence");
            let yaml = placeholders(yaml);
            let config: Value = serde_saphyr::from_str(&yaml)
                .unwrap_or_else(|error| panic!("{}: {error}\n{yaml}", kind.name));
            let outputs = config.get("outputs").and_then(Value::as_object);
            for config in outputs.into_iter().flat_map(|outputs| outputs.values()) {
                let Some(config) = config.get(kind.name) else { continue };
                if let Err(error) = parse(kind.name, config) {
                    panic!("{}: {error}\n{yaml}", kind.name);
                }
                found += 1;
            }
        }
        assert!(found > 0, "{}: no example of it on its page", kind.name);
    }
}

/// Puts a value where a page shows `${file:…}`, which the configuration reader replaces.
fn placeholders(yaml: &str) -> String {
    let mut text = String::new();
    let mut rest = yaml;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').expect("a closing brace");
        text += before;
        text += match name {
            name if name.contains("whsec") => "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            name if name.contains("url") => "https://example.com/x",
            _ => "placeholder",
        };
        rest = after;
    }
    text + rest
}

#[test]
fn every_kind_has_a_golden_file_for_each_sample() {
    for kind in KINDS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(kind.name);
        let names: Vec<String> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{folder:?}: {error}"))
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        for (case, _) in samples::all() {
            let there = names.iter().any(|name| name.split('.').next() == Some(case));
            assert!(there, "{}: no golden file for `{case}`", kind.name);
        }
    }
}
