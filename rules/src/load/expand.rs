//! Makes exceptions text of their rule's condition, exactly as Falco does: rules are written around
//! that.

use super::{
    exception::{Exception, Shape, takes_list},
    inside, paste,
};
use crate::{
    diagnostic::{Code, Diagnostic, ItemType},
    text::{Files, Text},
    yaml::{Kind, Node},
};

/// Returns `(condition) and not (…) …` with a part for each exception that has values, or `None`
/// after it has said what is wrong.
pub(crate) fn with_exceptions(
    files: &Files,
    condition: &Text,
    exceptions: &[Exception],
    found: &mut Vec<Diagnostic>,
) -> Option<Text> {
    if exceptions.is_empty() {
        return Some(condition.clone());
    }
    let mut text = Text::default();
    text.push_pasted("(", condition, 0..0);
    text.push_text(condition);
    text.push_own(")");
    let before = found.len();
    for exception in exceptions.iter().filter(|exception| !exception.values.is_empty()) {
        let node = &exception.node;
        inside(files, found, ItemType::Exception, &exception.name, node, |found| {
            let marker = Text::new("x", node.file, "x", node.span.start);
            let mut writer = Writer { files, text: &mut text, marker, found };
            writer.exception(exception);
        });
    }
    (found.len() == before).then_some(text)
}

struct Writer<'a> {
    files: &'a Files,
    text: &'a mut Text,
    /// Stands for the exception as the origin of what we add.
    marker: Text,
    found: &'a mut Vec<Diagnostic>,
}

impl Writer<'_> {
    fn push(&mut self, text: &str) {
        self.text.push_pasted(text, &self.marker, 0..1);
    }

    fn error(&mut self, node: &Node, message: impl Into<String>) {
        let error = node.error(self.files, Code::Validate, message);
        inside(self.files, self.found, ItemType::ExceptionValue, "", node, |found| {
            found.push(error);
        });
    }

    fn exception(&mut self, exception: &Exception) {
        self.push(" and not (");
        match &exception.shape {
            None => {}
            Some(Shape::Single { field, operator }) => {
                self.text.push_text(field);
                self.push(&format!(" {operator} ("));
                self.items(&exception.values);
                self.push(")");
            }
            Some(Shape::Rows { fields, operators }) => {
                for (number, row) in exception.values.iter().enumerate() {
                    self.push(if number == 0 { "(" } else { " or (" });
                    self.row(fields, operators, row);
                    self.push(")");
                }
            }
        }
        self.push(")");
    }

    fn row(&mut self, fields: &[std::rc::Rc<Text>], operators: &[String], row: &Node) {
        let Kind::Sequence(values) = &row.kind else {
            return self.error(row, "expected a list with one value for each field");
        };
        if values.len() != fields.len() {
            let (have, want) = (values.len(), fields.len());
            let message = format!("a row of values has {have} entries for {want} fields");
            return self.error(row, message);
        }
        for (number, ((field, operator), value)) in
            fields.iter().zip(operators).zip(values.iter()).enumerate()
        {
            if number > 0 {
                self.push(" and ");
            }
            self.text.push_text(field);
            self.push(&format!(" {operator} "));
            match value.scalar() {
                None => {
                    let Kind::Sequence(items) = &value.kind else { continue };
                    self.push("(");
                    self.items(items);
                    self.push(")");
                }
                Some(text) if takes_list(operator) => {
                    // Not quoted: `a, b` are two values to Falco.
                    let is_list = text.as_str().starts_with('(');
                    self.push(if is_list { "" } else { "(" });
                    self.text.push_text(text);
                    self.push(if is_list { "" } else { ")" });
                }
                Some(text) => self.item(text),
            }
        }
    }

    fn items(&mut self, nodes: &[Node]) {
        for (number, node) in nodes.iter().enumerate() {
            if number > 0 {
                self.push(", ");
            }
            match node.scalar() {
                Some(text) => self.item(text),
                None => self.error(node, "expected a single value"),
            }
        }
    }

    /// Appends a value, in quotes if it has a blank and none yet.
    fn item(&mut self, text: &Text) {
        let quote = if paste::needs_quotes(text.as_str()) { "\"" } else { "" };
        self.push(quote);
        self.text.push_text(text);
        self.push(quote);
    }
}
