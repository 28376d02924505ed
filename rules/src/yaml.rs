//! YAML as a tree of raw scalars with their places: `0644` and `yes` stay what was written.

use std::{collections::HashMap, ops::Range, rc::Rc};

use granit_parser::{Event, Options, Parser, ScalarStyle};

use crate::{
    diagnostic::{Code, Diagnostic},
    text::{Files, Text},
};

const FILE_BYTES_MAX: usize = 16 << 20;
const DEPTH_MAX: usize = 32;
const NODES_MAX: usize = 1_000_000;

/// One node with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) file: u32,
    pub(crate) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Scalar { value: Rc<Text>, quoted: bool },
    Sequence(Rc<[Node]>),
    Mapping(Rc<[(Node, Node)]>),
}

impl Node {
    pub(crate) fn scalar(&self) -> Option<&Rc<Text>> {
        match &self.kind {
            Kind::Scalar { value, .. } => Some(value),
            _ => None,
        }
    }

    pub(crate) fn str(&self) -> Option<&str> {
        self.scalar().map(|text| text.as_str())
    }

    pub(crate) fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Scalar { value, quoted: false } => {
                matches!(value.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    pub(crate) fn what(&self) -> &'static str {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing",
            Kind::Scalar { .. } => "a single value",
            Kind::Sequence(_) => "a list",
            Kind::Mapping(_) => "a mapping",
        }
    }

    pub(crate) fn error(
        &self,
        files: &Files,
        code: Code,
        message: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::at(code, &files.place(self.file, self.span.clone()), message)
    }
}

/// Reads all documents of a file. After a syntax error the documents before it are kept.
pub(crate) fn read(
    files: &mut Files,
    name: &str,
    text: &str,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Node> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file is larger than {} MiB", FILE_BYTES_MAX >> 20);
        errors.push(Diagnostic::new(Code::YamlParse, name, message));
        return Vec::new();
    }
    let file = files.add(name, text);
    let mut builder = Builder { file, text, ..Builder::default() };
    let mut options = Options::default();
    options.emit_comments = false;
    for next in Parser::new_from_str_with_options(text, options) {
        let fault = match next {
            Ok((event, span)) => {
                let span = span.byte_range().unwrap_or(0..0);
                builder.event(&event, span.clone()).map_err(|message| (span, message.to_owned()))
            }
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(0);
                Err((at..at + 1, error.info().to_string()))
            }
        };
        if let Err((span, message)) = fault {
            errors.push(Diagnostic::at(Code::YamlParse, &files.place(file, span), message));
            break;
        }
    }
    builder.documents
}

#[derive(Default)]
struct Builder<'a> {
    file: u32,
    text: &'a str,
    documents: Vec<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
}

struct Open {
    start: usize,
    anchor: usize,
    mapping: bool,
    children: Vec<Node>,
    nodes_before: usize,
}

impl Builder<'_> {
    fn event(&mut self, event: &Event<'_>, span: Range<usize>) -> Result<(), &'static str> {
        match event {
            Event::Scalar(value, style, anchor, _) => {
                let raw = self.text.get(span.clone()).unwrap_or_default();
                let value = Rc::new(Text::new(value, self.file, raw, span.start));
                let quoted = *style != ScalarStyle::Plain;
                self.add(Kind::Scalar { value, quoted }, span, *anchor, 1)
            }
            Event::SequenceStart(_, anchor, _) => self.open(span, *anchor, false),
            Event::MappingStart(_, anchor, _) => self.open(span, *anchor, true),
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(id).cloned() else {
                    return Err("an alias refers to what contains it");
                };
                self.nodes += size;
                self.add(node.kind, span, 0, size)
            }
            _ => Ok(()),
        }
    }

    fn open(
        &mut self,
        span: Range<usize>,
        anchor: usize,
        mapping: bool,
    ) -> Result<(), &'static str> {
        if self.open.len() >= DEPTH_MAX {
            return Err("the text is nested too deeply");
        }
        let nodes_before = self.nodes;
        self.open.push(Open {
            start: span.start,
            anchor,
            mapping,
            children: Vec::new(),
            nodes_before,
        });
        Ok(())
    }

    fn close(&mut self, span: Range<usize>) -> Result<(), &'static str> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let end = open.children.last().map_or(span.end, |child| child.span.end.max(open.start));
        let size = self.nodes - open.nodes_before + 1;
        let kind = if open.mapping {
            let mut pairs = Vec::with_capacity(open.children.len() / 2);
            let mut children = open.children.into_iter();
            while let (Some(key), Some(value)) = (children.next(), children.next()) {
                pairs.push((key, value));
            }
            Kind::Mapping(pairs.into())
        } else {
            Kind::Sequence(open.children.into())
        };
        self.add(kind, open.start..end, open.anchor, size)
    }

    fn add(
        &mut self,
        kind: Kind,
        span: Range<usize>,
        anchor: usize,
        size: usize,
    ) -> Result<(), &'static str> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err("the text has too many values");
        }
        let node = Node { kind, file: self.file, span };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), size));
        }
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.documents.push(node),
        }
        Ok(())
    }
}
