//! Makes data harmless for the text it goes into, one pure function per destination.

use std::fmt::Write as _;

/// How data is made harmless in the text around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Escape {
    /// HTML text and attribute values.
    Html,
    /// Slack mrkdwn: `&`, `<` and `>`, and no mentions, links or code fences from data.
    SlackMrkdwn,
    /// Markdown: every punctuation character that could mean something.
    Markdown,
    /// One line: control characters and line breaks become visible.
    Line,
    /// Plain text: control characters except line breaks and tabs become visible.
    Text,
    /// A JSON string's inside.
    Json,
}

impl Escape {
    /// Every escape.
    pub const ALL: [Self; 6] =
        [Self::Html, Self::SlackMrkdwn, Self::Markdown, Self::Line, Self::Text, Self::Json];

    /// Returns the extension a template file carries before `.hbs`, for example `mrkdwn`.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::SlackMrkdwn => "mrkdwn",
            Self::Markdown => "md",
            Self::Line => "line",
            Self::Text => "text",
            Self::Json => "json",
        }
    }

    /// Returns the escape a template file's second extension names.
    pub fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|escape| escape.extension() == extension)
    }

    /// Returns `data` made harmless for this destination.
    ///
    /// Terminal controls, bidirectional overrides and invisible characters become visible as
    /// `\u{..}` everywhere but in JSON, where they become `\u....`, so that they survive unchanged.
    pub fn apply(self, data: &str) -> String {
        let mut out = String::with_capacity(data.len() + data.len() / 8);
        match self {
            Self::Json => json(data, &mut out),
            _ => self.visible(data, &mut out),
        }
        out
    }

    /// Returns `data` made harmless and cut to `chars_max` with `…`; see [`Self::cut`].
    pub fn apply_max(self, data: &str, chars_max: usize) -> String {
        // No escape shortens its data, so what is beyond the limit need not be escaped.
        let head = match data.char_indices().nth(chars_max.saturating_add(1)) {
            Some((end, _)) => &data[..end],
            None => data,
        };
        self.cut(&self.apply(head), chars_max)
    }

    /// Returns a text that is escaped already, cut to `chars_max` with `…`: never inside an escape
    /// sequence, and with what it opened closed again.
    pub fn cut(self, text: &str, chars_max: usize) -> String {
        crate::truncate::truncate(self, text, chars_max, false).into_owned()
    }

    fn visible(self, data: &str, out: &mut String) {
        let mut characters = data.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\r' if self != Self::Line && characters.peek() == Some(&'\n') => {}
                '\n' | '\t' if self != Self::Line => out.push(character),
                '\n' => out.push_str(self.backslash("\\n", "\\\\n")),
                '\r' => out.push_str(self.backslash("\\r", "\\\\r")),
                '\t' => out.push_str(self.backslash("\\t", "\\\\t")),
                _ if is_treacherous(character) => self.code_point(character, out),
                _ => self.plain(character, out),
            }
        }
    }

    /// Writes a character that prints as itself.
    fn plain(self, character: char, out: &mut String) {
        match (self, character) {
            (Self::Html | Self::SlackMrkdwn, '&') => out.push_str("&amp;"),
            (Self::Html | Self::SlackMrkdwn, '<') => out.push_str("&lt;"),
            (Self::Html | Self::SlackMrkdwn, '>') => out.push_str("&gt;"),
            (Self::Html, '"') => out.push_str("&quot;"),
            (Self::Html, '\'') => out.push_str("&#x27;"),
            (Self::Html, '`') => out.push_str("&#x60;"),
            (Self::Html, '=') => out.push_str("&#x3D;"),
            // Slack has no escape for it, and three of them would end a code block.
            (Self::SlackMrkdwn, '`') => out.push('\u{2cb}'),
            (Self::Markdown, _)
                if character.is_ascii_punctuation()
                    && !matches!(character, ',' | ';' | '"' | '\'') =>
            {
                out.push('\\');
                out.push(character);
            }
            _ => out.push(character),
        }
    }

    fn code_point(self, character: char, out: &mut String) {
        let code = u32::from(character);
        let written = match self {
            Self::Markdown => write!(out, "\\\\u\\{{{code:x}\\}}"),
            _ => write!(out, "\\u{{{code:x}}}"),
        };
        debug_assert!(written.is_ok(), "writing to a string cannot fail");
    }

    const fn backslash(self, plain: &'static str, markdown: &'static str) -> &'static str {
        match self {
            Self::Markdown => markdown,
            _ => plain,
        }
    }
}

