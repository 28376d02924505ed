//! Prints compiled conditions in the language they were written in.

use std::fmt::Write as _;

use alert::{Argument, Field};

use super::step::{Operator, Step};
use crate::{
    ir::{Graph, Leaf, Literal, Node, NodeId, Predicate, Term, Test},
    parse::{self, Function},
};

/// A list is cut after this many bytes.
const LIST_BYTES_MAX: usize = 400;
const INDENT: &str = "    ";

/// Returns a field as rules name it.
pub(super) fn field(field: Field, argument: &Argument) -> String {
    match argument {
        Argument::Key(key) if field == Field::EvtArg => format!("evt.arg.{key}"),
        _ => format!("{}{argument}", field.name()),
    }
}

pub(crate) fn leaf(leaf: &Leaf) -> String {
    match leaf {
        Leaf::Event(name, argument) => field(*name, argument),
        Leaf::Alert(field) => field.name().to_owned(),
    }
}

fn term(value: &Term) -> String {
    let all = |terms: &[Term]| terms.iter().map(term).collect::<Vec<_>>().join(", ");
    match value {
        Term::Leaf(inner) => leaf(inner),
        Term::Constant(text) => quoted(text),
        Term::List(terms) => format!("({})", all(terms)),
        Term::Call(Function::GetOpt, terms) if terms.len() == 3 => {
            format!("getopt({})[{}]", all(&terms[..2]), term(&terms[2]))
        }
        Term::Call(function, terms) => format!("{}({})", function.word(), all(terms)),
    }
}

/// Returns a check as a condition of its own; a long list is cut.
pub(crate) fn predicate(predicate: &Predicate) -> String {
    checked(predicate, LIST_BYTES_MAX)
}

/// Returns a condition as text, whole; `None` if it is longer than `bytes_max`.
pub(crate) fn whole(graph: &Graph, root: NodeId, bytes_max: usize) -> Option<String> {
    let joined = |word: &str, children: &[NodeId]| {
        let mut text = String::from("(");
        for (place, child) in children.iter().enumerate() {
            if place > 0 {
                text.push_str(word);
            }
            text.push_str(&whole(graph, *child, bytes_max)?);
            if text.len() > bytes_max {
                return None;
            }
        }
        text.push(')');
        Some(text)
    };
    match graph.node(root) {
        Node::True => Some("evt.num != 0".to_owned()),
        Node::False => Some("evt.num = 0".to_owned()),
        Node::Not(child) => Some(format!("not ({})", whole(graph, *child, bytes_max)?)),
        Node::And(children) => joined(" and ", children),
        Node::Or(children) => joined(" or ", children),
        Node::Predicate(number) => Some(checked(graph.predicate_of(*number).0, usize::MAX)),
    }
}

fn checked(predicate: &Predicate, list_bytes_max: usize) -> String {
    let list = |items: &mut dyn Iterator<Item = String>| list(items, list_bytes_max);
    let left = term(&predicate.term);
    match &predicate.test {
        Test::Exists => format!("{left} exists"),
        Test::Equal(wanted) => format!("{left} = {}", literal(wanted)),
        Test::NotEqual(wanted) => format!("{left} != {}", literal(wanted)),
        Test::Order(operator, wanted) => format!("{left} {} {}", operator.word(), literal(wanted)),
        Test::Text(operator, text) => format!("{left} {} {}", operator.word(), quoted(text)),
        Test::In(items) => format!("{left} in {}", list(&mut items.iter().map(literal))),
        Test::Intersects(items) => {
            format!("{left} intersects {}", list(&mut items.iter().map(literal)))
        }
        Test::PathMatch(paths) => {
            format!("{left} pmatch {}", list(&mut paths.iter().map(|path| quoted(path))))
        }
        Test::Modified(modifier, operator, items) => {
            let items = list(&mut items.iter().map(literal));
            format!("{left} {} {} {items}", operator.word(), modifier.word())
        }
        Test::Term(operator, right) => match right {
            Term::Leaf(_) => format!("{left} {} val({})", operator.word(), term(right)),
            _ => format!("{left} {} {}", operator.word(), term(right)),
        },
    }
}

