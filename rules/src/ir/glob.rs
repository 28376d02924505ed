//! Shell patterns as in fnmatch(3) without flags: `*` and `?` also match `/` and a leading dot.

use std::str::Chars;

/// Returns whether `text` matches the whole `pattern`; `fold` ignores the case of ASCII letters.
/// Takes at most `pattern.len() * text.len()` steps and does not allocate.
pub(crate) fn glob(pattern: &str, text: &str, fold: bool) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where to go on when what follows the last star does not match: one character later.
    let mut star: Option<(Chars<'_>, Chars<'_>)> = None;
    loop {
        let mut rest = pattern.clone();
        let element = rest.next();
        if element == Some('*') {
            star = Some((rest.clone(), text.clone()));
            pattern = rest;
            continue;
        }
        let mut after = text.clone();
        let character = after.next();
        match (element, character) {
            (None, None) => return true,
            (Some(element), Some(character)) => {
                if let Some(next) = one(element, rest, character, fold) {
                    (pattern, text) = (next, after);
                    continue;
                }
            }
            _ => {}
        }
        let Some((behind, from)) = &mut star else { return false };
        if from.next().is_none() {
            return false;
        }
        (pattern, text) = (behind.clone(), from.clone());
    }
}

/// Matches one character; returns what is left of the pattern, or `None` if it does not match.
fn one<'a>(element: char, mut rest: Chars<'a>, character: char, fold: bool) -> Option<Chars<'a>> {
    let holds = match element {
        '?' => true,
        // A backslash that ends the pattern matches nothing.
        '\\' => same(rest.next()?, character, fold),
        '[' => match bracket(rest.clone(), character, fold) {
            Some((holds, next)) => {
                rest = next;
                holds
            }
            // A bracket that is not closed stands for itself.
            None => character == '[',
        },
        other => same(other, character, fold),
    };
    holds.then_some(rest)
}

fn same(left: char, right: char, fold: bool) -> bool {
    left == right || (fold && left.eq_ignore_ascii_case(&right))
}

/// Reads the inside of `[…]`; returns whether the character is one of it, and what follows. `None`
/// if it is not closed.
fn bracket(mut rest: Chars<'_>, character: char, fold: bool) -> Option<(bool, Chars<'_>)> {
    let negated = rest.as_str().starts_with(['!', '^']);
    if negated {
        rest.next();
    }
    let mut inside = false;
    // Behind what decides, a name that means nothing does no harm.
    let mut valid = true;
    let mut first = true;
    loop {
        let mut low = rest.next()?;
        if low == ']' && !first {
            return Some((valid && inside != negated, rest));
        }
        first = false;
        let named = if low == '[' { named(&rest) } else { None };
        let by_name = matches!(named, Some((Named::Symbol(_), _)));
        match named {
            Some((Named::Class(name), next)) => {
                match class_holds(name, character) {
                    Some(holds) => inside |= holds,
                    None => valid &= inside,
                }
                rest = next;
                continue;
            }
            Some((Named::Equal(only), next)) => {
                inside |= only == character;
                rest = next;
                continue;
            }
            Some((Named::Symbol(Some(only)), next)) => (low, rest) = (only, next),
            Some((Named::Symbol(None), next)) => {
                valid &= inside;
                rest = next;
                continue;
            }
            // What is left of the pattern is a name without an end.
            Some((Named::Unclosed, rest)) => return Some((false, rest)),
            None if low == '\\' => low = rest.next()?,
            None => {}
        }
        inside |= match range_end(&mut rest)? {
            Some(high) => within(low, high, character, fold),
            // The case of a name is its own.
            None if by_name => low == character,
            None => same(low, character, fold),
        };
    }
}

fn within(low: char, high: char, character: char, fold: bool) -> bool {
    let folded = |character: char| match fold {
        true => character.to_ascii_lowercase(),
        false => character,
    };
    (folded(low)..=folded(high)).contains(&folded(character))
}

/// Reads `-x` behind a first character; a dash before `]` stands for itself. `None` if the pattern
/// ends in it.
fn range_end(rest: &mut Chars<'_>) -> Option<Option<char>> {
    let mut ahead = rest.clone();
    if ahead.next() != Some('-') || ahead.as_str().starts_with(']') {
        return Some(None);
    }
    let mut high = ahead.next()?;
    if high == '\\' {
        high = ahead.next()?;
    } else if high == '['
        && let Some((Named::Symbol(Some(only)), next)) = named(&ahead)
    {
        (high, ahead) = (only, next);
    }
    *rest = ahead;
    Some(Some(high))
}

/// What stands in `[:…:]`, `[=…=]` or `[.….]` inside a bracket.
#[derive(Clone, Copy)]
enum Named<'a> {
    Class(&'a str),
    Equal(char),
    /// A character by its name: only its own is known.
    Symbol(Option<char>),
    /// A symbol without its end.
    Unclosed,
}

/// Reads what follows the inner `[`.
fn named<'a>(rest: &Chars<'a>) -> Option<(Named<'a>, Chars<'a>)> {
    let text = rest.as_str();
    let single = |name: &str| {
        let mut characters = name.chars();
        characters.next().filter(|_| characters.next().is_none())
    };
    if let Some(inner) = text.strip_prefix(':') {
        let (name, after) = inner.split_once(":]")?;
        let lower = name.bytes().all(|byte| byte.is_ascii_lowercase());
        return lower.then(|| (Named::Class(name), after.chars()));
    }
    if let Some(inner) = text.strip_prefix('=') {
        let mut ahead = inner.chars();
        let only = ahead.next()?;
        let after = ahead.as_str().strip_prefix("=]")?;
        return Some((Named::Equal(only), after.chars()));
    }
    let inner = text.strip_prefix('.')?;
    Some(match inner.split_once(".]") {
        Some((name, after)) => (Named::Symbol(single(name)), after.chars()),
        None => (Named::Unclosed, "".chars()),
    })
}

