//! Reads an output format: text in which `%field`, `%field[argument]` and `%function(field)` stand
//! for values.

use alert::Field;

use super::{Fault, Function, Operand, Span};

/// A part of an output format.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Text(Box<str>),
    /// A value, cut or padded on the right to `width` characters.
    Value {
        operand: Operand,
        width: Option<u16>,
    },
}

const CALL_DEPTH_MAX: usize = 16;

/// Reads a format. There is no `%%`: a `%` always begins a field, the longest that exists.
pub(crate) fn output(text: &str) -> Result<Vec<Piece>, Fault> {
    let mut pieces = Vec::new();
    let mut at = 0;
    // A leading `*` asks to print although values are missing, which we always do.
    if text.starts_with('*') {
        at = 1;
    }
    while let Some(offset) = text[at..].find('%') {
        let percent = at + offset;
        if percent > at {
            pieces.push(Piece::Text(text[at..percent].into()));
        }
        let mut reader = Reader { text, at: percent + 1 };
        let width = reader.width();
        let operand = reader.operand(0)?;
        pieces.push(Piece::Value { operand, width });
        at = reader.at;
    }
    if at < text.len() {
        pieces.push(Piece::Text(text[at..].into()));
    }
    Ok(pieces)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn width(&mut self) -> Option<u16> {
        let rest = self.rest();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.at += digits;
        rest[..digits].parse().ok()
    }

    fn operand(&mut self, depth: usize) -> Result<Operand, Fault> {
        let start = self.at;
        for function in Function::ALL {
            let after = self.rest().strip_prefix(function.word());
            if after.is_some_and(|rest| rest.starts_with('(')) && depth < CALL_DEPTH_MAX {
                self.at += function.word().len() + 1;
                let operand = self.operand(depth + 1)?;
                if !self.rest().starts_with(')') {
                    let span = Span::new(self.at, (self.at + 1).min(self.text.len()));
                    return Err(Fault::new(span, "expected `)`"));
                }
                self.at += 1;
                let span = Span::new(start, self.at);
                let arguments = vec![operand];
                return Ok(Operand::Call { function: *function, arguments, argument: None, span });
            }
        }
        self.field()
    }

    fn field(&mut self) -> Result<Operand, Fault> {
        let start = self.at;
        let rest = self.rest();
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
        let length = rest.as_bytes().iter().take_while(|byte| is_part(byte)).count();
        let mut cut = length;
        while cut > 0 {
            let name = &rest[..cut];
            let argument = bracketed(&rest[cut..]);
            if let Some((argument, bracket)) = argument.filter(|_| cut == length)
                && Field::resolve(name, Some(argument)).is_ok()
            {
                self.at += cut + bracket;
                let argument = Some(argument.into());
                let span = Span::new(start, self.at);
                return Ok(Operand::Field { name: name.into(), argument, span });
            }
            if Field::resolve(name, None).is_ok() {
                self.at += cut;
                let span = Span::new(start, self.at);
                return Ok(Operand::Field { name: name.into(), argument: None, span });
            }
            cut = name.rfind('.').unwrap_or(0);
        }
        let span = Span::new(start.saturating_sub(1), start + length);
        if length == 0 {
            let fault = Fault::new(span, "a `%` must be followed by a field");
            return Err(fault.hint("there is no escape for `%`: write `percent`"));
        }
        let name = rest[..length].trim_end_matches('.');
        let fault = Fault::new(span, format!("unknown field `{name}`"));
        Err(match crate::ir::nearest_field(name) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault,
        })
    }
}

/// Returns the text in brackets and its length with them.
fn bracketed(rest: &str) -> Option<(&str, usize)> {
    let inner = rest.strip_prefix('[')?;
    let end = inner.find(']')?;
    let argument = &inner[..end];
    let valid = !argument.is_empty() && !argument.contains(['[', '%', '\n']);
    valid.then_some((argument, end + 2))
}
