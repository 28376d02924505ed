//! An event that no rule matches costs no allocation.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    sync::Arc,
};

use alert::{Connection, Detail, Event, EventKind, Process};
use rules::{RuleSet, Source};

mod sample;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe to write; this one passes on to the system's"
)]
// SAFETY: every call is passed on unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Returns events that no rule should match, of processes with parents and arguments.
fn events() -> Vec<Event> {
    let mut events = Vec::new();
    for name in ["nginx", "postgres", "java", "cron", "systemd-journal"] {
        let parent = sample::process("systemd", Some(Arc::new(sample::process("systemd", None))));
        let arguments = [name, "-c", "/etc/app.conf"].map(Into::into).into();
        let process = sample::process(name, Some(Arc::new(parent)));
        let process = Arc::new(Process { arguments, ..process });
        for (path, flags) in [
            ("/usr/lib/x86_64-linux-gnu/libc.so.6", 0),
            ("/proc/self/status", 0),
            ("/var/lib/app/data/000123.db", 0o101),
            ("/usr/share/zoneinfo/Etc/UTC", 0),
        ] {
            for resolved in [None, Some(path), Some("/mnt/elsewhere")] {
                let detail = sample::open(path, resolved, flags);
                events.push(sample::event(EventKind::OpenAt, Arc::clone(&process), detail));
            }
        }
        let detail = Detail::Exec { filename: "/usr/bin/x".into() };
        events.push(sample::event(EventKind::Execve, Arc::clone(&process), detail));
        let json = serde_json::json!({
            "descriptor": 5, "protocol": "tcp", "local": "10.0.0.5:40000", "remote": "10.0.0.9:5432"
        });
        let connection: Connection = serde_json::from_value(json).expect("a connection");
        let detail = Detail::Connect(connection);
        events.push(sample::event(EventKind::Connect, process, detail));
    }
    events
}

fn check(sources: &[Source]) {
    let rules = RuleSet::load(sources).unwrap_or_else(|errors| panic!("{}", errors[0])).rules;
    let mut matcher = rules.matcher();
    let events = events();
    let quiet: Vec<&Event> = events
        .iter()
        .filter(|event| {
            let mut hits = 0;
            // The first look at a process makes room for what is remembered of it.
            matcher.matches(event, &mut |_| hits += 1);
            hits == 0
        })
        .collect();
    assert!(
        quiet.len() > events.len() / 2,
        "{} of {} events match nothing",
        quiet.len(),
        events.len()
    );
    for event in quiet {
        let before = ALLOCATIONS.with(Cell::get);
        matcher.matches(event, &mut |_| {});
        let count = ALLOCATIONS.with(Cell::get) - before;
        assert_eq!(count, 0, "{} {:?} {:?}", event.kind.name(), event.process.name, event.detail);
    }
}

#[test]
fn an_event_that_matches_no_built_in_rule_costs_no_allocation() {
    check(&rules::builtin());
}

#[test]
fn nor_one_that_is_looked_at_by_rules_of_every_operator() {
    let text = include_str!("allocations/rules.yaml").to_owned();
    check(&[Source { name: "rules.yaml".to_owned(), text }]);
}
