//! Which fields an event of a kind can never have.

use alert::{Argument, EventKind, Field};
use hashbrown::HashMap;

use crate::ir::{FALSE, Graph, Leaf, Node, NodeId, Predicate, Test};

/// Kinds that concern a process and no descriptor.
const WITHOUT_DESCRIPTOR: [&str; 12] = [
    "execve", "execveat", "clone", "clone3", "fork", "vfork", "procexit", "setuid", "setgid",
    "setsid", "setpgid", "prctl",
];

/// Kinds whose descriptor is a file.
const FILES: [&str; 4] = ["open", "openat", "openat2", "creat"];

/// Kinds whose descriptor is a socket.
const SOCKETS: [&str; 5] = ["connect", "accept", "accept4", "bind", "listen"];

/// Returns whether events of `kind` never have a value for the field.
pub(super) fn is_absent(field: Field, argument: &Argument, kind: EventKind) -> bool {
    let name = kind.name();
    let is = |kinds: &[&str]| kinds.contains(&name);
    match field {
        Field::EvtArg => parameter_is_absent(argument, kind),
        Field::EvtIsOpenRead | Field::EvtIsOpenWrite | Field::EvtIsOpenExec => {
            is(&WITHOUT_DESCRIPTOR) || is(&SOCKETS)
        }
        _ => match family(field) {
            Family::Descriptor => is(&WITHOUT_DESCRIPTOR),
            Family::File => is(&WITHOUT_DESCRIPTOR) || is(&SOCKETS),
            Family::Socket => is(&WITHOUT_DESCRIPTOR) || is(&FILES),
            Family::Other => false,
        },
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Descriptor,
    File,
    Socket,
    Other,
}

const fn family(field: Field) -> Family {
    match field {
        Field::FdName | Field::FdType | Field::FdTypechar | Field::FdNum => Family::Descriptor,
        Field::FdNameRaw | Field::FdDirectory | Field::FdFilename | Field::FdResolved => {
            Family::File
        }
        Field::FdL4proto
        | Field::FdSockfamily
        | Field::FdIp
        | Field::FdNet
        | Field::FdPort
        | Field::FdCip
        | Field::FdSip
        | Field::FdLip
        | Field::FdRip
        | Field::FdCnet
        | Field::FdSnet
        | Field::FdLnet
        | Field::FdRnet
        | Field::FdCport
        | Field::FdSport
        | Field::FdLport
        | Field::FdRport
        | Field::FdSipName
        | Field::FdCipName
        | Field::FdLipName
        | Field::FdRipName
        | Field::FdConnected
        | Field::FdIsServer => Family::Socket,
        _ => Family::Other,
    }
}

fn parameter_is_absent(argument: &Argument, kind: EventKind) -> bool {
    let Argument::Key(key) = argument else { return false };
    let parameters = parameters(kind);
    !parameters.is_empty() && !parameters.contains(&&**key)
}

/// Parameters of the kinds that differ from their neighbours in a way rules stumble over.
fn parameters(kind: EventKind) -> &'static [&'static str] {
    match kind.name() {
        "open" => &["fd", "name", "flags", "mode", "dev", "ino", "res"],
        "creat" => &["fd", "name", "mode", "dev", "ino", "creat_flags", "res"],
        _ => &[],
    }
}

/// Returns the condition as it is for a kind, questions about what it never has answered with no.
pub(super) fn fold(
    graph: &mut Graph,
    root: NodeId,
    kind: EventKind,
    known: &mut HashMap<NodeId, NodeId>,
) -> NodeId {
    if let Some(id) = known.get(&root) {
        return *id;
    }
    let folded = match graph.node(root).clone() {
        Node::False | Node::True => root,
        Node::Predicate(index) => match needs_absent(graph.predicate_of(index).0, kind) {
            true => FALSE,
            false => root,
        },
        Node::Not(child) => {
            let child = fold(graph, child, kind, known);
            graph.not(child)
        }
        Node::And(children) => {
            let children: Vec<_> =
                children.iter().map(|child| fold(graph, *child, kind, known)).collect();
            graph.and(&children)
        }
        Node::Or(children) => {
            let children: Vec<_> =
                children.iter().map(|child| fold(graph, *child, kind, known)).collect();
            graph.or(&children)
        }
    };
    known.insert(root, folded);
    folded
}

fn needs_absent(predicate: &Predicate, kind: EventKind) -> bool {
    if matches!(predicate.test, Test::Term(..)) {
        return false;
    }
    match &predicate.term {
        crate::ir::Term::Leaf(Leaf::Event(field, argument)) => is_absent(*field, argument, kind),
        _ => false,
    }
}
