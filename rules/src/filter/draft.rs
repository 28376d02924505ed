//! What is known of the rules of one kind of event before they are put into groups.

use std::sync::Arc;

use alert::{
    Call, Connection, Container, Descriptor, DescriptorKind, Detail, Event, EventKind, Field,
    FileType, ParameterKind, ParameterValue, Process,
};

use super::{
    conditions::{Conditions, RuleBits, holds},
    field::{
        End, address_of, is_of_container, is_of_flags, is_result, parameter, part_of, port_of,
        typed_part,
    },
    network::NetworkRules,
    number::{Number, RangeRules},
    path::Search,
    view::{Protocol, of_row, role_of},
};
use crate::{
    ir::{Leaf, Literal, Predicate, Term, Test},
    parse::Operator,
};

/// Rows of the flags of opens.
pub(super) const OPEN_ROWS: usize = 128;

/// The rules of one kind, by what each dimension leaves possible. What is `None` says nothing.
pub(super) struct Draft {
    pub(super) result: Option<RangeRules>,
    pub(super) user: Option<RangeRules>,
    pub(super) scope: Option<Vec<RuleBits>>,
    pub(super) open: Option<Vec<RuleBits>>,
    pub(super) descriptor: Option<Vec<RuleBits>>,
    pub(super) protocol: Option<Vec<RuleBits>>,
    pub(super) local_port: Option<RangeRules>,
    pub(super) remote_port: Option<RangeRules>,
    pub(super) local: Option<NetworkRules>,
    pub(super) remote: Option<NetworkRules>,
    pub(super) arguments: Vec<(u8, RangeRules)>,
    pub(super) paths: Search,
    pub(super) typed: Search,
}

impl Draft {
    pub(super) fn new(conditions: &Conditions<'_>) -> Self {
        Self {
            result: result(conditions),
            user: user(conditions),
            scope: scope(conditions),
            open: open(conditions),
            descriptor: descriptor(conditions),
            protocol: protocol(conditions),
            local_port: port(conditions, End::Local),
            remote_port: port(conditions, End::Remote),
            local: address(conditions, End::Local),
            remote: address(conditions, End::Remote),
            arguments: arguments(conditions),
            paths: Search::new(conditions, part_of),
            typed: Search::new(conditions, typed_part),
        }
    }

    /// Returns all that is looked for in texts.
    pub(super) const fn searches(&self) -> [&Search; 2] {
        [&self.paths, &self.typed]
    }

    pub(super) const fn searches_mut(&mut self) -> [&mut Search; 2] {
        [&mut self.paths, &mut self.typed]
    }

    /// Returns the dimensions that rule something out, with the rules that each value leaves.
    pub(super) fn dimensions(&self) -> Vec<(&'static str, Vec<&RuleBits>)> {
        let numbers = [
            ("result", &self.result),
            ("user id", &self.user),
            ("local port", &self.local_port),
            ("remote port", &self.remote_port),
        ];
        let addresses = [("local address", &self.local), ("remote address", &self.remote)];
        let tables = [
            ("host or container", &self.scope),
            ("flags", &self.open),
            ("type of the descriptor", &self.descriptor),
            ("protocol", &self.protocol),
        ];
        let arguments = self.arguments.iter().map(|(_, rules)| ("parameters", rules));
        let numbers = numbers
            .into_iter()
            .filter_map(|(name, rules)| Some((name, rules.as_ref()?)))
            .chain(arguments)
            .map(|(name, rules)| {
                let rows = rules.ranges.iter().map(|(_, row)| row).chain([&rules.absent]);
                (name, rows.collect())
            });
        let addresses = addresses.into_iter().filter_map(|(name, rules)| {
            let rules = rules.as_ref()?;
            let rows = rules.networks.iter().map(|(_, row)| row).chain([&rules.absent]);
            Some((name, rows.collect()))
        });
        let tables = tables
            .into_iter()
            .filter_map(|(name, rows)| Some((name, rows.as_ref()?.iter().collect())));
        numbers.chain(addresses).chain(tables).collect()
    }
}

/// Answers the same for every row of a table from one event each.
fn table(
    conditions: &Conditions<'_>,
    is_shown: &dyn Fn(&Leaf) -> bool,
    events: &[Event],
) -> Option<Vec<RuleBits>> {
    let asked = conditions.reading(is_shown);
    (!asked.is_empty()).then(|| {
        conditions.possible(events.len(), &asked, &|predicate, machine, row| {
            Some(holds(predicate, machine, &events[row]))
        })
    })
}

pub(super) fn result(conditions: &Conditions<'_>) -> Option<RangeRules> {
    let kind = conditions.kind;
    let blank = conditions.blank();
    let event = |result: Option<i64>| Event { result: result.unwrap_or(0), ..blank.clone() };
    let is_shown = |leaf: &Leaf| is_result(kind, leaf);
    Number { is_shown: &is_shown, event: &event, is_listed: &|_| false }.rules(conditions)
}

