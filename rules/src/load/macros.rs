//! Macros: parsed and looked up once, given their types when a rule first names them.

use std::cell::{Cell, RefCell};

use alert::EventSource;
use hashbrown::{HashMap, HashSet};

use super::{collect::Collection, inside, paste::Lists, statics::Statics, warn};
use crate::{
    diagnostic::{Code, Diagnostic, ItemType, Location},
    ir::{Compiler, Graph, Macros, NodeId, Remark, nearest},
    load::MacroDefinition,
    parse::{Dialect, Expression, Fault, Name, condition},
    text::{Files, Text},
};

/// Macros looked through for one that may have been meant.
const CANDIDATES_MAX: usize = 2000;

/// What to do about an item or a value that is more than a word once it is pasted.
pub(super) const QUOTED_TWICE: &str = "an item or a value with `=`, a comma, a quote or a \
     parenthesis is quoted twice, as in `'\"a=b\"'`, since it is pasted as text";

/// A condition as parsed, with the text that its spans point into.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) text: Text,
    pub(super) expression: Expression,
}

impl Parsed {
    /// Pastes lists into a condition and parses it; `None` after it has said what is wrong.
    pub(super) fn new(
        files: &Files,
        lists: &Lists,
        statics: Statics<'_>,
        condition_text: &Text,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let text = match lists.paste(condition_text) {
            Ok(text) => text,
            Err(message) => {
                let fault = Fault::new(Default::default(), message);
                found.push(diagnostic(files, condition_text, Code::CompileCondition, fault));
                return None;
            }
        };
        match condition(text.as_str(), Dialect::Events) {
            Ok(mut expression) => {
                statics.fold(&mut expression);
                Some(Self { text, expression })
            }
            Err(faults) => {
                let code = Code::CompileCondition;
                found.extend(faults.into_iter().map(|fault| {
                    // Our own parenthesis may only be open because one of the condition's is.
                    let is_value = text.is_pasted(fault.span.start)
                        && !text.as_str()[fault.span.start..].starts_with('(');
                    let hint = is_value && fault.hint.is_none();
                    let fault = if hint { fault.hint(QUOTED_TWICE) } else { fault };
                    diagnostic(files, &text, code, fault)
                }));
                None
            }
        }
    }
}

/// Returns a diagnostic about a part of a condition.
pub(super) fn diagnostic(files: &Files, text: &Text, code: Code, fault: Fault) -> Diagnostic {
    let place = text.place(files, fault.span.start..fault.span.end);
    let mut diagnostic = Diagnostic::at(code, &place, fault.message).hints(fault.hint);
    diagnostic.inside(Location::new(ItemType::ConditionExpression, "", &place));
    diagnostic
}

fn names<'a>(expression: &'a Expression, names: &mut Vec<&'a Name>) {
    match expression {
        Expression::And(children) | Expression::Or(children) => {
            for child in children {
                self::names(child, names);
            }
        }
        Expression::Not(child, _) => self::names(child, names),
        Expression::Macro(name) => names.push(name),
        Expression::Check(_) => {}
    }
}

enum State {
    Waiting,
    Running,
    Done(NodeId),
    /// Its faults are told by the first rule that may not be skipped for them.
    Failed {
        unknown: bool,
        faults: RefCell<Vec<Diagnostic>>,
    },
}

struct Entry<'a> {
    definition: &'a MacroDefinition,
    /// `None` if its faults were told already.
    parsed: Option<Parsed>,
    is_used: Cell<bool>,
    /// For each source of events: a field may be one source's only.
    states: [RefCell<State>; EventSource::ALL.len()],
}

/// All macros.
pub(super) struct MacroTable<'a> {
    files: &'a Files,
    collection: &'a Collection,
    entries: HashMap<&'a str, Entry<'a>>,
    /// What is told of macros that rules name.
    told: RefCell<Vec<Diagnostic>>,
}

impl<'a> MacroTable<'a> {
    /// Parses all macros and looks up what they name, used or not.
    pub(super) fn new(
        files: &'a Files,
        collection: &'a Collection,
        lists: &Lists,
        statics: Statics<'_>,
        found: &mut Vec<Diagnostic>,
    ) -> Self {
        let mut table = Self {
            files,
            collection,
            entries: HashMap::with_capacity(collection.macros.len()),
            told: RefCell::default(),
        };
        for (name, definition) in table.in_order() {
            let parsed = around(files, name, definition, found, |found| {
                Parsed::new(files, lists, statics, &definition.condition, found)
            });
            let states = EventSource::ALL.map(|_| RefCell::new(State::Waiting));
            let is_used = Cell::new(false);
            table.entries.insert(name, Entry { definition, parsed, is_used, states });
        }
        let mut faulty = Vec::new();
        for (name, definition) in table.in_order() {
            let Some(parsed) = &table.entries[name].parsed else { continue };
            let known = around(files, name, definition, found, |found| {
                table.look_up(parsed, definition.touched, found)
            });
            if known.is_none() {
                faulty.push(name);
            }
        }
        for name in faulty {
            table.forget(name);
        }
        table.refuse_loops(found);
        table
    }

