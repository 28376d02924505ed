//! Matchers: `name="value"`, `!=`, `=~`, `!~`, in the syntax that every version reads.

use rules::quoted;

use super::pattern;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Regex,
    NotRegex,
}

/// One label compared with one value. A label that an alert lacks is an empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Matcher {
    name: String,
    comparison: Comparison,
    value: String,
}

impl Matcher {
    pub(super) fn equal(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), comparison: Comparison::Equal, value: value.to_owned() }
    }

    pub(super) fn regex(name: &str, value: &str) -> Self {
        Self { name: name.to_owned(), comparison: Comparison::Regex, value: value.to_owned() }
    }

    /// Reads matchers with commas between them, in braces or not.
    pub(super) fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let trimmed = text.trim();
        let inner = trimmed.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let parts = split(inner.unwrap_or(trimmed));
        parts.into_iter().filter(|part| !part.trim().is_empty()).map(Self::parse).collect()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("`{}`: {why}", text.trim().escape_debug());
        let text = text.trim();
        let end = text.find(['=', '!']).ok_or_else(|| wrong("no comparison"))?;
        let (name, rest) = (text[..end].trim_end(), &text[end..]);
        let comparisons = [
            ("=~", Comparison::Regex),
            ("!~", Comparison::NotRegex),
            ("!=", Comparison::NotEqual),
            ("=", Comparison::Equal),
        ];
        let found = comparisons
            .into_iter()
            .find_map(|(sign, comparison)| Some((comparison, rest.strip_prefix(sign)?)));
        let (comparison, value) = found.ok_or_else(|| wrong("no comparison"))?;
        let value = unquoted(value.trim()).ok_or_else(|| wrong("a quote is not closed"))?;
        Ok(Self { name: name.to_owned(), comparison, value })
    }

    /// Returns the condition that holds for the same alerts.
    pub(super) fn condition(&self) -> Result<String, String> {
        let mut letters = self.name.chars();
        let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic());
        if !begins || !letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_') {
            let name = self.name.escape_debug();
            return Err(format!("a label named `{name}` cannot be a field's name"));
        }
        let field = format!("label.{}", self.name);
        let (is_regex, negated) = match self.comparison {
            Comparison::Equal => (false, false),
            Comparison::NotEqual => (false, true),
            Comparison::Regex => (true, false),
            Comparison::NotRegex => (true, true),
        };
        let (compared, takes_empty) = if is_regex {
            let converted = pattern::convert(&self.value)?;
            (format!("{field} regex {}", quoted(&converted.text)), converted.takes_empty)
        } else {
            (format!("{field} = {}", quoted(&self.value)), self.value.is_empty())
        };
        Ok(match (takes_empty, negated) {
            (false, false) => compared,
            (false, true) => format!("not {compared}"),
            (true, false) => format!("(not {field} exists or {compared})"),
            (true, true) => format!("({field} exists and not {compared})"),
        })
    }
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

/// Returns a value without its quotes and escapes; one without quotes stands for itself.
fn unquoted(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else { return Some(text.to_owned()) };
    let inner = inner.strip_suffix('"')?;
    let (mut out, mut characters) = (String::with_capacity(inner.len()), inner.chars());
    while let Some(character) = characters.next() {
        match (character, characters.clone().next()) {
            ('"', _) => return None,
            ('\\', Some(next @ ('"' | '\\' | 'n'))) => {
                out.push(if next == 'n' { '\n' } else { next });
                characters.next();
            }
            // Any other backslash stands for itself.
            (character, _) => out.push(character),
        }
    }
    Some(out)
}
