//! Cuts a rendered text to a destination's limit without breaking what was escaped or opened.

use std::borrow::Cow;

use crate::Escape;

/// Returns `text` if it is at most `chars_max` long, else its beginning and `…`.
///
/// Length is counted in UTF-16 units, as most destinations do; that is never less than characters.
/// A cut never falls inside an escape sequence, a tag or a character with its marks, and whatever
/// was open there, a code fence or HTML elements, is closed again. `cut` says that the text's end is
/// already missing.
pub(crate) fn truncate(escape: Escape, text: &str, chars_max: usize, cut: bool) -> Cow<'_, str> {
    if !cut && width(text) <= chars_max {
        return Cow::Borrowed(text);
    }
    let mut open = Open::default();
    let (mut position, mut used) = (0, 0);
    let mut best = (0, String::new());
    while position < text.len() {
        let unit = unit(escape, &text[position..]);
        used += width(unit);
        position += unit.len();
        if used + 1 > chars_max {
            break;
        }
        open.pass(escape, unit);
        if used + 1 + open.closers_width() <= chars_max {
            best = (position, open.closers());
        }
    }
    if chars_max == 0 {
        return Cow::Borrowed("");
    }
    Cow::Owned(format!("{}…{}", text[..best.0].trim_end(), best.1))
}

/// Returns a length in UTF-16 units.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// What the text has opened and not closed.
#[derive(Default)]
struct Open<'a> {
    elements: Vec<&'a str>,
    fenced: bool,
}

impl<'a> Open<'a> {
    fn pass(&mut self, escape: Escape, unit: &'a str) {
        if unit == "```" {
            self.fenced = !self.fenced;
        }
        if escape != Escape::Html || !unit.starts_with('<') || unit.ends_with("/>") {
            return;
        }
        let inner = unit.trim_start_matches('<');
        let name_of = |tag: &'a str| {
            let end = tag.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tag.len());
            &tag[..end]
        };
        if let Some(closing) = inner.strip_prefix('/') {
            if let Some(index) = self.elements.iter().rposition(|name| *name == name_of(closing)) {
                self.elements.truncate(index);
            }
            return;
        }
        let name = name_of(inner);
        if !name.is_empty() && !matches!(name, "br" | "hr" | "img" | "meta" | "link" | "input") {
            self.elements.push(name);
        }
    }

    fn closers_width(&self) -> usize {
        let elements: usize = self.elements.iter().map(|name| name.len() + 3).sum();
        elements + if self.fenced { 4 } else { 0 }
    }

    fn closers(&self) -> String {
        let mut closers = String::from(if self.fenced { "\n```" } else { "" });
        for name in self.elements.iter().rev() {
            closers.push_str("</");
            closers.push_str(name);
            closers.push('>');
        }
        closers
    }
}

/// Returns the shortest beginning of `rest` that must not be divided; `rest` is not empty.
fn unit(escape: Escape, rest: &str) -> &str {
    let special = match escape {
        Escape::Html => entity(rest).or_else(|| tag(rest)),
        Escape::SlackMrkdwn => entity(rest).or_else(|| tag(rest)).or_else(|| fence(rest)),
        Escape::Markdown => fence(rest).or_else(|| backslash(rest)),
        Escape::Line | Escape::Text | Escape::Json => backslash(rest),
    };
    special.or_else(|| code_point(rest)).map_or_else(|| grapheme(rest), |end| &rest[..end])
}

fn entity(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('&')?;
    let end = inner.bytes().take(10).position(|byte| byte == b';')?;
    Some(end + 2)
}

fn tag(rest: &str) -> Option<usize> {
    rest.starts_with('<').then(|| rest.find('>').map_or(rest.len(), |end| end + 1))
}

fn fence(rest: &str) -> Option<usize> {
    rest.starts_with("```").then_some(3)
}

/// `\u{202e}`, `\\u\{202e\}`, or a backslash and what it escapes.
fn backslash(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\\')?;
    code_point(rest).or_else(|| inner.chars().next().map(|character| 1 + character.len_utf8()))
}

fn code_point(rest: &str) -> Option<usize> {
    if !rest.starts_with("\\u{") && !rest.starts_with("\\\\u\\{") {
        return None;
    }
    rest.bytes().take(16).position(|byte| byte == b'}').map(|end| end + 1)
}

/// A character with the marks, joiners and modifiers that follow it.
fn grapheme(rest: &str) -> &str {
    let mut joined = false;
    for (index, character) in rest.char_indices().skip(1) {
        let mark = matches!(character,
            '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
            | '\u{200d}' | '\u{20d0}'..='\u{20ff}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{1f3fb}'..='\u{1f3ff}');
        // A tower of marks is an attack on the eye, not a character.
        if !(mark || joined) || index > 64 {
            return &rest[..index];
        }
        joined = character == '\u{200d}';
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(escape: Escape, text: &str, chars_max: usize, expect: &str) {
        let cut = truncate(escape, text, chars_max, false);
        assert_eq!(cut, expect);
        assert!(width(&cut) <= chars_max, "{} > {chars_max}", width(&cut));
    }

    #[test]
    fn a_text_within_the_limit_is_left_alone() {
        check(Escape::Text, "12345", 5, "12345");
        check(Escape::Text, "123456", 5, "1234…");
        check(Escape::Text, "123", 0, "");
    }

    #[test]
    fn a_cut_never_falls_inside_an_escape_sequence() {
        check(Escape::SlackMrkdwn, "ab&amp;cd", 7, "ab…");
        check(Escape::SlackMrkdwn, "ab&amp;cd", 8, "ab&amp;…");
        check(Escape::Line, r"ab\u{202e}cd", 9, "ab…");
        check(Escape::Line, r"ab\ncd", 4, "ab…");
        check(Escape::Markdown, r"ab\*cd", 4, "ab…");
        check(Escape::Markdown, r"a\\u\{1b\}bc", 10, "a…");
    }

    #[test]
    fn a_character_keeps_its_marks_and_surrogates() {
        check(Escape::Text, "ae\u{301}\u{302}z", 3, "a…");
        check(Escape::Text, "a👩\u{200d}🚀z", 4, "a…");
        check(Escape::Text, "😀😀😀", 5, "😀😀…");
    }

    #[test]
    fn what_was_open_is_closed() {
        check(Escape::SlackMrkdwn, "```long code here```", 14, "```long c…\n```");
        check(Escape::Html, "<p><b>bold text</b></p>", 18, "<p><b>bol…</b></p>");
        check(Escape::Html, "<p>a</p><p>bcdef</p>", 16, "<p>a</p><p>…</p>");
        check(Escape::Html, "<p>a<br>bcdefgh</p>", 14, "<p>a<br>b…</p>");
    }

    #[test]
    fn any_limit_gives_a_text_within_it() {
        let texts = crate::samples::all().map(|(_, sample)| format!("{sample:?}"));
        for (escape, text) in Escape::ALL.iter().flat_map(|e| texts.iter().map(move |t| (*e, t))) {
            let text: String = escape.apply(text).chars().take(3_000).collect();
            for chars_max in (0..40).chain([500, 2_999]) {
                let cut = truncate(escape, &text, chars_max, false);
                assert!(width(&cut) <= chars_max, "{escape:?} {chars_max}: {cut}");
            }
        }
    }
}