    fn forget(&mut self, name: &str) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.parsed = None;
        }
    }

    fn in_order(&self) -> Vec<(&'a str, &'a MacroDefinition)> {
        let macros = self.collection.macros.iter();
        let mut macros: Vec<_> = macros.map(|(name, entry)| (name.as_str(), entry)).collect();
        macros.sort_unstable_by_key(|(_, definition)| definition.defined);
        macros
    }

    /// Looks up the macros that a condition names, of those defined before `visible`.
    pub(super) fn look_up(
        &self,
        parsed: &Parsed,
        visible: usize,
        found: &mut Vec<Diagnostic>,
    ) -> Option<()> {
        let mut all = Vec::new();
        names(&parsed.expression, &mut all);
        let mut known = Some(());
        for name in all {
            let entry = self.entries.get(&*name.text);
            match entry.filter(|entry| entry.definition.defined < visible) {
                Some(entry) => entry.is_used.set(true),
                None => {
                    known = None;
                    if entry.is_some() || !self.collection.is_broken(ItemType::Macro, &name.text) {
                        let fault = self.undefined(name, entry.is_some());
                        found.push(diagnostic(self.files, &parsed.text, Code::Validate, fault));
                    }
                }
            }
        }
        known
    }

    fn undefined(&self, name: &Name, is_later: bool) -> Fault {
        let fault = Fault::new(name.span, format!("undefined macro `{}`", name.text));
        if is_later {
            return fault.hint("it is defined after the macro that uses it");
        }
        if matches!(&*name.text, "and" | "or" | "not") {
            return fault.hint(format!("perhaps a condition is missing beside `{}`", name.text));
        }
        match nearest(&name.text, self.entries.keys().copied().take(CANDIDATES_MAX)) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault,
        }
    }

    /// Refuses macros that name themselves, directly or through others.
    fn refuse_loops(&mut self, found: &mut Vec<Diagnostic>) {
        let mut finished = HashSet::new();
        let mut loops = Vec::new();
        for (start, _) in self.in_order() {
            let mut path = vec![(start, self.named_by(start))];
            let mut on_path: HashSet<&str> = std::iter::once(start).collect();
            while let Some((name, open)) = path.last_mut() {
                let Some(next) = open.pop() else {
                    finished.insert(*name);
                    on_path.remove(name);
                    path.pop();
                    continue;
                };
                if on_path.contains(&*next.text) {
                    loops.push((*name, next.clone()));
                } else if let Some((key, _)) = self.entries.get_key_value(&*next.text)
                    && !finished.contains(key)
                {
                    on_path.insert(*key);
                    path.push((*key, self.named_by(key)));
                }
            }
        }
        for (name, next) in &loops {
            let entry = &self.entries[name];
            let Some(parsed) = &entry.parsed else { continue };
            around(self.files, name, entry.definition, found, |found| {
                let message = format!("the macro `{}` refers to itself", next.text);
                let fault = Fault::new(next.span, message).hint("reference loop");
                found.push(diagnostic(self.files, &parsed.text, Code::Validate, fault));
            });
        }
        for (name, _) in loops {
            self.forget(name);
        }
    }

    /// Returns the names in a macro, the last first.
    fn named_by(&self, name: &str) -> Vec<Name> {
        let mut all = Vec::new();
        if let Some(parsed) = &self.entries[name].parsed {
            names(&parsed.expression, &mut all);
        }
        all.into_iter().rev().cloned().collect()
    }

    /// Gives a condition its types.
    pub(super) fn compile(
        &self,
        graph: &mut Graph,
        parsed: &Parsed,
        source: EventSource,
        depth: usize,
    ) -> (Option<NodeId>, Vec<Remark>) {
        let mut view = View(self, source);
        let (dialect, remarks) = (Dialect::Events, Vec::new());
        let mut compiler = Compiler { graph, dialect, source, macros: &mut view, remarks, depth };
        let node = compiler.expression(&parsed.expression);
        (node, compiler.remarks)
    }

    /// Returns the remarks that are no errors, and what else deserves a look.
    pub(super) fn warnings(&self, parsed: &Parsed, remarks: &[Remark]) -> Vec<Diagnostic> {
        let noted = remarks.iter().filter_map(|remark| match remark {
            Remark::Deprecated(fault) => Some((Code::DeprecatedItem, fault.clone())),
            Remark::Suspicious(fault) => Some((Code::Suspicious, fault.clone())),
            _ => None,
        });
        noted
            .chain(warn::look(&parsed.expression))
            .map(|(code, fault)| diagnostic(self.files, &parsed.text, code, fault))
            .collect()
    }

    fn resolve(
        &self,
        graph: &mut Graph,
        name: &Name,
        source: EventSource,
        depth: usize,
    ) -> Result<NodeId, Remark> {
        let failed = |unknown| Remark::Macro { name: name.clone(), unknown };
        let Some(entry) = self.entries.get(&*name.text) else { return Err(failed(false)) };
        let Some(parsed) = &entry.parsed else { return Err(failed(false)) };
        let state = &entry.states[source as usize];
        match &*state.borrow() {
            State::Done(node) => return Ok(*node),
            State::Failed { unknown, .. } => return Err(failed(*unknown)),
            // Loops were refused before.
            State::Running => return Err(failed(false)),
            State::Waiting => {}
        }
        state.replace(State::Running);
        let (node, remarks) = self.compile(graph, parsed, source, depth + 1);
        let definition = entry.definition;
        around(self.files, &name.text, definition, &mut self.told.borrow_mut(), |found| {
            found.extend(self.warnings(parsed, &remarks));
        });
        let has_errors = remarks.iter().any(Remark::is_error);
        if let Some(node) = node.filter(|_| !has_errors) {
            state.replace(State::Done(node));
            return Ok(node);
        }
        let unknown = remarks.iter().all(|remark| !remark.is_error() || remark.is_unknown());
        let mut faults = Vec::new();
        around(self.files, &name.text, definition, &mut faults, |found| {
            self.errors(parsed, remarks, found);
        });
        state.replace(State::Failed { unknown, faults: RefCell::new(faults) });
        Err(failed(unknown))
    }

    /// Tells the errors of a condition, but not those of its macros.
    pub(super) fn errors(
        &self,
        parsed: &Parsed,
        remarks: Vec<Remark>,
        found: &mut Vec<Diagnostic>,
    ) {
        for remark in remarks.into_iter().filter(Remark::is_error) {
            if !matches!(remark, Remark::Macro { .. }) {
                let fault = remark.into_fault();
                found.push(diagnostic(self.files, &parsed.text, Code::CompileCondition, fault));
            }
        }
    }

    /// Tells the errors of all macros that a condition about a source names, each once.
    pub(super) fn tell_macros(&self, parsed: &Parsed, source: EventSource) {
        let mut open = Vec::new();
        names(&parsed.expression, &mut open);
        let mut seen = HashSet::new();
        while let Some(name) = open.pop() {
            let Some(entry) = self.entries.get(&*name.text) else { continue };
            if !seen.insert(&*name.text) {
                continue;
            }
            if let State::Failed { faults, .. } = &*entry.states[source as usize].borrow() {
                self.told.borrow_mut().append(&mut faults.borrow_mut());
            }
            if let Some(parsed) = &entry.parsed {
                names(&parsed.expression, &mut open);
            }
        }
    }

    /// Tells what was found in macros that rules name, and which macros nothing names.
    pub(super) fn finish(self, found: &mut Vec<Diagnostic>) {
        found.append(&mut self.told.borrow_mut());
        for (name, definition) in self.in_order() {
            if !self.entries[name].is_used.get() {
                let message = format!("the macro `{name}` is never used");
                inside(self.files, found, ItemType::Macro, name, &definition.item, |found| {
                    found.push(definition.node.error(self.files, Code::UnusedMacro, message));
                });
            }
        }
    }
}

/// Does `work` inside a macro's condition.
fn around<T>(
    files: &Files,
    name: &str,
    definition: &MacroDefinition,
    found: &mut Vec<Diagnostic>,
    work: impl FnOnce(&mut Vec<Diagnostic>) -> T,
) -> T {
    inside(files, found, ItemType::Macro, name, &definition.item, |found| {
        let (kind, node) = (ItemType::MacroCondition, &definition.condition_node);
        inside(files, found, kind, "", node, work)
    })
}

struct View<'a>(&'a MacroTable<'a>, EventSource);

impl Macros for View<'_> {
    fn resolve(&mut self, graph: &mut Graph, name: &Name, depth: usize) -> Result<NodeId, Remark> {
        self.0.resolve(graph, name, self.1, depth)
    }
}

/// A place where no macro can be named.
#[derive(Debug)]
pub(crate) struct NoMacros;

impl Macros for NoMacros {
    fn resolve(&mut self, _: &mut Graph, name: &Name, _: usize) -> Result<NodeId, Remark> {
        let fault = Fault::new(name.span, format!("unknown field `{}`", name.text));
        Err(Remark::Error(fault.hint(crate::ir::AlertField::hint(&name.text))))
    }
}
