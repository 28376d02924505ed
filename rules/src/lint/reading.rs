//! Rule files as the lints see them: every condition with its macros in place, and where each part
//! was written.

use std::rc::Rc;

use alert::{EventKind, EventSource};
use hashbrown::{HashMap, HashSet};

use super::supply;
use crate::{
    Source,
    diagnostic::Place,
    ir::{Compiler, Graph, Node, NodeId, Predicate},
    load::{
        Collection, Item, Lists, MacroDefinition, NoMacros, RuleDefinition, collect, read_items,
        with_exceptions,
    },
    parse::{Check, Dialect, Expression, Piece, Span, condition, output},
    rule::Segment,
    text::{Files, Text},
    yaml,
};

/// A condition as written, of a rule or of a macro.
#[derive(Debug)]
pub(super) struct Written {
    text: Text,
    pub(super) root: Part,
}

/// A part of a condition. Parts that mean the same have the same node.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) shape: Shape,
    pub(super) node: NodeId,
    pub(super) span: Span,
}

#[derive(Debug)]
pub(super) enum Shape {
    All(Vec<Part>),
    Any(Vec<Part>),
    Not(Box<Part>),
    Macro(Rc<Written>),
    Check(Box<Check>),
}

/// An enabled rule.
#[derive(Debug)]
pub(super) struct RuleSubject {
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) condition: Rc<Written>,
    pub(super) output: Text,
    pub(super) segments: Vec<(Span, Segment)>,
    pub(super) priority: alert::Priority,
    pub(super) tags: Vec<String>,
    /// Kinds of event that the condition lets through, judged by `evt.type` alone.
    pub(super) kinds: Vec<EventKind>,
    /// Those of them that still can match when a field that such an event never has is missing.
    pub(super) live_kinds: Vec<EventKind>,
}

/// Everything the lints look at.
#[derive(Debug, Default)]
pub(super) struct Subject {
    pub(super) files: Files,
    pub(super) graph: Graph,
    pub(super) rules: Vec<RuleSubject>,
    /// Conditions of the macros that rules use.
    pub(super) macros: Vec<Rc<Written>>,
    pub(super) lists: Vec<crate::load::ListDefinition>,
    /// Where the items of all files stand, in their order.
    pub(super) items: Vec<Place>,
    /// Names of the rules that have a test.
    pub(super) tested: HashSet<String>,
}

impl Subject {
    /// Reads rule files. What has errors is left out: the loader tells them.
    pub(super) fn read(sources: &[Source]) -> Self {
        let mut told = Vec::new();
        let mut files = Files::default();
        let mut items = Vec::new();
        let mut places = Vec::new();
        for source in sources {
            let documents = yaml::read(&mut files, &source.name, &source.text, &mut told);
            for document in &documents {
                let yaml::Kind::Sequence(nodes) = &document.kind else { continue };
                let place = |node: &yaml::Node| files.place(node.file, node.span.clone());
                places.extend(nodes.iter().map(place));
            }
            items.extend(read_items(&files, &documents, &mut told));
        }
        let tested = items.iter().filter_map(|item| match item {
            Item::Case(case) => Some(case.name.as_str().to_owned()),
            _ => None,
        });
        let tested = tested.collect();
        let collection = collect(&files, &items, &mut told);
        let lists = Lists::new(&files, &collection.lists, &mut told);
        let mut expander = Expander {
            lists: &lists,
            macros: &collection.macros,
            graph: Graph::default(),
            done: HashMap::new(),
            order: Vec::new(),
            depth: 0,
        };
        let rules: Vec<_> =
            collection.rules.iter().filter_map(|rule| expander.rule(&files, rule)).collect();
        let (graph, macros) = (expander.graph, expander.order);
        let Collection { lists, .. } = collection;
        Self { files, graph, rules, macros, lists, items: places, tested }
    }

    /// Returns where a part of a condition stands in the user's file.
    pub(super) fn place(&self, written: &Written, span: Span) -> Place {
        written.text.place(&self.files, span.start..span.end)
    }

    /// Returns the predicate of a part that is a single question.
    pub(super) fn predicate(&self, node: NodeId) -> Option<&Predicate> {
        match self.graph.node(node) {
            Node::Predicate(index) => Some(self.graph.predicate_of(*index).0),
            _ => None,
        }
    }
}

/// Macros inside macros are followed this deep; the loader refuses deeper ones.
const DEPTH_MAX: usize = 200;

struct Expander<'a> {
    lists: &'a Lists,
    macros: &'a HashMap<String, MacroDefinition>,
    graph: Graph,
    /// `None` while a macro is being read, and for one with errors.
    done: HashMap<String, Option<Rc<Written>>>,
    order: Vec<Rc<Written>>,
    depth: usize,
}

