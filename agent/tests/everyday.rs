//! Everyday activity of a server, recorded as real events, raises no alert that wakes somebody.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
    sync::Arc,
};

use agent::{
    detect::{Detector, Limits},
    recorder::Recording,
};
use alert::Priority;
use rules::RuleSet;

/// Each recording, and a program that is in it unless it recorded nothing of its activity.
const ACTIVITIES: [(&str, &str); 11] = [
    ("administration", "/usr/sbin/usermod"),
    ("backup", "/usr/bin/rsync"),
    ("compile", "/usr/bin/x86_64-linux-gnu-gcc-12"),
    ("container", "/usr/bin/conmon"),
    ("languages", "/usr/bin/python3.11"),
    ("login", "/usr/sbin/sshd"),
    ("packages", "/usr/bin/dpkg"),
    ("rotate", "/usr/sbin/logrotate"),
    ("schedule", "/usr/sbin/cron"),
    ("servers", "/usr/sbin/nginx"),
    ("sources", "/usr/bin/git"),
];

/// What one recording raised: alerts by priority and rule, and the first output of each.
#[derive(Default)]
struct Raised {
    events: u64,
    programs: BTreeSet<Box<str>>,
    rules: BTreeMap<(Priority, String), (u64, String)>,
}

fn replay(rules: &Arc<RuleSet>, activity: &str) -> Raised {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/everyday/{activity}.saker"));
    let mut detector = Detector::new(Arc::clone(rules), "everyday".to_owned(), Limits::none());
    let mut raised = Raised::default();
    for event in Recording::open(&path).expect("a recording") {
        raised.events += 1;
        let event = event.expect("an event");
        raised.programs.insert(event.process.executable.path.clone());
        detector.observe(&event, &mut |alert: &alert::Alert| {
            let entry = raised.rules.entry((alert.priority, alert.rule.clone()));
            entry.or_insert_with(|| (0, alert.output.clone())).0 += 1;
        });
    }
    raised
}

#[test]
fn everyday_activity_is_silent_at_warning_and_above() {
    let loaded = RuleSet::load(&rules::builtin()).expect("our own rules");
    let rules = Arc::new(loaded.rules);
    let mut loud = String::new();
    for (activity, program) in ACTIVITIES {
        let raised = replay(&rules, activity);
        println!("{activity}: {} events", raised.events);
        assert!(raised.programs.contains(program), "{activity}: {program} is not in it");
        for ((priority, rule), (count, output)) in raised.rules {
            println!("  {count} × {priority} {rule}");
            if priority >= Priority::Warning {
                _ = writeln!(loud, "{activity}: {count} × {priority} `{rule}`, first: {output}");
            }
        }
    }
    assert!(loud.is_empty(), "{loud}");
}
