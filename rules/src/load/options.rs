//! What the configuration makes of rules, after their files had their say.

use std::{collections::BTreeMap, fmt};

use alert::Priority;

/// What the configuration makes of rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadOptions {
    /// Which rules are enabled, whatever the files say; a later choice beats an earlier one.
    pub selections: Vec<Selection>,
    /// Less severe rules are compiled, so that their faults are told, but are not in the set.
    pub priority_min: Option<Priority>,
    /// What is appended to outputs and alerts, in this order.
    pub append_output: Vec<AppendOutput>,
    /// Values that conditions and outputs may name as `static.KEY`.
    pub static_fields: BTreeMap<String, String>,
}

/// What is appended to the outputs of some rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppendOutput {
    /// Only to the rule of this name.
    pub rule: Option<String>,
    /// Only to rules of this source.
    pub source: Option<String>,
    /// Only to rules that have all of these tags.
    pub tags: Vec<String>,
    /// A format, appended behind a blank.
    pub extra_output: Option<String>,
    /// Fields that alerts have besides, which their text does not show.
    pub extra_fields: Vec<ExtraField>,
    /// Append container and pod, as Falco's container plugin suggests.
    pub suggested_output: bool,
}

/// A field that alerts have besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtraField {
    /// A field of the event with its type.
    Field(String),
    /// A text of a format.
    Format { name: String, format: String },
}

/// Enables or disables rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    Enable(Pick),
    Disable(Pick),
}

/// Which rules are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pick {
    /// A rule's name, in which `*` stands for any text.
    Rule(String),
    /// A tag.
    Tag(String),
}

impl Pick {
    pub(super) fn takes(&self, name: &str, tags: &[String]) -> bool {
        match self {
            Self::Rule(pattern) => wildcard(pattern, name),
            Self::Tag(tag) => tags.iter().any(|other| other == tag),
        }
    }
}

impl Selection {
    pub(super) const fn pick(&self) -> &Pick {
        match self {
            Self::Enable(pick) | Self::Disable(pick) => pick,
        }
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if matches!(self, Self::Enable(_)) { "enable" } else { "disable" };
        match self.pick() {
            Pick::Rule(pattern) => write!(f, "`{verb}: {{rule: {pattern}}}`"),
            Pick::Tag(tag) => write!(f, "`{verb}: {{tag: {tag}}}`"),
        }
    }
}

impl LoadOptions {
    /// Returns whether a rule is in the set.
    pub(super) fn keeps(
        &self,
        name: &str,
        tags: &[String],
        priority: Priority,
        enabled: bool,
    ) -> bool {
        let mut chosen = self.selections.iter().rev();
        let last = chosen.find(|selection| selection.pick().takes(name, tags));
        let enabled = last.map_or(enabled, |last| matches!(last, Selection::Enable(_)));
        enabled && self.priority_min.is_none_or(|least| priority >= least)
    }
}

/// Returns whether `text` is `pattern`, in which `*` stands for any text.
pub fn wildcard(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("*", "any", true),
            ("*", "", true),
            ("**", "any", true),
            ("", "", true),
            ("", "a", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "ab", true),
            ("*b", "ab", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("k8s_*", "k8s_noisy", true),
            ("?b", "ab", false),
            ("*ab*b", "ab", false),
        ] {
            assert_eq!(wildcard(pattern, text), expected, "{pattern} {text}");
        }
    }
}
