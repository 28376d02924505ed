//! A condition's syntax for editors and scripts: read, shown as JSON, and printed again.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Check, Dialect, Expression, Fault, Literal, Name, Operand, Right, Span, condition};

/// Conditions longer than this are not read.
const TEXT_BYTES_MAX: usize = 16 << 20;

/// What a condition says, before anything is known of its fields and macros.
///
/// Prints as a condition that reads as the same tree, and serialises as nested objects. Each has a
/// `type` and a `span`, the byte range in the text that was read:
///
/// | `type` | keys |
/// | --- | --- |
/// | `and`, `or` | `children` |
/// | `not` | `child` |
/// | `macro` | `name` |
/// | `check` | `left`, `operator`, `operator_span`; perhaps `modifier`, `right` |
/// | `field` | `name`; perhaps `argument` |
/// | `call` | `function`, `arguments`; perhaps `argument` |
/// | `value` | `value` |
/// | `list` | `items` |
///
/// `left` is a `field` or a `call`; a `field` on the right stood in `val(…)`.
#[derive(Clone, Debug)]
pub struct ConditionTree(Expression);

/// Why a text is no condition, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConditionFault {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    pub message: String,
    pub hint: Option<String>,
    /// What else is wrong, in the order of the text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Self>,
}

/// Reads a condition of a rule. Only its syntax is judged: fields and macros may be unknown, and
/// lists are not pasted.
pub fn parse_condition(text: &str) -> Result<ConditionTree, ConditionFault> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the condition is longer than {} MiB", TEXT_BYTES_MAX >> 20);
        return Err(ConditionFault::new(text, Fault::new(Span::default(), message)));
    }
    condition(text, Dialect::Events).map(ConditionTree).map_err(|faults| {
        let mut faults = faults.into_iter().map(|fault| ConditionFault::new(text, fault));
        let first = faults.next();
        let mut first = first.unwrap_or_else(|| {
            ConditionFault::new(text, Fault::new(Span::default(), "not a condition"))
        });
        first.others = faults.collect();
        first
    })
}

impl ConditionFault {
    fn new(text: &str, fault: Fault) -> Self {
        let before = &text[..fault.span.start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: fault.message,
            hint: fault.hint,
            others: Vec::new(),
        }
    }
}

impl fmt::Display for ConditionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, " ({hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConditionFault {}

impl fmt::Display for ConditionTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for ConditionTree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl Serialize for Expression {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut node = |name: &str| {
            map.serialize_entry("type", name)?;
            map.serialize_entry("span", &self.span())
        };
        match self {
            Self::And(children) => {
                node("and")?;
                map.serialize_entry("children", children)?;
            }
            Self::Or(children) => {
                node("or")?;
                map.serialize_entry("children", children)?;
            }
            Self::Not(child, _) => {
                node("not")?;
                map.serialize_entry("child", child)?;
            }
            Self::Macro(name) => {
                node("macro")?;
                map.serialize_entry("name", &name.text)?;
            }
            Self::Check(check) => {
                node("check")?;
                check.entries(&mut map)?;
            }
        }
        map.end()
    }
}

impl Check {
    fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("left", &self.left)?;
        map.serialize_entry("operator", self.operator.word())?;
        map.serialize_entry("operator_span", &self.operator_span)?;
        if let Some(modifier) = self.modifier {
            map.serialize_entry("modifier", modifier.word())?;
        }
        match &self.right {
            Right::Nothing => Ok(()),
            Right::Literal(literal) => map.serialize_entry("right", literal),
            Right::List(items, span) => map.serialize_entry("right", &List { items, span: *span }),
            Right::Name(name) => map.serialize_entry("right", name),
            Right::Operand(operand) => map.serialize_entry("right", operand),
        }
    }
}

impl Serialize for Operand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (kind, argument) = match self {
            Self::Literal(literal) => return literal.serialize(serializer),
            Self::List(items, span) => return List { items, span: *span }.serialize(serializer),
            Self::Field { argument, .. } => ("field", argument),
            Self::Call { argument, .. } => ("call", argument),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", kind)?;
        map.serialize_entry("span", &self.span())?;
        match self {
            Self::Field { name, .. } => map.serialize_entry("name", name)?,
            Self::Call { function, arguments, .. } => {
                map.serialize_entry("function", function.word())?;
                map.serialize_entry("arguments", arguments)?;
            }
            Self::Literal(_) | Self::List(..) => {}
        }
        if let Some(argument) = argument {
            map.serialize_entry("argument", argument)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "list")]
struct List<'a, T> {
    span: Span,
    items: &'a [T],
}

impl Serialize for Literal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        value(serializer, self.span, &self.text)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        value(serializer, self.span, &self.text)
    }
}

fn value<S: Serializer>(serializer: S, span: Span, text: &str) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(3))?;
    map.serialize_entry("type", "value")?;
    map.serialize_entry("span", &span)?;
    map.serialize_entry("value", text)?;
    map.end()
}
