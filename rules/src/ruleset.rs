//! Rule files compiled into one set.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use alert::{EventKind, EventSource};

use crate::{
    Diagnostic, LoadOptions, LoadReport, Matcher, Rule, Severity,
    diagnostic::{Code, ItemType, Location},
    ir::{FALSE, Graph, Leaf, Node, NodeId, Predicate, address_names, file_names},
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
    /// Those of them of which a rule can match a call that failed.
    pub failures: Vec<EventKind>,
    /// Whether a rule or its output reads `proc.env`.
    pub environment: bool,
    /// Whether a rule or its output reads what only the container runtime knows: names, images,
    /// pods.
    pub container_metadata: bool,
    /// Names that ends of sockets are compared with (`fd.sip.name` and its like), to be looked up
    /// ahead.
    pub address_names: BTreeSet<Box<str>>,
    /// Full paths that an event's file is compared with: whoever reaches such a file by another name
    /// reaches that file.
    pub files: BTreeSet<Box<str>>,
}

impl Requirements {
    /// Returns the kinds of which no rule can match a call that failed.
    pub fn successes_only(&self) -> Vec<EventKind> {
        self.kinds.iter().copied().filter(|kind| !self.failures.contains(kind)).collect()
    }
}

/// A rule that is asked about more kinds of event is warned about. Falco draws the line at 100 of
/// its codes, of which a kind has two or more.
const KINDS_MAX: usize = 50;
/// Names listed in a warning.
const NAMES_MAX: usize = 8;

