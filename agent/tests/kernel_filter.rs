//! What the kernel need not tell of everyday activity: the filter keeps all that rules match, and
//! little else.

use std::{collections::BTreeMap, path::Path};

use agent::recorder::Recording;
use alert::Event;
use rules::{FilterView, RuleSet};

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
    let (all, kept) = counts["openat"];
    assert!(kept * 50 < all, "{kept} of {all} opens are kept");
}
