//! Compiles collected definitions: macros once each, then every rule.

use alert::EventSource;

use super::{
    LoadOptions, RuleDefinition,
    collect::Collection,
    exception::Exception,
    expand::with_exceptions,
    inside,
    macros::{MacroTable, Parsed, QUOTED_TWICE, diagnostic},
    paste::Lists,
    statics::Statics,
};
use crate::{
    diagnostic::{Code, Diagnostic, ItemType},
    ir::{Graph, NodeId, Remark},
    rule::{Extra, Rule},
    text::Files,
};

/// Compiled rules with the nodes of their conditions.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    pub(crate) graph: Graph,
    /// Enabled rules.
    pub(crate) rules: Vec<(Rule, NodeId)>,
    /// Rules that are switched off, by their files or by the options.
    pub(crate) disabled: Vec<Rule>,
}

/// Compiles all rules; a disabled one too, so that its faults are told.
pub(crate) fn compile(
    files: &Files,
    collection: &Collection,
    options: &LoadOptions,
    found: &mut Vec<Diagnostic>,
) -> Compiled {
    let lists = Lists::new(files, &collection.lists, found);
    let statics = Statics(&options.static_fields);
    let macros = MacroTable::new(files, collection, &lists, statics, found);
    let mut graph = Graph::default();
    let (mut rules, mut disabled) = (Vec::new(), Vec::new());
    for definition in &collection.rules {
        let name = definition.name.as_str();
        let rule = inside(files, found, ItemType::Rule, name, &definition.item, |found| {
            let Some(source) = EventSource::from_name(&definition.source) else {
                found.push(skipped(files, definition));
                return None;
            };
            let mut work = Work {
                files,
                lists: &lists,
                macros: &macros,
                options,
                statics,
                source,
                graph: &mut graph,
                definition,
                constants: Vec::new(),
                found,
            };
            work.rule()
        });
        let (tags, priority) = (&definition.tags, definition.priority);
        if options.keeps(name, tags, priority, definition.enabled) {
            rules.extend(rule);
        } else {
            disabled.extend(rule.map(|(rule, _)| rule));
        }
    }
    unused_selections(collection, options, found);
    macros.finish(found);
    for list in &collection.lists {
        let name = list.name.as_str();
        if !lists.is_used(name) {
            let message = format!("the list `{name}` is never used");
            inside(files, found, ItemType::List, name, &list.item, |found| {
                found.push(list.node.error(files, Code::UnusedList, message));
            });
        }
    }
    Compiled { graph, rules, disabled }
}

fn skipped(files: &Files, definition: &RuleDefinition) -> Diagnostic {
    let source = &definition.source;
    let message = format!("no events of the source `{source}` are read here, the rule is skipped");
    definition.node.error(files, Code::UnknownSource, message)
}

fn unused_selections(collection: &Collection, options: &LoadOptions, found: &mut Vec<Diagnostic>) {
    for selection in &options.selections {
        let mut rules = collection.rules.iter();
        if !rules.any(|rule| selection.pick().takes(rule.name.as_str(), &rule.tags)) {
            let message = format!("no rule matches the choice {selection}");
            found.push(Diagnostic::new(Code::SelectionUnused, "configuration", message));
        }
    }
}

/// The work on one rule.
pub(super) struct Work<'a> {
    pub(super) files: &'a Files,
    lists: &'a Lists,
    macros: &'a MacroTable<'a>,
    pub(super) options: &'a LoadOptions,
    pub(super) statics: Statics<'a>,
    pub(super) source: EventSource,
    pub(super) graph: &'a mut Graph,
    pub(super) definition: &'a RuleDefinition,
    /// Values of the configuration that the output names.
    pub(super) constants: Vec<Extra>,
    found: &'a mut Vec<Diagnostic>,
}

impl Work<'_> {
    fn rule(&mut self) -> Option<(Rule, NodeId)> {
        let definition = self.definition;
        let segments = self.output();
        let extras = self.extra_fields();
        let node = self.condition();
        let rule = Rule {
            name: definition.name.as_str().to_owned(),
            description: definition.description.clone(),
            priority: definition.priority,
            source: definition.source.clone(),
            events: self.source,
            tags: definition.tags.clone(),
            exceptions: definition.exceptions.iter().map(|each| each.name.clone()).collect(),
            warn_event_types: definition.warn_event_types,
            place: self.files.place(definition.node.file, definition.node.span.clone()),
            segments: segments?.into(),
            extras: extras?.into(),
        };
        Some((rule, node?))
    }

    /// Does `work` inside a part of the rule.
    pub(super) fn part<T>(
        &mut self,
        item_type: ItemType,
        work: impl FnOnce(&mut Self, &mut Vec<Diagnostic>) -> T,
    ) -> T {
        let definition = self.definition;
        let node = match item_type {
            ItemType::RuleOutput => &definition.output_node,
            _ => &definition.condition_node,
        };
        let mut found = Vec::new();
        let result = inside(self.files, &mut found, item_type, "", node, |found| work(self, found));
        self.found.append(&mut found);
        result
    }

    fn condition(&mut self) -> Option<NodeId> {
        self.part(ItemType::RuleCondition, |work, found| {
            let definition = work.definition;
            let exceptions = &definition.exceptions;
            let text = with_exceptions(work.files, &definition.condition, exceptions, found)?;
            let Some(parsed) = Parsed::new(work.files, work.lists, work.statics, &text, found)
            else {
                hint_at_values(work.files, exceptions, found);
                return None;
            };
            work.macros.look_up(&parsed, usize::MAX, found)?;
            let (node, remarks) = work.macros.compile(work.graph, &parsed, work.source, 0);
            found.extend(work.macros.warnings(&parsed, &remarks));
            if !remarks.iter().any(Remark::is_error) {
                return node;
            }
            let mut errors = remarks.iter().filter(|remark| remark.is_error());
            if definition.skip_if_unknown_filter && errors.all(Remark::is_unknown) {
                for remark in remarks.into_iter().filter(Remark::is_unknown) {
                    let fault = remark.into_fault();
                    let code = Code::UnknownFilter;
                    found.push(diagnostic(work.files, &parsed.text, code, fault));
                }
                return None;
            }
            work.macros.errors(&parsed, remarks, found);
            work.macros.tell_macros(&parsed, work.source);
            None
        })
    }
}

/// Says what to do about faults in the values of exceptions.
fn hint_at_values(files: &Files, exceptions: &[Exception], faults: &mut [Diagnostic]) {
    for fault in faults.iter_mut().filter(|fault| fault.hints.is_empty()) {
        let around = |exception: &Exception| {
            fault.is_in(&files.place(exception.node.file, exception.node.span.clone()))
        };
        if exceptions.iter().any(around) {
            fault.hints.push(QUOTED_TWICE.to_owned());
        }
    }
}
