//! What every text that matches a pattern has: a pattern is compared only where that is found.

use crate::parse::Operator;

/// A text that is certainly there, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Certain {
    Prefix(String),
    Suffix(String),
    Inside(String),
}

impl Certain {
    /// How much it tells: long texts are rare, and many paths begin alike.
    fn worth(&self) -> usize {
        const SHARED_BY_MANY: usize = 6;
        match self {
            Self::Prefix(text) => text.len().saturating_sub(SHARED_BY_MANY).max(1),
            Self::Suffix(text) | Self::Inside(text) => text.len(),
        }
    }
}

/// Returns the text that tells most; `None` if nothing is certain.
pub(super) fn certain(operator: Operator, pattern: &str) -> Option<Certain> {
    match operator {
        Operator::Glob => certain_of_glob(pattern),
        Operator::Regex => certain_of_regex(pattern),
        _ => None,
    }
}

/// Returns the text that whatever matches a regular expression begins with.
pub(crate) fn certain_prefix(regex: &str) -> Option<String> {
    match certain_of_regex(regex)? {
        Certain::Prefix(text) => Some(text),
        Certain::Suffix(_) | Certain::Inside(_) => None,
    }
}

fn certain_of_glob(pattern: &str) -> Option<Certain> {
    let mut found: Vec<Certain> = Vec::new();
    let mut text = String::new();
    let mut at_start = true;
    let mut rest = pattern;
    loop {
        let next = rest.find(['*', '?', '[', '\\']).unwrap_or(rest.len());
        text.push_str(&rest[..next]);
        rest = &rest[next..];
        let after = match rest.as_bytes().first() {
            None => Some(""),
            Some(b'*' | b'?') => Some(&rest[1..]),
            Some(b'[') => behind_bracket(rest),
            _ => None,
        };
        let ends = rest.is_empty();
        if !text.is_empty() {
            let text = std::mem::take(&mut text);
            found.push(match (at_start, ends) {
                (true, _) => Certain::Prefix(text),
                (false, true) => Certain::Suffix(text),
                (false, false) => Certain::Inside(text),
            });
        }
        at_start = false;
        match after {
            Some(after) if !ends => rest = after,
            // The end, or something whose meaning is left to the comparison.
            _ => return found.into_iter().max_by_key(Certain::worth),
        }
    }
}

/// Returns what follows a plain bracket, which stands for one character; `None` if this may be
/// something else.
fn behind_bracket(text: &str) -> Option<&str> {
    let inside = text.strip_prefix('[')?;
    let end = inside.find(']').filter(|end| *end > 0)?;
    let plain = !inside[..end].contains(['[', '\\', '!', '^']);
    plain.then(|| &inside[end + 1..])
}

fn certain_of_regex(pattern: &str) -> Option<Certain> {
    if pattern.contains('|') {
        return None;
    }
    let mut prefix = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(character) = rest.next() {
        let literal = match character {
            '\\' => match rest.next() {
                Some(escaped) if escaped.is_ascii_punctuation() => escaped,
                _ => break,
            },
            '^' | '$' | '.' | '?' | '*' | '+' | '(' | ')' | '[' | ']' | '{' | '}' => break,
            other => other,
        };
        // What may be repeated may be absent, and `b+?` is `(b+)?`.
        let mut behind = rest.clone();
        while behind.next_if_eq(&'+').is_some() {}
        if matches!(behind.peek(), Some('?' | '*' | '{')) {
            break;
        }
        prefix.push(literal);
    }
    (!prefix.is_empty()).then_some(Certain::Prefix(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_filed_under_a_text_that_all_matches_have() {
        let prefix = |text: &str| Some(Certain::Prefix(text.to_owned()));
        let suffix = |text: &str| Some(Certain::Suffix(text.to_owned()));
        let inside = |text: &str| Some(Certain::Inside(text.to_owned()));
        for (operator, pattern, expected) in [
            (Operator::Glob, "/root/.ssh/id_*", prefix("/root/.ssh/id_")),
            (Operator::Glob, "/home/*/.ssh/id_*", inside("/.ssh/id_")),
            (Operator::Glob, "/proc/*/mem", suffix("/mem")),
            (Operator::Glob, "/proc/[0-9]*/mem", suffix("/mem")),
            (Operator::Glob, "/a", prefix("/a")),
            (Operator::Glob, "/a[bc]", prefix("/a")),
            (Operator::Glob, "a[!b]cde", prefix("a")),
            (Operator::Glob, "a[]b]cde", prefix("a")),
            (Operator::Glob, "*/id_rsa", suffix("/id_rsa")),
            (Operator::Glob, "*a?bc*", inside("bc")),
            (Operator::Glob, "*[a]b", suffix("b")),
            (Operator::Glob, "?", None),
            (Operator::Glob, "\\*a", None),
            (Operator::IGlob, "/root*", None),
            (Operator::Regex, "abc.*", prefix("abc")),
            (Operator::Regex, "abc*", prefix("ab")),
            (Operator::Regex, "abc?", prefix("ab")),
            (Operator::Regex, "ab{0,2}", prefix("a")),
            (Operator::Regex, "ab+", prefix("ab")),
            (Operator::Regex, "ab+?", prefix("a")),
            (Operator::Regex, "ab+*", prefix("a")),
            (Operator::Regex, "ab++{0,1}", prefix("a")),
            (Operator::Regex, "a\\.b(c)", prefix("a.b")),
            (Operator::Regex, "a\\x41", prefix("a")),
            (Operator::Regex, "a|b", None),
            (Operator::Regex, "(a|b)c", None),
            (Operator::Regex, "[ab]c", None),
        ] {
            assert_eq!(certain(operator, pattern), expected, "{pattern}");
        }
    }
}
