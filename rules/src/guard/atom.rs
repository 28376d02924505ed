//! Single facts of a program that was started, and which predicates ask for them.

use std::collections::BTreeSet;

use alert::{Argument, Field, Process, Value};

use crate::{
    explain,
    ir::{Leaf, Literal, Machine, Predicate, Record, Term, Test},
    parse::{Modifier, Operator},
};

/// Longest path or beginning of one that the kernel compares.
const PATH_BYTES_MAX: usize = 255;
/// Longest `comm`.
const NAME_BYTES_MAX: usize = 15;
/// Texts of one atom.
const TEXTS_MAX: usize = 512;

/// One fact. Texts are not empty, hold no NUL and no `U+FFFD`, which stands for bytes that are no
/// text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExecAtom {
    /// The path of the executable, as the kernel resolved it, is one of these.
    Path(BTreeSet<Box<str>>),
    /// The path of the executable begins with one of these.
    PathStart(BTreeSet<Box<str>>),
    /// The path of the executable is one of these, or below one: no slash at their ends.
    Below(BTreeSet<Box<str>>),
    /// `comm` is one of these.
    Name(BTreeSet<Box<str>>),
    /// The effective user id is from one number to another.
    Uid(u32, u32),
    /// The number of the executable's inode.
    Inode(u64),
    /// The process is in no container.
    Host,
    /// The executable exists in memory only.
    Memfd,
    /// The executable was written in the upper layer of an overlay file system.
    UpperLayer,
}

/// What atoms ask about.
#[derive(Clone, Copy, Debug)]
pub struct ExecFacts<'a> {
    pub path: &'a str,
    pub name: &'a str,
    pub uid: u32,
    pub inode: u64,
    pub host: bool,
    pub memfd: bool,
    pub upper_layer: bool,
}

impl<'a> ExecFacts<'a> {
    /// Returns the facts of a process after its exec.
    pub fn of(process: &'a Process) -> Self {
        Self {
            path: &process.executable.path,
            name: &process.name,
            uid: process.uid,
            inode: process.executable.inode,
            host: process.container.is_none(),
            memfd: process.executable.from_memfd,
            upper_layer: process.executable.upper_layer,
        }
    }
}

impl ExecAtom {
    pub(super) fn holds(&self, facts: &ExecFacts<'_>) -> bool {
        match self {
            Self::Path(paths) => paths.contains(facts.path),
            Self::PathStart(starts) => starts.iter().any(|start| facts.path.starts_with(&**start)),
            Self::Below(folders) => folders.iter().any(|folder| {
                let rest = facts.path.strip_prefix(&**folder);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }),
            Self::Name(names) => names.contains(facts.name),
            Self::Uid(from, to) => (*from..=*to).contains(&facts.uid),
            Self::Inode(inode) => *inode == facts.inode,
            Self::Host => facts.host,
            Self::Memfd => facts.memfd,
            Self::UpperLayer => facts.upper_layer,
        }
    }
}

/// What a predicate is for the kernel.
#[derive(Debug)]
pub(super) enum Reading {
    /// The same for every program that was started.
    Constant(bool),
    /// The fact, or its opposite.
    Atom(ExecAtom, bool),
    /// Why the kernel cannot answer it as the matcher does.
    Doubt(String),
}

/// Reads a predicate.
pub(super) fn read(predicate: &Predicate, machine: &Machine) -> Reading {
    if let Some(known) = constant(predicate, machine) {
        return Reading::Constant(known);
    }
    let Term::Leaf(Leaf::Event(field, Argument::None)) = &predicate.term else {
        return doubt(predicate);
    };
    let reading = match field {
        Field::ProcExepath => path(&predicate.test),
        Field::ProcName => name(&predicate.test),
        Field::UserUid => uid(&predicate.test),
        Field::ProcExeIno => inode(&predicate.test),
        Field::ContainerId => host(&predicate.test),
        Field::ProcIsExeFromMemfd => truth(&predicate.test, ExecAtom::Memfd),
        Field::ProcIsExeUpperLayer => truth(&predicate.test, ExecAtom::UpperLayer),
        _ => None,
    };
    reading.unwrap_or_else(|| doubt(predicate))
}

fn doubt(predicate: &Predicate) -> Reading {
    Reading::Doubt(format!("the kernel cannot tell `{}`", explain::predicate(predicate)))
}

/// Every exec the kernel tells of has succeeded.
struct Started;

impl Record for Started {
    fn value(&self, leaf: &Leaf) -> Option<Value<'_>> {
        let Leaf::Event(field, Argument::None) = leaf else { return None };
        started(*field)
    }
}

fn started(field: Field) -> Option<Value<'static>> {
    Some(match field {
        Field::EvtRawres => Value::I64(0),
        Field::EvtFailed => Value::Bool(false),
        Field::EvtRes => Value::text("SUCCESS"),
        Field::EvtDir => Value::text("<"),
        Field::EvtSource => Value::text("syscall"),
        Field::EvtIsAsync => Value::Bool(false),
        _ => return None,
    })
}

fn constant(predicate: &Predicate, machine: &Machine) -> Option<bool> {
    let mut known = true;
    predicate.leaves(&mut |leaf| {
        known &= matches!(leaf, Leaf::Event(field, Argument::None) if started(*field).is_some());
    });
    if known {
        return Some(predicate.test(machine, &Started) == Some(true));
    }
    // These have a value in every exec.
    let always = matches!(
        &predicate.term,
        Term::Leaf(Leaf::Event(
            Field::ProcExepath | Field::ProcName | Field::UserUid | Field::ContainerId,
            Argument::None
        ))
    );
    (always && predicate.test == Test::Exists).then_some(true)
}

