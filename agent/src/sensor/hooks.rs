//! Says which places in the kernel see which kinds of event, before anything is attached.

use alert::EventKind;
use probe::{
    layout::Kind,
    program::{CGROUPS, FAMILIES, IO_URING, PROCESS, SYSCALL_EXIT},
    trampoline::{PREFIX, Trampoline},
};
use serde::Serialize;

use super::load::event_kind;
use crate::enrich::container::NOTICES;

/// Where events of some kinds are seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HookNeed {
    pub kinds: Vec<&'static str>,
    /// Kernel function of the trampoline that is tried first; none is paid for by other calls.
    pub trampoline: Option<&'static str>,
    /// Tracepoint that serves where there is no trampoline; `None` if nothing sees such events.
    pub tracepoint: Option<&'static str>,
    /// Tracepoint that sees the same asked for through io_uring.
    pub io_uring: Option<&'static str>,
}

/// Returns where events of these kinds are seen; kinds that no hook serves come last.
pub fn hooks(kinds: &[EventKind]) -> Vec<HookNeed> {
    let wanted = |served: &[Kind]| -> Vec<&'static str> {
        let known = served.iter().filter_map(|kind| event_kind(*kind));
        known.filter(|kind| kinds.contains(kind)).map(EventKind::name).collect()
    };
    let mut needs = Vec::new();
    for (served, hook) in PROCESS {
        let (trampoline, tracepoint, io_uring) = (None, Some(hook.target), None);
        needs.push(HookNeed { kinds: wanted(served), trampoline, tracepoint, io_uring });
    }
    // The failures of starts and forks are seen where other calls end.
    let living = |kind: &Kind| PROCESS.iter().any(|(served, _)| served.contains(kind));
    for family in FAMILIES {
        let ring = IO_URING.iter().find(|(served, _)| {
            let both = served.iter().filter(|kind| family.kinds.contains(kind));
            !wanted(&both.copied().collect::<Vec<_>>()).is_empty()
        });
        let others: Vec<_> = family.kinds.iter().copied().filter(|kind| !living(kind)).collect();
        needs.push(HookNeed {
            kinds: wanted(&others),
            trampoline: Some(function(&family.trampoline)),
            tracepoint: Some(SYSCALL_EXIT.target),
            io_uring: ring.map(|(_, hook)| hook.target),
        });
    }
    // What becomes known of a container after its cgroup was made is told as well.
    for (told, (_, hook)) in NOTICES.into_iter().zip(CGROUPS) {
        let kinds = Vec::from_iter(kinds.contains(&told).then_some(told.name()));
        let (trampoline, tracepoint, io_uring) = (None, Some(hook.target), None);
        needs.push(HookNeed { kinds, trampoline, tracepoint, io_uring });
    }
    needs.retain(|need| !need.kinds.is_empty());
    let unseen = |kind: &&EventKind| !needs.iter().any(|need| need.kinds.contains(&kind.name()));
    let unseen: Vec<_> = kinds.iter().filter(unseen).map(|kind| kind.name()).collect();
    if !unseen.is_empty() {
        needs.push(HookNeed { kinds: unseen, trampoline: None, tracepoint: None, io_uring: None });
    }
    needs
}

/// Returns the function a trampoline is on, or where the names of its functions begin.
fn function(trampoline: &Trampoline) -> &'static str {
    match trampoline {
        Trampoline::Functions(hooks) => hooks.first().map_or("", |hook| hook.target),
        Trampoline::Calls(_) => PREFIX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_named_once() {
        let needs = hooks(&EventKind::ALL);
        let mut named: Vec<_> = needs.iter().flat_map(|need| need.kinds.iter().copied()).collect();
        let mut all = EventKind::ALL.map(EventKind::name);
        named.sort_unstable();
        all.sort_unstable();
        assert_eq!(named, all);
    }

    #[test]
    fn the_kinds_the_model_calls_reported_are_seen_and_no_others() {
        for need in hooks(&EventKind::ALL) {
            for name in &need.kinds {
                let kind = EventKind::from_name(name).expect("a kind's name");
                assert_eq!(need.tracepoint.is_some(), kind.is_reported(), "{name}");
            }
        }
    }

    #[test]
    fn an_open_is_seen_by_a_trampoline_and_through_io_uring() {
        let needs = hooks(&[EventKind::OpenAt, EventKind::Execve]);
        assert_eq!(needs[0].tracepoint, Some("sched_process_exec"));
        assert_eq!(needs[1].kinds, ["openat"]);
        assert_eq!(needs[1].trampoline, Some("fd_install"));
        assert_eq!(needs[1].io_uring, Some("io_uring_submit_req"));
        assert_eq!(needs.len(), 2);
    }
}
