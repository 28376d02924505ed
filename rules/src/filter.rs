//! What the kernel can decide of the rules: which events no rule can match, so that they are never
//! told of.
//!
//! For each kind of event the rules are put into at most 128 groups, a bit each. A dimension says
//! for a value which groups it leaves possible; what is common to all dimensions is possible. The
//! classification may keep an event that nothing matches, never drop one that something does: what
//! the kernel cannot see leaves all groups possible. [`KernelFilter::keeps`] is the meaning that the
//! probe's program is held to, on the [`FilterView`] it has of an event.
//!
//! How processes begin, change and end is always told: without it nothing else can be understood.

mod automaton;
mod compile;
mod conditions;
mod draft;
mod explain;
mod failure;
mod field;
mod fit;
mod group;
mod mask;
mod network;
mod number;
mod path;
mod pattern;
mod view;

use alert::{DescriptorKind, EventKind};

pub use automaton::Automaton;
pub use explain::KernelPlan;
pub use mask::Mask;
pub use network::{NETWORKS_MAX, Network, Networks};
pub use number::{RANGES_MAX, Ranges};
pub use view::{FilterView, PathText, Protocol, Scope, Sight, open_row};

/// What rows of a table leave possible.
pub type Table = Vec<Mask>;

/// What the kernel can decide of a rule set. Plain data: equal rules give equal filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelFilter {
    /// The filter of each kind of event, by its number; none where no rule can match.
    kinds: Vec<Option<u8>>,
    filters: Vec<KindFilter>,
    automaton: Automaton,
    unfit: usize,
}

/// What the kernel can decide of events of one kind. A dimension that is `None` rules nothing out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindFilter {
    /// The rules of each group, by their place in the rule set.
    pub rules: Vec<Vec<u32>>,
    /// All groups.
    pub all: Mask,
    pub result: Option<Ranges>,
    /// By effective user id.
    pub user: Option<Ranges>,
    /// On the host, in a container.
    pub scope: Option<Table>,
    /// By [`open_row`].
    pub open: Option<Table>,
    /// By the number of the descriptor's kind; the last row where there is none.
    pub descriptor: Option<Table>,
    /// TCP, UDP, ICMP, raw, none of these.
    pub protocol: Option<Table>,
    pub local_port: Option<Ranges>,
    pub remote_port: Option<Ranges>,
    pub local: Option<Networks>,
    pub remote: Option<Networks>,
    /// By the values of parameters, each with its place among those of the kind.
    pub arguments: Vec<(u8, Ranges)>,
    pub path: PathMasks,
    /// By what was typed, as it is: nothing is folded.
    pub typed: Option<PathMasks>,
}

/// What paths leave possible: the masks of all that is found in any of an event's paths, joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathMasks {
    /// The groups that are possible whatever the paths are.
    pub quiet: Mask,
    /// The groups that the name of a socket with addresses can make possible.
    pub ends: Mask,
    /// The groups that each output of the automaton makes possible; the first makes none.
    pub outputs: Vec<Mask>,
}

impl KernelFilter {
    /// Returns the filter of a kind of event; `None` if no rule can match it, and nothing is
    /// decided of it where it must be told of all the same.
    pub fn of(&self, kind: EventKind) -> Option<&KindFilter> {
        self.filters.get(usize::from((*self.kinds.get(kind as usize)?)?))
    }

    /// Returns the filters, each once, in the order of [`Self::number`].
    pub fn filters(&self) -> &[KindFilter] {
        &self.filters
    }

    /// Returns the number of a kind's filter.
    pub fn number(&self, kind: EventKind) -> Option<u8> {
        *self.kinds.get(kind as usize)?
    }

    /// Returns the automaton that all kinds share.
    pub const fn automaton(&self) -> &Automaton {
        &self.automaton
    }

    /// Returns how many rules are possible whatever the path is, since their patterns did not fit
    /// into the automaton; each for each kind of event it can match.
    pub const fn unfit(&self) -> usize {
        self.unfit
    }

    /// Returns whether a rule can match an event that looks like this.
    pub fn keeps(&self, kind: EventKind, view: &FilterView<'_>) -> bool {
        if is_process_life(kind) {
            return true;
        }
        self.of(kind).is_some_and(|filter| !filter.possible(&self.automaton, view).is_empty())
    }
}

/// Returns whether a kind begins, changes or ends a process, or tells of a container.
pub(crate) const fn is_process_life(kind: EventKind) -> bool {
    kind.is_exec() || kind.is_clone() || kind.is_notice() || matches!(kind, EventKind::ProcExit)
}

impl KindFilter {
    /// Returns the groups a rule of which can match an event that looks like this.
    pub fn possible(&self, automaton: &Automaton, view: &FilterView<'_>) -> Mask {
        let all = self.all;
        let ranges = |ranges: &Option<Ranges>, value: Sight<i64>| {
            ranges.as_ref().map_or(all, |ranges| ranges.mask(value, all))
        };
        let networks = |networks: &Option<Networks>, end| {
            networks.as_ref().map_or(all, |networks| networks.mask(FilterView::ip(end), all))
        };
        let user = match view.user {
            Sight::Unknown => Sight::Unknown,
            Sight::Absent => Sight::Absent,
            Sight::Value(uid) => Sight::Value(uid.into()),
        };
        let mut mask = ranges(&self.result, view.result)
            & ranges(&self.user, user)
            & row(&self.scope, view.scope, |scope| scope as usize, all)
            & row(&self.open, view.open, usize::from, all)
            & row(&self.descriptor, view.descriptor, |kind: DescriptorKind| kind as usize, all)
            & row(&self.protocol, view.protocol, |protocol| protocol as usize, all)
            & ranges(&self.local_port, FilterView::port(view.local))
            & ranges(&self.remote_port, FilterView::port(view.remote))
            & networks(&self.local, view.local)
            & networks(&self.remote, view.remote);
        for (place, ranges) in &self.arguments {
            let value = view.arguments.get(usize::from(*place)).copied().unwrap_or_default();
            mask = mask & ranges.mask(value, all);
        }
        let typed = self.typed.as_ref().map_or(all, |masks| match view.typed {
            Sight::Value(typed) => masks.of_text(automaton, typed),
            Sight::Absent | Sight::Unknown => all,
        });
        mask & typed & self.path.mask(automaton, view, all)
    }
}

/// Returns what a row leaves possible; the last stands for what is not there.
fn row<T>(table: &Option<Table>, seen: Sight<T>, number: impl Fn(T) -> usize, all: Mask) -> Mask {
    let Some(table) = table else { return all };
    let row = match seen {
        Sight::Unknown => None,
        Sight::Absent => table.last(),
        Sight::Value(value) => table.get(number(value)),
    };
    row.copied().unwrap_or(all)
}

impl PathMasks {
    fn mask(&self, automaton: &Automaton, view: &FilterView<'_>, all: Mask) -> Mask {
        if view.path_unread {
            return all;
        }
        let mut mask = self.quiet;
        for text in &view.paths {
            match text {
                PathText::Ends => mask |= self.ends,
                PathText::Path(path) => mask |= self.of_text(automaton, path),
            }
        }
        mask
    }

    /// Returns what a text leaves possible.
    fn of_text(&self, automaton: &Automaton, text: &str) -> Mask {
        let mut mask = self.quiet;
        automaton.run(text.as_bytes(), &mut |output| mask |= self.outputs[output as usize]);
        mask
    }
}
