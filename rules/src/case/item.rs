//! Reads a `test` item: its cases, each an event with what is expected of it.

use std::rc::Rc;

use alert::Priority;

use crate::{
    diagnostic::{Code, Diagnostic},
    text::{Files, Text},
    yaml::{Kind, Node},
};

/// Keys of a `test` item.
pub(crate) const KEYS: &[&str] = &["test", "match", "ignore", "events"];
/// Keys that stand beside the fields of an event; no field lacks a dot.
const CASE_KEYS: &[&str] = &["name", "output", "priority", "fields", "alerts"];
const ALERT_KEYS: &[&str] = &["rule", "output", "priority", "fields"];

/// A `test` item as written.
#[derive(Debug)]
pub(crate) struct Test {
    /// A rule's, unless all its cases are `events`.
    pub(crate) name: Rc<Text>,
    pub(crate) place: Node,
    pub(crate) cases: Vec<Case>,
}

/// One event and what is expected of it.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: Option<String>,
    pub(crate) place: Node,
    pub(crate) event: Node,
    pub(crate) expected: Expected,
}

#[derive(Debug)]
pub(crate) enum Expected {
    /// The item's rule matches, and its alert is like this.
    Match(ExpectedAlert),
    /// The item's rule does not match.
    Ignore,
    /// These rules match and no other.
    Exactly(Vec<ExpectedAlert>),
}

/// What is expected of an alert; what is left out may be anything.
#[derive(Debug)]
pub(crate) struct ExpectedAlert {
    pub(crate) rule: String,
    pub(crate) priority: Option<Priority>,
    pub(crate) output: Option<String>,
    pub(crate) fields: Vec<(String, Node)>,
}

type Pair = (Node, Node);
type Pairs = [Pair];

/// Reads the item called `name`; `None` after a fault.
pub(crate) fn read(
    files: &Files,
    name: Rc<Text>,
    place: &Node,
    pairs: &Pairs,
    found: &mut Vec<Diagnostic>,
) -> Option<Test> {
    let mut reader = Reader { files, found };
    let mut cases = Vec::new();
    for key in ["match", "ignore", "events"] {
        for node in reader.list(pairs, key)? {
            cases.push(reader.case(&node, key, name.as_str())?);
        }
    }
    Some(Test { name, place: place.clone(), cases })
}

struct Reader<'a> {
    files: &'a Files,
    found: &'a mut Vec<Diagnostic>,
}

/// Every step returns `None` after it has said what is wrong.
impl Reader<'_> {
    fn fault<T>(&mut self, node: &Node, message: impl Into<String>) -> Option<T> {
        self.found.push(node.error(self.files, Code::YamlValidate, message));
        None
    }

    fn list(&mut self, pairs: &Pairs, key: &str) -> Option<Vec<Node>> {
        let Some(node) = get(pairs, key) else { return Some(Vec::new()) };
        match &node.kind {
            Kind::Sequence(nodes) => Some(nodes.to_vec()),
            _ => self.fault(node, format!("`{key}` is a list of events, found {}", node.what())),
        }
    }

    fn case(&mut self, node: &Node, list: &str, rule: &str) -> Option<Case> {
        let Kind::Mapping(pairs) = &node.kind else {
            let message = "an event is given by its fields, as in `proc.name: cat`";
            return self.fault(node, message);
        };
        let (ours, fields) = split(pairs);
        let allowed: &[&str] = match list {
            "match" => &["name", "output", "priority", "fields"],
            "ignore" => &["name"],
            _ => &["name", "alerts"],
        };
        for (key, _) in &ours {
            let name = key.str().unwrap_or_default();
            if !allowed.contains(&name) {
                return self.fault(key, format!("`{name}` has no meaning in `{list}`"));
            }
        }
        let expected = match list {
            "match" => Expected::Match(self.alert(rule.to_owned(), &ours)?),
            "ignore" => Expected::Ignore,
            _ => Expected::Exactly(self.alerts(node, &ours)?),
        };
        Some(Case {
            name: self.text(&ours, "name")?,
            place: node.clone(),
            event: Node { kind: Kind::Mapping(fields.into()), ..node.clone() },
            expected,
        })
    }

    fn alerts(&mut self, case: &Node, pairs: &Pairs) -> Option<Vec<ExpectedAlert>> {
        let Some(node) = get(pairs, "alerts") else {
            let message = "an event of `events` needs `alerts`: the rules it matches, or `[]`";
            return self.fault(case, message);
        };
        let Kind::Sequence(nodes) = &node.kind else {
            return self.fault(node, format!("`alerts` is a list, found {}", node.what()));
        };
        nodes.iter().map(|node| self.alert_item(node)).collect()
    }

    fn alert_item(&mut self, node: &Node) -> Option<ExpectedAlert> {
        let pairs = match &node.kind {
            Kind::Scalar { value, .. } => return self.alert(value.as_str().to_owned(), &[]),
            Kind::Mapping(pairs) => pairs,
            Kind::Sequence(_) => return self.fault(node, "an alert is a rule's name, or has keys"),
        };
        for (key, _) in pairs.iter() {
            let name = key.str().unwrap_or_default();
            if !ALERT_KEYS.contains(&name) {
                let message =
                    format!("unknown key `{name}`; an alert has {}", ALERT_KEYS.join(", "));
                return self.fault(key, message);
            }
        }
        match self.text(pairs, "rule")? {
            Some(rule) => self.alert(rule, pairs),
            None => self.fault(node, "an alert needs its `rule`"),
        }
    }

    fn alert(&mut self, rule: String, pairs: &Pairs) -> Option<ExpectedAlert> {
        let priority = match get(pairs, "priority") {
            None => None,
            Some(node) => match node.str().unwrap_or_default().parse() {
                Ok(priority) => Some(priority),
                Err(_) => return self.fault(node, "this is no priority"),
            },
        };
        let fields = match get(pairs, "fields").map(|node| (node, &node.kind)) {
            None => Vec::new(),
            Some((_, Kind::Mapping(pairs))) => pairs
                .iter()
                .map(|(name, value)| (name.str().unwrap_or_default().to_owned(), value.clone()))
                .collect(),
            Some((node, _)) => return self.fault(node, "`fields` has a value for each field"),
        };
        Some(ExpectedAlert { rule, priority, output: self.text(pairs, "output")?, fields })
    }

    fn text(&mut self, pairs: &Pairs, key: &str) -> Option<Option<String>> {
        match get(pairs, key).map(|node| (node, node.str())) {
            None => Some(None),
            Some((_, Some(text))) => Some(Some(text.to_owned())),
            Some((node, None)) => self.fault(node, format!("`{key}` must be a text")),
        }
    }
}

/// Tells the keys of a case from the fields of its event.
fn split(pairs: &Pairs) -> (Vec<Pair>, Vec<Pair>) {
    let is_ours = |key: &Node| CASE_KEYS.contains(&key.str().unwrap_or_default());
    pairs.iter().cloned().partition(|(key, _)| is_ours(key))
}

/// Returns the name of a case and the node of its event alone.
pub(super) fn without_case_keys(node: &Node) -> (Option<String>, Node) {
    let Kind::Mapping(pairs) = &node.kind else { return (None, node.clone()) };
    let (ours, fields) = split(pairs);
    let name = get(&ours, "name").and_then(Node::str).map(str::to_owned);
    (name, Node { kind: Kind::Mapping(fields.into()), ..node.clone() })
}

fn get<'n>(pairs: &'n Pairs, key: &str) -> Option<&'n Node> {
    pairs.iter().find(|(name, _)| name.str() == Some(key)).map(|(_, value)| value)
}
