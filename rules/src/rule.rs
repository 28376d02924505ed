//! A rule after compilation: what it is called, how bad it is, and what it says about an event.

mod print;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use alert::{Event, EventSource, Field, Fields, Priority};
use serde::Serialize;

use crate::{
    diagnostic::Place,
    ir::{Compiler, EventView, Graph, Leaf, PathView, Record, Remark, Term},
    load::NoMacros,
    parse::{Dialect, Fault, Piece},
};

/// What every alert carries beside the fields its output names, where the event has them: who did
/// it, and where. Falco appends the container's fields to every output likewise.
const COMMON_FIELDS: [Field; 30] = [
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
    Field::SakerEnforced,
    Field::SakerEnforcedBy,
];

/// A rule: one in force, or one that is switched off.
#[derive(Clone, Debug)]
pub struct Rule {
    pub name: String,
    pub description: String,
    pub priority: Priority,
    pub source: String,
    /// Sorted, each once.
    pub tags: Vec<String>,
    /// Names of its exceptions, in the order of their definition, those without values too.
    pub exceptions: Vec<String>,
    /// Whose events it is about.
    pub(crate) events: EventSource,
    pub(crate) warn_event_types: bool,
    pub(crate) place: Place,
    pub(crate) segments: Arc<[Segment]>,
    pub(crate) extras: Arc<[Extra]>,
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
        term: Term,
        width: Option<u16>,
        /// The fields it names, which the alert carries: those that a function reads too, but not
        /// the function's result.
        fields: Box<[Named]>,
    },
}

/// A field that an alert has because the configuration says so.
#[derive(Clone, Debug)]
pub(crate) enum Extra {
    /// The fields of the segment, which is a value.
    Fields(Segment),
    /// A text by its name.
    Format(Box<str>, Box<[Segment]>),
    /// A text that no event changes, by its name.
    Constant(Box<str>, Box<str>),
}

/// A field and its name in an alert.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    name: Box<str>,
    leaf: Leaf,
}

impl Segment {
    pub(crate) fn compile(
        graph: &mut Graph,
        piece: Piece,
        source: EventSource,
    ) -> Result<Self, Fault> {
        let (operand, width) = match piece {
            Piece::Text(text) => return Ok(Self::Text(text)),
            Piece::Value { operand, width } => (operand, width),
        };
        let mut macros = NoMacros;
        let (dialect, remarks) = (Dialect::Events, Vec::new());
        let mut compiler =
            Compiler { graph, dialect, source, macros: &mut macros, remarks, depth: 0 };
        let term = compiler.term(&operand).map_err(Remark::into_fault)?;
        let mut fields = Vec::new();
        term.leaves(&mut |leaf| {
            if let Leaf::Event(field, argument) = leaf {
                let name = field_name(*field, argument);
                fields.push(Named { name: name.into(), leaf: leaf.clone() });
            }
        });
        Ok(Self::Value { term, width, fields: fields.into() })
    }
}

/// Returns `evt.arg.flags`, or `evt.arg[0]`, as Falco prints them.
fn field_name(field: Field, argument: &alert::Argument) -> String {
    match (field, argument) {
        (Field::EvtArg | Field::EvtRawarg, alert::Argument::Key(key)) => {
            format!("{}.{key}", field.name())
        }
        _ => format!("{}{argument}", field.name()),
    }
}

impl Rule {
    /// Returns the formatted text and every field it names. A field the event lacks prints `<NA>`
    /// and is `null`. Both are bounded: values and the text are cut, which a `…` tells.
    pub fn render(&self, event: &Event) -> Rendered {
        let view = EventView { event, path: PathView::Written };
        let mut fields = Fields::new();
        let output = Self::print(&self.segments, &view, &mut fields);
        for extra in &*self.extras {
            match extra {
                Extra::Fields(segment) => {
                    Self::print(std::slice::from_ref(segment), &view, &mut fields);
                }
                Extra::Format(name, segments) => {
                    let text = Self::print(segments, &view, &mut Fields::new());
                    fields.insert(name.to_string(), text.into());
                }
                Extra::Constant(name, value) => {
                    fields.insert(name.to_string(), (**value).into());
                }
            }
        }
        self.add_common_fields(event, &mut fields);
        Rendered { output, fields }
    }

    /// Returns the text of a format.
    pub(crate) fn formatted(segments: &[Segment], event: &Event) -> String {
        let view = EventView { event, path: PathView::Written };
        Self::print(segments, &view, &mut Fields::new())
    }

    /// Returns the text of a format, and adds the fields it names.
    fn print(segments: &[Segment], view: &EventView<'_>, fields: &mut Fields) -> String {
        let mut output = String::new();
        for segment in segments {
            let (term, width, named) = match segment {
                Segment::Text(text) => {
                    output.push_str(text);
                    continue;
                }
                Segment::Value { term, width, fields } => (term, *width, fields),
            };
            if output.len() <= print::OUTPUT_BYTES_MAX {
                print::text(&mut output, term, term.value(view).as_ref(), width);
            }
            for Named { name, leaf } in named {
                let value = print::json(leaf, view.value(leaf).as_ref(), view.event.time_ns);
                fields.insert(name.to_string(), value);
            }
        }
        print::cut(&mut output, print::OUTPUT_BYTES_MAX);
        output
    }

    fn add_common_fields(&self, event: &Event, fields: &mut Fields) {
        fields.insert(Field::EvtTime.name().to_owned(), event.time_ns.into());
        for field in COMMON_FIELDS {
            let leaf = Leaf::Event(field, alert::Argument::None);
            if !fields.contains_key(field.name())
                && let Some(value) = event.value(field, &alert::Argument::None)
            {
                let value = print::json(&leaf, Some(&value), event.time_ns);
                fields.insert(field.name().to_owned(), value);
            }
        }
    }

    /// Returns the file and line, from 1, of its definition.
    pub fn location(&self) -> (String, usize) {
        let Place { file, span } = &self.place;
        let before = file.text.get(..span.start).unwrap_or_default();
        (file.name.to_string(), before.matches('\n').count() + 1)
    }

    /// Calls `visit` for every field its output reads.
    pub(crate) fn output_leaves(&self, visit: &mut dyn FnMut(&Leaf)) {
        let extras = self.extras.iter().flat_map(|extra| match extra {
            Extra::Fields(segment) => std::slice::from_ref(segment),
            Extra::Format(_, segments) => segments,
            Extra::Constant(..) => &[],
        });
        for segment in self.segments.iter().chain(extras) {
            if let Segment::Value { term, .. } = segment {
                term.leaves(visit);
            }
        }
    }
}
