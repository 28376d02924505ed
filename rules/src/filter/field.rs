//! Which fields show what the kernel sees of an event of some kind.

use alert::{Argument, EventKind, Field, Parameter, ParameterKind, Role};

use super::{pattern::Part, view::role_of};
use crate::ir::{Leaf, Predicate, Term};

/// Returns whether a predicate reads something, and nothing but what `decided` says.
pub(super) fn reads_only(predicate: &Predicate, decided: &dyn Fn(&Leaf) -> bool) -> bool {
    let (mut reads, mut only) = (false, true);
    predicate.leaves(&mut |leaf| {
        reads = true;
        only &= decided(leaf);
    });
    reads && only
}

/// Returns whether a predicate reads a field of some sort.
pub(super) fn reads(predicate: &Predicate, wanted: &dyn Fn(&Leaf) -> bool) -> bool {
    let mut reads = false;
    predicate.leaves(&mut |leaf| reads |= wanted(leaf));
    reads
}

/// Returns whether no event of a kind has a value for a predicate, which therefore never holds.
pub(super) fn is_missing(kind: EventKind, predicate: &Predicate) -> bool {
    match &predicate.term {
        Term::Leaf(Leaf::Event(Field::EvtArg | Field::EvtRawarg, argument)) => {
            parameter(kind, argument).is_none()
        }
        _ => false,
    }
}

/// Returns the parameter that an argument of `evt.arg` names.
pub(super) fn parameter(
    kind: EventKind,
    argument: &Argument,
) -> Option<(usize, &'static Parameter)> {
    let index = match argument {
        Argument::None => return None,
        Argument::Index(index) => *index as usize,
        Argument::Key(name) => kind.parameter_index(name)?,
    };
    Some((index, kind.parameters().get(index)?))
}

/// Returns which part of the event's paths a field shows; `None` if it is no path.
pub(super) fn part_of(kind: EventKind, leaf: &Leaf) -> Option<Part> {
    let Leaf::Event(field, argument) = leaf else { return None };
    match field {
        Field::FdName | Field::FdResolved => Some(Part::Whole),
        Field::FdDirectory => Some(Part::Directory),
        Field::FdFilename => Some(Part::Name),
        Field::EvtAbspath | Field::FsPathName | Field::FsPathSource | Field::FsPathTarget => {
            // Where a link leads to and what is mounted are texts, and no paths of the event.
            let text = |parameter: &Parameter| {
                matches!(parameter.kind, ParameterKind::Text)
                    && matches!(parameter.name, "target" | "dev")
            };
            (!kind.parameters().iter().any(text)).then_some(Part::Whole)
        }
        Field::EvtArg => {
            let (_, parameter) = parameter(kind, argument)?;
            matches!(parameter.kind, ParameterKind::Path(_)).then_some(Part::Whole)
        }
        _ => None,
    }
}

/// Returns the whole if a field shows what the program typed as the path of an open.
pub(super) fn typed_part(kind: EventKind, leaf: &Leaf) -> Option<Part> {
    let Leaf::Event(field, _) = leaf else { return None };
    let typed = matches!(field, Field::FdNameRaw | Field::FsPathNameraw);
    (typed && kind.is_open()).then_some(Part::Whole)
}

/// Returns whether the result of the call says all of a field.
pub(super) fn is_result(kind: EventKind, leaf: &Leaf) -> bool {
    let Leaf::Event(field, argument) = leaf else { return false };
    match field {
        Field::EvtRawres | Field::EvtRes | Field::EvtFailed | Field::EvtCountError => true,
        Field::FdNum => kind.is_open(),
        Field::EvtArg | Field::EvtRawarg => parameter(kind, argument).is_some_and(|(_, given)| {
            given.name == "res" && matches!(given.kind, ParameterKind::Errno)
        }),
        _ => false,
    }
}

/// Returns whether a field follows from the row of an open's flags.
pub(super) fn is_of_flags(kind: EventKind, leaf: &Leaf) -> bool {
    let Leaf::Event(field, argument) = leaf else { return false };
    match field {
        Field::EvtIsOpenRead
        | Field::EvtIsOpenWrite
        | Field::EvtIsOpenExec
        | Field::EvtIsOpenCreate => true,
        Field::EvtArg => parameter(kind, argument).is_some_and(|(_, given)| {
            matches!(given.kind, ParameterKind::FileFlags | ParameterKind::Mode)
        }),
        _ => false,
    }
}

/// Returns whether a field says in which container a process runs, and so nothing on the host.
pub(super) fn is_of_container(leaf: &Leaf) -> bool {
    let Leaf::Event(field, _) = leaf else { return false };
    let name = field.name();
    name.starts_with("container.")
        || name.starts_with("k8s.")
        || matches!(field, Field::SakerPodQos | Field::SakerContainerMissing)
}

/// An end of a socket, and what of it a field shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Local,
    Remote,
    /// A list of both.
    Both,
}

/// Returns the end whose port a field shows in events of a kind.
pub(super) fn port_of(kind: EventKind, leaf: &Leaf) -> Option<End> {
    let Leaf::Event(field, _) = leaf else { return None };
    match field {
        Field::FdLport | Field::FdLproto => Some(End::Local),
        Field::FdRport | Field::FdRproto => Some(End::Remote),
        Field::FdCport | Field::FdCproto => client(kind),
        Field::FdSport | Field::FdSproto => server(kind),
        Field::FdPort | Field::FdProto => Some(End::Both),
        _ => None,
    }
}

/// Returns the end whose address a field shows in events of a kind.
pub(super) fn address_of(kind: EventKind, leaf: &Leaf) -> Option<End> {
    let Leaf::Event(field, _) = leaf else { return None };
    match field {
        Field::FdLip | Field::FdLnet => Some(End::Local),
        Field::FdRip | Field::FdRnet => Some(End::Remote),
        Field::FdCip | Field::FdCnet => client(kind),
        Field::FdSip | Field::FdSnet => server(kind),
        Field::FdIp | Field::FdNet => Some(End::Both),
        _ => None,
    }
}

const fn client(kind: EventKind) -> Option<End> {
    match role_of(kind) {
        Some(Role::Client) => Some(End::Local),
        Some(Role::Server) => Some(End::Remote),
        _ => None,
    }
}

const fn server(kind: EventKind) -> Option<End> {
    match client(kind) {
        Some(End::Local) => Some(End::Remote),
        Some(End::Remote) => Some(End::Local),
        _ => None,
    }
}
