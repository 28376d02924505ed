//! Compares what both sensors told with what the reference says.

use std::{collections::HashMap, sync::Arc};

use alert::{
    Call, Descriptor, DescriptorKind, DescriptorUse, Detail, Event, OpenFile, ParameterValue,
};
use rules::{FilterView, KernelFilter, RuleSet, Sight};

/// The file that is opened while its folder is renamed: two looks at its path may differ.
const RACED: &str = "victim";
/// EBADF.
const NO_DESCRIPTOR: i64 = -9;

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
    let paths = (!raced && !starts_nowhere(event, file)).then_some((&file.path, &file.resolved));
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
        Detail::Call(call) => seen_of(call, event, view),
        _ => view,
    };
    // What no rule asks for is not to be watched in the first place.
    filter.of(event.kind).is_some() && !filter.keeps(event.kind, &seen)
}

/// Returns what the probe looks at of a call.
fn seen_of<'a>(call: &Call, event: &Event, view: FilterView<'a>) -> FilterView<'a> {
    let sockets = [
        DescriptorKind::Ipv4,
        DescriptorKind::Ipv6,
        DescriptorKind::Netlink,
        DescriptorKind::Other,
    ];
    let (descriptor, named) = match &call.descriptor {
        // Of sockets and of memory files names are left to user space.
        Some(Descriptor::Other { kind, name, .. }) => {
            (Some(*kind), !sockets.contains(kind) && !name.starts_with("memfd:"))
        }
        Some(Descriptor::Socket(_)) => (None, false),
        // Of one that is none, or gone, it says nothing.
        None => (None, event.kind.descriptor_use() != DescriptorUse::Given),
    };
    let plain = [DescriptorKind::File, DescriptorKind::Directory, DescriptorKind::Pipe];
    let is_read = |value: &ParameterValue| match value {
        ParameterValue::Text(_) => false,
        ParameterValue::Path { raw, .. } => {
            !raw.is_empty() && (raw.starts_with('/') || event.result != NO_DESCRIPTOR)
        }
        _ => true,
    };
    let read = named && call.values.iter().flatten().all(is_read);
    FilterView {
        result: view.result,
        user: view.user,
        arguments: view.arguments,
        descriptor: match descriptor.is_some_and(|kind| plain.contains(&kind)) {
            true => view.descriptor,
            false => Sight::Unknown,
        },
        paths: view.paths,
        path_unread: !read,
        ..FilterView::default()
    }
}

/// Returns whether the probe leaves an open to user space, since there is no path to its file.
fn is_in_doubt(event: &Event) -> bool {
    let Detail::Open(file) = &event.detail else { return false };
    // A file outside of the root of a process has none.
    let unreachable = |resolved: &str| !resolved.starts_with('/') || is_confined(event);
    &*file.raw == RACED
        || starts_nowhere(event, file)
        || file.resolved.as_deref().is_some_and(unreachable)
}

/// Returns whether a path starts at a descriptor that is none: it is told from where the process works, as
/// far as its opens told that.
fn starts_nowhere(event: &Event, file: &OpenFile) -> bool {
    event.result == NO_DESCRIPTOR && !file.raw.starts_with('/')
}

/// Returns whether it is a process that may have another root than the file is in: all children of the
/// opener are looked at as such.
fn is_confined(event: &Event) -> bool {
    event.process.ancestors().any(|ancestor| ancestor.name == event.process.name)
}
