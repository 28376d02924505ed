//! Rule files compiled into one set.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use alert::EventKind;

use crate::{
    Diagnostic, LoadOptions, LoadReport, Matcher, Rule, Severity,
    diagnostic::{Code, ItemType, Location},
    ir::{Graph, Leaf, Node, NodeId},
    load::{Compiled, collect, compile, read_items},
    matcher::{Counters, Program},
    text::Files,
    yaml,
};

/// Sets loaded so far; from 1, for an empty memory holds 0.
static GENERATIONS: AtomicU64 = AtomicU64::new(1);

/// A rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Shown in diagnostics, usually the path.
    pub name: String,
    pub text: String,
}

/// Compiled rules, shared by the matchers of all threads.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    roots: Vec<NodeId>,
    graph: Graph,
    program: Program,
    counters: Counters,
    generation: u64,
}

/// A rule set that loaded, and what deserves a look.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub rules: Arc<RuleSet>,
    pub warnings: Vec<Diagnostic>,
}

/// What a sensor must deliver for a rule set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requirements {
    /// Kinds of event that any rule can match and a sensor reports, in the order of
    /// [`EventKind::ALL`].
    pub kinds: Vec<EventKind>,
    /// Whether a rule or its output reads `proc.env`.
    pub environment: bool,
    /// Whether a rule or its output reads what only the container runtime knows: names, images,
    /// pods.
    pub container_metadata: bool,
}

impl RuleSet {
    /// Compiles rule files in the order given. Returns every error found, or the set.
    pub fn load(sources: &[Source]) -> Result<Loaded, Vec<Diagnostic>> {
        Self::load_with(sources, &LoadOptions::default()).into_result()
    }

    /// Compiles rule files in the order given, and tells what became of each.
    pub fn load_with(sources: &[Source], options: &LoadOptions) -> LoadReport {
        let mut found = Vec::new();
        let mut files = Files::default();
        let mut items = Vec::new();
        for source in sources {
            let documents = yaml::read(&mut files, &source.name, &source.text, &mut found);
            items.extend(read_items(&files, &documents, &mut found));
        }
        let collection = collect(&files, &items, &mut found);
        let compiled = compile(&files, &collection, options, &mut found);
        let failed = found.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        let set = (!failed).then(|| Arc::new(Self::new(compiled)));
        if let Some(set) = &set {
            set.note_kinds(&mut found);
        }
        let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
        LoadReport::new(&names, set, found)
    }

    fn new(mut compiled: Compiled) -> Self {
        let roots: Vec<_> = compiled.rules.iter().map(|(_, root)| *root).collect();
        let program = Program::new(&mut compiled.graph, &roots);
        let rules: Vec<_> = compiled.rules.into_iter().map(|(rule, _)| rule).collect();
        let counters =
            Counters::new(rules.len(), compiled.graph.predicates_count(), program.indexes.len());
        let generation = GENERATIONS.fetch_add(1, Ordering::Relaxed);
        Self { rules, roots, graph: compiled.graph, program, counters, generation }
    }

    /// Returns the enabled rules, in the order of their definition.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns what a sensor must deliver.
    pub fn requirements(&self) -> Requirements {
        let mut requirements = Requirements {
            kinds: EventKind::reported()
                .filter(|kind| !self.program.entries(*kind).is_empty())
                .collect(),
            ..Requirements::default()
        };
        self.leaves(&mut |leaf| {
            let Leaf::Event(field, _) = leaf else { return };
            requirements.environment |=
                matches!(field, alert::Field::ProcEnv | alert::Field::ProcAenv);
            let name = field.name();
            requirements.container_metadata |= name.starts_with("k8s.")
                || (name.starts_with("container.")
                    && !matches!(name, "container.id" | "container.full_id" | "container.type"));
        });
        requirements
    }

    /// Returns a matcher, which one thread uses.
    pub fn matcher(self: &Arc<Self>) -> Matcher {
        Matcher::new(Arc::clone(self))
    }

    pub(crate) const fn program(&self) -> &Program {
        &self.program
    }

    pub(crate) const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns the number by which the memory of processes knows this set.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    pub(crate) const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns the condition of a rule, by its place in [`Self::rules`].
    pub(crate) fn root(&self, rule: usize) -> NodeId {
        self.roots[rule]
    }

    /// Calls `visit` for every field that a condition or an output reads.
    fn leaves(&self, visit: &mut dyn FnMut(&Leaf)) {
        self.leaves_below(self.roots.clone(), visit);
        for rule in &self.rules {
            rule.output_leaves(visit);
        }
    }

    /// Calls `visit` for every field that one condition reads.
    pub(crate) fn condition_leaves(&self, root: NodeId, visit: &mut dyn FnMut(&Leaf)) {
        self.leaves_below(vec![root], visit);
    }

    fn leaves_below(&self, mut open: Vec<NodeId>, visit: &mut dyn FnMut(&Leaf)) {
        let mut seen = hashbrown::HashSet::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.graph.node(id) {
                Node::Predicate(index) => {
                    let (predicate, _) = self.graph.predicate_of(*index);
                    predicate.leaves(visit);
                }
                Node::Not(child) => open.push(*child),
                Node::And(children) | Node::Or(children) => open.extend(children),
                Node::False | Node::True => {}
            }
        }
    }

    /// Warns about rules that no event can match, or every kind of event.
    fn note_kinds(&self, warnings: &mut Vec<Diagnostic>) {
        let mut counts = vec![(0, 0); self.rules.len()];
        for kind in EventKind::ALL {
            for entry in self.program.entries(kind) {
                let (all, reported) = &mut counts[entry.rule as usize];
                *all += 1;
                *reported += usize::from(kind.is_reported());
            }
        }
        for (rule, (all, reported)) in self.rules.iter().zip(counts) {
            let (code, message) = if reported == 0 {
                let message = "no event of a kind that is observed can match this rule";
                (Code::Unobservable, message)
            } else if all == EventKind::ALL.len() && rule.warn_event_types {
                (Code::NoEventType, "the rule is asked about every kind of event")
            } else {
                continue;
            };
            let mut warning = Diagnostic::at(code, &rule.place, message);
            warning.inside(Location::new(ItemType::Rule, &rule.name, &rule.place));
            warnings.push(match code {
                Code::NoEventType => warning.hint("restrict it, as in `evt.type = execve and …`"),
                _ => warning,
            });
        }
    }

    /// Answers the rules by walking their trees, for tests to compare with the matcher.
    #[cfg(test)]
    pub(crate) fn matches_plainly(&self, event: &alert::Event) -> Vec<&str> {
        use crate::ir::{EventView, PathView};
        let views = [PathView::Written, PathView::Resolved];
        let matching = self.rules.iter().zip(&self.roots).filter(|(_, root)| {
            views.into_iter().any(|path| {
                let view = EventView { event, path };
                self.graph.evaluate(**root, &view, Some(false)) == Some(true)
            })
        });
        matching.map(|(rule, _)| rule.name.as_str()).collect()
    }
}
