//! Reads a whole condition from left to right. The grammar is Falco's, quirks included: after
//! `or(…)` only `or` may follow, and `not`, `and` and `or` are names where no operand stands.
//!
//! A fault in one operand does not hide those of the next: reading goes on at the `and` or `or`
//! behind it, as long as quotes and parentheses leave no doubt which one that is.

use super::{
    Check, DEPTH_MAX, Dialect, Expression, Fault, Function, NESTING_MAX, Operator, Right, Span,
    lex::{Parser, is_blank, is_space},
};

/// After so many faults the rest is left unread.
const FAULTS_MAX: usize = 20;

/// The rest of the text can no longer be understood; the faults say why.
struct Stop;

/// What has been read of a group in parentheses, or of the whole condition.
struct Group {
    /// Where its `(` stands.
    open: usize,
    /// Where the operand begins that it is: at its `not`, or at its `(`.
    start: usize,
    negated: bool,
    /// Operands of `or` that are complete.
    any: Vec<Expression>,
    /// Operands of `and`, the last of `any` to be.
    all: Vec<Expression>,
    /// The last operand stood in `or(…)`, after which only `or` may follow.
    after_attached_or: bool,
    /// How deep `and`, `or` and `not` nest in its tallest operand, and whether it joins operands.
    height: usize,
    has_and: bool,
    has_or: bool,
}

/// Reads a whole condition, or returns its faults in the order of the text.
///
/// Open groups are kept in a list, not on the stack: hostile text may open many.
pub(crate) fn condition(text: &str, dialect: Dialect) -> Result<Expression, Vec<Fault>> {
    let mut parser = Parser::new(text, dialect);
    match parser.groups() {
        Ok(expression) if parser.faults.is_empty() => Ok(expression),
        _ => Err(parser.faults),
    }
}

