//! Reads values: bare, quoted, and numbers.

use super::{
    Fault, Literal, Span,
    lex::{Parser, is_bare, shown},
};

const QUOTES: [u8; 2] = [b'"', b'\''];

impl Parser<'_> {
    pub(super) fn at_quote(&self) -> bool {
        self.peek().is_some_and(|byte| QUOTES.contains(&byte))
    }

    pub(super) fn value(&mut self) -> Result<Literal, Fault> {
        if self.at_quote() {
            return self.quoted();
        }
        let start = self.at;
        let text = self.run(is_bare);
        if text.is_empty() {
            return Err(match self.peek() {
                Some(b'(') => self.fault("expected a value").hint(
                    "only `in`, `intersects`, `pmatch` and `anyof` and its like take a list; \
                     a value with a parenthesis is put in quotes",
                ),
                _ => self.fault("expected a value"),
            });
        }
        if let Some(offset) = text.find('\0') {
            return Err(nul(start + offset));
        }
        Ok(Literal { text: text.into(), span: Span::new(start, self.at) })
    }

    /// Returns where the quote that opens at `open` is closed.
    pub(super) fn closing_quote(&self, open: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        (open + 1..bytes.len()).find(|at| bytes[*at] == bytes[open] && bytes[*at - 1] != b'\\')
    }

    /// Reads a quoted value. As in Falco a quote behind a backslash never ends it, not even when
    /// that backslash is itself escaped.
    pub(super) fn quoted(&mut self) -> Result<Literal, Fault> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let quote = bytes[start];
        let Some(end) = self.closing_quote(start) else {
            let fault = Fault::new(Span::new(start, start + 1), "the quote is not closed");
            let escaped = [b'\\', quote];
            return Err(match bytes[start..].windows(2).any(|pair| pair == escaped) {
                true => fault.hint(
                    "a quote behind a backslash does not end the value: \
                     write a backslash at its end as `\\x5c`",
                ),
                false => fault,
            });
        };
        let mut value = Vec::with_capacity(end - start);
        self.at = start + 1;
        while self.at < end {
            let byte = bytes[self.at];
            self.at += 1;
            match byte {
                b'\\' => value.push(self.escape(quote, end)?),
                0 => return Err(nul(self.at - 1)),
                other => value.push(other),
            }
        }
        self.at = end + 1;
        let span = Span::new(start, self.at);
        match String::from_utf8(value) {
            Ok(text) => Ok(Literal { text: text.into(), span }),
            Err(_) => {
                let fault = Fault::new(span, "the value is not UTF-8 text");
                Err(fault.hint("bytes are compared in hex: `bcontains`, `bstartswith`"))
            }
        }
    }

    /// Reads what stands behind a backslash, before `end`.
    fn escape(&mut self, quote: u8, end: usize) -> Result<u8, Fault> {
        let start = self.at - 1;
        let byte = self.text.as_bytes()[self.at];
        self.at += 1;
        Ok(match byte {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'\\' | b'/' => byte,
            // Falco keeps this old fault, so that rules written around it go on working.
            b' ' => b'\\',
            b'x' => return self.hexadecimal(start, end),
            _ if byte == quote => quote,
            _ => {
                let length = self.text[start + 1..].chars().next().map_or(0, char::len_utf8);
                let span = Span::new(start, start + 1 + length);
                let escape = shown(&self.text[start..span.end]);
                let fault = Fault::new(span, format!("unknown escape {escape}"));
                return Err(match QUOTES.contains(&byte) {
                    true => fault.hint("between the other quotes this one needs no backslash"),
                    false => fault.hint(
                        "the escapes are `\\b \\f \\n \\r \\t \\\\ \\/ \\xHH` and the quote; \
                         a backslash is written `\\\\`",
                    ),
                });
            }
        })
    }

    fn hexadecimal(&mut self, start: usize, end: usize) -> Result<u8, Fault> {
        let digits = self.text.as_bytes().get(self.at..(self.at + 2).min(end)).unwrap_or_default();
        let digit = |at: usize| (*digits.get(at)? as char).to_digit(16);
        let value = digit(0).zip(digit(1)).map(|(high, low)| (high * 16 + low) as u8);
        match value {
            Some(value) if value > 0 => {
                self.at += 2;
                Ok(value)
            }
            _ => {
                let span = Span::new(start, self.at);
                Err(Fault::new(span, "expected two hex digits, not 00, after `\\x`"))
            }
        }
    }

    /// Reads `0x` and hex digits, or a decimal number with fraction and signed exponent. Nothing
    /// is consumed if neither stands here.
    pub(super) fn number(&mut self) -> Option<Literal> {
        let length = number_length(self.rest().as_bytes())?;
        let start = self.at;
        self.at += length;
        Some(Literal { text: self.text[start..self.at].into(), span: Span::new(start, self.at) })
    }
}

fn nul(at: usize) -> Fault {
    Fault::new(Span::new(at, at + 1), "a value cannot contain NUL")
}

fn number_length(text: &[u8]) -> Option<usize> {
    let count = |from: usize, accept: fn(&u8) -> bool| {
        text.get(from..).unwrap_or_default().iter().take_while(|byte| accept(byte)).count()
    };
    if matches!(text, [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit()) {
        return Some(2 + count(2, u8::is_ascii_hexdigit));
    }
    let mut length = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let digits = count(length, u8::is_ascii_digit);
    if digits == 0 {
        return None;
    }
    length += digits;
    if text.get(length) == Some(&b'.') {
        length += 1 + count(length + 1, u8::is_ascii_digit);
    }
    // An exponent needs its sign: `1e5` is `1` and a stray `e5`.
    if matches!(text.get(length..), Some([b'e' | b'E', b'+' | b'-', digit, ..]) if digit.is_ascii_digit())
    {
        length += 2 + count(length + 2, u8::is_ascii_digit);
    }
    Some(length)
}