/// Returns names in a row, not too many.
fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = names.len();
    let mut shown = names.take(NAMES_MAX).collect::<Vec<_>>().join(", ");
    if count > NAMES_MAX {
        shown.push_str(&format!(" and {} more", count - NAMES_MAX));
    }
    shown
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
        let mut compiled = compile(&files, &collection, options, &mut found);
        let disabled = std::mem::take(&mut compiled.disabled);
        let failed = found.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        let set = (!failed).then(|| Arc::new(Self::new(compiled)));
        if let Some(set) = &set {
            set.note_reach(&mut found);
        }
        let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
        LoadReport::new(&names, set, disabled, found)
    }

    pub(crate) fn new(mut compiled: Compiled) -> Self {
        let roots: Vec<_> = compiled.rules.iter().map(|(_, root)| *root).collect();
        // What is about other events than a sensor's has no part in matching these.
        let asked = compiled.rules.iter().map(|(rule, root)| match rule.events {
            EventSource::Syscall => *root,
            EventSource::Audit => FALSE,
        });
        let asked: Vec<_> = asked.collect();
        let program = Program::new(&mut compiled.graph, &asked);
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
        let kinds = self.needed_kinds();
        let failures = kinds.iter().copied().filter(|kind| self.wants_failures(*kind)).collect();
        let mut requirements = Requirements { kinds, failures, ..Requirements::default() };
        self.leaves(&mut |leaf| {
            let Leaf::Event(field, _) = leaf else { return };
            requirements.environment |=
                matches!(field, alert::Field::ProcEnv | alert::Field::ProcAenv);
            let name = field.name();
            requirements.container_metadata |= name.starts_with("k8s.")
                || (name.starts_with("container.")
                    && !matches!(name, "container.id" | "container.full_id" | "container.type"));
        });
        self.visit_predicates(self.roots.clone(), &mut |predicate| {
            requirements.address_names.extend(address_names(predicate).map(Into::into));
            requirements.files.extend(file_names(predicate).map(Into::into));
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
    /// Returns the number of this set; no other has it while this program runs.
    pub const fn generation(&self) -> u64 {
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

    fn leaves_below(&self, open: Vec<NodeId>, visit: &mut dyn FnMut(&Leaf)) {
        self.visit_predicates(open, &mut |predicate| predicate.leaves(visit));
    }

    fn visit_predicates(&self, mut open: Vec<NodeId>, visit: &mut dyn FnMut(&Predicate)) {
        let mut seen = hashbrown::HashSet::new();
        while let Some(id) = open.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.graph.node(id) {
                Node::Predicate(index) => visit(self.graph.predicate_of(*index).0),
                Node::Not(child) => open.push(*child),
                Node::And(children) | Node::Or(children) => open.extend(children),
                Node::False | Node::True => {}
            }
        }
    }

    /// Returns the reported kinds that rules need. One that is frequent is needed by a rule that
    /// asks for it by name, not by one that is asked about most kinds.
    fn needed_kinds(&self) -> Vec<EventKind> {
        let reported: Vec<_> = EventKind::reported().collect();
        let mut asked = vec![0; self.rules.len()];
        for entry in reported.iter().flat_map(|kind| self.program.entries(*kind)) {
            asked[entry.rule as usize] += 1;
        }
        let named = |rule: u32| asked[rule as usize] <= reported.len() / 2;
        let needed = |kind: &EventKind| {
            let mut entries = self.program.entries(*kind).iter();
            entries.any(|entry| !kind.is_frequent() || named(entry.rule))
        };
        reported.iter().copied().filter(needed).collect()
    }

    /// Warns about rules that no event can match, about those that are asked about too many kinds
    /// of event, and about those that read what nothing supplies.
    fn note_reach(&self, warnings: &mut Vec<Diagnostic>) {
        let mut kinds = vec![Vec::new(); self.rules.len()];
        for kind in EventKind::ALL {
            for entry in self.program.entries(kind) {
                kinds[entry.rule as usize].push(kind);
            }
        }
        for ((rule, root), kinds) in self.rules.iter().zip(&self.roots).zip(kinds) {
            let mut warn = |code, message: String, hint: &str| {
                let warning = Diagnostic::at(code, &rule.place, message);
                let mut warning = warning.hints((!hint.is_empty()).then(|| hint.to_owned()));
                warning.inside(Location::new(ItemType::Rule, &rule.name, &rule.place));
                warnings.push(warning);
            };
            if rule.events != EventSource::Syscall {
                let source = rule.events.name();
                let message = format!("nothing hands events of the source `{source}` to rules yet");
                warn(Code::Unobservable, message, "the rule is checked and never matches");
                continue;
            }
            if kinds.is_empty() {
                warn(Code::Unobservable, "no event can match this rule".to_owned(), "");
            } else if !kinds.iter().any(|kind| kind.is_reported()) {
                let names = listed(kinds.iter().map(|kind| kind.name()));
                let message = format!("no sensor reports the events this rule needs: {names}");
                warn(Code::Unobservable, message, "");
            } else if kinds.len() > KINDS_MAX && rule.warn_event_types {
                let message = match kinds.len() == EventKind::ALL.len() {
                    true => "the rule is asked about every kind of event".to_owned(),
                    false => format!("the rule is asked about {} kinds of event", kinds.len()),
                };
                warn(Code::NoEventType, message, "restrict it, as in `evt.type = execve and …`");
            }
            let fields = self.unsupplied(rule, *root);
            if !fields.is_empty() {
                let names = listed(fields.into_iter());
                let message = format!("nothing supplies these fields yet: {names}");
                let hint = "they are missing in every event, so that comparisons with them are \
                            false; docs/fields.md says where they will come from";
                warn(Code::FieldUnsupplied, message, hint);
            }
        }
    }

    /// Returns the fields of a rule that nothing supplies, in the order of their names.
    fn unsupplied(&self, rule: &Rule, root: NodeId) -> BTreeSet<&'static str> {
        let mut names = BTreeSet::new();
        let mut visit = |leaf: &Leaf| {
            if let Leaf::Event(field, _) = leaf
                && !field.supplied()
            {
                names.insert(field.name());
            }
        };
        self.condition_leaves(root, &mut visit);
        rule.output_leaves(&mut visit);
        names
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