impl Parser<'_> {
    fn groups(&mut self) -> Result<Expression, Stop> {
        let mut groups = vec![Group::new(0, 0, false)];
        loop {
            self.blank();
            let start = self.at;
            let negated = self.negations();
            self.blank();
            if self.peek() == Some(b'(') {
                self.open(&mut groups, start, negated)?;
                continue;
            }
            let mut operand = negate(self.operand(start)?, negated, Span::new(start, self.at));
            let mut height = usize::from(negated);
            while let Some(mut group) = groups.pop() {
                group.all.push(operand);
                group.height = group.height.max(height);
                if self.goes_on(&mut group)? {
                    groups.push(group);
                    break;
                }
                let Group { open, start, negated, .. } = group;
                height = group.full_height() + usize::from(negated);
                let expression = group.expression();
                if height > NESTING_MAX {
                    let message = format!("`and`, `or` and `not` nest deeper than {NESTING_MAX}");
                    return Err(self.stop(open, &message, Some("put a part into a macro")));
                }
                if groups.is_empty() {
                    return Ok(expression);
                }
                if !self.symbol(b')') {
                    return Err(self.stop(open, "the `(` is not closed", None));
                }
                self.depth -= 1;
                operand = negate(expression, negated, Span::new(start, self.at));
            }
        }
    }

    /// Notes a fault of the group that opens at `open`, after which nothing more is said.
    fn stop(&mut self, open: usize, message: &str, hint: Option<&str>) -> Stop {
        let mut fault = Fault::new(Span::new(open, open + 1), message);
        fault.hint = hint.map(str::to_owned);
        self.faults.push(fault);
        Stop
    }

    fn open(&mut self, groups: &mut Vec<Group>, start: usize, negated: bool) -> Result<(), Stop> {
        if self.depth == DEPTH_MAX {
            let message = format!("parentheses nest deeper than {DEPTH_MAX}");
            return Err(self.stop(self.at, &message, Some("put a part into a macro")));
        }
        groups.push(Group::new(self.at, start, negated));
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    fn operand(&mut self, start: usize) -> Result<Expression, Stop> {
        match self.check_or_macro() {
            Ok(expression) => Ok(expression),
            Err(fault) => {
                self.recover(fault, start, true)?;
                // Nothing is made of a condition with faults.
                Ok(Expression::And(Vec::new()))
            }
        }
    }

    /// Takes the `and` or `or` behind an operand. Returns false at the end of the group.
    fn goes_on(&mut self, group: &mut Group) -> Result<bool, Stop> {
        loop {
            self.blank();
            if !group.after_attached_or && self.keyword("and") {
                group.has_and = true;
                return Ok(true);
            }
            if self.keyword("or") {
                group.any.push(one_or(std::mem::take(&mut group.all), Expression::And));
                group.after_attached_or = self.peek() == Some(b'(');
                group.has_or = true;
                return Ok(true);
            }
            if self.peek().is_none_or(|byte| byte == b')' && self.depth > 0) {
                return Ok(false);
            }
            let fault = self.trailing(group);
            self.recover(fault, self.at, !group.after_attached_or)?;
            group.after_attached_or = false;
        }
    }

    /// Takes `and` or `or`, unless more letters follow.
    fn keyword(&mut self, word: &str) -> bool {
        let after = self.rest().strip_prefix(word);
        let ends = after.is_some_and(|rest| {
            rest.bytes().next().is_none_or(|next| is_blank(next) || next == b'(')
        });
        ends && self.word(word)
    }

    /// Takes every `not` with a blank or `(` behind it; a pair of them cancels.
    fn negations(&mut self) -> bool {
        let mut negated = false;
        while let Some(after) = self.rest().strip_prefix("not") {
            match after.bytes().next() {
                Some(b'(') => {
                    self.at += "not".len();
                    return !negated;
                }
                Some(next) if is_space(next) => {
                    self.at += "not".len();
                    self.run(is_space);
                    negated = !negated;
                }
                _ => break,
            }
        }
        negated
    }

    /// What stands behind an operand although nothing may.
    fn trailing(&self, group: &Group) -> Fault {
        let rest = self.rest();
        if rest.starts_with(')') {
            return Fault::new(self.here(), "a `)` without its `(`");
        }
        if group.after_attached_or && rest.starts_with("and") {
            let fault = self.fault("after `or(…)` only `or` may follow");
            return fault.hint("that is Falco's grammar: put a blank after `or`");
        }
        let end = if self.depth > 0 { "`)`" } else { "the end of the condition" };
        let fault = self.fault(&format!("expected `and`, `or` or {end}"));
        match self.trailing_hint(&fault, group.all.last()) {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }

    fn trailing_hint(&self, fault: &Fault, last: Option<&Expression>) -> Option<String> {
        let word = &self.text[fault.span.start..fault.span.end];
        if let Some(known) = ["and", "or"].iter().find(|known| word.eq_ignore_ascii_case(known)) {
            return Some(format!("write `{known}`"));
        }
        if word.starts_with("and") || word.starts_with("or") {
            return Some("`and` and `or` need a blank or `(` behind them".to_owned());
        }
        match word {
            "&&" => return Some("write `and`".to_owned()),
            "||" => return Some("write `or`".to_owned()),
            "(" if self.text[..self.at].ends_with(is_white) => {
                let before = self.text[..self.at].trim_end();
                let word = before.rsplit(|byte: char| !byte.is_ascii_alphanumeric()).next()?;
                if word == "val" || Function::ALL.iter().any(|function| function.word() == word) {
                    return Some(format!("write `{word}(` without the blank"));
                }
            }
            _ => {}
        }
        match last {
            Some(Expression::Check(check)) => self.hint_after_check(check, word),
            _ => None,
        }
    }

    fn hint_after_check(&self, check: &Check, word: &str) -> Option<String> {
        match &check.right {
            Right::Literal(literal) if matches!(&*literal.text, "<" | ">") => {
                Some(format!("`{}=` is an operator, `={0}` is none", literal.text))
            }
            Right::Literal(_) if word == "," => {
                Some("several values are written `in (…, …)`".to_owned())
            }
            Right::Literal(_)
                if !check.operator.is_order() && self.text[..self.at].ends_with(is_white) =>
            {
                Some("a value with a blank is put in quotes".to_owned())
            }
            Right::Name(_) if word == "," => {
                Some("a list stands in parentheses: `in (…)`".to_owned())
            }
            Right::Name(name) if name.span.start == check.operator_span.end => {
                let glued = &self.text[check.operator_span.start..name.span.end];
                let words = Operator::ALL.iter().map(|operator| operator.word());
                let near = crate::ir::nearest(glued, words)?;
                Some(format!("did you mean `{near}`?"))
            }
            _ => None,
        }
    }

    /// Notes a fault in what begins at `from`, and moves behind it if `skip`.
    fn recover(&mut self, fault: Fault, from: usize, skip: bool) -> Result<(), Stop> {
        self.faults.push(fault);
        let resumed = if skip { self.next_operand(from) } else { Some(self.at) };
        match resumed {
            Some(at) if at >= self.at && self.faults.len() < FAULTS_MAX => {
                self.at = at;
                Ok(())
            }
            _ => Err(Stop),
        }
    }

    /// Returns where the operand that begins at `from` ends, judged by quotes, parentheses and the
    /// words between operands. `None` if they do not tell.
    fn next_operand(&self, from: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut at = from;
        let mut open = 0_usize;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' | b'\'' => at = self.closing_quote(at)?,
                b'(' => open += 1,
                b')' if open == 0 => return (self.depth > 0).then_some(at),
                b')' => open -= 1,
                b'a' | b'o' if open == 0 && at >= self.at && self.keyword_at(at) => {
                    return Some(at);
                }
                _ => {}
            }
            at += 1;
        }
        (open == 0).then_some(at)
    }

    fn keyword_at(&self, at: usize) -> bool {
        let bytes = self.text.as_bytes();
        let before = at.checked_sub(1).map(|before| bytes[before]);
        let begins =
            before.is_some_and(|byte| is_blank(byte) || matches!(byte, b')' | b'"' | b'\''));
        begins
            && ["and", "or"].iter().any(|word| {
                let after = self.text[at..].strip_prefix(word);
                let next = after.and_then(|rest| rest.bytes().next());
                next.is_some_and(|next| is_blank(next) || next == b'(')
            })
    }
}

impl Group {
    const fn new(open: usize, start: usize, negated: bool) -> Self {
        Self {
            open,
            start,
            negated,
            any: Vec::new(),
            all: Vec::new(),
            after_attached_or: false,
            height: 0,
            has_and: false,
            has_or: false,
        }
    }

    fn full_height(&self) -> usize {
        self.height + usize::from(self.has_and) + usize::from(self.has_or)
    }

    fn expression(mut self) -> Expression {
        self.any.push(one_or(self.all, Expression::And));
        one_or(self.any, Expression::Or)
    }
}

fn is_white(character: char) -> bool {
    u8::try_from(character).is_ok_and(is_blank)
}

fn negate(inner: Expression, negated: bool, span: Span) -> Expression {
    if negated { Expression::Not(Box::new(inner), span) } else { inner }
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
