//! A condition and an output format by themselves, as somebody types them: no rule file around them.

use std::sync::Arc;

use alert::{Event, EventSource, Priority};

use crate::{
    Diagnostic, Rule, RuleSet,
    diagnostic::{Code, File, Place},
    ir::{Compiler, Graph, Macros, NodeId, Remark},
    load::Compiled,
    parse::{Dialect, Fault, Name, condition, output},
    rule::Segment,
};

/// A condition may be this long.
const CONDITION_BYTES_MAX: usize = 64 << 10;
/// A format may be this long.
const FORMAT_BYTES_MAX: usize = 16 << 10;
/// Stands for a file's name in diagnostics.
const CONDITION: &str = "condition";
const FORMAT: &str = "output";

impl RuleSet {
    /// Compiles a condition over events as the only rule of a set. It names no macros and lists; the
    /// diagnostic points into its text.
    pub fn of_condition(text: &str) -> Result<Arc<Self>, Diagnostic> {
        if text.len() > CONDITION_BYTES_MAX {
            return Err(too_long(CONDITION, Code::CompileCondition, CONDITION_BYTES_MAX));
        }
        let place = |fault| placed(CONDITION, text, Code::CompileCondition, fault);
        let first = |faults: Vec<Fault>| faults.into_iter().next().unwrap_or_else(not_valid);
        let expression = condition(text, Dialect::Events).map_err(first).map_err(place)?;
        let mut graph = Graph::default();
        let mut compiler = Compiler {
            graph: &mut graph,
            dialect: Dialect::Events,
            source: EventSource::Syscall,
            macros: &mut NoFile,
            remarks: Vec::new(),
            depth: 0,
        };
        let node = compiler.expression(&expression);
        let fault = compiler.remarks.into_iter().find(Remark::is_error).map(Remark::into_fault);
        let (Some(node), None) = (node, &fault) else {
            return Err(place(fault.unwrap_or_else(not_valid)));
        };
        let rules = vec![(rule(text), node)];
        Ok(Arc::new(Self::new(Compiled { graph, rules, disabled: Vec::new() })))
    }
}

fn rule(text: &str) -> Rule {
    Rule {
        name: CONDITION.to_owned(),
        description: String::new(),
        priority: Priority::Debug,
        source: EventSource::Syscall.name().to_owned(),
        tags: Vec::new(),
        exceptions: Vec::new(),
        events: EventSource::Syscall,
        warn_event_types: false,
        place: Place { file: File::new(CONDITION, text), span: 0..text.len() },
        segments: Arc::default(),
        extras: Arc::default(),
    }
}

/// An output format as rules have: text in which `%field` stands for a value.
#[derive(Clone, Debug)]
pub struct Format(Arc<[Segment]>);

impl Format {
    /// Compiles a format; the diagnostic points into its text.
    pub fn parse(text: &str) -> Result<Self, Diagnostic> {
        if text.len() > FORMAT_BYTES_MAX {
            return Err(too_long(FORMAT, Code::CompileOutput, FORMAT_BYTES_MAX));
        }
        let place = |fault| placed(FORMAT, text, Code::CompileOutput, fault);
        let mut graph = Graph::default();
        let pieces = output(text).map_err(place)?.into_iter();
        let segments = pieces
            .map(|piece| Segment::compile(&mut graph, piece, EventSource::Syscall).map_err(place));
        Ok(Self(segments.collect::<Result<_, _>>()?))
    }

    /// Returns the text for an event; what it lacks is `<NA>`. Texts of processes are as they are:
    /// whoever shows them escapes them.
    pub fn text(&self, event: &Event) -> String {
        Rule::formatted(&self.0, event)
    }
}

/// Says that macros and lists are those of files.
struct NoFile;

impl Macros for NoFile {
    fn resolve(&mut self, _: &mut Graph, name: &Name, _: usize) -> Result<NodeId, Remark> {
        let fault = Fault::new(name.span, format!("`{}` is no field", name.text));
        Err(Remark::Error(fault.hint("macros cannot be named here")))
    }
}

fn placed(name: &str, text: &str, code: Code, fault: Fault) -> Diagnostic {
    let place = Place { file: File::new(name, text), span: fault.span.start..fault.span.end };
    Diagnostic::at(code, &place, fault.message).hints(fault.hint)
}

fn too_long(name: &str, code: Code, bytes_max: usize) -> Diagnostic {
    Diagnostic::new(code, name, format!("it is longer than {} KiB", bytes_max >> 10))
}

fn not_valid() -> Fault {
    Fault::new(Default::default(), "not a valid condition")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Event {
        let source = crate::Source { name: "e".to_owned(), text: text.to_owned() };
        crate::read_events(&source).unwrap().remove(0).event
    }

    #[test]
    fn a_condition_is_a_set_that_matches_and_needs_what_it_asks() {
        let set = RuleSet::of_condition("evt.type = execve and\n proc.name in (a, b)").unwrap();
        let kinds: Vec<&str> = set.requirements().kinds.iter().map(|kind| kind.name()).collect();
        assert_eq!(kinds, ["execve"]);
        let matches = |name: &str| {
            let mut hits = 0;
            let event = event(&format!("{{ evt.type: execve, proc.name: {name} }}"));
            set.matcher().matches(&event, &mut |_| hits += 1);
            hits
        };
        assert_eq!([matches("a"), matches("c")], [1, 0]);
    }

    #[test]
    fn a_fault_shows_what_was_typed_and_nothing_else() {
        let fault = RuleSet::of_condition("proc.nmae = x").unwrap_err().to_string();
        assert!(fault.contains("did you mean `proc.name`?"), "{fault}");
        assert!(!fault.contains("rule"), "{fault}");
        let fault = RuleSet::of_condition("spawned_process").unwrap_err().to_string();
        assert!(fault.contains("macros cannot be named here"), "{fault}");
        let fault = RuleSet::of_condition("proc.name = x\n- rule: Y").unwrap_err();
        assert_eq!((fault.line, fault.file.as_str()), (2, "condition"));
        let fault = Format::parse("%proc.name %proc.nmae").unwrap_err();
        assert_eq!((fault.column, fault.file.as_str()), (12, "output"));
        assert!(RuleSet::of_condition(&"a".repeat(65 << 10)).is_err());
    }

    #[test]
    fn a_format_prints_an_event_as_an_output_does() {
        let format = Format::parse("%evt.type %5proc.name|%fd.name").unwrap();
        let event = event("{ evt.type: execve, proc.name: sh }");
        assert_eq!(format.text(&event), "execve sh   |<NA>");
    }
}
