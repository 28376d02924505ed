//! The rule language over alerts: routes, silences, searches and the live tail.

use std::{fmt, sync::Arc};

use alert::{Alert, EventSource, Fingerprint, Value};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Diagnostic,
    diagnostic::{Code, File, Place},
    ir::{AlertField, Compiler, Graph, Leaf, NodeId, Record, Remark},
    load::NoMacros,
    parse::{Dialect, Fault, condition},
};

/// A condition may be this long.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Stands for a file's name in diagnostics.
const FILE_NAME: &str = "condition";

/// What a condition is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub alert: &'a Alert,
    pub score: Option<u8>,
    pub count: Option<u64>,
    pub fingerprint: Option<Fingerprint>,
    /// State of the alert's end or finding, where one is known: `pending`, `delivered` …
    pub state: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// Returns a subject of which only the alert is known.
    pub fn new(alert: &'a Alert) -> Self {
        Self { alert, score: None, count: None, fingerprint: None, state: None }
    }
}

impl Record for Subject<'_> {
    fn value(&self, leaf: &Leaf) -> Option<Value<'_>> {
        let Leaf::Alert(field) = leaf else { return None };
        let alert = self.alert;
        Some(match field {
            AlertField::Priority => Value::text(alert.priority.name()),
            AlertField::Rule => Value::text(&alert.rule),
            AlertField::Source => Value::text(&alert.source),
            AlertField::Hostname => Value::text(&alert.hostname),
            AlertField::Output => Value::text(&alert.output),
            AlertField::Tags => {
                Value::List(alert.tags.iter().map(|tag| Value::text(tag)).collect())
            }
            AlertField::Score => Value::U64(self.score?.into()),
            AlertField::Count => Value::U64(self.count?),
            AlertField::Fingerprint => Value::Text(self.fingerprint?.to_string().into()),
            AlertField::State => Value::text(self.state?),
            AlertField::Named(name) => return from_json(alert.fields.get(&**name)?),
        })
    }
}

fn from_json(json: &serde_json::Value) -> Option<Value<'_>> {
    Some(match json {
        serde_json::Value::Null => return None,
        serde_json::Value::Bool(value) => Value::Bool(*value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::I64(number),
            (_, Some(number)) => Value::U64(number),
            _ => Value::Text(number.to_string().into()),
        },
        serde_json::Value::String(text) => Value::text(text),
        serde_json::Value::Array(items) => {
            Value::List(items.iter().filter_map(from_json).collect())
        }
        serde_json::Value::Object(_) => Value::Text(json.to_string().into()),
    })
}

/// The answer when a missing value may make a question undecidable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    True,
    False,
    Unknown,
}

/// A compiled condition over alerts. Serialises as its text.
#[derive(Clone)]
pub struct Condition {
    text: String,
    compiled: Arc<(Graph, NodeId)>,
}

impl Condition {
    /// Compiles a condition; the diagnostic points into `text`.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        if text.len() > TEXT_BYTES_MAX {
            let message = format!("the condition is longer than {} KiB", TEXT_BYTES_MAX >> 10);
            return Err(Diagnostic::new(Code::CompileCondition, FILE_NAME, message));
        }
        let place = |fault: Fault| {
            let file = File::new(FILE_NAME, text);
            let place = Place { file, span: fault.span.start..fault.span.end };
            Diagnostic::at(Code::CompileCondition, &place, fault.message).hints(fault.hint)
        };
        let first = |faults: Vec<Fault>| faults.into_iter().next().unwrap_or_else(not_valid);
        let expression = condition(text, Dialect::Alerts).map_err(first).map_err(place)?;
        let mut graph = Graph::default();
        let (mut macros, remarks) = (NoMacros, Vec::new());
        let dialect = Dialect::Alerts;
        let mut compiler = Compiler {
            graph: &mut graph,
            dialect,
            source: EventSource::Syscall,
            macros: &mut macros,
            remarks,
            depth: 0,
        };
        let node = compiler.expression(&expression);
        let fault = compiler.remarks.into_iter().find_map(|remark| match remark {
            Remark::Error(fault) | Remark::Unknown(fault) => Some(fault),
            Remark::Macro { .. } | Remark::Deprecated(_) | Remark::Suspicious(_) => None,
        });
        match (node, fault) {
            (Some(node), None) => {
                Ok(Self { text: text.to_owned(), compiled: Arc::new((graph, node)) })
            }
            (_, fault) => Err(place(fault.unwrap_or_else(not_valid))),
        }
    }

    /// Returns whether the subject satisfies it; a comparison with a missing value is false.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        let (graph, node) = &*self.compiled;
        graph.evaluate(*node, subject, Some(false)) == Some(true)
    }

    /// Returns the same, but [`Verdict::Unknown`] where a missing value decides.
    pub fn evaluate(&self, subject: &Subject<'_>) -> Verdict {
        let (graph, node) = &*self.compiled;
        match graph.evaluate(*node, subject, None) {
            Some(true) => Verdict::True,
            Some(false) => Verdict::False,
            None => Verdict::Unknown,
        }
    }

    /// Returns the text it was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn not_valid() -> Fault {
    Fault::new(Default::default(), "not a valid condition")
}

impl PartialEq for Condition {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Condition {}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for Condition {
    type Err = Diagnostic;

    fn from_str(text: &str) -> Result<Self, Diagnostic> {
        Self::parse(text)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
