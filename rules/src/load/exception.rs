//! Exceptions of a rule. They become text of its condition, as in Falco, because rules are written
//! around that.

use crate::{
    diagnostic::{Code, Diagnostic},
    text::{Files, Text},
    yaml::{Kind, Node},
};

#[derive(Clone, Debug)]
pub(crate) struct Exception {
    pub(crate) name: String,
    node: Node,
    /// `None` when only values are given, to be appended to an exception of that name.
    fields: Option<Shape>,
    pub(crate) values: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Shape {
    /// One field compared with all values.
    Single { field: String, operator: String },
    /// Several fields compared with a row of values each.
    Rows { fields: Vec<String>, operators: Vec<String> },
}

/// Reads `exceptions`; `None` after a fault.
pub(crate) fn read_exceptions(
    files: &Files,
    node: &Node,
    found: &mut Vec<Diagnostic>,
) -> Option<Vec<Exception>> {
    if node.is_null() {
        return Some(Vec::new());
    }
    let Kind::Sequence(nodes) = &node.kind else {
        found.push(node.error(files, Code::YamlValidate, "`exceptions` must be a list"));
        return None;
    };
    let mut exceptions: Vec<Exception> = Vec::new();
    for node in nodes.iter() {
        match read(node) {
            Ok(exception) => {
                if exceptions.iter().any(|other| other.name == exception.name) {
                    let message = format!("two exceptions are called `{}`", exception.name);
                    found.push(node.error(files, Code::ExceptionNameNotUnique, message));
                }
                exceptions.push(exception);
            }
            Err(message) => {
                found.push(node.error(files, Code::Validate, message));
                return None;
            }
        }
    }
    Some(exceptions)
}

fn read(node: &Node) -> Result<Exception, String> {
    let Kind::Mapping(pairs) = &node.kind else {
        return Err("an exception has the keys name, fields, comps and values".to_owned());
    };
    let get =
        |key: &str| pairs.iter().find(|(name, _)| name.str() == Some(key)).map(|pair| &pair.1);
    let name = get("name").and_then(Node::str).ok_or("the exception has no `name`")?.to_owned();
    let strings = |node: &Node| match &node.kind {
        Kind::Sequence(nodes) => {
            let strings: Option<Vec<_>> =
                nodes.iter().map(|node| node.str().map(str::to_owned)).collect();
            strings.ok_or_else(|| "expected a list of texts".to_owned())
        }
        _ => Err("expected a list of texts".to_owned()),
    };
    let fields = match (get("fields"), get("comps")) {
        (None, None) => None,
        (None, Some(_)) => return Err("the exception has `comps` but no `fields`".to_owned()),
        (Some(fields), comps) => Some(match &fields.kind {
            Kind::Scalar { value, .. } => {
                let operator = match comps {
                    None => "in",
                    Some(comps) => comps.str().ok_or("`comps` must be a text, as `fields` is")?,
                };
                let word = operator.split_ascii_whitespace().next_back().unwrap_or_default();
                if !matches!(word, "in" | "pmatch" | "intersects" | "oneof" | "anyof" | "allof") {
                    return Err(format!("`{operator}` takes no list; give the fields as a list"));
                }
                Shape::Single { field: value.as_str().to_owned(), operator: operator.to_owned() }
            }
            _ => {
                let fields = strings(fields)?;
                let operators = match comps {
                    None => vec!["=".to_owned(); fields.len()],
                    Some(comps) => strings(comps)?,
                };
                if operators.len() != fields.len() {
                    return Err("`fields` and `comps` have different lengths".to_owned());
                }
                Shape::Rows { fields, operators }
            }
        }),
    };
    let values = match get("values") {
        None => Vec::new(),
        Some(node) if node.is_null() => Vec::new(),
        Some(node) => match &node.kind {
            Kind::Sequence(nodes) => nodes.to_vec(),
            _ => return Err("`values` must be a list".to_owned()),
        },
    };
    Ok(Exception { name, node: node.clone(), fields, values })
}

/// Returns `(condition) and not (exception) …`.
pub(crate) fn with_exceptions(
    files: &Files,
    condition: &Text,
    exceptions: &[Exception],
) -> Result<Text, Diagnostic> {
    if exceptions.iter().all(|exception| exception.values.is_empty()) {
        return Ok(condition.clone());
    }
    let mut text = Text::default();
    text.push_pasted("(", condition, 0..0);
    text.push_text(condition);
    text.push_own(")");
    for exception in exceptions.iter().filter(|exception| !exception.values.is_empty()) {
        let origin = exception.node.clone();
        let fault = |message: String| origin.error(files, Code::Validate, message);
        let pasted = match &exception.fields {
            None => {
                let message = format!("the exception `{}` has no `fields`", exception.name);
                return Err(fault(message));
            }
            Some(Shape::Single { field, operator }) => {
                let values: Option<Vec<_>> = exception.values.iter().map(scalar).collect();
                let values = values.ok_or_else(|| fault("expected single values".to_owned()))?;
                format!("{field} {operator} ({})", values.join(", "))
            }
            Some(Shape::Rows { fields, operators }) => {
                let rows: Result<Vec<_>, _> = exception
                    .values
                    .iter()
                    .map(|row| self::row(fields, operators, row).map_err(fault))
                    .collect();
                rows?.join(" or ")
            }
        };
        let place = exception.node.span.start;
        let marker = Text::new("x", exception.node.file, "x", place);
        text.push_pasted(&format!(" and not ({pasted})"), &marker, 0..1);
    }
    Ok(text)
}

fn row(fields: &[String], operators: &[String], row: &Node) -> Result<String, String> {
    let Kind::Sequence(values) = &row.kind else {
        return Err("expected a list with one value for each field".to_owned());
    };
    if values.len() != fields.len() {
        let (have, want) = (values.len(), fields.len());
        return Err(format!("a row of values has {have} entries for {want} fields"));
    }
    let mut checks = Vec::with_capacity(values.len());
    for ((field, operator), value) in fields.iter().zip(operators).zip(values.iter()) {
        let list_operator = matches!(operator.as_str(), "in" | "pmatch" | "intersects");
        let value = match &value.kind {
            Kind::Sequence(items) => {
                let items: Option<Vec<_>> = items.iter().map(scalar).collect();
                format!("({})", items.ok_or("expected single values")?.join(", "))
            }
            _ => match scalar(value).ok_or("expected a value")? {
                text if list_operator && !text.starts_with('(') => format!("({text})"),
                text => text,
            },
        };
        checks.push(format!("{field} {operator} {value}"));
    }
    Ok(format!("({})", checks.join(" and ")))
}

fn scalar(node: &Node) -> Option<String> {
    node.str().map(super::paste::quoted)
}
