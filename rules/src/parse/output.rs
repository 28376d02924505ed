//! Reads an output format: text in which `%field`, `%field[argument]` and `%function(…)` stand for
//! values.

use alert::{Argument, EventKind, Field, FieldError};

use super::{Dialect, Fault, Function, Operand, Span, lex::Parser};

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

/// No field's name is as long.
const NAME_BYTES_MAX: usize = 128;

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
        let operand = reader.operand(percent)?;
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

    /// Reads a width; none and 0 leave a value as it is.
    fn width(&mut self) -> Option<u16> {
        let rest = self.rest();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        self.at += digits;
        if digits == 0 {
            return None;
        }
        Some(rest[..digits].parse().unwrap_or(u16::MAX)).filter(|width| *width > 0)
    }

    fn operand(&mut self, percent: usize) -> Result<Operand, Fault> {
        let start = self.at;
        let mut parser = self.parser(start);
        let Some(function) = parser.called() else { return self.field(percent) };
        let arguments = parser.call_arguments(function)?;
        // Behind any other call a bracket is text.
        let argument = match function {
            Function::GetOpt => parser.argument()?,
            _ => None,
        };
        self.at = parser.at;
        Ok(Operand::Call { function, arguments, argument, span: Span::new(start, self.at) })
    }

    /// Returns a parser of the language at a place in the format.
    fn parser(&self, at: usize) -> Parser<'a> {
        let mut parser = Parser::new(self.text, Dialect::Events);
        parser.at = at;
        parser
    }

    /// Takes the longest name that is a field's; what is left of the word is text.
    fn field(&mut self, percent: usize) -> Result<Operand, Fault> {
        let start = self.at;
        let rest = self.rest();
        let length = dotted(rest);
        let field = |argument: Option<Box<str>>, name: &str, end: usize| Operand::Field {
            name: name.into(),
            argument,
            span: Span::new(start, end),
        };
        // Fields of the configuration are not known here: the whole name is taken.
        if rest[..length].starts_with("static.") {
            let name = rest[..length].trim_end_matches('.');
            self.at += name.len();
            return Ok(field(None, name, self.at));
        }
        let mut parser = self.parser(start + length);
        if let Ok(Some(argument)) = parser.argument()
            && Field::resolve_any(&rest[..length], Some(&argument)).is_ok()
        {
            self.at = parser.at;
            return Ok(field(Some(argument), &rest[..length], self.at));
        }
        let names = || (1..=length.min(NAME_BYTES_MAX)).rev().map(|cut| &rest[..cut]);
        // What no event knows as an argument may still be one, in the whole.
        let found =
            names().find(|name| is_known(name)).or_else(|| names().find(|name| exists(name)));
        if let Some(name) = found {
            self.at += name.len();
            return Ok(field(None, name, self.at));
        }
        Err(unknown(&rest[..length], Span::new(percent, (start + length).max(percent + 1))))
    }
}

fn exists(name: &str) -> bool {
    !name.ends_with('.') && Field::resolve_any(name, None).is_ok()
}

/// Returns whether a name is a field's, and if that of an argument, of one that some event has.
fn is_known(name: &str) -> bool {
    match Field::resolve_any(name, None) {
        Ok((Field::EvtArg | Field::EvtRawarg, Argument::Key(key))) => {
            EventKind::ALL.into_iter().any(|kind| kind.parameter_index(&key).is_some())
        }
        other => other.is_ok(),
    }
}

fn unknown(name: &str, span: Span) -> Fault {
    if name.is_empty() {
        let fault = Fault::new(span, "a `%` must be followed by a field");
        return fault.hint("there is no escape for `%`: write `percent`");
    }
    if let Err(fault @ FieldError::ArgumentMissing(_)) = Field::resolve_any(name, None) {
        return Fault::new(span, fault.to_string());
    }
    let fault = Fault::new(span, format!("unknown field `{name}`"));
    match crate::ir::nearest_field(name) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault,
    }
}

/// Returns the length of a name: parts joined by dots, each of which begins with a letter.
fn dotted(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = 0;
    loop {
        let start = end + usize::from(end > 0);
        if end > 0 && bytes.get(end) != Some(&b'.')
            || !bytes.get(start).is_some_and(u8::is_ascii_alphabetic)
        {
            return end;
        }
        let part = |byte: &&u8| byte.is_ascii_alphanumeric() || **byte == b'_';
        end = start + bytes[start..].iter().take_while(part).count();
    }
}
