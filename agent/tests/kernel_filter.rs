//! What the kernel need not tell of everyday activity: the filter keeps all that rules match, and
//! little else.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test says what it counted or skips"
)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use agent::recorder::Recording;
use alert::Event;
use rules::{FilterView, RuleSet, Source};

/// Each recording of `everyday`.
const ACTIVITIES: [&str; 11] = [
    "administration",
    "backup",
    "compile",
    "container",
    "languages",
    "login",
    "packages",
    "rotate",
    "schedule",
    "servers",
    "sources",
];

fn events() -> impl Iterator<Item = Event> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/everyday");
    ACTIVITIES.into_iter().flat_map(move |activity| {
        let recording = Recording::open(&folder.join(format!("{activity}.saker")));
        recording.expect("a recording").map(|event| event.expect("an event"))
    })
}

#[test]
fn everyday_events_that_a_rule_matches_are_kept_and_few_others() {
    let rules = RuleSet::load(&rules::builtin()).expect("our own rules").rules;
    let kept = keep(&rules);
    kept.is_at_most("openat", 50);
}

/// Rules for one thing of what is typed below a folder are no reason to tell of all that is in it.
#[test]
fn falcos_rules_leave_few_everyday_opens_either() {
    let Some(source) = stable_rules() else { return };
    let rules = RuleSet::load(&[source]).expect("Falco's stable rules").rules;
    let kept = keep(&rules);
    kept.is_at_most("openat", 50);
}

/// Returns Falco's stable rules, which are not part of this repository: from the file that
/// `SAKER_FALCO_RULES` names, or from a folder `shared` beside the worktree. Where there is such a
/// folder it must hold the file.
fn stable_rules() -> Option<Source> {
    let named = std::env::var_os("SAKER_FALCO_RULES").map(PathBuf::from);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = here.ancestors().map(|folder| folder.join("shared")).find(|path| path.is_dir());
    let expected = named.is_some() || (shared.is_some() && std::env::var_os("CI").is_some());
    let near = shared.map(|folder| folder.join("rules/falco_rules.yaml"));
    let Some(path) = named.or(near).filter(|path| path.exists()) else {
        assert!(!expected, "falco_rules.yaml is not where it should be");
        eprintln!("NOT TESTED: falco_rules.yaml is not here; set SAKER_FALCO_RULES to its path");
        return None;
    };
    let text = std::fs::read_to_string(path).expect("the file is readable");
    Some(Source { name: "falco_rules.yaml".to_owned(), text })
}

/// Of each kind of event, how many there were and how many of them are kept.
struct Kept(BTreeMap<&'static str, (u64, u64)>);

impl Kept {
    /// Fails if more than one in `parts` is kept.
    fn is_at_most(&self, kind: &str, parts: u64) {
        let (all, kept) = self.0[kind];
        assert!(kept * parts < all, "{kept} of {all} {kind} are kept");
    }
}

/// Looks at all everyday events with the filter of these rules; none that a rule matches may be
/// dropped.
fn keep(rules: &Arc<RuleSet>) -> Kept {
    let filter = rules.kernel_filter();
    let mut matcher = rules.matcher();
    let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut possible: BTreeMap<(&str, u32), u64> = BTreeMap::new();
    for event in events() {
        let view = FilterView::of(&event);
        let kept = filter.keeps(event.kind, &view);
        let mut matched = Vec::new();
        matcher.matches(&event, &mut |rule| matched.push(rule.name.clone()));
        assert!(kept || matched.is_empty(), "{matched:?} on {event:#?}");
        let count = counts.entry(event.kind.name()).or_default();
        count.0 += 1;
        count.1 += u64::from(kept);
        let Some(own) = filter.of(event.kind) else { continue };
        let mask = own.possible(filter.automaton(), &view);
        for (_, rules) in own.rules.iter().enumerate().filter(|(group, _)| mask.has(*group)) {
            for rule in rules {
                *possible.entry((event.kind.name(), *rule)).or_default() += 1;
            }
        }
    }
    for (kind, (all, kept)) in &counts {
        println!("{kind}: {kept} of {all} kept");
    }
    let mut possible: Vec<_> = possible.into_iter().collect();
    possible.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    for ((kind, rule), count) in possible.iter().take(16) {
        println!("  {count} × {kind} for `{}`", rules.rules()[*rule as usize].name);
    }
    let automaton = filter.automaton();
    let outputs = filter.filters().first().map_or(0, |filter| filter.path.outputs.len());
    println!("{} states, {outputs} outputs, {} unfit", automaton.states(), filter.unfit());
    Kept(counts)
}
