//! Compiles collected definitions: macros once each, then every rule.

use std::cell::RefCell;

use hashbrown::HashMap;

use super::{
    MacroDefinition, RuleDefinition, collect::Collection, exception::with_exceptions, paste::Lists,
};
use crate::{
    diagnostic::{Code, Diagnostic},
    ir::{Compiler, Graph, Macros, NodeId, Remark},
    parse::{Dialect, Fault, Name, condition, output},
    rule::{Rule, Segment},
    text::{Files, Text},
};

/// Compiled rules with the nodes of their conditions.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    pub(crate) graph: Graph,
    /// Enabled rules.
    pub(crate) rules: Vec<(Rule, NodeId)>,
}

/// Sources whose events this version reads.
const SOURCES: [&str; 1] = ["syscall"];

/// Compiles all rules; a disabled one too, so that its faults are told.
pub(crate) fn compile(
    files: &Files,
    collection: &Collection,
    found: &mut Vec<Diagnostic>,
) -> Compiled {
    let lists = Lists::new(files, &collection.lists, found);
    let resolver = Resolver {
        files,
        lists: &lists,
        macros: &collection.macros,
        states: RefCell::default(),
        found: RefCell::default(),
    };
    let mut compiled = Compiled::default();
    for definition in &collection.rules {
        if !SOURCES.contains(&definition.source.as_str()) {
            let message = format!(
                "no events of the source `{}` are read here, the rule is skipped",
                definition.source
            );
            found.push(definition.node.error(files, Code::UnknownSource, message));
            continue;
        }
        if let Some((rule, node)) = rule(files, &resolver, &mut compiled.graph, definition, found)
            && definition.enabled
        {
            compiled.rules.push((rule, node));
        }
    }
    found.append(&mut resolver.found.borrow_mut());
    unused(files, collection, &resolver, found);
    compiled
}

fn rule(
    files: &Files,
    resolver: &Resolver<'_>,
    graph: &mut Graph,
    definition: &RuleDefinition,
    found: &mut Vec<Diagnostic>,
) -> Option<(Rule, NodeId)> {
    let segments = match output(definition.output.as_str()) {
        Ok(pieces) => {
            pieces.into_iter().map(|piece| Segment::compile(graph, piece)).collect::<Result<_, _>>()
        }
        Err(fault) => Err(fault),
    };
    let segments: Option<Vec<Segment>> = segments
        .map_err(|fault| {
            let code = match definition.skip_if_unknown_filter {
                true => Code::UnknownFilter,
                false => Code::CompileOutput,
            };
            found.push(diagnostic(files, &definition.output, code, fault));
        })
        .ok();
    let condition = match with_exceptions(files, &definition.condition, &definition.exceptions) {
        Ok(condition) => condition,
        Err(error) => {
            found.push(error);
            return None;
        }
    };
    let Some(condition) = resolver.lists.paste(&condition) else {
        let message = "the condition is too long with its lists";
        found.push(definition.node.error(files, Code::CompileCondition, message));
        return None;
    };
    let skip = definition.skip_if_unknown_filter;
    let (node, remarks) = resolver.condition(graph, &condition, usize::MAX, 0);
    let failed = remarks.iter().any(Remark::is_error);
    for remark in remarks {
        found.push(resolver.diagnostic(&condition, remark, skip));
    }
    let node = node.filter(|_| !failed)?;
    let rule = Rule {
        name: definition.name.as_str().to_owned(),
        description: definition.description.clone(),
        priority: definition.priority,
        source: definition.source.clone(),
        tags: definition.tags.clone(),
        warn_event_types: definition.warn_event_types,
        place: files.place(definition.node.file, definition.node.span.clone()),
        segments: segments?.into(),
    };
    Some((rule, node))
}

fn diagnostic(files: &Files, text: &Text, code: Code, fault: Fault) -> Diagnostic {
    let place = text.place(files, fault.span.start..fault.span.end);
    Diagnostic::at(code, &place, fault.message).hints(fault.hint)
}

