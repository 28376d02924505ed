//! Reads one check: a field, its operator and what it is compared with.

use super::{
    Check, Dialect, Expression, Fault, Function, Modifier, Name, Operand, Operator, Right, Span,
    lex::{Parser, is_blank},
};

impl Parser<'_> {
    /// Reads a check or the name of a macro.
    pub(super) fn check_or_macro(&mut self) -> Result<Expression, Fault> {
        if let Some(left) = self.call_or_field()? {
            return self.check(left);
        }
        let Some(name) = self.name() else {
            return Err(self.fault(match self.dialect {
                Dialect::Events => "expected a field, a macro or `(`",
                Dialect::Alerts => "expected a field or `(`",
            }));
        };
        let before = self.at;
        if self.peek() == Some(b'(') {
            return Err(no_function(&name));
        }
        self.blank();
        if let Some((operator, _)) = self.operator() {
            let fault = Fault::new(name.span, format!("`{}` is no field", name.text));
            return Err(fault.hint(match self.dialect {
                Dialect::Events => format!(
                    "a field has a dot, as in `proc.name {} …`; without one it is a macro",
                    operator.word()
                ),
                Dialect::Alerts => crate::ir::AlertField::hint(&name.text),
            }));
        }
        self.at = before;
        Ok(Expression::Macro(name))
    }

    fn check(&mut self, left: Operand) -> Result<Expression, Fault> {
        self.blank();
        let Some((operator, operator_span)) = self.operator() else {
            return Err(self.no_operator());
        };
        self.blank();
        let (modifier, right) = match operator {
            Operator::Exists => (None, Right::Nothing),
            _ if operator.takes_list() => (None, self.list_or_call()?),
            _ if operator.is_order() => (None, self.number_or_call()?),
            _ => match self.modifier() {
                Some(modifier) => {
                    self.blank();
                    (Some(modifier), self.list_or_name()?)
                }
                None => (None, self.value_or_call()?),
            },
        };
        let span = Span::new(left.span().start, self.at);
        let check = Check { span, left, operator, operator_span, modifier, right };
        Ok(Expression::Check(Box::new(check)))
    }

    /// Takes an operator. A word that takes one value needs a blank behind it; symbols and words
    /// that take a list do not, and neither does `exists`.
    fn operator(&mut self) -> Option<(Operator, Span)> {
        let start = self.at;
        for operator in Operator::ALL.iter().copied() {
            let Some(after) = self.rest().strip_prefix(operator.word()) else { continue };
            if !operator.needs_blank() || after.bytes().next().is_some_and(is_blank) {
                self.at += operator.word().len();
                if operator == Operator::Equal {
                    self.symbol(b'=');
                }
                return Some((operator, Span::new(start, self.at)));
            }
        }
        None
    }

    fn no_operator(&self) -> Fault {
        let fault = self.fault("expected an operator");
        let word = &self.text[fault.span.start..fault.span.end];
        let words = || Operator::ALL.iter().map(|operator| operator.word());
        // What is as short as a symbol is near to every symbol.
        let near = crate::ir::nearest(word, words().filter(|known| known.len() > 2));
        let hint = match word {
            "is" | "eq" | "equals" => "equality is written `=`".to_owned(),
            "ne" | "~" | "!~" | "like" | "matches" => {
                "patterns take `glob` or `regex`, inequality is `!=`".to_owned()
            }
            "not" => "`not` stands before the field: `not proc.name in (…)`".to_owned(),
            _ => {
                let glued =
                    |known: &Operator| known.needs_blank() && word.starts_with(known.word());
                if let Some(operator) = Operator::ALL.iter().find(|operator| glued(operator)) {
                    format!("`{}` needs a blank behind it", operator.word())
                } else if let Some(near) = near {
                    format!("did you mean `{near}`?")
                } else {
                    format!("the operators are {}", words().collect::<Vec<_>>().join(" "))
                }
            }
        };
        fault.hint(hint)
    }

    /// Takes `oneof` and its like, which need a blank behind them.
    fn modifier(&mut self) -> Option<Modifier> {
        let found = Modifier::ALL.iter().copied().find(|modifier| {
            let after = self.rest().strip_prefix(modifier.word());
            after.is_some_and(|rest| rest.bytes().next().is_some_and(is_blank))
        });
        self.at += found.map_or(0, |modifier| modifier.word().len());
        found
    }

    fn value_or_call(&mut self) -> Result<Right, Fault> {
        match self.right_call()? {
            Some(call) => Ok(Right::Operand(call)),
            None => self.value().map(Right::Literal),
        }
    }

    fn number_or_call(&mut self) -> Result<Right, Fault> {
        if let Some(call) = self.right_call()? {
            return Ok(Right::Operand(call));
        }
        match self.number() {
            Some(number) => Ok(Right::Literal(number)),
            None if self.dialect == Dialect::Alerts => self.value().map(Right::Literal),
            None => {
                let fault = self.fault("expected a number");
                Err(match self.peek() {
                    Some(b'"' | b'\'') => fault.hint("a number stands without quotes"),
                    Some(b'>') => fault.hint("inequality is written `!=`"),
                    _ => fault,
                })
            }
        }
    }

    fn list_or_call(&mut self) -> Result<Right, Fault> {
        if self.peek() != Some(b'(')
            && let Some(call) = self.right_call()?
        {
            return Ok(Right::Operand(call));
        }
        self.list_or_name()
    }

    fn list_or_name(&mut self) -> Result<Right, Fault> {
        if self.peek() == Some(b'(') {
            let start = self.at;
            let items = self.parenthesised_list(Self::value)?;
            return Ok(Right::List(items, Span::new(start, self.at)));
        }
        match self.name() {
            Some(name) => Ok(Right::Name(name)),
            None => Err(self
                .fault("expected a list in parentheses")
                .hint("as in `proc.name in (cat, \"two words\")`")),
        }
    }
}

fn no_function(name: &Name) -> Fault {
    let fault = Fault::new(name.span, format!("`{}` is no function", name.text));
    let words = || Function::ALL.iter().map(|function| function.word());
    fault.hint(match crate::ir::nearest(&name.text, words()) {
        _ if &*name.text == "val" => "`val(…)` stands only on the right of an operator".to_owned(),
        Some(near) => format!("did you mean `{near}(`?"),
        None => format!("the functions are {}", words().collect::<Vec<_>>().join(" ")),
    })
}
