//! Reads what is compared: fields with their arguments, and calls of functions.

use super::{
    Dialect, Fault, Function, Name, Operand, Span,
    lex::{Parser, is_name, is_space},
};

/// Calls may stand in one another this deep.
const CALL_DEPTH_MAX: usize = 100;

impl Parser<'_> {
    /// Reads `letter letters_digits`.
    pub(super) fn name(&mut self) -> Option<Name> {
        let start = self.at;
        if !self.peek()?.is_ascii_alphabetic() {
            return None;
        }
        let text = self.run(is_name);
        Some(Name { text: text.into(), span: Span::new(start, self.at) })
    }

    /// Reads `name.name[argument]` or `function(…)`; nothing is consumed if it is neither.
    pub(super) fn call_or_field(&mut self) -> Result<Option<Operand>, Fault> {
        match self.called() {
            Some(function) => self.call(function).map(Some),
            None => self.field(),
        }
    }

    /// Returns the function whose call begins here: its name with `(` right behind it.
    pub(super) fn called(&self) -> Option<Function> {
        let rest = self.rest();
        Function::ALL.iter().copied().find(|function| {
            rest.strip_prefix(function.word()).is_some_and(|rest| rest.starts_with('('))
        })
    }

    pub(super) fn field(&mut self) -> Result<Option<Operand>, Fault> {
        let start = self.at;
        let Some(length) = self.field_length() else { return Ok(None) };
        self.at += length;
        let name = self.text[start..self.at].into();
        let argument = self.argument()?;
        Ok(Some(Operand::Field { name, argument, span: Span::new(start, self.at) }))
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

    /// Reads `[argument]`. One that is quoted and empty is none, as in Falco.
    pub(super) fn argument(&mut self) -> Result<Option<Box<str>>, Fault> {
        if !self.symbol(b'[') {
            return Ok(None);
        }
        let argument = if self.at_quote() {
            Some(self.quoted()?.text).filter(|text| !text.is_empty())
        } else {
            let accept =
                |byte: u8| !is_space(byte) && !matches!(byte, b'[' | b']' | b'"' | b'\'' | 0);
            match self.run(accept) {
                "" => return Err(self.fault("expected an argument after `[`")),
                bare => Some(bare.into()),
            }
        };
        if !self.symbol(b']') {
            let fault = self.fault("expected `]`");
            return Err(match self.peek() {
                Some(byte) if is_space(byte) || byte == b'[' => {
                    fault.hint("an argument with blanks or brackets is put in quotes")
                }
                _ => fault,
            });
        }
        Ok(argument)
    }

    fn call(&mut self, function: Function) -> Result<Operand, Fault> {
        let start = self.at;
        let arguments = self.call_arguments(function)?;
        let argument = self.argument()?;
        Ok(Operand::Call { function, arguments, argument, span: Span::new(start, self.at) })
    }

    /// Reads a function's name and what stands in its parentheses.
    pub(super) fn call_arguments(&mut self, function: Function) -> Result<Vec<Operand>, Fault> {
        if self.calls == CALL_DEPTH_MAX {
            let message = format!("calls nest deeper than {CALL_DEPTH_MAX}");
            return Err(Fault::new(self.here(), message));
        }
        self.at += function.word().len() + 1;
        self.calls += 1;
        let arguments = self.listed(Self::call_argument);
        self.calls -= 1;
        arguments
    }

    /// Reads one item or more, and the `)` behind them.
    fn listed<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let mut items = Vec::new();
        loop {
            self.blank();
            items.push(item(self)?);
            self.blank();
            if self.symbol(b')') {
                return Ok(items);
            }
            if !self.symbol(b',') {
                return Err(self.fault("expected `,` or `)`"));
            }
        }
    }

    /// As [`Self::listed`] behind a `(`, but there may be no item at all.
    pub(super) fn parenthesised_list<T>(
        &mut self,
        item: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        self.at += 1;
        self.blank();
        if self.symbol(b')') { Ok(Vec::new()) } else { self.listed(item) }
    }

    fn call_argument(&mut self) -> Result<Operand, Fault> {
        if self.peek() == Some(b'(') {
            let start = self.at;
            let items = self.parenthesised_list(Self::call_item)?;
            return Ok(Operand::List(items, Span::new(start, self.at)));
        }
        self.call_item()
    }

    fn call_item(&mut self) -> Result<Operand, Fault> {
        if self.at_quote() {
            return self.quoted().map(Operand::Literal);
        }
        if let Some(operand) = self.call_or_field()? {
            return Ok(operand);
        }
        if let Some(number) = self.number() {
            return Ok(Operand::Literal(number));
        }
        let fault = self.fault("expected a field, a call, a number or a quoted value");
        Err(match self.rest().starts_with("val(") {
            true => fault.hint("`val` stands only alone on the right of an operator"),
            false => fault,
        })
    }

    /// Reads `val(field)` or a call, on the right of an operator.
    pub(super) fn right_call(&mut self) -> Result<Option<Operand>, Fault> {
        if !self.word("val(") {
            return match self.called() {
                Some(function) => self.call(function).map(Some),
                None => Ok(None),
            };
        }
        self.blank();
        let Some(operand) = self.field()? else {
            let fault = self.fault("expected a field in `val(…)`");
            return Err(match self.called() {
                Some(_) => fault.hint("a call needs no `val` around it"),
                None => fault,
            });
        };
        self.blank();
        if !self.symbol(b')') {
            return Err(self.fault("expected `)`"));
        }
        Ok(Some(operand))
    }
}
