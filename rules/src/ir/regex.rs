//! Regular expressions as Falco's: RE2's POSIX syntax, over the whole text, linear in its length.
//!
//! The pattern is rewritten for our engine, whose own syntax says more (`\d`, `(?i)`, sets in
//! brackets), so that a rule means here what it means there, and what is refused there is here.

use std::{iter::Peekable, str::Chars};

use regex_automata::{meta::Regex, util::syntax};

const PROGRAM_BYTES_MAX: usize = 1 << 20;
/// As in RE2.
const REPEAT_MAX: u32 = 1000;
const CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// Compiles a pattern; the error says what of it is not understood.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    let rewritten = Rewriter::new(pattern).pattern()?;
    // As in RE2, `^` and `$` match at every line, and `.` does not match the end of one.
    Regex::builder()
        .syntax(syntax::Config::new().multi_line(true).dot_matches_new_line(false))
        .configure(Regex::config().nfa_size_limit(Some(PROGRAM_BYTES_MAX)))
        .build(&format!(r"\A(?:{rewritten})\z"))
        .map_err(|error| {
            use std::error::Error;
            if error.size_limit().is_some() {
                return "the pattern is too large: count less, or take `in` or `pmatch`".to_owned();
            }
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            let last = cause.lines().last().unwrap_or_default().trim_start_matches("error: ");
            if last.is_empty() { error.to_string() } else { last.to_owned() }
        })
}

/// Says what of a pattern is not understood, without compiling it.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    Rewriter::new(pattern).pattern().map(|_| ())
}

struct Rewriter<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    /// Parentheses that are open.
    depth: usize,
    /// Nothing that is left ends a class: it is looked for once.
    no_more_classes: bool,
}

impl<'a> Rewriter<'a> {
    fn new(pattern: &'a str) -> Self {
        let out = String::with_capacity(pattern.len() + 8);
        Self { rest: pattern.chars().peekable(), out, depth: 0, no_more_classes: false }
    }

