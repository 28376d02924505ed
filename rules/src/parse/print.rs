//! Prints a condition so that reading it again gives the same tree.

use std::fmt::{self, Display, Formatter, Write};

use super::{Expression, Literal, Modifier, Operand, Operator, Right};

impl Display for Expression {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::And(children) => joined(f, children, " and "),
            Self::Or(children) => joined(f, children, " or "),
            Self::Not(inner, _) => {
                f.write_str("not ")?;
                grouped(f, inner)
            }
            // A macro of this name is one only where no blank or `(` follows.
            Self::Macro(name) if &*name.text == "not" => f.write_str("(not)"),
            Self::Macro(name) => f.write_str(&name.text),
            Self::Check(check) => {
                write!(f, "{} {}", check.left, check.operator.word())?;
                if let Some(modifier) = check.modifier {
                    write!(f, " {}", modifier.word())?;
                }
                right(f, check.operator, &check.right)
            }
        }
    }
}

fn joined(f: &mut Formatter<'_>, children: &[Expression], word: &str) -> fmt::Result {
    for (index, child) in children.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        grouped(f, child)?;
    }
    Ok(())
}

fn grouped(f: &mut Formatter<'_>, child: &Expression) -> fmt::Result {
    match child {
        // `not not a` would read as `a`.
        Expression::And(_) | Expression::Or(_) | Expression::Not(..) => write!(f, "({child})"),
        _ => child.fmt(f),
    }
}

fn right(f: &mut Formatter<'_>, operator: Operator, right: &Right) -> fmt::Result {
    match right {
        Right::Nothing => Ok(()),
        Right::Literal(literal) if operator.is_order() && is_number(&literal.text) => {
            write!(f, " {}", literal.text)
        }
        Right::Literal(literal) => write!(f, " {literal}"),
        Right::List(items, _) => {
            f.write_str(" (")?;
            for (index, item) in items.iter().enumerate() {
                let comma = if index > 0 { ", " } else { "" };
                write!(f, "{comma}{item}")?;
            }
            f.write_char(')')
        }
        Right::Name(name) => write!(f, " {}", name.text),
        Right::Operand(operand @ Operand::Field { .. }) => write!(f, " val({operand})"),
        Right::Operand(operand) => write!(f, " {operand}"),
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let bracket = |f: &mut Formatter<'_>, argument: &Option<Box<str>>| match argument {
            None => Ok(()),
            Some(argument)
                if argument
                    .bytes()
                    .any(|byte| !byte.is_ascii_graphic() || b"[]\"'\\".contains(&byte)) =>
            {
                f.write_char('[')?;
                quoted(f, argument)?;
                f.write_char(']')
            }
            Some(argument) => write!(f, "[{argument}]"),
        };
        match self {
            Self::Field { name, argument, .. } => {
                f.write_str(name)?;
                bracket(f, argument)
            }
            Self::Call { function, arguments, argument, .. } => {
                f.write_str(function.word())?;
                items(f, arguments)?;
                bracket(f, argument)
            }
            Self::List(list, _) => items(f, list),
            // Inside a call only numbers stand without quotes.
            Self::Literal(literal) => quoted(f, &literal.text),
        }
    }
}

fn items(f: &mut Formatter<'_>, operands: &[Operand]) -> fmt::Result {
    f.write_char('(')?;
    for (index, operand) in operands.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(f, "{comma}{operand}")?;
    }
    f.write_char(')')
}

impl Display for Literal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"()\"'=,\\".contains(&byte);
        let word = Modifier::ALL.iter().any(|modifier| modifier.word() == &*self.text);
        if !self.text.is_empty() && self.text.bytes().all(plain) && !word {
            return f.write_str(&self.text);
        }
        quoted(f, &self.text)
    }
}

/// Returns a value in quotes, as a condition reads it.
pub fn quoted_value(text: &str) -> String {
    struct Quoted<'a>(&'a str);

    impl Display for Quoted<'_> {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            quoted(f, self.0)
        }
    }

    Quoted(text).to_string()
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            // A quote behind a backslash would not end the value.
            '\\' if characters.peek().is_none() => f.write_str("\\x5c")?,
            '"' | '\\' => write!(f, "\\{character}")?,
            '\n' => f.write_str("\\n")?,
            control if control.is_ascii_control() => write!(f, "\\x{:02x}", control as u32)?,
            other => f.write_char(other)?,
        }
    }
    f.write_char('"')
}
