//! Alertmanager's matchers: `name="value"`, `!=`, `=~`, `!~`. Silences may be made of them.
//!
//! A name is one that a route's `group_by` knows; what an alert lacks is an empty text. A pattern must
//! match the whole text, and is written in the syntax of Alertmanager's, which is Go's.

use std::{borrow::Cow, fmt, str::FromStr};

use regex::{Regex, RegexBuilder};
use rules::{Condition, Subject};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::facts::{self, Facts, Key};

mod pattern;
#[cfg(test)]
mod tests;

pub use pattern::of_go;

/// Longest text of a name or value.
const TEXT_BYTES_MAX: usize = 4096;
/// Largest compiled pattern.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// Matchers of one list.
const MATCHERS_MAX: usize = 64;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Regex,
    NotRegex,
}

impl Comparison {
    /// Longer signs first, so that none is taken for the beginning of another.
    const SIGNS: [(&str, Self); 4] =
        [("=~", Self::Regex), ("!~", Self::NotRegex), ("!=", Self::NotEqual), ("=", Self::Equal)];

    /// Returns it as it is written.
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// One field compared with one value. Serialises as its text.
#[derive(Clone, Debug)]
pub struct Matcher {
    name: Box<str>,
    comparison: Comparison,
    value: Box<str>,
    key: Key,
    regex: Option<Regex>,
}

impl Matcher {
    /// Returns a matcher, or what is wrong with its name or pattern.
    pub fn new(name: &str, comparison: Comparison, value: &str) -> Result<Self, String> {
        if name.is_empty() {
            return Err("it has no name".to_owned());
        }
        if name.len() > TEXT_BYTES_MAX || value.len() > TEXT_BYTES_MAX {
            return Err(format!("name and value have at most {TEXT_BYTES_MAX} bytes each"));
        }
        let regex = match comparison {
            Comparison::Equal | Comparison::NotEqual => None,
            Comparison::Regex | Comparison::NotRegex => Some(compile(value)?),
        };
        let key = Key::parse(name);
        Ok(Self { name: name.into(), comparison, value: value.into(), key, regex })
    }

    /// Reads matchers with commas between them, in braces or not.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let trimmed = text.trim();
        let inner = match (trimmed.strip_prefix('{'), trimmed.ends_with('}')) {
            (Some(rest), true) => &rest[..rest.len() - 1],
            (None, false) => trimmed,
            _ => return Err(format!("`{}`: a brace is not closed", text.escape_debug())),
        };
        let parts = split(inner);
        // A comma may follow the last.
        let count =
            parts.len() - usize::from(parts.last().is_some_and(|last| last.trim().is_empty()));
        if count > MATCHERS_MAX {
            return Err(format!("more than {MATCHERS_MAX} matchers"));
        }
        parts[..count].iter().map(|part| part.parse()).collect()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn comparison(&self) -> Comparison {
        self.comparison
    }

    pub fn value(&self) -> &str {
        &self.value
    }

    /// Returns whether it holds for an alert that lacks the field.
    pub fn takes_empty(&self) -> bool {
        self.holds("")
    }

    pub(super) fn matches(&self, subject: &Subject<'_>) -> bool {
        self.holds(&self.read(subject))
    }

    /// Returns whether it holds for a value.
    pub(crate) fn holds(&self, value: &str) -> bool {
        let equal =
            self.regex.as_ref().map_or(*self.value == *value, |regex| regex.is_match(value));
        match self.comparison {
            Comparison::Equal | Comparison::Regex => equal,
            Comparison::NotEqual | Comparison::NotRegex => !equal,
        }
    }

    fn read<'a>(&self, subject: &Subject<'a>) -> Cow<'a, str> {
        let alert = subject.alert;
        match &self.key {
            Key::Rule => alert.rule.as_str().into(),
            Key::Source => alert.source.as_str().into(),
            Key::Hostname => alert.hostname.as_str().into(),
            Key::Priority => alert.priority.name().into(),
            Key::Workload => Facts::of(alert).workload().unwrap_or_default(),
            Key::Fingerprint => {
                subject.fingerprint.map(|it| it.to_string()).unwrap_or_default().into()
            }
            Key::Field(name) => alert.fields.get(&**name).map(facts::text).unwrap_or_default(),
        }
    }
}

/// Returns a condition or matchers as they were written.
pub(super) fn written(condition: Option<&Condition>, matchers: &[Matcher]) -> String {
    match condition {
        Some(condition) => condition.text().to_owned(),
        None => {
            let matchers: Vec<_> = matchers.iter().map(Matcher::to_string).collect();
            format!("{{{}}}", matchers.join(", "))
        }
    }
}

/// Returns whether the condition holds, or if there is none all of the matchers; never if there are
/// none either.
pub(super) fn holds(
    condition: Option<&Condition>,
    matchers: &[Matcher],
    subject: &Subject<'_>,
) -> bool {
    match condition {
        Some(condition) => condition.matches(subject),
        None => !matchers.is_empty() && all(matchers, subject),
    }
}