    fn pattern(mut self) -> Result<String, String> {
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => {
                    let character = self.escape()?;
                    self.literal(character);
                }
                '[' => self.bracket()?,
                '{' => self.repeat()?,
                '(' if self.rest.peek() == Some(&'?') => {
                    return Err("`(?…)` is not POSIX syntax; for any case compare `tolower(…)`, \
                                or use `icontains` or `iglob`"
                        .to_owned());
                }
                '(' => {
                    self.depth += 1;
                    self.out.push_str("(?:");
                }
                ')' => {
                    let Some(depth) = self.depth.checked_sub(1) else {
                        return Err("a `)` without its `(`".to_owned());
                    };
                    self.depth = depth;
                    self.out.push(')');
                }
                '*' | '+' | '?' => {
                    self.out.push(character);
                    self.optional_again();
                }
                '.' | '^' | '$' | '|' => self.out.push(character),
                other => self.literal(other),
            }
        }
        match self.depth {
            0 => Ok(self.out),
            _ => Err("a `(` is not closed".to_owned()),
        }
    }

    /// Reads a `?` behind a repetition: `a*?` is `(a*)?`, where our engine would read a lazy one.
    fn optional_again(&mut self) {
        while self.rest.next_if_eq(&'?').is_some() {
            self.out.push_str("{0,1}");
        }
    }

    fn literal(&mut self, character: char) {
        if character.is_ascii_alphanumeric() || !character.is_ascii() {
            self.out.push(character);
        } else {
            self.out.push_str(&format!("\\x{:02x}", character as u32));
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Result<char, String> {
        let Some(character) = self.rest.next() else {
            return Err("a backslash at the end escapes nothing".to_owned());
        };
        let code = match character {
            'a' => 0x07,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'v' => 0x0b,
            'x' => self.hexadecimal()?,
            '0' => self.octal(0, 2),
            '1'..='7' if matches!(self.rest.peek(), Some('0'..='7')) => {
                self.octal(character as u32 - '0' as u32, 2)
            }
            _ if character.is_ascii_alphanumeric() => {
                let instead = match character {
                    'd' => "write `[0-9]`",
                    'w' => "write `[0-9A-Za-z_]`",
                    's' => "write `[[:space:]]`",
                    'D' | 'W' | 'S' => "write a class such as `[^0-9]`",
                    'A' | 'z' | 'b' | 'B' => "the whole text is compared",
                    _ => "a letter or digit needs no backslash",
                };
                return Err(format!("`\\{character}` is not POSIX syntax: {instead}"));
            }
            other => return Ok(other),
        };
        char::from_u32(code).ok_or_else(|| "not a character's number".to_owned())
    }

    /// Reads `41` or `{1F600}`.
    fn hexadecimal(&mut self) -> Result<u32, String> {
        let braced = self.rest.next_if_eq(&'{').is_some();
        let mut digits = String::new();
        while digits.len() < if braced { 6 } else { 2 }
            && let Some(digit) = self.rest.next_if(char::is_ascii_hexdigit)
        {
            digits.push(digit);
        }
        let complete =
            if braced { self.rest.next_if_eq(&'}').is_some() } else { digits.len() == 2 };
        match u32::from_str_radix(&digits, 16) {
            Ok(code) if complete => Ok(code),
            _ => Err("after `\\x` stand two hex digits, or digits in braces".to_owned()),
        }
    }

    fn octal(&mut self, first: u32, digits_max: usize) -> u32 {
        let mut code = first;
        for _ in 0..digits_max {
            let Some(digit) = self.rest.next_if(|next| matches!(next, '0'..='7')) else { break };
            code = code * 8 + (digit as u32 - '0' as u32);
        }
        code
    }

    /// Reads `{2}`, `{2,}` or `{2,5}`; any other brace stands for itself.
    fn repeat(&mut self) -> Result<(), String> {
        let mut ahead = self.rest.clone();
        let Some(low) = number(&mut ahead) else {
            self.literal('{');
            return Ok(());
        };
        let mut high = Some(low);
        if ahead.next_if_eq(&',').is_some() {
            high = match ahead.peek() {
                Some('}') => None,
                _ => match number(&mut ahead) {
                    Some(high) => Some(high),
                    None => {
                        self.literal('{');
                        return Ok(());
                    }
                },
            };
        }
        if ahead.next() != Some('}') {
            self.literal('{');
            return Ok(());
        }
        if low > REPEAT_MAX || high.is_some_and(|high| high > REPEAT_MAX || high < low) {
            return Err(format!("a repetition counts upwards, to at most {REPEAT_MAX}"));
        }
        self.out.push_str(&match high {
            None => format!("{{{low},}}"),
            Some(high) => format!("{{{low},{high}}}"),
        });
        self.rest = ahead;
        self.optional_again();
        Ok(())
    }

    /// Reads the inside of `[…]`.
    fn bracket(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(character) = self.rest.next() else {
                return Err("the bracket `[` is not closed".to_owned());
            };
            let low = match character {
                ']' if !first => break,
                '-' if !first && self.rest.peek() != Some(&']') => {
                    return Err("a `-` in brackets stands first, last, or in a range".to_owned());
                }
                '[' if self.rest.peek() == Some(&':') && self.class()? => {
                    first = false;
                    continue;
                }
                '\\' => self.escape()?,
                other => other,
            };
            first = false;
            let high = self.range_end()?;
            if high.is_some_and(|high| high < low) {
                return Err("a range in brackets goes upwards".to_owned());
            }
            self.literal(low);
            if let Some(high) = high {
                self.out.push('-');
                self.literal(high);
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// Reads `-x` behind the first character of a range; a `-` before `]` stands for itself.
    fn range_end(&mut self) -> Result<Option<char>, String> {
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || matches!(ahead.peek(), None | Some(']')) {
            return Ok(None);
        }
        self.rest = ahead;
        match self.rest.next() {
            Some('\\') => self.escape().map(Some),
            high => Ok(high),
        }
    }

    /// Reads `:alpha:]` or `:^alpha:]`; false if this is no class.
    fn class(&mut self) -> Result<bool, String> {
        if self.no_more_classes {
            return Ok(false);
        }
        let mut ahead = self.rest.clone();
        ahead.next();
        let mut name = String::new();
        loop {
            match ahead.next() {
                Some(':') if ahead.peek() == Some(&']') => break,
                Some(character) => name.push(character),
                None => {
                    self.no_more_classes = true;
                    return Ok(false);
                }
            }
        }
        if !CLASSES.contains(&name.strip_prefix('^').unwrap_or(&name)) {
            let shown: String = name.chars().take(20).collect();
            return Err(format!("there is no class `[:{shown}:]`"));
        }
        ahead.next();
        self.rest = ahead;
        self.out.push_str(&format!("[:{name}:]"));
        Ok(true)
    }
}

fn number(ahead: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let mut digits = String::new();
    while let Some(digit) = ahead.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    match digits.is_empty() {
        true => None,
        // Too many digits are refused as too large a count.
        false => Some(digits.parse().unwrap_or(u32::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_is_compared_by_posix_rules() {
        for (pattern, text, expected) in [
            ("ba.h", "bash", true),
            ("ba", "bash", false),
            (".*sh", "bash", true),
            ("", "", true),
            ("a|bc", "bc", true),
            ("a|bc", "abc", false),
            ("(a|b)*c", "ababc", true),
            ("()a", "a", true),
            ("a.c", "a\nc", false),
            ("a[^x]c", "a\nc", true),
            ("a$[^x]^b", "a\nb", true),
            ("^a$", "a", true),
            ("a{2}", "aa", true),
            ("a{2,}", "aaaa", true),
            ("a{1,2}", "aaa", false),
            ("a{,2}", "a{,2}", true),
            ("a{x", "a{x", true),
            ("a{2", "a{2", true),
            ("a*?", "", true),
            ("a+?", "", true),
            ("a{2}?b", "b", true),
            ("a**", "aaa", true),
            ("a?+", "aaa", true),
            ("[[:alpha:]]+", "Ab", true),
            ("[[:^alpha:]]+", "12", true),
            ("[[:word:]-]+", "a_-", true),
            ("[]a]", "]", true),
            ("[^]a]", "]", false),
            ("[[a]", "[", true),
            ("[[:a]", ":", true),
            ("[a&&b]", "&", true),
            ("[a~~b]", "~", true),
            ("[a\\]b]", "]", true),
            ("[a-c-]", "-", true),
            ("[a-]", "-", true),
            ("[\\x41-C]", "B", true),
            ("\\<a\\>", "<a>", true),
            ("\\.\\-\\/", ".-/", true),
            ("\\x{e9}", "é", true),
            ("\\xe9", "é", true),
            ("\\101\\0", "A\0", true),
            ("\\t\\n", "\t\n", true),
            ("a#b c", "a#b c", true),
            ("é?", "é", true),
            (".", "é", true),
        ] {
            let regex = compile(pattern).unwrap_or_else(|error| panic!("{pattern:?}: {error}"));
            assert_eq!(regex.is_match(text), expected, "pattern {pattern:?} text {text:?}");
        }
    }

    #[test]
    fn what_posix_does_not_say_is_refused() {
        for pattern in [
            "(",
            ")",
            "a)(b",
            "[a",
            "[",
            "*a",
            "a|*",
            "{2}",
            "\\d",
            "\\bx",
            "\\w+",
            "\\A",
            "\\pL",
            "\\1",
            "\\",
            "(?i)a",
            "(?:a)",
            "(?P<n>a)",
            "[a-b-c]",
            "[b-a]",
            "[[:nosuch:]]",
            "[[:a[:alpha:]]",
            "[\\d]",
            "a{1001}",
            "a{2,1}",
            "\\x4",
            "\\x{110000}",
            "\\x{}",
        ] {
            assert!(compile(pattern).is_err(), "{pattern:?}");
        }
        assert!(compile(&"(a{1000}){1000}".repeat(2)).is_err(), "the program would be too large");
    }
}
