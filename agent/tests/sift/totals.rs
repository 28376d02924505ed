//! Compares what both sensors told with what the reference says.

use std::{collections::HashMap, sync::Arc};

use alert::{Detail, Event};
use rules::{FilterView, KernelFilter, RuleSet};

/// The file that is opened while its folder is renamed: two looks at its path may differ.
const RACED: &str = "victim";
/// Longer texts as typed, more names and longer ones are not looked at by the probe.
const TYPED_MAX: usize = 94;
const NAMES_MAX: usize = 16;
const NAME_MAX: usize = 39;

#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) seen: usize,
    pub(crate) matched: usize,
    /// Kept by the reference.
    pub(crate) kept: usize,
    /// What the reference drops, and what of that the kernel did.
    pub(crate) droppable: usize,
    pub(crate) dropped: usize,
}

impl Totals {
    pub(crate) fn compare(
        &mut self,
        rules: &Arc<RuleSet>,
        plain: &[Event],
        filtered: &[Event],
        seed: u64,
    ) {
        let filter = rules.kernel_filter();
        let mut matcher = rules.matcher();
        let mut told: HashMap<String, usize> = HashMap::new();
        for event in filtered {
            *told.entry(name(event)).or_default() += 1;
        }
        for event in plain {
            let mut matched = false;
            matcher.matches(event, &mut |_| matched = true);
            let kept = filter.keeps(event.kind, &FilterView::of(event));
            let told = told.get_mut(&name(event)).filter(|left| **left > 0).map(|left| *left -= 1);
            assert!(kept || !matched, "the reference drops what matches: {event:?}");
            assert!(told.is_some() || !kept, "seed {seed}: dropped, but possible: {event:?}");
            assert!(
                kept || told.is_none() || is_in_doubt(event) || !is_decided(&filter, event),
                "seed {seed}: told, though no rule can match: {event:#?}"
            );
            self.seen += 1;
            self.matched += usize::from(matched);
            self.kept += usize::from(kept);
            self.droppable += usize::from(!kept);
            self.dropped += usize::from(!kept && told.is_none());
        }
        let strange: Vec<_> = told.iter().filter(|(_, left)| **left > 0).collect();
        assert!(strange.is_empty(), "seed {seed}: only the filtered sensor saw {strange:?}");
    }
}

/// Returns what makes an event the same for both sensors.
fn name(event: &Event) -> String {
    let Detail::Open(file) = &event.detail else {
        let (kind, detail) = (event.kind.name(), &event.detail);
        return format!("{} {kind} {} {detail:?}", event.tid, event.result);
    };
    let raced = &*file.raw == RACED;
    let paths = if raced { None } else { Some((&file.path, &file.resolved)) };
    format!(
        "{} {} {} {paths:?} {} {:o} {:o}",
        event.tid,
        event.kind.name(),
        event.result,
        file.raw,
        file.flags,
        file.mode
    )
}

/// Returns whether all that rules an event out is looked at by the probe.
fn is_decided(filter: &KernelFilter, event: &Event) -> bool {
    let view = FilterView::of(event);
    let seen = match &event.detail {
        Detail::Call(_) => FilterView {
            result: view.result,
            user: view.user,
            arguments: view.arguments,
            path_unread: true,
            ..FilterView::default()
        },
        _ => view,
    };
    // What no rule asks for is not to be watched in the first place.
    filter.of(event.kind).is_some() && !filter.keeps(event.kind, &seen)
}

/// Returns whether the probe leaves an open to user space, since its paths are not short and plain.
fn is_in_doubt(event: &Event) -> bool {
    let Detail::Open(file) = &event.detail else { return false };
    if file.raw.len() > TYPED_MAX || file.raw.is_empty() || &*file.raw == RACED {
        return true;
    }
    let relative = !file.raw.starts_with('/');
    let Some(resolved) = &file.resolved else { return relative };
    let mut names = resolved.split('/').skip(1);
    let long = names.clone().any(|name| name.len() > NAME_MAX) || names.nth(NAMES_MAX).is_some();
    // A folder outside of the root of a process is none of the names that are met.
    let plain = resolved.ends_with(&format!("/{}", file.raw)) && !is_confined(event);
    long || !resolved.starts_with('/') || (relative && !plain)
}

/// Returns whether it is a process that may have another root than its folder is in: all children of
/// the opener are looked at as such.
fn is_confined(event: &Event) -> bool {
    event.process.ancestors().any(|ancestor| ancestor.name == event.process.name)
}