fn user(conditions: &Conditions<'_>) -> Option<RangeRules> {
    let blank = conditions.blank();
    let event = |uid: Option<i64>| {
        let uid = uid.and_then(|uid| u32::try_from(uid).ok()).unwrap_or(u32::MAX);
        Event { process: Arc::new(Process { uid, ..Process::default() }), ..blank.clone() }
    };
    let is_shown = |leaf: &Leaf| matches!(leaf, Leaf::Event(Field::UserUid, _));
    Number { is_shown: &is_shown, event: &event, is_listed: &|_| false }.rules(conditions)
}

/// Host, container.
fn scope(conditions: &Conditions<'_>) -> Option<Vec<RuleBits>> {
    let event = |container: Option<Container>| {
        let process = Process { container: container.map(Arc::new), ..Process::default() };
        Event { process: Arc::new(process), ..conditions.blank() }
    };
    let contained = Container { id: "0".into(), ..Container::default() };
    let events = [event(None), event(Some(contained))];
    let asked = conditions.reading(&is_of_container);
    (!asked.is_empty()).then(|| {
        conditions.possible(events.len(), &asked, &|predicate, machine, row| {
            let decided = row == 0 || asks_for_host(predicate);
            decided.then(|| holds(predicate, machine, &events[row]))
        })
    })
}

/// Returns whether a predicate asks no more than whether a process runs on the host.
fn asks_for_host(predicate: &Predicate) -> bool {
    let is_id = matches!(predicate.term, Term::Leaf(Leaf::Event(Field::ContainerId, _)));
    let host = |literal: &Literal| *literal == Literal::Text("host".into());
    is_id
        && match &predicate.test {
            Test::Equal(literal) | Test::NotEqual(literal) => host(literal),
            Test::In(items) => items.iter().all(host),
            _ => false,
        }
}

fn open(conditions: &Conditions<'_>) -> Option<Vec<RuleBits>> {
    let kind = conditions.kind;
    let asked = conditions.reading(&|leaf| is_of_flags(kind, leaf));
    if !kind.is_open() || asked.is_empty() {
        return None;
    }
    let event = |flags: u32, mode: u32| {
        let mut event = conditions.blank();
        if let Detail::Open(file) = &mut event.detail {
            (file.flags, file.mode) = (flags, mode);
        }
        event
    };
    let rows = (0..OPEN_ROWS).map(|row| of_row(row as u8));
    let rows: Vec<Vec<Event>> =
        rows.map(|row| row.into_iter().map(|(flags, mode)| event(flags, mode)).collect()).collect();
    Some(conditions.possible(OPEN_ROWS, &asked, &|predicate, machine, row| {
        let growth = growth(predicate)?;
        // Behind O_PATH is an access that plays no part, yet has a name.
        if row & 3 == 3 && growth == Growth::Names {
            return None;
        }
        let mut answers = rows[row].iter().map(|event| holds(predicate, machine, event));
        let first = answers.next()?;
        answers.all(|answer| answer == first).then_some(first)
    }))
}

/// How the answer of a predicate changes with the bits of flags or a mode.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Growth {
    /// It is the same for all of a row.
    None,
    /// More bits can only make it true: it asks for the name of one.
    Names,
}

fn growth(predicate: &Predicate) -> Option<Growth> {
    let Term::Leaf(Leaf::Event(field, _)) = &predicate.term else { return None };
    match (field, &predicate.test) {
        (Field::EvtArg, Test::Text(Operator::Contains, text)) => {
            let name = text.starts_with("O_") || text.starts_with("S_I");
            (name && !text.contains('|')).then_some(Growth::Names)
        }
        (Field::EvtArg, _) => None,
        (_, Test::Equal(_) | Test::NotEqual(_) | Test::Exists) => Some(Growth::None),
        _ => None,
    }
}

/// A row for each kind of descriptor, and one where there is none.
fn descriptor(conditions: &Conditions<'_>) -> Option<Vec<RuleBits>> {
    let kind = conditions.kind;
    let is_shown = |leaf: &Leaf| {
        let Leaf::Event(field, _) = leaf else { return false };
        matches!(field, Field::FdType | Field::FdTypechar | Field::FdSockfamily)
    };
    let seen = DescriptorKind::ALL.iter().copied().map(Some).chain([None]);
    let mut answered = vec![true; DescriptorKind::ALL.len() + 1];
    let events: Vec<Event> = seen
        .enumerate()
        .map(|(row, seen)| {
            let mut event = conditions.blank();
            match (&mut event.detail, seen) {
                (Detail::Open(file), Some(seen)) => match file_type(seen) {
                    Some(file_type) => file.file_type = file_type,
                    None => answered[row] = false,
                },
                (Detail::Open(_), None) => event.result = -1,
                (Detail::Connect(socket), Some(seen)) => match socket_of(seen) {
                    Some(known) => *socket = known,
                    None => answered[row] = false,
                },
                (Detail::Connect(_), None) => answered[row] = false,
                (Detail::Call(call), seen) => {
                    call.descriptor = seen.map(|seen| match socket_of(seen) {
                        Some(socket) if seen.is_socket() => Descriptor::Socket(socket),
                        _ => Descriptor::Other {
                            number: 0,
                            kind: seen,
                            name: "".into(),
                            inode: None,
                            device: None,
                        },
                    });
                }
                _ => answered[row] = false,
            }
            event
        })
        .collect();
    let asked = conditions.reading(&is_shown);
    // A module's file is a file, and told in its own way.
    (!asked.is_empty() && kind != EventKind::FinitModule).then(|| {
        conditions.possible(events.len(), &asked, &|predicate, machine, row| {
            answered[row].then(|| holds(predicate, machine, &events[row]))
        })
    })
}

