//! Which fields an event of a kind can never have.

use alert::{Argument, DescriptorUse, EventKind, Field};
use hashbrown::HashMap;

use crate::ir::{FALSE, Graph, Leaf, Node, NodeId, Predicate, Test};

/// Returns whether events of `kind` never have a value for the field.
pub(super) fn is_absent(field: Field, argument: &Argument, kind: EventKind) -> bool {
    let no_descriptor = kind.descriptor_use() == DescriptorUse::None;
    match field {
        Field::EvtArg | Field::EvtRawarg => parameter_is_absent(argument, kind),
        Field::EvtIsOpenRead | Field::EvtIsOpenWrite | Field::EvtIsOpenExec => !kind.is_open(),
        _ => match family(field) {
            Family::Descriptor => no_descriptor,
            Family::File => no_descriptor || is_of_sockets(kind),
            Family::Socket => no_descriptor || kind.is_open(),
            Family::Other => false,
        },
    }
}

/// Returns whether the descriptor of such an event is a socket.
const fn is_of_sockets(kind: EventKind) -> bool {
    use EventKind as Kind;
    matches!(
        kind,
        Kind::Socket | Kind::Bind | Kind::Listen | Kind::Connect | Kind::Accept | Kind::Accept4
    )
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
    match argument {
        Argument::None => false,
        Argument::Index(index) => *index as usize >= kind.parameters().len(),
        Argument::Key(key) => kind.parameter_index(key).is_none(),
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
