//! Reads events by themselves, as tests write them: to be explained, not judged.

use alert::Event;

use super::{event, item};
use crate::{
    Diagnostic, Source,
    diagnostic::{Code, Severity},
    load::{Item, read_items},
    text::Files,
    yaml::{self, Kind, Node},
};

/// An event that a person wrote down.
#[derive(Clone, Debug)]
pub struct NamedEvent {
    /// Its case's name, or the test's.
    pub name: Option<String>,
    pub event: Event,
}

/// Returns the events of a YAML text, in their order: one by its fields, a list of such, or those of
/// tests.
pub fn read_events(source: &Source) -> Result<Vec<NamedEvent>, Vec<Diagnostic>> {
    let mut files = Files::default();
    let mut found = Vec::new();
    let documents = yaml::read(&mut files, &source.name, &source.text, &mut found);
    let mut events = Vec::new();
    let mut add = |name: Option<String>, node: &Node, found: &mut Vec<Diagnostic>| match event::read(
        &files, node,
    ) {
        Ok(event) => events.push(NamedEvent { name, event }),
        Err(fault) => found.push(fault),
    };
    for document in documents {
        let nodes = match &document.kind {
            Kind::Mapping(_) => std::slice::from_ref(&document),
            Kind::Sequence(nodes) => nodes,
            Kind::Scalar { .. } if document.is_null() => continue,
            Kind::Scalar { .. } => {
                let message = "expected an event by its fields, as in `evt.type: execve`";
                found.push(document.error(&files, Code::YamlValidate, message));
                continue;
            }
        };
        if nodes.iter().any(is_event) {
            for node in nodes {
                let (name, fields) = item::without_case_keys(node);
                add(name, &fields, &mut found);
            }
            continue;
        }
        for item in read_items(&files, std::slice::from_ref(&document), &mut found) {
            let Item::Case(test) = item else { continue };
            for case in test.cases {
                let name = case.name.unwrap_or_else(|| test.name.as_str().to_owned());
                add(Some(name), &case.event, &mut found);
            }
        }
    }
    found.retain(|diagnostic| diagnostic.severity == Severity::Error);
    if found.is_empty() { Ok(events) } else { Err(found) }
}

/// Names of fields have a dot, keys of items have none.
fn is_event(node: &Node) -> bool {
    let Kind::Mapping(pairs) = &node.kind else { return false };
    pairs.iter().any(|(key, _)| key.str().is_some_and(|key| key.contains('.')))
}
