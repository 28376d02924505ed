//! A rule after compilation: what it is called, how bad it is, and what it says about an event.

use std::sync::Arc;

use alert::{Event, Field, Fields, Priority, Value};
use serde::Serialize;

use crate::{
    diagnostic::Place,
    ir::{Compiler, EventView, Graph, Leaf, PathView, Remark, Term},
    load::NoMacros,
    parse::{Dialect, Fault, Piece},
};

/// A value in an output is cut after this many bytes.
const VALUE_BYTES_MAX: usize = 4096;
const NOT_AVAILABLE: &str = "<NA>";

/// What every alert carries beside the fields its output names, where the event has them: who did
/// it, and where. Falco appends the container's fields to every output likewise.
const COMMON_FIELDS: [Field; 28] = [
    Field::EvtType,
    Field::UserName,
    Field::UserUid,
    Field::ProcName,
    Field::ProcPid,
    Field::ProcExepath,
    Field::ProcCmdline,
    Field::ProcPname,
    Field::ProcPexepath,
    Field::FdName,
    Field::FdResolved,
    Field::SakerProcStartBootNs,
    Field::SakerProcChain,
    Field::ContainerId,
    Field::ContainerFullId,
    Field::ContainerName,
    Field::ContainerImage,
    Field::ContainerImageRepository,
    Field::ContainerImageTag,
    Field::ContainerImageDigest,
    Field::ContainerImageId,
    Field::K8sNsName,
    Field::K8sPodName,
    Field::K8sPodUid,
    Field::K8sPodIp,
    Field::K8sPodLabels,
    Field::SakerPodQos,
    Field::SakerContainerMissing,
];

/// An enabled rule.
#[derive(Clone, Debug)]
pub struct Rule {
    pub name: String,
    pub description: String,
    pub priority: Priority,
    pub source: String,
    /// Sorted, each once.
    pub tags: Vec<String>,
    pub(crate) warn_event_types: bool,
    pub(crate) place: Place,
    pub(crate) segments: Arc<[Segment]>,
}

/// What a rule says about one event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rendered {
    pub output: String,
    pub fields: Fields,
}

/// A compiled part of an output.
#[derive(Clone, Debug)]
pub(crate) enum Segment {
    Text(Box<str>),
    Value {
        /// Name in the alert's fields; none for a function's result.
        name: Option<Box<str>>,
        term: Term,
        width: Option<u16>,
    },
}

impl Segment {
    pub(crate) fn compile(graph: &mut Graph, piece: Piece) -> Result<Self, Fault> {
        let (operand, width) = match piece {
            Piece::Text(text) => return Ok(Self::Text(text)),
            Piece::Value { operand, width } => (operand, width),
        };
        let mut macros = NoMacros;
        let (dialect, remarks) = (Dialect::Events, Vec::new());
        let mut compiler = Compiler { graph, dialect, macros: &mut macros, remarks, depth: 0 };
        let term = compiler.term(&operand).map_err(Remark::into_fault)?;
        let name = match &term {
            Term::Leaf(Leaf::Event(field, argument)) if *field == Field::EvtArg => {
                Some(argument_name(argument).into())
            }
            Term::Leaf(Leaf::Event(field, argument)) => {
                Some(format!("{}{argument}", field.name()).into())
            }
            _ => None,
        };
        Ok(Self::Value { name, term, width })
    }
}

/// Returns `evt.arg.flags` or `evt.arg[0]`, as Falco prints them.
fn argument_name(argument: &alert::Argument) -> String {
    match argument {
        alert::Argument::Key(key) => format!("evt.arg.{key}"),
        other => format!("evt.arg{other}"),
    }
}

impl Rule {
    /// Returns the formatted text and every field it names. A field the event lacks prints `<NA>`
    /// and is `null`.
    pub fn render(&self, event: &Event) -> Rendered {
        let view = EventView { event, path: PathView::Written };
        let mut output = String::new();
        let mut fields = Fields::new();
        for segment in &*self.segments {
            let (name, term, width) = match segment {
                Segment::Text(text) => {
                    output.push_str(text);
                    continue;
                }
                Segment::Value { name, term, width } => (name, term, *width),
            };
            let value = term.value(&view);
            print(&mut output, value.as_ref(), width);
            if let Some(name) = name {
                fields.insert(name.to_string(), json(value.as_ref()));
            }
        }
        fields.insert(Field::EvtTime.name().to_owned(), event.time_ns.into());
        for field in COMMON_FIELDS {
            if !fields.contains_key(field.name())
                && let Some(value) = event.value(field, &alert::Argument::None)
            {
                fields.insert(field.name().to_owned(), json(Some(&value)));
            }
        }
        Rendered { output, fields }
    }

    /// Returns the file and line, from 1, of its definition.
    pub fn location(&self) -> (String, usize) {
        let Place { file, span } = &self.place;
        let before = file.text.get(..span.start).unwrap_or_default();
        (file.name.to_string(), before.matches('\n').count() + 1)
    }

    /// Calls `visit` for every field its output reads.
    pub(crate) fn output_leaves(&self, visit: &mut dyn FnMut(&Leaf)) {
        for segment in &*self.segments {
            if let Segment::Value { term, .. } = segment {
                term.leaves(visit);
            }
        }
    }
}

fn print(output: &mut String, value: Option<&Value<'_>>, width: Option<u16>) {
    let text = value.map_or_else(|| NOT_AVAILABLE.to_owned(), ToString::to_string);
    match width {
        None => output.push_str(&cut(&text)),
        Some(width) => {
            let width = usize::from(width).min(VALUE_BYTES_MAX);
            let shown: String = text.chars().take(width).collect();
            output.push_str(&format!("{shown:<width$}"));
        }
    }
}

fn json(value: Option<&Value<'_>>) -> serde_json::Value {
    match value {
        None => serde_json::Value::Null,
        Some(Value::Text(text)) => cut(text).into(),
        Some(value) => value.to_json(),
    }
}

fn cut(text: &str) -> String {
    if text.len() <= VALUE_BYTES_MAX {
        return text.to_owned();
    }
    let mut end = VALUE_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}
