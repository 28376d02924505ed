//! Reads a condition by recursive descent. The grammar is Falco's, quirks included: after
//! `or(…)` only `or` may follow, and a word operator needs a blank after it.

use super::{
    Check, Expression, Fault, Function, Literal, Modifier, Name, Operand, Operator, Right, Span,
};

/// Parentheses, negations and calls may nest this deep.
pub(crate) const DEPTH_MAX: usize = 100;

/// Which undotted names are fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// None: an undotted name is a macro.
    Events,
    /// Those of an alert.
    Alerts,
}

/// Reads a whole condition.
pub(crate) fn condition(text: &str, dialect: Dialect) -> Result<Expression, Fault> {
    let mut parser = Parser { text, at: 0, depth: 0, dialect };
    let expression = parser.disjunction()?;
    parser.blank();
    if parser.at < text.len() {
        return Err(parser.trailing());
    }
    Ok(expression)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    dialect: Dialect,
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x08 | b'\r' | b'\n')
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_bare(byte: u8) -> bool {
    !is_blank(byte) && !matches!(byte, b'(' | b')' | b'"' | b'\'' | b'=' | b',')
}

/// Returns whether a list's name may contain this character.
pub(crate) fn list_name_character(byte: u8) -> bool {
    is_bare(byte)
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Skips blanks and returns whether there were any.
    fn blank(&mut self) -> bool {
        let start = self.at;
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
        self.at > start
    }

    fn symbol(&mut self, symbol: u8) -> bool {
        let found = self.peek() == Some(symbol);
        self.at += usize::from(found);
        found
    }

    /// Takes a word that is followed by a blank or by `(`.
    fn keyword(&mut self, word: &str) -> bool {
        let found = self.rest().strip_prefix(word).is_some_and(|rest| {
            rest.bytes().next().is_none_or(|next| is_blank(next) || next == b'(')
        });
        if found {
            self.at += word.len();
        }
        found
    }

    fn run(&mut self, accept: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !accept(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// The span of the word at the current place, for an error.
    fn here(&self) -> Span {
        let rest = self.rest();
        let length = rest.bytes().position(|byte| !is_bare(byte)).unwrap_or(rest.len());
        let first = rest.chars().next().map_or(0, char::len_utf8);
        Span::new(self.at, self.at + length.max(first))
    }

    fn fault<T>(&self, message: impl Into<String>) -> Result<T, Fault> {
        let message = message.into();
        let found = match self.rest().chars().next() {
            None => "the end".to_owned(),
            Some(_) => {
                let span = self.here();
                let word: String = self.text[span.start..span.end].chars().take(40).collect();
                format!("`{word}`")
            }
        };
        Err(Fault::new(self.here(), format!("{message}, found {found}")))
    }

    fn trailing(&self) -> Fault {
        let fault = match self.peek() {
            Some(b')') => Fault::new(self.here(), "a `)` without its `(`"),
            _ => match self.fault::<()>("expected `and`, `or` or the end of the condition") {
                Err(fault) => fault,
                Ok(()) => Fault::new(self.here(), "expected the end of the condition"),
            },
        };
        let rest = self.rest();
        if rest.starts_with("&&") {
            return fault.hint("write `and`");
        }
        if rest.starts_with("||") {
            return fault.hint("write `or`");
        }
        if rest.starts_with("and") {
            return fault.hint("after `or(…)` Falco takes only `or`: put a blank after `or`");
        }
        fault
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == DEPTH_MAX {
            let message = format!("the condition is nested deeper than {DEPTH_MAX}");
            return Err(Fault::new(self.here(), message));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn disjunction(&mut self) -> Result<Expression, Fault> {
        let mut children = vec![self.conjunction()?];
        self.blank();
        while self.keyword("or") {
            children.push(if self.blank() { self.conjunction()? } else { self.parenthesised()? });
            self.blank();
        }
        Ok(one_or(children, Expression::Or))
    }

    fn conjunction(&mut self) -> Result<Expression, Fault> {
        let mut children = vec![self.negation()?];
        self.blank();
        while self.keyword("and") {
            children.push(if self.blank() { self.negation()? } else { self.parenthesised()? });
            self.blank();
        }
        Ok(one_or(children, Expression::And))
    }

    fn parenthesised(&mut self) -> Result<Expression, Fault> {
        let open = self.at;
        if !self.symbol(b'(') {
            return self.fault("expected a condition");
        }
        let inner = self.nested(Self::disjunction)?;
        self.blank();
        if !self.symbol(b')') {
            let mut fault = match self.fault::<()>("expected `)`") {
                Err(fault) => fault,
                Ok(()) => Fault::new(self.here(), "expected `)`"),
            };
            let line = self.text[..open].matches('\n').count() + 1;
            fault.hint = Some(format!("its `(` stands in line {line} of the condition"));
            return Err(fault);
        }
        Ok(inner)
    }

    fn negation(&mut self) -> Result<Expression, Fault> {
        let mut negated = false;
        self.blank();
        while self.keyword("not") {
            negated = !negated;
            if !self.blank() {
                let inner = self.parenthesised()?;
                return Ok(negate(negated, inner));
            }
        }
        let inner = self.atom()?;
        Ok(negate(negated, inner))
    }

    fn atom(&mut self) -> Result<Expression, Fault> {
        if self.peek() == Some(b'(') {
            return self.parenthesised();
        }
        let start = self.at;
        if let Some(left) = self.call_or_field()? {
            return self.test(left);
        }
        let name = self.macro_name();
        match name {
            Some(name) if matches!(&*name.text, "and" | "or" | "not") => {
                self.at = start;
                self.fault("expected a condition")
            }
            Some(name) => {
                let before = self.at;
                self.blank();
                if let Some((operator, _)) = self.operator() {
                    let message = format!("`{}` is no field", name.text);
                    let fault = Fault::new(name.span, message);
                    return Err(fault.hint(format!(
                        "a field has a dot, as in `proc.name {} …`; without one it is a macro",
                        operator.word()
                    )));
                }
                self.at = before;
                Ok(Expression::Macro(name))
            }
            None => self.fault("expected a field, a macro or `(`"),
        }
    }

    fn macro_name(&mut self) -> Option<Name> {
        let start = self.at;
        if !self.peek()?.is_ascii_alphabetic() {
            return None;
        }
        let text = self.run(is_name);
        Some(Name { text: text.into(), span: Span::new(start, self.at) })
    }

    /// Reads `name.name[argument]` or `function(…)`; nothing is consumed if it is neither.
    fn call_or_field(&mut self) -> Result<Option<Operand>, Fault> {
        let start = self.at;
        for function in Function::ALL {
            let after = self.rest().strip_prefix(function.word());
            if after.is_some_and(|rest| rest.starts_with('(')) {
                self.at += function.word().len() + 1;
                return self.nested(|parser| parser.call(*function, start)).map(Some);
            }
        }
        let Some(length) = self.field_length() else { return Ok(None) };
        self.at += length;
        let name = &self.text[start..self.at];
        let argument = self.argument()?;
        let span = Span::new(start, self.at);
        Ok(Some(Operand::Field { name: name.into(), argument, span }))
    }

    fn field_length(&self) -> Option<usize> {
        let rest = self.rest().as_bytes();
        let mut at = 0;
        let mut dots = 0;
        loop {
            if !rest.get(at).is_some_and(u8::is_ascii_alphabetic) {
                // A dot without a name after it is not part of the field.
                return (dots > 1).then(|| at - 1);
            }
            while rest.get(at).copied().is_some_and(is_name) {
                at += 1;
            }
            if rest.get(at) != Some(&b'.') {
                let undotted = dots == 0 && self.dialect == Dialect::Alerts;
                let known = undotted && crate::ir::AlertField::is_plain(&self.rest()[..at]);
                return (dots > 0 || known).then_some(at);
            }
            dots += 1;
            at += 1;
        }
    }

    fn argument(&mut self) -> Result<Option<Box<str>>, Fault> {
        if !self.symbol(b'[') {
            return Ok(None);
        }
        let argument: Box<str> = match self.peek() {
            Some(b'"' | b'\'') => self.quoted()?.text,
            _ => self
                .run(|byte| !is_blank(byte) && !matches!(byte, b'[' | b']' | b'"' | b'\''))
                .into(),
        };
        if argument.is_empty() {
            return self.fault("expected an argument after `[`");
        }
        if !self.symbol(b']') {
            return self.fault("expected `]`");
        }
        Ok(Some(argument))
    }

    fn call(&mut self, function: Function, start: usize) -> Result<Operand, Fault> {
        let mut arguments = Vec::new();
        loop {
            self.blank();
            arguments.push(self.call_argument()?);
            self.blank();
            if self.symbol(b')') {
                break;
            }
            if !self.symbol(b',') {
                return self.fault("expected `,` or `)`");
            }
        }
        let argument = self.argument()?;
        Ok(Operand::Call { function, arguments, argument, span: Span::new(start, self.at) })
    }

    fn call_argument(&mut self) -> Result<Operand, Fault> {
        let start = self.at;
        match self.peek() {
            Some(b'"' | b'\'') => return self.quoted().map(Operand::Literal),
            Some(b'(') => return self.nested(Self::call_list),
            _ => {}
        }
        if let Some(operand) = self.call_or_field()? {
            return Ok(operand);
        }
        match self.number() {
            Some(number) => Ok(Operand::Literal(number)),
            None => {
                self.at = start;
                self.fault("expected a field, a call or a value")
            }
        }
    }

    fn call_list(&mut self) -> Result<Operand, Fault> {
        let start = self.at;
        self.at += 1;
        let mut items = Vec::new();
        self.blank();
        if !self.symbol(b')') {
            loop {
                self.blank();
                if self.peek() == Some(b'(') {
                    return self.fault("expected a field, a call or a value");
                }
                items.push(self.call_argument()?);
                self.blank();
                if self.symbol(b')') {
                    break;
                }
                if !self.symbol(b',') {
                    return self.fault("expected `,` or `)`");
                }
            }
        }
        Ok(Operand::List(items, Span::new(start, self.at)))
    }

    fn operator(&mut self) -> Option<(Operator, Span)> {
        let start = self.at;
        let rest = self.rest();
        for operator in Operator::ALL.iter().copied() {
            let Some(after) = rest.strip_prefix(operator.word()) else { continue };
            let next = after.bytes().next();
            let boundary = match operator {
                Operator::Equal | Operator::NotEqual => true,
                _ if operator.is_order() => true,
                Operator::Exists => next.is_none_or(|next| !is_name(next)),
                _ if operator.takes_list() => {
                    next.is_some_and(|next| is_blank(next) || next == b'(')
                }
                _ => next.is_some_and(is_blank),
            };
            if boundary {
                self.at += operator.word().len();
                if operator == Operator::Equal {
                    self.symbol(b'=');
                }
                return Some((operator, Span::new(start, self.at)));
            }
        }
        None
    }

    fn test(&mut self, left: Operand) -> Result<Expression, Fault> {
        self.blank();
        let Some((operator, operator_span)) = self.operator() else {
            let words: Vec<_> = Operator::ALL.iter().map(|operator| operator.word()).collect();
            let found = self.here();
            let word = &self.text[found.start..found.end];
            let hint = crate::ir::nearest(word, words.iter().copied());
            let Err(fault) = self.fault::<()>("expected an operator") else {
                return Err(Fault::new(found, "expected an operator"));
            };
            return Err(match hint {
                Some(word) => fault.hint(format!("did you mean `{word}`?")),
                None => fault.hint(format!("the operators are {}", words.join(" "))),
            });
        };
        self.blank();
        let mut modifier = None;
        let right = match operator {
            Operator::Exists => Right::Nothing,
            _ if operator.takes_list() => self.list_side()?,
            _ if operator.is_order() => match self.right_call()? {
                Some(call) => Right::Operand(call),
                None => match self.number() {
                    Some(number) => Right::Literal(number),
                    None if self.dialect == Dialect::Alerts => Right::Literal(self.value()?),
                    None => return self.fault("expected a number"),
                },
            },
            _ => {
                modifier = Modifier::ALL.iter().copied().find(|word| {
                    let after = self.rest().strip_prefix(word.word());
                    after.is_some_and(|rest| rest.bytes().next().is_some_and(is_blank))
                });
                self.at += modifier.map_or(0, |word| word.word().len());
                if modifier.is_some() {
                    self.blank();
                    self.list_side()?
                } else {
                    match self.right_call()? {
                        Some(call) => Right::Operand(call),
                        None => Right::Literal(self.value()?),
                    }
                }
            }
        };
        Ok(Expression::Check(Box::new(Check { left, operator, operator_span, modifier, right })))
    }

    fn right_call(&mut self) -> Result<Option<Operand>, Fault> {
        if self.rest().starts_with("val(") {
            self.at += 4;
            self.blank();
            let Some(operand) = self.nested(Self::call_or_field)? else {
                return self.fault("expected a field in `val(…)`");
            };
            self.blank();
            if !self.symbol(b')') {
                return self.fault("expected `)`");
            }
            return Ok(Some(operand));
        }
        let is_call = Function::ALL.iter().any(|function| {
            self.rest().strip_prefix(function.word()).is_some_and(|rest| rest.starts_with('('))
        });
        if is_call { self.call_or_field() } else { Ok(None) }
    }

    fn list_side(&mut self) -> Result<Right, Fault> {
        if self.peek() != Some(b'(') {
            if let Some(call) = self.right_call()? {
                return Ok(Right::Operand(call));
            }
            return match self.macro_name() {
                Some(name) => Ok(Right::Macro(name)),
                None => self.fault("expected a list in parentheses"),
            };
        }
        let start = self.at;
        self.at += 1;
        let mut items = Vec::new();
        self.blank();
        if !self.symbol(b')') {
            loop {
                self.blank();
                items.push(self.value()?);
                self.blank();
                if self.symbol(b')') {
                    break;
                }
                if !self.symbol(b',') {
                    return self.fault("expected `,` or `)` in the list");
                }
            }
        }
        Ok(Right::List(items, Span::new(start, self.at)))
    }

    fn value(&mut self) -> Result<Literal, Fault> {
        if matches!(self.peek(), Some(b'"' | b'\'')) {
            return self.quoted();
        }
        let start = self.at;
        let text = self.run(is_bare);
        if text.is_empty() {
            return self.fault("expected a value");
        }
        if text.contains('\0') {
            return Err(Fault::new(Span::new(start, self.at), "a value cannot contain NUL"));
        }
        Ok(Literal { text: text.into(), span: Span::new(start, self.at) })
    }

    fn quoted(&mut self) -> Result<Literal, Fault> {
        let start = self.at;
        let quote = self.text.as_bytes()[start];
        self.at += 1;
        let mut value = Vec::new();
        loop {
            let Some(byte) = self.peek() else {
                return Err(Fault::new(Span::new(start, start + 1), "the quote is not closed"));
            };
            self.at += 1;
            match byte {
                _ if byte == quote => break,
                b'\\' => value.push(self.escape(quote)?),
                0 => {
                    let span = Span::new(self.at - 1, self.at);
                    return Err(Fault::new(span, "a value cannot contain NUL"));
                }
                other => value.push(other),
            }
        }
        let span = Span::new(start, self.at);
        match String::from_utf8(value) {
            Ok(text) => Ok(Literal { text: text.into(), span }),
            Err(_) => Err(Fault::new(span, "the value is not UTF-8 text")),
        }
    }

    fn escape(&mut self, quote: u8) -> Result<u8, Fault> {
        let start = self.at - 1;
        let byte = self.peek().unwrap_or(0);
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
            b'x' => {
                let digits = self.text.as_bytes().get(self.at..self.at + 2);
                let text = digits.and_then(|digits| std::str::from_utf8(digits).ok());
                let value = text
                    .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
                    .and_then(|text| u8::from_str_radix(text, 16).ok());
                match value {
                    Some(0) | None => {
                        let span = Span::new(start, self.at.min(self.text.len()));
                        return Err(Fault::new(
                            span,
                            "expected two hex digits, not 00, after `\\x`",
                        ));
                    }
                    Some(value) => {
                        self.at += 2;
                        value
                    }
                }
            }
            _ if byte == quote => quote,
            _ => {
                let mut end = self.at.min(self.text.len());
                while !self.text.is_char_boundary(end) {
                    end += 1;
                }
                let fault = Fault::new(Span::new(start, end), "unknown escape");
                return Err(fault.hint("a backslash is written `\\\\`"));
            }
        })
    }

    /// Reads `0x` and hex digits, or a decimal number with fraction and exponent.
    fn number(&mut self) -> Option<Literal> {
        let rest = self.rest().as_bytes();
        let digits = |from: usize, hex: bool| {
            let accept =
                |byte: &&u8| if hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() };
            rest[from.min(rest.len())..].iter().take_while(accept).count()
        };
        let mut length = match digits(2, true) {
            count if count > 0 && rest.starts_with(b"0x") => 2 + count,
            _ => {
                let sign = usize::from(matches!(rest.first(), Some(b'+' | b'-')));
                match digits(sign, false) {
                    0 => return None,
                    count => sign + count,
                }
            }
        };
        if !rest.starts_with(b"0x") {
            if rest.get(length) == Some(&b'.') && digits(length + 1, false) > 0 {
                length += 1 + digits(length + 1, false);
            }
            if matches!(rest.get(length), Some(b'e' | b'E')) {
                let sign = usize::from(matches!(rest.get(length + 1), Some(b'+' | b'-')));
                let count = digits(length + 1 + sign, false);
                length += if count > 0 { 1 + sign + count } else { 0 };
            }
        }
        let start = self.at;
        self.at += length;
        Some(Literal { text: self.text[start..self.at].into(), span: Span::new(start, self.at) })
    }
}

fn one_or(mut children: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match (children.len(), children.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            children.extend(last);
            many(children)
        }
    }
}

fn negate(negated: bool, inner: Expression) -> Expression {
    if negated { Expression::Not(Box::new(inner)) } else { inner }
}