/// Texts that are compared: which of them, and how.
struct Texts<'a> {
    items: Vec<&'a str>,
    start: bool,
    positive: bool,
}

fn all_texts(items: &[Literal]) -> Option<Vec<&str>> {
    items
        .iter()
        .map(|item| match item {
            Literal::Text(text) => Some(&**text),
            _ => None,
        })
        .collect()
}

fn texts(test: &Test) -> Option<Texts<'_>> {
    let texts = |items, start, positive| Some(Texts { items, start, positive });
    match test {
        Test::Equal(Literal::Text(text)) => texts(vec![text], false, true),
        Test::NotEqual(Literal::Text(text)) => texts(vec![text], false, false),
        Test::In(items) | Test::Intersects(items) => texts(all_texts(items)?, false, true),
        Test::Text(Operator::StartsWith, start) => texts(vec![start], true, true),
        Test::Modified(modifier, operator, items)
            if *modifier == Modifier::Any || items.len() == 1 =>
        {
            match operator {
                Operator::Equal => texts(all_texts(items)?, false, true),
                Operator::StartsWith => texts(all_texts(items)?, true, true),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Bytes that are no text are shown as `U+FFFD`, so that it may stand for any; a NUL ends what the
/// kernel compares.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && !text.contains(['\0', char::REPLACEMENT_CHARACTER])
}

fn path(test: &Test) -> Option<Reading> {
    if let Test::PathMatch(paths) = test {
        return below(paths);
    }
    let Texts { items, start, positive } = texts(test)?;
    let fits = |text: &&str| is_plain(text) && text.len() <= PATH_BYTES_MAX;
    if items.len() > TEXTS_MAX || !items.iter().all(fits) {
        return None;
    }
    let items = items.into_iter().map(Into::into).collect();
    let atom = if start { ExecAtom::PathStart(items) } else { ExecAtom::Path(items) };
    Some(Reading::Atom(atom, positive))
}

/// What `pmatch` finds is one of the paths or lies below it.
fn below(paths: &[Box<str>]) -> Option<Reading> {
    let folders = paths.iter().map(|path| folder(path)).collect::<Option<BTreeSet<_>>>()?;
    (folders.len() <= TEXTS_MAX).then_some(Reading::Atom(ExecAtom::Below(folders), true))
}

fn folder(path: &str) -> Option<Box<str>> {
    let mut folder = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        // A colon: a file without a folder, `memfd:NAME`, has no slash in front.
        if !is_plain(part) || part.contains(['?', '*', '[', ':']) {
            return None;
        }
        folder.push('/');
        folder.push_str(part);
    }
    (!folder.is_empty() && folder.len() < PATH_BYTES_MAX).then(|| folder.into())
}

fn name(test: &Test) -> Option<Reading> {
    let Texts { items, start, positive } = texts(test)?;
    if start || items.len() > TEXTS_MAX || !items.iter().all(|text| is_plain(text)) {
        return None;
    }
    // A longer one is nobody's.
    let items: BTreeSet<Box<str>> =
        items.into_iter().filter(|text| text.len() <= NAME_BYTES_MAX).map(Into::into).collect();
    Some(match items.is_empty() {
        true => Reading::Constant(!positive),
        false => Reading::Atom(ExecAtom::Name(items), positive),
    })
}

fn uid(test: &Test) -> Option<Reading> {
    let number = |literal: &Literal| match literal {
        Literal::Number(number) => Some(*number),
        _ => None,
    };
    let range = |from: i128, to: i128, positive| {
        let (from, to) = (from.max(0), to.min(u32::MAX.into()));
        Some(match (u32::try_from(from), u32::try_from(to)) {
            (Ok(0), Ok(u32::MAX)) => Reading::Constant(positive),
            (Ok(from), Ok(to)) if from <= to => Reading::Atom(ExecAtom::Uid(from, to), positive),
            _ => Reading::Constant(!positive),
        })
    };
    let everyone = i128::from(u32::MAX);
    match test {
        Test::Equal(literal) => range(number(literal)?, number(literal)?, true),
        Test::NotEqual(literal) => range(number(literal)?, number(literal)?, false),
        Test::Order(operator, literal) => {
            let number = number(literal)?;
            match operator {
                Operator::Less => range(0, number - 1, true),
                Operator::LessEqual => range(0, number, true),
                Operator::Greater => range(number + 1, everyone, true),
                Operator::GreaterEqual => range(number, everyone, true),
                _ => None,
            }
        }
        _ => None,
    }
}

fn inode(test: &Test) -> Option<Reading> {
    let (literal, positive) = match test {
        Test::Equal(literal) => (literal, true),
        Test::NotEqual(literal) => (literal, false),
        _ => return None,
    };
    let Literal::Number(number) = literal else { return None };
    Some(match u64::try_from(*number) {
        Ok(inode) => Reading::Atom(ExecAtom::Inode(inode), positive),
        Err(_) => Reading::Constant(!positive),
    })
}

/// Only `host` is no id of a container: the kernel knows whether there is one, not which.
fn host(test: &Test) -> Option<Reading> {
    let Texts { items, start, positive } = texts(test)?;
    (!start && items == ["host"]).then_some(Reading::Atom(ExecAtom::Host, positive))
}

fn truth(test: &Test, atom: ExecAtom) -> Option<Reading> {
    match test {
        Test::Equal(Literal::Bool(wanted)) => Some(Reading::Atom(atom, *wanted)),
        Test::NotEqual(Literal::Bool(wanted)) => Some(Reading::Atom(atom, !*wanted)),
        _ => None,
    }
}
