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
    let mut valid = true;
    let mut first = true;
    loop {
        let mut low = rest.next()?;
        if low == ']' && !first {
            return Some((valid && inside != negated, rest));
        }
        first = false;
        if low == '[' {
            if let Some((name, next)) = class(&rest) {
                match class_holds(name, character) {
                    Some(holds) => inside |= holds,
                    None => valid = false,
                }
                rest = next;
                continue;
            }
            if let Some((only, next)) = symbol(&rest) {
                (low, rest) = (only, next);
            }
        } else if low == '\\' {
            low = rest.next()?;
        }
        let high = range_end(&mut rest)?.unwrap_or(low);
        inside |= within(low, high, character, fold);
    }
}

fn within(low: char, high: char, character: char, fold: bool) -> bool {
    let range = low..=high;
    range.contains(&character)
        || (fold
            && (range.contains(&character.to_ascii_lowercase())
                || range.contains(&character.to_ascii_uppercase())))
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
        && let Some((only, next)) = symbol(&ahead)
    {
        (high, ahead) = (only, next);
    }
    *rest = ahead;
    Some(Some(high))
}

/// Reads the `:name:]` of a character class.
fn class<'a>(rest: &Chars<'a>) -> Option<(&'a str, Chars<'a>)> {
    let inner = rest.as_str().strip_prefix(':')?;
    let (name, after) = inner.split_once(":]")?;
    name.bytes().all(|byte| byte.is_ascii_lowercase()).then(|| (name, after.chars()))
}

/// Reads `.x.]` or `=x=]`, which both mean the character itself.
fn symbol<'a>(rest: &Chars<'a>) -> Option<(char, Chars<'a>)> {
    let mut ahead = rest.clone();
    let mark = ahead.next().filter(|mark| matches!(mark, '.' | '='))?;
    let only = ahead.next()?;
    (ahead.next()? == mark && ahead.next()? == ']').then_some((only, ahead))
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
            ],
        );
    }

    #[test]
    fn many_stars_take_bounded_time() {
        assert!(!glob(&"*a".repeat(50), &"a".repeat(49), false));
        assert!(!glob(&format!("{}b", "*a".repeat(200)), &"a".repeat(4096), false));
    }
}