const fn file_type(kind: DescriptorKind) -> Option<FileType> {
    match kind {
        DescriptorKind::File => Some(FileType::File),
        DescriptorKind::Directory => Some(FileType::Directory),
        DescriptorKind::Pipe => Some(FileType::Pipe),
        DescriptorKind::Unix => Some(FileType::Socket),
        DescriptorKind::Other => Some(FileType::Other),
        _ => None,
    }
}

fn socket_of(kind: DescriptorKind) -> Option<Connection> {
    let end = |ip: std::net::IpAddr| Some((ip, 1).into());
    let mut socket = Connection::default();
    match kind {
        DescriptorKind::Ipv4 => socket.remote = end(std::net::Ipv4Addr::LOCALHOST.into()),
        DescriptorKind::Ipv6 => socket.remote = end(std::net::Ipv6Addr::LOCALHOST.into()),
        DescriptorKind::Unix => socket.unix = Some("".into()),
        DescriptorKind::Other => {}
        _ => return None,
    }
    Some(socket)
}

/// Returns an event of a socket.
fn with_socket(conditions: &Conditions<'_>, mut socket: Connection) -> Event {
    socket.role = role_of(conditions.kind).unwrap_or_default();
    let mut event = conditions.blank();
    match &mut event.detail {
        Detail::Connect(own) => *own = socket,
        Detail::Call(call) => call.descriptor = Some(Descriptor::Socket(socket)),
        _ => {}
    }
    event
}

/// A row for each protocol, and one where there is none.
fn protocol(conditions: &Conditions<'_>) -> Option<Vec<RuleBits>> {
    let names = Protocol::ALL.iter().map(|(_, name)| Some(*name)).chain([None]);
    let events: Vec<Event> = names
        .map(|name| {
            let protocol = name.map(Into::into);
            with_socket(conditions, Connection { protocol, ..Connection::default() })
        })
        .collect();
    table(conditions, &|leaf| matches!(leaf, Leaf::Event(Field::FdL4proto, _)), &events)
}

fn port(conditions: &Conditions<'_>, end: End) -> Option<RangeRules> {
    let kind = conditions.kind;
    let event = |port: Option<i64>| {
        let port = port.map(|port| u16::try_from(port).unwrap_or(u16::MAX));
        let address = port.map(|port| (std::net::Ipv4Addr::LOCALHOST, port).into());
        let socket = match end {
            End::Local => Connection { local: address, ..Connection::default() },
            _ => Connection { remote: address, ..Connection::default() },
        };
        with_socket(conditions, socket)
    };
    let is_shown = |leaf: &Leaf| port_of(kind, leaf) == Some(end);
    let is_listed = |leaf: &Leaf| port_of(kind, leaf) == Some(End::Both);
    Number { is_shown: &is_shown, event: &event, is_listed: &is_listed }.rules(conditions)
}

fn address(conditions: &Conditions<'_>, end: End) -> Option<NetworkRules> {
    let kind = conditions.kind;
    let is_shown = |leaf: &Leaf| address_of(kind, leaf) == Some(end);
    let is_listed = |leaf: &Leaf| address_of(kind, leaf) == Some(End::Both);
    let absent = with_socket(conditions, Connection::default());
    NetworkRules::new(conditions, &is_shown, &is_listed, &absent)
}

/// The parameters that are numbers, and shown as nothing but what the number says.
fn arguments(conditions: &Conditions<'_>) -> Vec<(u8, RangeRules)> {
    let kind = conditions.kind;
    let numbers = kind.parameters().iter().enumerate().filter(|(_, given)| {
        matches!(
            given.kind,
            ParameterKind::Choice(_)
                | ParameterKind::Mode
                | ParameterKind::Signed
                | ParameterKind::Unsigned
        )
    });
    let blank = conditions.blank();
    if !matches!(blank.detail, Detail::Call(_)) {
        return Vec::new();
    }
    let of = |place: usize| {
        let event = |number: Option<i64>| {
            let mut values = vec![None; kind.parameters().len()];
            values[place] = number.map(ParameterValue::Number);
            let call = Call { values: values.into(), descriptor: None };
            Event { detail: Detail::Call(call), ..blank.clone() }
        };
        let is_shown = |leaf: &Leaf| match leaf {
            Leaf::Event(Field::EvtArg | Field::EvtRawarg, argument) => {
                parameter(kind, argument).is_some_and(|(index, _)| index == place)
            }
            _ => false,
        };
        Number { is_shown: &is_shown, event: &event, is_listed: &|_| false }.rules(conditions)
    };
    numbers.filter_map(|(place, _)| Some((u8::try_from(place).ok()?, of(place)?))).collect()
}
