//! Gives fields, calls and constants their types.

use alert::{Field, FieldError, Type};

use super::{AlertField, Compiler, Leaf, Remark, Term, fit::type_name, nearest_field};
use crate::parse::{Dialect, Fault, Function, Operand, Span};

impl Compiler<'_> {
    pub(crate) fn term(&mut self, operand: &Operand) -> Result<Term, Remark> {
        match operand {
            Operand::Field { name, argument, span } => self.field(name, argument.as_deref(), *span),
            Operand::Literal(literal) => Ok(Term::Constant(literal.text.clone())),
            Operand::List(items, _) => Ok(Term::List(self.terms(items)?.into())),
            Operand::Call { function: Function::GetOpt, arguments, argument, span } => {
                self.getopt(arguments, argument.as_deref(), *span)
            }
            Operand::Call { function, arguments, argument, span } => {
                if argument.is_some() {
                    let message = format!("`{}(…)` takes no argument in brackets", function.word());
                    return Err(Fault::new(*span, message).into());
                }
                self.call(*function, arguments, *span)
            }
        }
    }

    /// Looks at all, so that all their faults are told.
    fn terms(&mut self, operands: &[Operand]) -> Result<Vec<Term>, Remark> {
        let mut terms = Vec::with_capacity(operands.len());
        let mut failed = None;
        for operand in operands {
            match self.term(operand) {
                Ok(term) => terms.push(term),
                Err(remark) => self.remarks.extend(failed.replace(remark)),
            }
        }
        match failed {
            Some(remark) => Err(remark),
            None => Ok(terms),
        }
    }

    fn call(
        &mut self,
        function: Function,
        arguments: &[Operand],
        span: Span,
    ) -> Result<Term, Remark> {
        let terms = self.terms(arguments)?;
        let Err(wanted) = takes(function, &terms) else {
            return Ok(Term::Call(function, terms.into()));
        };
        let mut message = format!("`{}` takes {wanted}", function.word());
        if let ([given], [operand]) = (&terms[..], arguments) {
            message += &format!("; `{operand}` is {}", type_name(given.value_type()));
        }
        Err(Fault::new(span, message).into())
    }

    fn getopt(
        &mut self,
        arguments: &[Operand],
        selected: Option<&str>,
        span: Span,
    ) -> Result<Term, Remark> {
        let mut terms = self.terms(arguments)?;
        if !matches!(&terms[..], [list, options] if list.is_list() && !options.is_list()) {
            let message = "`getopt` takes a list and the letters of the options";
            return Err(Fault::new(span, message).into());
        }
        if let Some(selected) = selected {
            if selected.chars().count() != 1 {
                let message = "in brackets behind `getopt` stands the letter of one option";
                return Err(Fault::new(span, message).into());
            }
            terms.push(Term::Constant(selected.into()));
        }
        Ok(Term::Call(Function::GetOpt, terms.into()))
    }

    fn field(&mut self, name: &str, argument: Option<&str>, span: Span) -> Result<Term, Remark> {
        if self.dialect == Dialect::Alerts {
            let argument = argument.map(|argument| format!("[{argument}]")).unwrap_or_default();
            let field = AlertField::from_name(&format!("{name}{argument}"));
            return Ok(Term::Leaf(Leaf::Alert(field)));
        }
        let (field, argument) = Field::resolve_for(self.source, name, argument)
            .map_err(|error| no_field(name, error, span))?;
        if is_deprecated(field) {
            let message = match field {
                Field::EvtDir => "`evt.dir` is always `<` and is deprecated".to_owned(),
                other => format!("`{}` is no longer measured and is deprecated", other.name()),
            };
            self.remarks.push(Remark::Deprecated(Fault::new(span, message)));
        }
        Ok(Term::Leaf(Leaf::Event(field, argument)))
    }
}

/// Returns whether Falco no longer fills a field: of direction, and of times it no longer measures.
pub(crate) const fn is_deprecated(field: Field) -> bool {
    matches!(
        field,
        Field::EvtDir
            | Field::EvtLatency
            | Field::EvtLatencyS
            | Field::EvtLatencyNs
            | Field::EvtLatencyHuman
            | Field::EvtWaitLatency
    )
}

fn no_field(name: &str, error: FieldError, span: Span) -> Remark {
    let fault = Fault::new(span, error.to_string());
    match error {
        FieldError::Unknown(_) => Remark::Unknown(match nearest_field(name) {
            Some(near) => fault.hint(format!("did you mean `{near}`?")),
            None => fault,
        }),
        FieldError::OtherSource(..) => Remark::Unknown(fault),
        FieldError::ArgumentUnexpected(name) => {
            Remark::Error(fault.hint(format!("write `{name}` without brackets")))
        }
        _ => Remark::Error(fault),
    }
}

/// Says what a function takes if it does not take these.
fn takes(function: Function, terms: &[Term]) -> Result<(), &'static str> {
    let (fits, wanted) = match (function, terms) {
        (Function::Join, [separator, list]) if is_single_text(separator) && list.is_list() => {
            return Ok(());
        }
        (Function::Join, _) => {
            (false, "a separator and a list, as in `join(\"-\", (proc.name, fd.name))`")
        }
        (Function::Concat, several) => {
            let fits = several.len() > 1 && several.iter().all(|term| !term.is_list());
            (fits, "two single values or more")
        }
        (_, []) | (_, [_, _, ..]) => (false, "one argument"),
        (Function::Len, [of]) => (of.is_list() || has_bytes(of), "a text, bytes or a list"),
        (_, [Term::Constant(_) | Term::List(_)]) => (false, "a field or a call"),
        (Function::Base64, [of]) => (has_bytes(of), "a text or bytes"),
        (_, [of]) => (has_bytes(of) && of.value_type() != Type::Bytes, "a text"),
    };
    if fits { Ok(()) } else { Err(wanted) }
}

fn has_bytes(term: &Term) -> bool {
    matches!(term.value_type(), Type::Text | Type::Path | Type::Bytes | Type::Any)
}

fn is_single_text(term: &Term) -> bool {
    !term.is_list() && matches!(term.value_type(), Type::Text | Type::Path | Type::Any)
}