/// Returns what is wrong with what a person wrote: a condition, or matchers in its place.
pub(super) fn check(condition: Option<&Condition>, matchers: &[Matcher]) -> Result<(), String> {
    match (condition, matchers) {
        (Some(_), []) => Ok(()),
        (None, [_, ..]) => match fault(matchers) {
            Some(fault) => Err(format!("matchers: {fault}")),
            None => Ok(()),
        },
        _ => Err("either `match` or `matchers` says what it is about".to_owned()),
    }
}

/// Returns whether all of them hold.
fn all(matchers: &[Matcher], subject: &Subject<'_>) -> bool {
    matchers.iter().all(|matcher| matcher.matches(subject))
}

/// Returns what is wrong with a list that must not match everything.
fn fault(matchers: &[Matcher]) -> Option<&'static str> {
    if matchers.len() > MATCHERS_MAX {
        return Some("it has more than 64 matchers");
    }
    let is_open = matchers.iter().all(Matcher::takes_empty);
    is_open.then_some("one matcher at least must not hold for an empty value")
}

fn compile(value: &str) -> Result<Regex, String> {
    let wrong = |why: &str| format!("the pattern `{}`: {why}", value.escape_debug());
    let anchored = format!("^(?:{})$", of_go(value));
    // By itself first: what closes the group of the anchors early is no pattern.
    let whole = RegexBuilder::new(&of_go(value)).size_limit(REGEX_BYTES_MAX).build();
    let built =
        whole.and_then(|_| RegexBuilder::new(&anchored).size_limit(REGEX_BYTES_MAX).build());
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => wrong("it is too large"),
        error => {
            let text = error.to_string();
            wrong(text.lines().last().unwrap_or_default().trim_start_matches("error: "))
        }
    })
}

/// Splits at commas outside of quotes.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut inside, mut escaped) = (false, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if inside => escaped = true,
            '"' => inside = !inside,
            ',' if !inside => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

impl FromStr for Matcher {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = |why: &str| format!("`{}`: {why}", text.escape_debug());
        let (name, rest) = match text.strip_prefix('"') {
            Some(_) => {
                let end = closing_quote(text).ok_or_else(|| wrong("a quote is not closed"))?;
                let name = unquoted(&text[..=end]).ok_or_else(|| wrong("a quote is not closed"))?;
                (Cow::Owned(name), text[end + 1..].trim_start())
            }
            None => {
                let end = text.find(['=', '!']).ok_or_else(|| wrong("no comparison"))?;
                (Cow::Borrowed(text[..end].trim_end()), &text[end..])
            }
        };
        if !text.starts_with('"') && name.contains(['"', '{', '}', '~', ',']) {
            return Err(wrong("such a name is written in quotes"));
        }
        let found = Comparison::SIGNS
            .into_iter()
            .find_map(|(sign, comparison)| Some((comparison, rest.strip_prefix(sign)?)));
        let (comparison, value) = found.ok_or_else(|| wrong("no comparison"))?;
        let value = unquoted(value.trim()).ok_or_else(|| wrong("a quote is not closed"))?;
        Self::new(&name, comparison, &value).map_err(|why| match why.starts_with("the pattern") {
            true => why,
            false => wrong(&why),
        })
    }
}

/// Returns where the quote ends that a text begins with.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().enumerate().skip(1).find_map(|(at, byte)| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends.then_some(at)
    })
}

/// Returns a value without its quotes and escapes; one without quotes stands for itself.
fn unquoted(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else {
        return (!text.contains('"')).then(|| text.to_owned());
    };
    let inner = inner.strip_suffix('"')?;
    let (mut out, mut characters) = (String::with_capacity(inner.len()), inner.chars());
    while let Some(character) = characters.next() {
        match (character, characters.clone().next()) {
            ('"', _) => return None,
            ('\\', Some(next @ ('"' | '\\' | 'n'))) => {
                out.push(if next == 'n' { '\n' } else { next });
                characters.next();
            }
            // It would take the quote that ends the text.
            ('\\', None) => return None,
            // Any other backslash stands for itself.
            (character, _) => out.push(character),
        }
    }
    Some(out)
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            other => write!(f, "{other}")?,
        }
    }
    f.write_str("\"")
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_alphanumeric() || "_.-[]:/".contains(c);
        match self.name.chars().all(plain) {
            true => f.write_str(&self.name)?,
            false => write_quoted(f, &self.name)?,
        }
        f.write_str(self.comparison.sign())?;
        write_quoted(f, &self.value)
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        let parts = |it: &Self| (it.name.clone(), it.comparison, it.value.clone());
        parts(self) == parts(other)
    }
}

impl Eq for Matcher {}

impl Serialize for Matcher {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Matcher {
    fn schema_name() -> Cow<'static, str> {
        "Matcher".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}