/// Returns whether a character is of a class, as in the C locale; `None` if there is no such class.
fn class_holds(name: &str, character: char) -> Option<bool> {
    Some(match name {
        "alnum" => character.is_ascii_alphanumeric(),
        "alpha" => character.is_ascii_alphabetic(),
        "blank" => matches!(character, ' ' | '\t'),
        "cntrl" => character.is_ascii_control(),
        "digit" => character.is_ascii_digit(),
        "graph" => character.is_ascii_graphic(),
        "lower" => character.is_ascii_lowercase(),
        "print" => character.is_ascii_graphic() || character == ' ',
        "punct" => character.is_ascii_punctuation(),
        "space" => character.is_ascii_whitespace() || character == '\x0b',
        "upper" => character.is_ascii_uppercase(),
        "xdigit" => character.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fold: bool, cases: &[(&str, &str, bool)]) {
        for (pattern, text, expected) in cases {
            assert_eq!(glob(pattern, text, fold), *expected, "pattern {pattern:?} text {text:?}");
        }
    }

    #[test]
    fn stars_and_question_marks_cross_slashes_and_dots() {
        check(
            false,
            &[
                ("*", "", true),
                ("", "", true),
                ("", "a", false),
                ("a", "", false),
                ("?", "", false),
                ("/etc/*", "/etc/a/b", true),
                ("/etc*", "/etc", true),
                ("*", ".hidden", true),
                ("?hidden", ".hidden", true),
                ("a?b", "a/b", true),
                ("*.so", "a.so.1", false),
                ("*.so*", "a.so.1", true),
                ("*a*b*c*", "xxaxxbxxcxx", true),
                ("*a*b*c*", "xxaxxcxxbxx", false),
                ("**", "x", true),
                ("a*?", "a", false),
                ("a*?", "ab", true),
                ("*ab", "aab", true),
                ("*aab", "aaaab", true),
                ("a?c", "aéc", true),
                ("a??c", "aéc", false),
                ("*é", "caf\u{e9}", true),
                ("/proc/*/environ", "/proc/1/environ", true),
            ],
        );
    }

    #[test]
    fn a_bracket_holds_characters_ranges_and_classes() {
        check(
            false,
            &[
                ("[a-c]x", "bx", true),
                ("[a-c]x", "dx", false),
                ("[!a-c]x", "bx", false),
                ("[^a]x", "bx", true),
                ("[!a]", "é", true),
                ("[é]", "é", true),
                ("[è]", "é", false),
                ("[]]x", "]x", true),
                ("[!]]x", "]x", false),
                ("[]-a]", "^", true),
                ("[a-]", "-", true),
                ("[-a]", "-", true),
                ("[z-a]", "m", false),
                ("[a\\]b]", "]", true),
                ("[\\a-\\c]", "b", true),
                ("[[:alpha:]]", "q", true),
                ("[[:alpha:]]", "1", false),
                ("[[:digit:][:upper:]_]", "A", true),
                ("[[:digit:][:upper:]_]", "_", true),
                ("[![:space:]]", "\t", false),
                ("[[:nosuch:]]", "a", false),
                ("[![:nosuch:]]", "a", false),
                ("[[.a.]]", "a", true),
                ("[[=a=]]", "a", true),
                ("[[.a.]-c]", "b", true),
                ("[b[:nosuch:]]", "b", true),
                ("[[:nosuch:]b]", "b", false),
                ("[[.ab.]]", "a", false),
                ("[[.a]", "a", false),
                ("[[:a]", ":", true),
                ("[[]", "[", true),
                ("[a/b]", "/", true),
            ],
        );
    }

    #[test]
    fn what_is_not_closed_or_escaped_stands_for_itself() {
        check(
            false,
            &[
                ("[a", "[a", true),
                ("[a", "a", false),
                ("[", "[", true),
                ("[]", "[]", true),
                ("[!", "[!", true),
                ("x[a-", "x[a-", true),
                ("a\\*", "a*", true),
                ("a\\*", "ab", false),
                ("\\[a]", "[a]", true),
                ("\\a", "a", true),
                ("\\\\", "\\", true),
                ("\\", "\\", false),
                ("a]", "a]", true),
            ],
        );
    }

    #[test]
    fn iglob_folds_ascii_letters_only() {
        check(
            true,
            &[
                ("*MINER[a-z]", "xMinerQ", true),
                ("[A-C]", "b", true),
                ("[!A-C]", "b", false),
                ("É", "é", false),
                ("\\A", "a", true),
                ("[Z-a]", "_", false),
                ("[[=A=]]", "a", false),
                ("[[:upper:]]", "a", false),
            ],
        );
    }

    #[test]
    fn many_stars_take_bounded_time() {
        assert!(!glob(&"*a".repeat(50), &"a".repeat(49), false));
        assert!(!glob(&format!("{}b", "*a".repeat(200)), &"a".repeat(4096), false));
    }
}
