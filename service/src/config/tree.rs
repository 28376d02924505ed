//! YAML as a tree in which every node knows its place and every scalar its text as written.

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::problem::{Place, Problem};

/// Deepest nesting, and most nodes after aliases are followed: an alias bomb stops here.
const DEPTH_MAX: usize = 64;
const NODES_MAX: usize = 100_000;

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// `plain` scalars may be numbers, booleans or null; quoted ones are text. `replaced` ones hold
    /// what may be a secret.
    Scalar {
        text: String,
        plain: bool,
        replaced: bool,
    },
    Sequence(Vec<Node>),
    Mapping(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Node {
    pub(super) fn null() -> Self {
        let value = Value::Scalar { text: String::new(), plain: true, replaced: false };
        Self { value, place: Place::File { line: 1, column: 1, width: 1 } }
    }

    pub(super) fn is_null(&self) -> bool {
        match &self.value {
            Value::Scalar { text, plain, .. } => {
                *plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
            }
            _ => false,
        }
    }

    /// Returns the node at a path such as `routes[0].match`, or its nearest parent.
    pub(super) fn find(&self, path: &str) -> &Self {
        let mut node = self;
        for step in path
            .split(['.', '['])
            .map(|step| step.trim_end_matches(']'))
            .filter(|step| !step.is_empty())
        {
            let next = match &node.value {
                Value::Mapping(entries) => {
                    entries.iter().find(|(key, _)| key.text == step).map(|(_, node)| node)
                }
                Value::Sequence(items) => {
                    step.parse().ok().and_then(|index: usize| items.get(index))
                }
                Value::Scalar { .. } => None,
            };
            match next {
                Some(next) => node = next,
                None => return node,
            }
        }
        node
    }
}

/// Parses one document. An empty text is null.
pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let mut builder = Builder { events: Parser::new_from_str(text), anchors: Vec::new(), nodes: 0 };
    let mut root = None;
    loop {
        let (event, span) = match builder.next()? {
            Some(next) => next,
            None => return Ok(root.unwrap_or_else(Node::null)),
        };
        match event {
            Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            Event::DocumentStart(..) if root.is_some() => {
                return Err(problem(
                    "a configuration is one YAML document; this starts another",
                    &span,
                ));
            }
            Event::DocumentStart(..) => {}
            event => root = Some(builder.node(event, &span, 0)?),
        }
    }
}

struct Builder<I> {
    events: I,
    anchors: Vec<(usize, Node)>,
    nodes: usize,
}

impl<'a, I: Iterator<Item = Result<(Event<'a>, Span), ScanError>>> Builder<I> {
    /// Returns the next event that is not a comment.
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, Problem> {
        for next in self.events.by_ref() {
            match next {
                Ok((Event::Comment(..), _)) => {}
                Ok(event) => return Ok(Some(event)),
                Err(error) => return Err(broken(&error)),
            }
        }
        Ok(None)
    }

    fn child(&mut self, span: &Span) -> Result<(Event<'a>, Span), Problem> {
        self.next()?.ok_or_else(|| problem("the document ends too early", span))
    }

    fn node(&mut self, event: Event<'a>, span: &Span, depth: usize) -> Result<Node, Problem> {
        self.nodes += 1;
        if depth > DEPTH_MAX || self.nodes > NODES_MAX {
            return Err(problem("nested too deep, or too large once aliases are followed", span));
        }
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                (Value::Scalar { text: text.into_owned(), plain, replaced: false }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.sequence(span, depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.mapping(span, depth)?, anchor),
            Event::Alias(anchor) => {
                let found = self.anchors.iter().find(|(id, _)| *id == anchor);
                let node = found
                    .map(|(_, node)| node.clone())
                    .ok_or_else(|| problem("unknown alias", span))?;
                self.nodes += size(&node);
                return Ok(node);
            }
            _ => return Err(problem("expected a value", span)),
        };
        let node = Node { value, place: place(span) };
        if anchor != 0 {
            self.anchors.push((anchor, node.clone()));
        }
        Ok(node)
    }

    fn sequence(&mut self, span: &Span, depth: usize) -> Result<Value, Problem> {
        let mut items = Vec::new();
        loop {
            match self.child(span)? {
                (Event::SequenceEnd, _) => return Ok(Value::Sequence(items)),
                (event, span) => items.push(self.node(event, &span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, span: &Span, depth: usize) -> Result<Value, Problem> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        loop {
            let (event, key_span) = self.child(span)?;
            let text = match event {
                Event::MappingEnd => return Ok(Value::Mapping(entries)),
                Event::Scalar(text, ..) => text.into_owned(),
                _ => return Err(problem("a key must be a text", &key_span)),
            };
            if entries.iter().any(|(key, _)| key.text == text) {
                return Err(Problem { path: text, ..problem("key given twice", &key_span) });
            }
            let (event, value_span) = self.child(&key_span)?;
            let node = self.node(event, &value_span, depth + 1)?;
            entries.push((Key { text, place: place(&key_span) }, node));
        }
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar { .. } => 0,
        Value::Sequence(items) => items.iter().map(size).sum(),
        Value::Mapping(entries) => entries.iter().map(|(_, node)| size(node)).sum(),
    }
}

fn place(span: &Span) -> Place {
    let width = if span.start.line() == span.end.line() {
        span.end.col().saturating_sub(span.start.col())
    } else {
        1
    };
    Place::File { line: span.start.line(), column: span.start.col() + 1, width: width.max(1) }
}

fn problem(message: &str, span: &Span) -> Problem {
    Problem {
        path: String::new(),
        message: message.to_owned(),
        place: Some(place(span)),
        hint: None,
    }
}

fn broken(error: &ScanError) -> Problem {
    let marker = error.marker();
    let place = Place::File { line: marker.line().max(1), column: marker.col() + 1, width: 1 };
    Problem {
        path: String::new(),
        message: format!("not YAML: {}", error.info()),
        place: Some(place),
        hint: None,
    }
}
