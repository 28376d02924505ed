//! Asks one rule about one event and keeps every answer.

use alert::Event;
use hashbrown::HashMap;
use serde::Serialize;

use super::{
    print,
    step::{self, Observer, Operator, Seen, Step},
};
use crate::{
    RuleSet, Verdict,
    ir::{EventView, Graph, Node, NodeId, PathView, Record},
};

/// A value in a trace is cut after this many bytes.
const VALUE_BYTES_MAX: usize = 4096;

/// What one event made of a rule's condition.
#[derive(Clone, Debug, Serialize)]
pub struct Trace {
    pub rule: String,
    pub matches: bool,
    /// Which of an opened file's two paths `fd.name` was: `written`, or `resolved` where only that
    /// one matches.
    pub path: &'static str,
    pub condition: Step,
    /// The checks that made the answer what it is, in their order.
    pub decided_by: Vec<String>,
}

impl RuleSet {
    /// Asks the rule of this name about an event; `None` if no enabled rule has it.
    pub fn trace(&self, rule: &str, event: &Event) -> Option<Trace> {
        let (index, rule) = self.find(rule)?;
        let root = self.root(index);
        let written = self.observe(root, event, PathView::Written);
        let resolved = (!written.0 && EventView::other_path(event).is_some())
            .then(|| self.observe(root, event, PathView::Resolved))
            .filter(|(matches, _)| *matches);
        let path = if resolved.is_some() { "resolved" } else { "written" };
        let (matches, condition) = resolved.unwrap_or(written);
        let mut decided_by = Vec::new();
        deciding(&condition, &mut decided_by);
        Some(Trace { rule: rule.name.clone(), matches, path, condition, decided_by })
    }

    fn observe(&self, root: NodeId, event: &Event, path: PathView) -> (bool, Step) {
        let view = EventView { event, path };
        let mut asked = Asked { view, answers: HashMap::new() };
        let matches = asked.answer(self.graph(), root) == Verdict::True;
        (matches, step::build(self.graph(), root, &mut asked))
    }
}

/// Gathers the checks that decide; one that is negated is named with its `not`.
fn deciding(step: &Step, found: &mut Vec<String>) {
    let negated = match (step.operator, step.children.first()) {
        (Operator::Not, Some(child)) if child.operator == Operator::Check => Some(child),
        _ => None,
    };
    let check = negated.unwrap_or(step);
    if check.operator != Operator::Check {
        return step.children.iter().for_each(|child| deciding(child, found));
    }
    let not = if negated.is_some() { "not " } else { "" };
    let text = format!("{not}{}", check.text);
    if check.seen.as_ref().is_some_and(|seen| seen.decides) && !found.contains(&text) {
        found.push(text);
    }
}

/// The answers of all parts to one view of an event.
struct Asked<'a> {
    view: EventView<'a>,
    answers: HashMap<NodeId, Verdict>,
}

impl Asked<'_> {
    /// Answers as rules do: a check of a missing value is unknown and counts as false.
    fn answer(&mut self, graph: &Graph, id: NodeId) -> Verdict {
        if let Some(known) = self.answers.get(&id) {
            return *known;
        }
        let answer = match graph.node(id) {
            Node::True => Verdict::True,
            Node::False => Verdict::False,
            Node::Predicate(index) => {
                let (predicate, machine) = graph.predicate_of(*index);
                predicate.test(machine, &self.view).map_or(Verdict::Unknown, verdict)
            }
            Node::Not(child) => verdict(self.answer(graph, *child) != Verdict::True),
            Node::And(children) => {
                verdict(self.count(graph, children, Verdict::True) == children.len())
            }
            Node::Or(children) => verdict(self.count(graph, children, Verdict::True) > 0),
        };
        self.answers.insert(id, answer);
        answer
    }

    /// Asks all children: a trace shows also what a matcher need not ask.
    fn count(&mut self, graph: &Graph, children: &[NodeId], wanted: Verdict) -> usize {
        let mut count = 0;
        for child in children {
            count += usize::from(self.answer(graph, *child) == wanted);
        }
        count
    }

    fn values(&self, graph: &Graph, id: NodeId) -> Vec<(String, serde_json::Value)> {
        let mut values = Vec::new();
        let Node::Predicate(index) = graph.node(id) else { return values };
        graph.predicate_of(*index).0.leaves(&mut |leaf| {
            let name = print::leaf(leaf);
            if !values.iter().any(|(known, _)| *known == name) {
                let value = self.view.value(leaf);
                values.push((name, value.map_or(serde_json::Value::Null, |value| bounded(&value))));
            }
        });
        values
    }
}

const fn verdict(answer: bool) -> Verdict {
    if answer { Verdict::True } else { Verdict::False }
}

fn bounded(value: &alert::Value<'_>) -> serde_json::Value {
    match value.to_json() {
        serde_json::Value::String(text) => print::cut(&text, VALUE_BYTES_MAX).into(),
        other => other,
    }
}

impl Observer for Asked<'_> {
    fn seen(&mut self, graph: &Graph, id: NodeId, decides: bool) -> Option<Seen> {
        let answer = self.answer(graph, id);
        Some(Seen { answer, decides, values: self.values(graph, id) })
    }

    /// An `and` is false for its false children, and true for all of them; an `or` the other way.
    fn follows(&mut self, graph: &Graph, parent: NodeId, child: NodeId) -> bool {
        let holds = |answer| answer == Verdict::True;
        match graph.node(parent) {
            Node::And(_) | Node::Or(_) => {
                holds(self.answer(graph, parent)) == holds(self.answer(graph, child))
            }
            _ => true,
        }
    }
}

impl Trace {
    /// Returns the condition on lines of its own, each with its answer before it and the values it
    /// saw behind it.
    pub fn condition_text(&self) -> String {
        print::tree(&self.condition, &mut |said, line| {
            let (Some(whole), Some(check)) = (&said.whole.seen, &said.check.seen) else {
                return line;
            };
            let answer = match whole.answer {
                Verdict::True => "true",
                Verdict::False => "false",
                Verdict::Unknown => "unknown",
            };
            let decides = check.decides && said.check.operator == Operator::Check;
            let mark = if decides { '>' } else { ' ' };
            let values = check.values.iter().map(|(name, value)| saw(name, value));
            let values: Vec<String> = values.collect();
            let line = format!("{mark} {answer:<8} {line}");
            if values.is_empty() { line } else { format!("{line}   # {}", values.join(", ")) }
        })
    }
}

/// What of a value is shown on a line.
const SHOWN_BYTES_MAX: usize = 120;

fn saw(name: &str, value: &serde_json::Value) -> String {
    if value.is_null() {
        return format!("{name} has no value");
    }
    // JSON escapes what a terminal would obey.
    format!("{name} is {}", print::cut(&print::escaped(value), SHOWN_BYTES_MAX))
}
