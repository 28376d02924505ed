//! Regular expressions: Alertmanager's are Go's, ours are POSIX's. Both are matched against the whole
//! text, so that a pattern is taken apart and written anew with what both have.

use regex_syntax::{
    ParserBuilder,
    hir::{Class, ClassUnicode, Dot, Hir, HirKind, Look},
};
use router::pipeline::of_go;

/// A pattern in our syntax.
#[derive(Debug)]
pub(super) struct Converted {
    pub(super) text: String,
    /// It matches the empty text, and so a label that is not there.
    pub(super) takes_empty: bool,
}

/// Writes a pattern in our syntax, or says what of it has no like there.
pub(super) fn convert(pattern: &str) -> Result<Converted, String> {
    let wrong = |why: &str| format!("the pattern `{}`: {why}", pattern.escape_debug());
    let hir = ParserBuilder::new().build().parse(&of_go(pattern)).map_err(|error| {
        let error = error.to_string();
        wrong(error.lines().last().unwrap_or_default().trim_start_matches("error: "))
    })?;
    let mut text = String::new();
    write(&mut text, &hir, Place::Whole).map_err(wrong)?;
    if is_common(pattern) {
        pattern.clone_into(&mut text);
    }
    let takes_empty = hir.properties().minimum_len() == Some(0);
    Ok(Converted { text, takes_empty })
}

/// Returns whether a pattern is made only of what means the same here and there.
fn is_common(pattern: &str) -> bool {
    let common =
        |byte: u8| byte.is_ascii_alphanumeric() || b" _-.*+?|()/:@%,;<>=!&~'#".contains(&byte);
    pattern.bytes().all(common)
        && !pattern.contains("(?")
        && !pattern.contains("??")
        && !pattern.contains("*?")
        && !pattern.contains("+?")
}

/// Where a part stands: what is around it decides whether it needs parentheses.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing is before or behind it.
    Whole,
    /// First of what is whole, or last, or neither.
    Part { first: bool, last: bool },
    /// A repetition follows.
    Repeated,
}

fn write(out: &mut String, hir: &Hir, place: Place) -> Result<(), &'static str> {
    match hir.kind() {
        HirKind::Empty => out.push_str("()"),
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).map_err(|_| "it matches bytes, not text")?;
            let several = place == Place::Repeated && text.chars().count() > 1;
            grouped(out, several, |out| {
                text.chars().for_each(|character| escaped(out, character));
                Ok(())
            })?;
        }
        HirKind::Class(Class::Unicode(class)) => set(out, class)?,
        HirKind::Class(Class::Bytes(_)) => return Err("it matches bytes, not text"),
        HirKind::Look(look) => anchor(*look, place)?,
        HirKind::Repetition(repetition) => {
            // What is repeated has parentheses of its own where it needs them.
            grouped(out, place == Place::Repeated, |out| {
                write(out, &repetition.sub, Place::Repeated)?;
                match (repetition.min, repetition.max) {
                    (0, None) => out.push('*'),
                    (1, None) => out.push('+'),
                    (0, Some(1)) => out.push('?'),
                    (min, None) => out.push_str(&format!("{{{min},}}")),
                    (min, Some(max)) => out.push_str(&format!("{{{min},{max}}}")),
                }
                Ok(())
            })?;
        }
        HirKind::Capture(capture) => {
            let inside = if place == Place::Repeated { INNER } else { place };
            grouped(out, true, |out| write(out, &capture.sub, inside))?;
        }
        HirKind::Concat(parts) => grouped(out, place == Place::Repeated, |out| {
            let last = parts.len() - 1;
            for (index, part) in parts.iter().enumerate() {
                let (first, last) = (index == 0, index == last);
                let place = match place {
                    Place::Whole => Place::Part { first, last },
                    Place::Part { first: before, last: behind } => {
                        Place::Part { first: before && first, last: behind && last }
                    }
                    Place::Repeated => INNER,
                };
                write(out, part, place)?;
            }
            Ok(())
        })?,
        HirKind::Alternation(parts) => grouped(out, place != Place::Whole, |out| {
            let inside = if place == Place::Repeated { INNER } else { place };
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    out.push('|');
                }
                write(out, part, inside)?;
            }
            Ok(())
        })?,
    }
    Ok(())
}

const INNER: Place = Place::Part { first: false, last: false };

fn grouped(
    out: &mut String,
    is_needed: bool,
    inside: impl FnOnce(&mut String) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    if is_needed {
        out.push('(');
    }
    inside(out)?;
    if is_needed {
        out.push(')');
    }
    Ok(())
}

/// The whole text is matched anyway, so that anchors at its ends say nothing.
fn anchor(look: Look, place: Place) -> Result<(), &'static str> {
    let (first, last) = match place {
        Place::Whole => (true, true),
        Place::Part { first, last } => (first, last),
        Place::Repeated => (false, false),
    };
    match look {
        Look::Start if first => Ok(()),
        Look::End if last => Ok(()),
        Look::Start | Look::End => Err("an anchor stands inside of it"),
        _ => Err("it looks at ends of words or lines, which ours cannot"),
    }
}

fn escaped(out: &mut String, character: char) {
    if r"\.+*?()|[]{}^$".contains(character) {
        out.push('\\');
    }
    out.push(character);
}

fn set(out: &mut String, class: &ClassUnicode) -> Result<(), &'static str> {
    let same = |dot: Dot| matches!(Hir::dot(dot).kind(), HirKind::Class(Class::Unicode(other)) if other == class);
    if class.ranges().is_empty() {
        return Err("it can match nothing");
    }
    if same(Dot::AnyCharExceptLF) {
        out.push('.');
        return Ok(());
    }
    if same(Dot::AnyChar) {
        out.push_str("(.|\n)");
        return Ok(());
    }
    out.push('[');
    for range in class.ranges() {
        member(out, range.start());
        if range.start() != range.end() {
            out.push('-');
            member(out, range.end());
        }
    }
    out.push(']');
    Ok(())
}

fn member(out: &mut String, character: char) {
    match character {
        '\\' | ']' | '[' | '^' | '-' => {
            out.push('\\');
            out.push(character);
        }
        // What a terminal or an editor would not show.
        hidden if hidden.is_control() || hidden > '\u{ffff}' => {
            out.push_str(&format!("\\x{{{:X}}}", hidden as u32));
        }
        other => out.push(other),
    }
}