fn unused(
    files: &Files,
    collection: &Collection,
    resolver: &Resolver<'_>,
    found: &mut Vec<Diagnostic>,
) {
    for list in &collection.lists {
        let name = list.name.as_str();
        if !resolver.lists.is_used(name) {
            let message = format!("the list `{name}` is never used");
            found.push(list.node.error(files, Code::UnusedList, message));
        }
    }
    let states = resolver.states.borrow();
    let mut names: Vec<_> = collection.macros.iter().collect();
    names.sort_unstable_by_key(|(_, definition)| definition.defined);
    for (name, definition) in names {
        if !states.contains_key(name.as_str()) {
            let message = format!("the macro `{name}` is never used");
            found.push(definition.node.error(files, Code::UnusedMacro, message));
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum State {
    Running,
    Done(NodeId),
    Failed,
}

/// Compiles a macro when it is first named, and keeps its node.
struct Resolver<'a> {
    files: &'a Files,
    lists: &'a Lists,
    macros: &'a HashMap<String, MacroDefinition>,
    states: RefCell<HashMap<String, State>>,
    found: RefCell<Vec<Diagnostic>>,
}

impl Resolver<'_> {
    /// Compiles a condition that sees the macros defined before `visible`.
    fn condition(
        &self,
        graph: &mut Graph,
        text: &Text,
        visible: usize,
        depth: usize,
    ) -> (Option<NodeId>, Vec<Remark>) {
        let expression = match condition(text.as_str(), Dialect::Events) {
            Ok(expression) => expression,
            Err(fault) => return (None, vec![Remark::Error(fault)]),
        };
        let mut view = Visible { resolver: self, visible };
        let remarks = Vec::new();
        let dialect = Dialect::Events;
        let mut compiler = Compiler { graph, dialect, macros: &mut view, remarks, depth };
        let node = compiler.expression(&expression);
        (node, compiler.remarks)
    }

    fn diagnostic(&self, text: &Text, remark: Remark, skip: bool) -> Diagnostic {
        let (code, fault) = match remark {
            Remark::UnknownField(fault) if skip => (Code::UnknownFilter, fault),
            Remark::Error(fault) | Remark::UnknownField(fault) => (Code::CompileCondition, fault),
            Remark::Deprecated(fault) => (Code::DeprecatedItem, fault),
            Remark::Suspicious(fault) => (Code::Suspicious, fault),
        };
        diagnostic(self.files, text, code, fault)
    }

    fn resolve(
        &self,
        graph: &mut Graph,
        name: &Name,
        visible: usize,
        depth: usize,
    ) -> Result<NodeId, Fault> {
        let definition = self.macros.get(&*name.text);
        let Some(definition) = definition.filter(|definition| definition.defined < visible) else {
            let fault = Fault::new(name.span, format!("undefined macro `{}`", name.text));
            if definition.is_some() {
                return Err(fault.hint("it is defined after the macro that uses it"));
            }
            let near = crate::ir::nearest(&name.text, self.macros.keys().map(String::as_str));
            return Err(match near {
                Some(near) => fault.hint(format!("did you mean `{near}`?")),
                None => fault,
            });
        };
        let failed = || {
            let message = format!("the macro `{}` has errors of its own", name.text);
            Fault::new(name.span, message)
        };
        let state = self.states.borrow().get(&*name.text).copied();
        match state {
            Some(State::Done(node)) => return Ok(node),
            Some(State::Failed) => return Err(failed()),
            Some(State::Running) => {
                let message = format!("the macro `{}` refers to itself", name.text);
                return Err(Fault::new(name.span, message).hint("reference loop"));
            }
            None => {}
        }
        self.set(name, State::Running);
        let Some(text) = self.lists.paste(&definition.condition) else {
            self.set(name, State::Failed);
            return Err(failed());
        };
        let (node, remarks) = self.condition(graph, &text, definition.touched, depth + 1);
        let has_errors = remarks.iter().any(Remark::is_error);
        let diagnostics = remarks.into_iter().map(|remark| self.diagnostic(&text, remark, false));
        self.found.borrow_mut().extend(diagnostics);
        match node.filter(|_| !has_errors) {
            Some(node) => {
                self.set(name, State::Done(node));
                Ok(node)
            }
            None => {
                self.set(name, State::Failed);
                Err(failed())
            }
        }
    }

    fn set(&self, name: &Name, state: State) {
        self.states.borrow_mut().insert(name.text.to_string(), state);
    }
}

struct Visible<'a> {
    resolver: &'a Resolver<'a>,
    visible: usize,
}

impl Macros for Visible<'_> {
    fn resolve(&mut self, graph: &mut Graph, name: &Name, depth: usize) -> Result<NodeId, Fault> {
        self.resolver.resolve(graph, name, self.visible, depth)
    }
}

/// A place where no macro can be named.
#[derive(Debug)]
pub(crate) struct NoMacros;

impl Macros for NoMacros {
    fn resolve(&mut self, _: &mut Graph, name: &Name, _: usize) -> Result<NodeId, Fault> {
        let fault = Fault::new(name.span, format!("unknown field `{}`", name.text));
        let names = crate::ir::AlertField::plain_names();
        Err(match crate::ir::nearest(&name.text, names) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault.hint(
                "fields without a dot: priority rule source hostname output tags \
                score count fingerprint state",
            ),
        })
    }
}
