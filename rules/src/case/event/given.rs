//! What a test gives of an event or a process, read as what it must be.

use std::str::FromStr;

use crate::{
    diagnostic::{Code, Diagnostic},
    ir::nearest,
    text::Files,
    yaml::{Kind, Node},
};

/// A name and its value.
type Label = (Box<str>, Box<str>);

/// The keys of one mapping, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Given<'n> {
    pub(super) files: &'n Files,
    pub(super) pairs: &'n [(Node, Node)],
}

impl<'n> Given<'n> {
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.pairs.iter().find(|(name, _)| name.str() == Some(key)).map(|(_, value)| value)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn fault(&self, node: &Node, message: impl Into<String>) -> Diagnostic {
        node.error(self.files, Code::YamlValidate, message)
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'n str>, Diagnostic> {
        let Some(node) = self.get(key) else { return Ok(None) };
        let one = || self.fault(node, format!("`{key}` must be a single value"));
        node.str().map(Some).ok_or_else(one)
    }

    pub(super) fn boxed(&self, key: &str) -> Result<Option<Box<str>>, Diagnostic> {
        Ok(self.text(key)?.map(Into::into))
    }

    /// Returns a value that is written as its type is; `what` says how, for a person.
    pub(super) fn parsed<T: FromStr>(
        &self,
        key: &str,
        what: &str,
    ) -> Result<Option<T>, Diagnostic> {
        let (Some(text), Some(node)) = (self.text(key)?, self.get(key)) else { return Ok(None) };
        let wrong = |_| self.fault(node, format!("`{key}` must be {what}, found `{text}`"));
        text.parse().map(Some).map_err(wrong)
    }

    pub(super) fn number<T: FromStr>(&self, key: &str) -> Result<Option<T>, Diagnostic> {
        self.parsed(key, "a decimal number in its range")
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, Diagnostic> {
        self.parsed(key, "`true` or `false`")
    }

    /// Returns what `find` knows by the name given; `names` are those it knows.
    pub(super) fn named<T>(
        &self,
        key: &str,
        names: &[&str],
        find: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Diagnostic> {
        let (Some(text), Some(node)) = (self.text(key)?, self.get(key)) else { return Ok(None) };
        find(text).map(Some).ok_or_else(|| self.unknown(node, text, names))
    }

    /// Returns the fault of a name that is none of `names`.
    pub(super) fn unknown(&self, node: &Node, text: &str, names: &[&str]) -> Diagnostic {
        let fault = self.fault(node, format!("unknown `{text}`"));
        match nearest(text, names.iter().copied()) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault.hint(format!("one of: {}", names.join(" "))),
        }
    }

    /// Returns several texts: a sequence, words with blanks between, or `name=value` of a mapping.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<Box<str>>, Diagnostic> {
        let Some(node) = self.get(key) else { return Ok(Vec::new()) };
        match &node.kind {
            Kind::Scalar { value, .. } => {
                Ok(value.as_str().split_ascii_whitespace().map(Into::into).collect())
            }
            Kind::Sequence(nodes) => nodes
                .iter()
                .map(|node| {
                    let one = || self.fault(node, "expected a single value");
                    node.str().map(Into::into).ok_or_else(one)
                })
                .collect(),
            Kind::Mapping(_) => {
                let pairs = self.labels(key)?;
                Ok(pairs
                    .into_iter()
                    .map(|(name, value)| format!("{name}={value}").into())
                    .collect())
            }
        }
    }

    /// Returns the names and values of a mapping.
    pub(super) fn labels(&self, key: &str) -> Result<Vec<Label>, Diagnostic> {
        let Some(node) = self.get(key) else { return Ok(Vec::new()) };
        let Kind::Mapping(pairs) = &node.kind else {
            return Err(self.fault(node, format!("`{key}` must be names with values")));
        };
        let pair = |(name, value): &(Node, Node)| match (name.str(), value.str()) {
            (Some(name), Some(text)) => Ok((name.into(), text.into())),
            _ => Err(self.fault(value, "expected a name with a single value")),
        };
        pairs.iter().map(pair).collect()
    }
}