fn literal(literal: &Literal) -> String {
    match literal {
        Literal::Bool(value) => value.to_string(),
        Literal::Number(value) => value.to_string(),
        Literal::Text(text) | Literal::Any(text) => quoted(text),
        Literal::Ip(ip) => ip.to_string(),
        Literal::Net(net) => net.to_string(),
        Literal::Priority(priority) => priority.to_string(),
    }
}

fn list(items: &mut dyn Iterator<Item = String>, bytes_max: usize) -> String {
    let mut text = String::from("(");
    let mut left = 0;
    for item in items {
        if text.len() > bytes_max {
            left += 1;
            continue;
        }
        if text.len() > 1 {
            text.push_str(", ");
        }
        text.push_str(&item);
    }
    if left > 0 {
        write!(text, ", … {left} more").ok();
    }
    text.push(')');
    text
}

/// Quotes a value where the language needs it.
fn quoted(text: &str) -> String {
    parse::Literal { text: text.into(), span: parse::Span::default() }.to_string()
}

/// Returns JSON in which no character can change a terminal.
pub(super) fn escaped(value: &serde_json::Value) -> String {
    let mut text = String::new();
    for character in value.to_string().chars() {
        match character {
            other if other.is_control() => text.extend(other.escape_unicode()),
            other => text.push(other),
        }
    }
    text
}

/// Returns the text, cut with `…`.
pub(super) fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(bytes_max)])
}

/// What a line says: a part's answer, and the check whose values it read.
#[derive(Clone, Copy)]
pub(super) struct Said<'a> {
    pub(super) whole: &'a Step,
    pub(super) check: &'a Step,
}

/// Makes a line of a part's text.
type Dress<'a> = &'a mut dyn FnMut(Said<'_>, String) -> String;

/// Prints a tree, a check a line, each through `dress`.
pub(super) fn tree(root: &Step, dress: Dress<'_>) -> String {
    let mut printer = Printer { text: String::new(), dress };
    printer.group(root, 0, "");
    printer.text.truncate(printer.text.trim_end().len());
    printer.text
}

struct Printer<'a> {
    text: String,
    dress: Dress<'a>,
}

impl Printer<'_> {
    fn line(&mut self, step: &Step, depth: usize, text: &str) {
        self.say(Said { whole: step, check: step }, depth, text);
    }

    fn say(&mut self, said: Said<'_>, depth: usize, text: &str) {
        let line = (self.dress)(said, format!("{}{text}", INDENT.repeat(depth)));
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Prints a part without parentheses; `before` joins its first line to what is above.
    fn group(&mut self, step: &Step, depth: usize, before: &str) {
        let word = match step.operator {
            Operator::And => "and ",
            Operator::Or => "or ",
            _ => return self.part(step, depth, before),
        };
        for (index, child) in step.children.iter().enumerate() {
            let before = if index == 0 { before } else { word };
            self.part(child, depth, before);
        }
    }

    fn part(&mut self, step: &Step, depth: usize, before: &str) {
        match (step.operator, step.children.first()) {
            (Operator::Check, _) => self.line(step, depth, &format!("{before}{}", step.text)),
            (Operator::Always, _) => self.line(step, depth, &format!("{before}evt.num != 0")),
            (Operator::Never, _) => self.line(step, depth, &format!("{before}evt.num = 0")),
            (Operator::Not, Some(child)) if child.operator == Operator::Check => {
                let said = Said { whole: step, check: child };
                self.say(said, depth, &format!("{before}not {}", child.text));
            }
            (Operator::Not, Some(child)) => {
                self.line(step, depth, &format!("{before}not ("));
                self.group(child, depth + 1, "");
                self.line(step, depth, ")");
            }
            (Operator::And | Operator::Or, Some(_)) => {
                self.line(step, depth, &format!("{before}("));
                self.group(step, depth + 1, "");
                self.line(step, depth, ")");
            }
            _ => self.line(step, depth, &format!("{before}…")),
        }
    }
}