/// Returns whether a character steers a terminal, reorders or hides text, or breaks lines where
/// the eye does not see it.
pub(crate) const fn is_treacherous(character: char) -> bool {
    matches!(character,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn json(data: &str, out: &mut String) {
    for character in data.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if is_treacherous(character) => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let written = write!(out, "\\u{unit:04x}");
                    debug_assert!(written.is_ok(), "writing to a string cannot fail");
                }
            }
            _ => out.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(escape: Escape, data: &str, expect: &str) {
        assert_eq!(escape.apply(data), expect, "{escape:?} of {data:?}");
    }

    #[test]
    fn slack_data_can_neither_mention_nor_link_nor_end_a_code_block() {
        let slack = Escape::SlackMrkdwn;
        check(slack, "<!channel> & <@U1>", "&lt;!channel&gt; &amp; &lt;@U1&gt;");
        check(slack, "<https://evil.example|click>", "&lt;https://evil.example|click&gt;");
        check(slack, "&lt;!here&gt;", "&amp;lt;!here&amp;gt;");
        check(slack, "a ``` b", "a \u{2cb}\u{2cb}\u{2cb} b");
        check(slack, "two\nlines\ttab", "two\nlines\ttab");
    }

    #[test]
    fn html_data_can_neither_open_a_tag_nor_leave_an_attribute() {
        let html = Escape::Html;
        check(html, "<script>a='b'</script>", "&lt;script&gt;a&#x3D;&#x27;b&#x27;&lt;/script&gt;");
        check(html, "\" onload=`x`", "&quot; onload&#x3D;&#x60;x&#x60;");
    }

    #[test]
    fn markdown_data_means_nothing() {
        let markdown = Escape::Markdown;
        check(markdown, "[a](http://b) *c* `d`", r"\[a\]\(http\:\/\/b\) \*c\* \`d\`");
        check(markdown, "# h\n1. x\n- y\n===", "\\# h\n1\\. x\n\\- y\n\\=\\=\\=");
        check(markdown, "@everyone <b> &amp;", r"\@everyone \<b\> \&amp;");
        check(markdown, "\x1b", r"\\u\{1b\}");
    }

    #[test]
    fn a_line_stays_one_line() {
        let line = Escape::Line;
        check(line, "a\r\nBcc: x\n", r"a\r\nBcc: x\n");
        check(line, "a\u{85}b\u{2028}c\u{2029}d\u{b}e", r"a\u{85}b\u{2028}c\u{2029}d\u{b}e");
        check(line, "a\tb\0c", r"a\tb\u{0}c");
    }

    #[test]
    fn a_text_keeps_its_lines_and_shows_the_rest() {
        let text = Escape::Text;
        check(text, "a\r\nb\rc\nd\te", "a\nb\\rc\nd\te");
        check(text, "\x1b[31mred\x1b]0;title\x07", r"\u{1b}[31mred\u{1b}]0;title\u{7}");
        check(text, "\u{9b}31m", r"\u{9b}31m");
    }

    #[test]
    fn hidden_and_reordering_characters_are_shown_by_every_escape_for_people() {
        for escape in Escape::ALL.into_iter().filter(|escape| *escape != Escape::Json) {
            for hidden in [
                "\u{202e}",
                "\u{2066}",
                "\u{200b}",
                "\u{200d}",
                "\u{feff}",
                "\u{ad}",
                "\u{e0041}",
                "\0",
                "\x1b",
                "\u{2028}",
                "\u{3164}",
            ] {
                let shown = escape.apply(hidden);
                assert!(shown.is_ascii() && shown.contains('u'), "{escape:?}: {shown:?}");
            }
        }
        check(Escape::Line, "exe\u{202e}gpj.sh", r"exe\u{202e}gpj.sh");
    }

    #[test]
    fn json_data_survives_unchanged_and_never_leaves_its_string() {
        for data in ["plain", "a\"b\\c", "\0\x1b\r\n\t\x7f", "\u{2028}\u{202e}\u{e0041}", "é😀"]
        {
            let inside = Escape::Json.apply(data);
            let back: String = serde_json::from_str(&format!("\"{inside}\"")).unwrap();
            assert_eq!(back, data);
        }
        check(Escape::Json, "\u{2028}\u{e0041}", r"\u2028\udb40\udc41");
    }

    #[test]
    fn no_escape_lets_a_treacherous_character_through() {
        let all: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        for escape in Escape::ALL {
            let lines = if matches!(escape, Escape::Line | Escape::Json) { 0 } else { 2 };
            let left: Vec<char> =
                escape.apply(&all).chars().filter(|c| is_treacherous(*c)).collect();
            assert_eq!(left.len(), lines, "{escape:?}: {left:?}");
        }
    }

    #[test]
    fn every_extension_names_one_escape() {
        for escape in Escape::ALL {
            assert_eq!(Escape::from_extension(escape.extension()), Some(escape));
        }
        assert_eq!(Escape::from_extension("txt"), None);
    }
}
