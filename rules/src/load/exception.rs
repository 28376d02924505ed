//! Exceptions of a rule, as written. [`super::expand`] makes text of them.

use std::rc::Rc;

use alert::EventSource;

use super::{
    inside,
    value::{get, text, unknown_key},
};
use crate::{
    diagnostic::{Code, Diagnostic, ItemType},
    ir::{Compiler, Graph},
    load::NoMacros,
    parse::{Dialect, Expression, Modifier, Operator, Right, condition},
    text::{Files, Text},
    yaml::{Kind, Node},
};

const KEYS: &[&str] = &["name", "fields", "comps", "values"];

#[derive(Clone, Debug)]
pub(crate) struct Exception {
    pub(crate) name: String,
    pub(crate) node: Node,
    /// `None` when only values are given, to be appended to an exception of that name.
    pub(crate) shape: Option<Shape>,
    /// Whether `comps` is given.
    pub(crate) has_operators: bool,
    pub(crate) values: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// One field compared with all values.
    Single { field: Rc<Text>, operator: String },
    /// Several fields compared with a row of values each.
    Rows { fields: Vec<Rc<Text>>, operators: Vec<String> },
}

/// Whether exceptions stand in a rule's definition, or change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Define,
    Append,
}

/// Reads `exceptions`; `None` after a fault. Fields are looked up only if the rule's source is
/// known.
pub(crate) fn read_exceptions(
    files: &Files,
    node: &Node,
    purpose: Purpose,
    source: Option<EventSource>,
    found: &mut Vec<Diagnostic>,
) -> Option<Vec<Exception>> {
    if node.is_null() {
        return Some(Vec::new());
    }
    inside(files, found, ItemType::Exceptions, "", node, |found| {
        let Kind::Sequence(nodes) = &node.kind else {
            let message = format!("`exceptions` must be a list, found {}", node.what());
            found.push(node.error(files, Code::YamlValidate, message));
            return None;
        };
        let mut exceptions: Vec<Exception> = Vec::new();
        let mut seen = hashbrown::HashSet::new();
        for node in nodes.iter() {
            let mut reader = Reader { files, node, purpose, source };
            let name = reader.name_shown();
            let exception = inside(files, found, ItemType::Exception, name, node, |found| {
                let exception = reader.read(found)?;
                if !seen.insert(exception.name.clone()) {
                    let message = format!("two exceptions are called `{}`", exception.name);
                    found.push(node.error(files, Code::ExceptionNameNotUnique, message));
                }
                Some(exception)
            });
            exceptions.extend(exception);
        }
        (exceptions.len() == nodes.len()).then_some(exceptions)
    })
}

struct Reader<'a> {
    files: &'a Files,
    node: &'a Node,
    purpose: Purpose,
    source: Option<EventSource>,
}

