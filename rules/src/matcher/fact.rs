//! Answers what most opens are asked first without reading a value: comparisons of flags and small
//! numbers, straight from the event.

use alert::{Access, Argument, Detail, Event, Field, OpenFile};

use crate::{
    ir::{Leaf, Literal, Predicate, Term, Test},
    parse::Operator,
};

/// A comparison with a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// How a file was opened, and whether the comparison holds if it was.
    Opened(How, bool),
    /// The letter of a file's type.
    Letter(u8),
    Number(Number, Operator, i128),
    /// Whether the process runs in no container, as wanted.
    OnHost(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Read,
    Write,
    Create,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Descriptor,
    Result,
    /// Nanoseconds since the process began.
    Duration,
}

impl Fact {
    /// Returns the predicate as a fact, if it is one.
    pub(super) fn of(predicate: &Predicate) -> Option<Self> {
        let Term::Leaf(Leaf::Event(field, Argument::None)) = &predicate.term else { return None };
        Some(match (field, &predicate.test) {
            (Field::EvtIsOpenRead, Test::Equal(Literal::Bool(is))) => Self::Opened(How::Read, *is),
            (Field::EvtIsOpenWrite, Test::Equal(Literal::Bool(is))) => {
                Self::Opened(How::Write, *is)
            }
            (Field::EvtIsOpenCreate, Test::Equal(Literal::Bool(is))) => {
                Self::Opened(How::Create, *is)
            }
            (Field::FdTypechar, Test::Equal(Literal::Text(text))) => match text.as_bytes() {
                [letter] => Self::Letter(*letter),
                _ => return None,
            },
            (Field::ContainerId, Test::Equal(Literal::Text(text))) if &**text == "host" => {
                Self::OnHost(true)
            }
            (Field::ContainerId, Test::NotEqual(Literal::Text(text))) if &**text == "host" => {
                Self::OnHost(false)
            }
            (field, Test::Equal(Literal::Number(number))) => {
                Self::Number(Number::of(*field)?, Operator::Equal, *number)
            }
            (field, Test::Order(operator, Literal::Number(number))) => {
                Self::Number(Number::of(*field)?, *operator, *number)
            }
            _ => return None,
        })
    }

    /// Returns whether it holds; `None` if the event is of another sort, and the value must be
    /// read.
    #[inline]
    pub(super) fn holds(self, event: &Event) -> Option<bool> {
        let file = || match &event.detail {
            Detail::Open(file) => Some(file),
            _ => None,
        };
        Some(match self {
            Self::Opened(how, wanted) => how.holds(file()?) == wanted,
            Self::Letter(wanted) => {
                let file = file()?;
                let letter = if event.result >= 0 { file.file_type.letter() } else { "f" };
                letter.as_bytes() == [wanted]
            }
            Self::Number(number, operator, wanted) => {
                let number = number.read(event)?;
                match operator {
                    Operator::Less => number < wanted,
                    Operator::LessEqual => number <= wanted,
                    Operator::Greater => number > wanted,
                    Operator::GreaterEqual => number >= wanted,
                    Operator::Equal => number == wanted,
                    _ => return None,
                }
            }
            Self::OnHost(wanted) if event.process.container.is_none() => wanted,
            Self::OnHost(_) => return None,
        })
    }
}

impl How {
    fn holds(self, file: &OpenFile) -> bool {
        match self {
            Self::Read => matches!(file.access(), Access::Read | Access::ReadWrite),
            Self::Write => matches!(file.access(), Access::Write | Access::ReadWrite),
            Self::Create => file.creates(),
        }
    }
}

impl Number {
    const fn of(field: Field) -> Option<Self> {
        match field {
            Field::FdNum => Some(Self::Descriptor),
            Field::EvtRawres => Some(Self::Result),
            Field::ProcDuration => Some(Self::Duration),
            _ => None,
        }
    }

