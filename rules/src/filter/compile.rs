//! Makes the filter of a rule set: drafts each kind of event, fits the paths of all into one
//! automaton, then puts the rules into groups.

use std::sync::Arc;

use alert::EventKind;
use hashbrown::HashMap;

use super::{
    KernelFilter, KindFilter, Mask, Table, conditions::Conditions, draft::Draft, fit::Fitted,
    group::Groups, is_process_life, network::NetworkRules, number::RangeRules,
};
use crate::{
    RuleSet,
    ir::{Graph, Node, NodeId},
};

/// Parts of one rule, at most.
const PARTS_MAX: usize = 16;

/// The rules that a kind of event can match. A rule that asks for one of several things is as many
/// parts.
pub(super) struct Parts {
    kind: EventKind,
    /// The rule of each part.
    rules: Vec<u32>,
    pub(super) roots: Vec<NodeId>,
}

impl Parts {
    pub(super) fn new(graph: &Graph, kind: EventKind, conditions: &[(u32, NodeId)]) -> Self {
        let mut parts = Self { kind, rules: Vec::new(), roots: Vec::new() };
        for (rule, root) in conditions {
            let roots = match graph.node(*root) {
                Node::Or(children) if children.len() <= PARTS_MAX => children,
                _ => std::slice::from_ref(root),
            };
            parts.rules.extend(roots.iter().map(|_| *rule));
            parts.roots.extend(roots);
        }
        parts
    }
}

impl RuleSet {
    /// Returns what of these rules the kernel can decide.
    pub fn kernel_filter(&self) -> Arc<KernelFilter> {
        let graph = self.graph();
        let parts: Vec<Parts> = EventKind::ALL
            .into_iter()
            .filter(|kind| !is_process_life(*kind))
            .map(|kind| Parts::new(graph, kind, &self.program().conditions(kind)))
            .filter(|parts| !parts.roots.is_empty())
            .collect();
        let mut drafts: Vec<Draft> = parts
            .iter()
            .map(|parts| Draft::new(&Conditions::new(parts.kind, graph, &parts.roots)))
            .collect();
        let Fitted { automaton, outputs, unfit } = Fitted::new(&mut drafts);
        let mut filter = KernelFilter {
            kinds: vec![None; EventKind::ALL.len()],
            filters: Vec::new(),
            automaton,
            unfit,
        };
        let mut filters: Vec<KindFilter> = drafts
            .iter()
            .zip(&parts)
            .map(|(draft, parts)| finish(draft, &parts.rules, &outputs))
            .collect();
        filter.share_outputs(&mut filters);
        for (own, parts) in filters.into_iter().zip(&parts) {
            let known = filter.filters.iter().position(|other| *other == own);
            let place = known.unwrap_or(filter.filters.len());
            if known.is_none() {
                filter.filters.push(own);
            }
            filter.kinds[parts.kind as usize] = u8::try_from(place).ok();
        }
        Arc::new(filter)
    }
}

/// Puts the rules of a kind into groups. `outputs` are the predicates that each output of the
/// automaton tells of.
fn finish(draft: &Draft, rules: &[u32], outputs: &[Box<[u32]>]) -> KindFilter {
    let groups = Groups::new(draft);
    let ranges = |rules: &Option<RangeRules>| rules.as_ref().map(|rules| groups.ranges(rules));
    let networks =
        |rules: &Option<NetworkRules>| rules.as_ref().map(|rules| groups.networks(rules));
    let table = |rows: &Option<Vec<_>>| -> Option<Table> {
        rows.as_ref().map(|rows| rows.iter().map(|row| groups.mask(row)).collect())
    };
    KindFilter {
        rules: groups.rules(rules),
        all: groups.all(),
        result: ranges(&draft.result),
        user: ranges(&draft.user),
        scope: table(&draft.scope),
        open: table(&draft.open),
        descriptor: table(&draft.descriptor),
        protocol: table(&draft.protocol),
        local_port: ranges(&draft.local_port),
        remote_port: ranges(&draft.remote_port),
        local: networks(&draft.local),
        remote: networks(&draft.remote),
        arguments: draft
            .arguments
            .iter()
            .map(|(place, rules)| (*place, groups.ranges(rules)))
            .collect(),
        path: groups.paths(&draft.paths, outputs),
        typed: (draft.typed.clauses.iter().any(Option::is_some))
            .then(|| groups.paths(&draft.typed, outputs)),
    }
}

impl KernelFilter {
    /// Makes outputs one that mean the same to all kinds of event.
    fn share_outputs(&mut self, filters: &mut [KindFilter]) {
        let count = filters.first().map_or(1, |filter| filter.path.outputs.len());
        let mut known: HashMap<Vec<(Mask, Option<Mask>)>, u16> = HashMap::new();
        let mut numbers = Vec::with_capacity(count);
        let mut kept = Vec::new();
        for output in 0..count {
            let meaning = filters
                .iter()
                .map(|filter| {
                    let typed = filter.typed.as_ref().map(|typed| typed.outputs[output]);
                    (filter.path.outputs[output], typed)
                })
                .collect();
            let next = u16::try_from(known.len()).unwrap_or(u16::MAX);
            let number = *known.entry(meaning).or_insert(next);
            if number == next {
                kept.push(output);
            }
            numbers.push(number);
        }
        for filter in filters {
            for masks in [Some(&mut filter.path), filter.typed.as_mut()].into_iter().flatten() {
                masks.outputs = kept.iter().map(|output| masks.outputs[*output]).collect();
            }
        }
        self.automaton.renumber(&numbers);
    }
}