impl Expander<'_> {
    fn rule(&mut self, files: &Files, definition: &RuleDefinition) -> Option<RuleSubject> {
        if !definition.enabled || definition.source != "syscall" {
            return None;
        }
        let (condition, exceptions) = (&definition.condition, &definition.exceptions);
        let text = with_exceptions(files, condition, exceptions, &mut Vec::new())?;
        let condition = Rc::new(self.written(&text)?);
        let (kinds, live_kinds) = self.kinds(condition.root.node);
        Some(RuleSubject {
            name: definition.name.as_str().to_owned(),
            place: files.place(definition.node.file, definition.node.span.clone()),
            segments: self.segments(&definition.output)?,
            condition,
            output: definition.output.clone(),
            priority: definition.priority,
            tags: definition.tags.clone(),
            kinds,
            live_kinds,
        })
    }

    fn segments(&mut self, text: &Text) -> Option<Vec<(Span, Segment)>> {
        let mut segments = Vec::new();
        for piece in output(text.as_str()).ok()? {
            let span = match &piece {
                Piece::Text(_) => continue,
                Piece::Value { operand, .. } => operand.span(),
            };
            segments
                .push((span, Segment::compile(&mut self.graph, piece, EventSource::Syscall).ok()?));
        }
        Some(segments)
    }

    fn written(&mut self, text: &Text) -> Option<Written> {
        let text = self.lists.paste(text).ok()?;
        let expression = condition(text.as_str(), Dialect::Events).ok()?;
        let root = self.part(expression)?;
        Some(Written { text, root })
    }

    fn part(&mut self, expression: Expression) -> Option<Part> {
        Some(match expression {
            Expression::And(children) => {
                let (parts, nodes) = self.parts(children)?;
                let node = self.graph.and(&nodes);
                Part { node, span: hull(&parts), shape: Shape::All(parts) }
            }
            Expression::Or(children) => {
                let (parts, nodes) = self.parts(children)?;
                let node = self.graph.or(&nodes);
                Part { node, span: hull(&parts), shape: Shape::Any(parts) }
            }
            Expression::Not(child, _) => {
                let child = self.part(*child)?;
                let (node, span) = (self.graph.not(child.node), child.span);
                Part { node, span, shape: Shape::Not(Box::new(child)) }
            }
            Expression::Macro(name) => {
                let body = self.body(&name.text)?;
                Part { node: body.root.node, span: name.span, shape: Shape::Macro(body) }
            }
            Expression::Check(check) => self.check(check)?,
        })
    }

    fn parts(&mut self, children: Vec<Expression>) -> Option<(Vec<Part>, Vec<NodeId>)> {
        let parts: Option<Vec<_>> = children.into_iter().map(|child| self.part(child)).collect();
        let parts = parts?;
        let nodes = parts.iter().map(|part| part.node).collect();
        Some((parts, nodes))
    }

    fn check(&mut self, check: Box<Check>) -> Option<Part> {
        let span = check.span;
        let expression = Expression::Check(check);
        let (dialect, remarks) = (Dialect::Events, Vec::new());
        let mut compiler = Compiler {
            graph: &mut self.graph,
            dialect,
            source: EventSource::Syscall,
            macros: &mut NoMacros,
            remarks,
            depth: 0,
        };
        let node = compiler.expression(&expression)?;
        let Expression::Check(check) = expression else { return None };
        Some(Part { node, span, shape: Shape::Check(check) })
    }

    fn body(&mut self, name: &str) -> Option<Rc<Written>> {
        if let Some(known) = self.done.get(name) {
            return known.clone();
        }
        let definition = self.macros.get(name)?;
        if self.depth == DEPTH_MAX {
            return None;
        }
        self.done.insert(name.to_owned(), None);
        self.depth += 1;
        let written = self.written(&definition.condition).map(Rc::new);
        self.depth -= 1;
        self.order.extend(written.clone());
        self.done.insert(name.to_owned(), written.clone());
        written
    }

    fn kinds(&mut self, root: NodeId) -> (Vec<EventKind>, Vec<EventKind>) {
        let (mut kinds, mut live) = (Vec::new(), Vec::new());
        for kind in EventKind::ALL {
            let special = self.graph.specialise(root, kind, &mut HashMap::new());
            if special == crate::ir::FALSE {
                continue;
            }
            kinds.push(kind);
            if supply::fold(&mut self.graph, special, kind, &mut HashMap::new()) != crate::ir::FALSE
            {
                live.push(kind);
            }
        }
        (kinds, live)
    }
}

/// Returns the span from the first part to the last.
fn hull(parts: &[Part]) -> Span {
    let start = parts.iter().map(|part| part.span.start).min().unwrap_or(0);
    let end = parts.iter().map(|part| part.span.end).max().unwrap_or(0);
    Span::new(start, end)
}