    #[inline]
    fn read(self, event: &Event) -> Option<i128> {
        match (self, &event.detail) {
            (Self::Descriptor, Detail::Open(_)) => Some(event.result.max(-1).into()),
            (Self::Descriptor, Detail::Connect(connection)) => Some(connection.descriptor.into()),
            (Self::Descriptor, _) => None,
            (Self::Result, _) => Some(event.result.into()),
            (Self::Duration, _) => {
                Some(event.time_ns.saturating_sub(event.process.start_ns).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use alert::{Container, EventKind, FileType, Process};

    use super::*;
    use crate::{
        ir::{EventView, Machine, PathView},
        sample::{connect, event, exec, open, process},
    };

    const OPERATORS: [Operator; 5] = [
        Operator::Less,
        Operator::LessEqual,
        Operator::Greater,
        Operator::GreaterEqual,
        Operator::Equal,
    ];

    fn predicates() -> Vec<Predicate> {
        let predicate =
            |field, test| Predicate { term: Term::Leaf(Leaf::Event(field, Argument::None)), test };
        let mut all = Vec::new();
        for field in [Field::EvtIsOpenRead, Field::EvtIsOpenWrite, Field::EvtIsOpenCreate] {
            for wanted in [true, false] {
                all.push(predicate(field, Test::Equal(Literal::Bool(wanted))));
            }
        }
        for letter in ["f", "d", "4", "u", "p", "o"] {
            all.push(predicate(Field::FdTypechar, Test::Equal(Literal::Text(letter.into()))));
        }
        let host = || Literal::Text("host".into());
        all.push(predicate(Field::ContainerId, Test::Equal(host())));
        all.push(predicate(Field::ContainerId, Test::NotEqual(host())));
        for field in [Field::FdNum, Field::EvtRawres, Field::ProcDuration] {
            for number in [i128::MIN, -2, -1, 0, 3, 5, 1 << 40, i128::MAX] {
                for operator in OPERATORS {
                    all.push(predicate(
                        field,
                        match operator {
                            Operator::Equal => Test::Equal(Literal::Number(number)),
                            operator => Test::Order(operator, Literal::Number(number)),
                        },
                    ));
                }
            }
        }
        all
    }

    fn processes() -> Vec<Arc<Process>> {
        let mut contained = process("a", &[]);
        contained.container =
            Some(Arc::new(Container { id: "0123456789abcdef".into(), ..Container::default() }));
        let mut named_host = contained.clone();
        named_host.container =
            Some(Arc::new(Container { id: "host".into(), ..Container::default() }));
        [process("a", &[]), contained, named_host].map(Arc::new).into()
    }

    fn details() -> Vec<(EventKind, Detail)> {
        let mut all = Vec::new();
        let Detail::Open(file) = open("/etc/shadow", None, 0).detail else { return all };
        for flags in [0, 1, 2, 3, 0o100, 0o101, 0o102, 0o10_000_000, 0o12_000_102] {
            for file_type in [FileType::File, FileType::Directory, FileType::Pipe, FileType::Other]
            {
                let file = OpenFile { flags, file_type, ..file.clone() };
                all.push((EventKind::OpenAt, Detail::Open(file)));
            }
        }
        all.push((EventKind::Connect, connect("10.0.0.5:4000", "10.0.0.1:80").detail));
        all.push((EventKind::Execve, exec("a", &[]).detail));
        all
    }

    #[test]
    fn a_fact_says_what_reading_the_value_says() {
        let mut answered = 0;
        for predicate in predicates() {
            let fact = Fact::of(&predicate);
            let fact = fact.unwrap_or_else(|| panic!("{predicate:?} is no fact"));
            for process in processes() {
                for (kind, detail) in details() {
                    for result in [-2, -1, 0, 3, 1 << 40] {
                        let mut event = event(kind, Arc::clone(&process), detail.clone());
                        event.result = result;
                        let Some(holds) = fact.holds(&event) else { continue };
                        let view = EventView { event: &event, path: PathView::Written };
                        let read = predicate.test(&Machine::None, &view);
                        assert_eq!(Some(holds), read, "{predicate:?} on {event:?}");
                        answered += 1;
                    }
                }
            }
        }
        assert!(answered > 10_000, "{answered}");
    }
}