impl<'a> Reader<'a> {
    fn name_shown(&self) -> &'a str {
        let Kind::Mapping(pairs) = &self.node.kind else { return "" };
        get(pairs, "name").and_then(Node::str).unwrap_or_default()
    }

    fn error<T>(
        &self,
        node: &Node,
        code: Code,
        message: impl Into<String>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<T> {
        found.push(node.error(self.files, code, message));
        None
    }

    fn read(&mut self, found: &mut Vec<Diagnostic>) -> Option<Exception> {
        let Kind::Mapping(pairs) = &self.node.kind else {
            let message = "an exception has the keys name, fields, comps and values";
            return self.error(self.node, Code::YamlValidate, message, found);
        };
        for (key, _) in pairs.iter() {
            if !KEYS.contains(&key.str().unwrap_or_default()) {
                found.push(unknown_key(self.files, key, "exception", KEYS));
            }
        }
        let Some(name) = get(pairs, "name") else {
            let message = "the exception has no `name`";
            return self.error(self.node, Code::YamlValidate, message, found);
        };
        let name = text(self.files, name, "name", found)?;
        let comps = get(pairs, "comps").filter(|node| !is_empty(node));
        let shape = match get(pairs, "fields") {
            None if self.purpose == Purpose::Define => {
                let message = format!("the exception `{}` has no `fields`", name.as_str());
                return self.error(self.node, Code::YamlValidate, message, found);
            }
            None => None,
            Some(fields) if is_empty(fields) => None,
            Some(fields) => Some(self.shape(fields, comps, found)?),
        };
        if shape.is_none() && self.purpose == Purpose::Define {
            let message = format!("the exception `{}` has empty `fields`", name.as_str());
            return self.error(self.node, Code::Validate, message, found);
        }
        let values = match get(pairs, "values") {
            Some(node) => self.values(node, found)?,
            None => {
                if self.purpose == Purpose::Append {
                    let message = format!("nothing is added to the exception `{}`", name.as_str());
                    let warning = self.node.error(self.files, Code::AppendNoValues, message);
                    found.push(warning.hint("give `values`"));
                }
                Vec::new()
            }
        };
        Some(Exception {
            name: name.as_str().to_owned(),
            node: self.node.clone(),
            shape,
            has_operators: comps.is_some(),
            values,
        })
    }

    fn values(&self, node: &Node, found: &mut Vec<Diagnostic>) -> Option<Vec<Node>> {
        inside(self.files, found, ItemType::ExceptionValues, "", node, |found| {
            let Kind::Sequence(nodes) = &node.kind else {
                let message = format!("`values` must be a list, found {}", node.what());
                return self.error(node, Code::YamlValidate, message, found);
            };
            let valid = nodes.iter().filter(|node| self.value(node, 0, found)).count();
            (valid == nodes.len()).then(|| nodes.to_vec())
        })
    }

    /// A value, a row of values, or a row with lists in it.
    fn value(&self, node: &Node, depth: usize, found: &mut Vec<Diagnostic>) -> bool {
        let message = match &node.kind {
            Kind::Sequence(nodes) if depth < 2 => {
                return nodes.iter().all(|node| self.value(node, depth + 1, found));
            }
            Kind::Scalar { value, .. } if !node.is_null() && !value.as_str().is_empty() => {
                return true;
            }
            Kind::Scalar { .. } => "a value must not be empty".to_owned(),
            _ => format!("expected a value, found {}", node.what()),
        };
        inside(self.files, found, ItemType::ExceptionValue, "", node, |found| {
            self.error::<()>(node, Code::YamlValidate, message, found);
        });
        false
    }

    fn shape(
        &self,
        fields: &Node,
        comps: Option<&Node>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Shape> {
        if let Kind::Sequence(nodes) = &fields.kind {
            return self.rows(nodes, comps, found);
        }
        let field = self.field(fields, found)?;
        let operator = match comps {
            None => "in".to_owned(),
            Some(node) => match node.str() {
                Some(operator) => operator.to_owned(),
                None => {
                    let message = "`comps` must be a single operator, as `fields` is one field";
                    return self.error(node, Code::Validate, message, found);
                }
            },
        };
        if !takes_list(&operator) {
            let node = comps.unwrap_or(fields);
            let message = format!("`{operator}` takes no list of values");
            found.push(node.error(self.files, Code::Validate, message).hint(
                "use `in`, `pmatch`, `intersects`, or as `startswith anyof`; or give `fields` as a list",
            ));
            return None;
        }
        Some(Shape::Single { field, operator })
    }

    fn rows(
        &self,
        nodes: &[Node],
        comps: Option<&Node>,
        found: &mut Vec<Diagnostic>,
    ) -> Option<Shape> {
        let fields: Vec<_> = nodes.iter().map(|node| self.field(node, found)).collect();
        let fields: Vec<_> = fields.into_iter().collect::<Option<_>>()?;
        let Some(comps) = comps else {
            let operators = vec!["=".to_owned(); fields.len()];
            return Some(Shape::Rows { fields, operators });
        };
        let Kind::Sequence(nodes) = &comps.kind else {
            let message = "`comps` must be a list, as `fields` is";
            return self.error(comps, Code::Validate, message, found);
        };
        if nodes.len() != fields.len() {
            let message = format!(
                "`fields` and `comps` have different lengths: {} and {}",
                fields.len(),
                nodes.len()
            );
            return self.error(comps, Code::Validate, message, found);
        }
        let mut operators = Vec::with_capacity(nodes.len());
        for node in nodes.iter() {
            match node.str().filter(|operator| is_operator(operator)) {
                Some(operator) => operators.push(operator.to_owned()),
                None => {
                    let message = format!("`{}` is no operator", node.str().unwrap_or_default());
                    self.error::<()>(node, Code::Validate, message, found);
                }
            }
        }
        (operators.len() == fields.len()).then_some(Shape::Rows { fields, operators })
    }

    /// Reads a field, or a function of one.
    fn field(&self, node: &Node, found: &mut Vec<Diagnostic>) -> Option<Rc<Text>> {
        let Some(written) = node.scalar().filter(|_| !node.is_null()) else {
            let message = format!("expected a field, found {}", node.what());
            return self.error(node, Code::Validate, message, found);
        };
        let Some(source) = self.source else { return Some(Rc::clone(written)) };
        let message = match condition(&format!("{} exists", written.as_str()), Dialect::Events) {
            Ok(Expression::Check(check)) if matches!(check.right, Right::Nothing) => {
                let mut graph = Graph::default();
                let (mut macros, remarks) = (NoMacros, Vec::new());
                let mut compiler = Compiler {
                    graph: &mut graph,
                    dialect: Dialect::Events,
                    source,
                    macros: &mut macros,
                    remarks,
                    depth: 0,
                };
                match compiler.term(&check.left) {
                    Ok(_) => return Some(Rc::clone(written)),
                    Err(remark) => remark.into_fault().message,
                }
            }
            _ => format!("`{}` is no field", written.as_str()),
        };
        self.error(node, Code::Validate, message, found)
    }
}

/// An empty value counts as left out.
fn is_empty(node: &Node) -> bool {
    match &node.kind {
        Kind::Scalar { .. } => node.is_null(),
        Kind::Sequence(nodes) => nodes.is_empty(),
        Kind::Mapping(_) => true,
    }
}

fn is_operator(text: &str) -> bool {
    let known = |word: &str| {
        word == "==" || Operator::ALL.iter().any(|o| *o != Operator::Exists && o.word() == word)
    };
    known(text) || modified(text)
}

/// Returns whether an operator is one such as `startswith anyof`.
fn modified(text: &str) -> bool {
    let mut words = text.split_ascii_whitespace();
    let (Some(operator), Some(modifier), None) = (words.next(), words.next(), words.next()) else {
        return false;
    };
    let takes_modifier =
        |known: &&Operator| !known.is_order() && !known.takes_list() && **known != Operator::Exists;
    let is_text = operator == "=="
        || Operator::ALL.iter().filter(takes_modifier).any(|known| known.word() == operator);
    is_text && Modifier::ALL.iter().any(|known| known.word() == modifier)
}

/// Returns whether an operator compares with a list in parentheses.
pub(super) fn takes_list(operator: &str) -> bool {
    let is_list = |known: &&Operator| known.takes_list();
    Operator::ALL.iter().filter(is_list).any(|known| known.word() == operator) || modified(operator)
}
