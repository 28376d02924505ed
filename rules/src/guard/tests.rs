//! What is left to the kernel, and that it never ends a program that the rule does not match.

use std::sync::Arc;

use alert::{Container, Event, EventKind, Executable};
use proptest::prelude::*;

use super::{ExecGuard, NotExpressible};
use crate::{RuleSet, Source, sample};

fn load(condition: &str) -> Arc<RuleSet> {
    let text = format!(
        "- rule: r\n  desc: d\n  priority: INFO\n  output: o\n  condition: >\n    {condition}\n"
    );
    match RuleSet::load(&[Source { name: "t.yaml".to_owned(), text }]) {
        Ok(loaded) => loaded.rules,
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<String>()),
    }
}

fn guard(condition: &str) -> Result<ExecGuard, NotExpressible> {
    load(condition).exec_guard(0, EventKind::Execve)
}

fn program(path: &str, name: &str, uid: u32) -> Event {
    let mut event = sample::exec(name, &[]);
    let process = Arc::make_mut(&mut event.process);
    process.executable = Executable { path: path.into(), inode: 7, ..Executable::default() };
    process.uid = uid;
    event
}

fn contained(mut event: Event) -> Event {
    let container = Container { id: "0123456789abcdef".into(), ..Container::default() };
    Arc::make_mut(&mut event.process).container = Some(Arc::new(container));
    event
}

fn check(condition: &str, cases: &[(&Event, bool)]) {
    let guard = guard(condition).unwrap();
    assert!(guard.doubts.is_empty(), "{condition}: {:?}", guard.doubts);
    for (event, expected) in cases {
        assert_eq!(guard.holds_for(event), *expected, "{condition} on {:?}", event.process);
    }
}

#[test]
fn a_path_a_user_and_a_container_are_the_kernel_s_to_tell() {
    let shm = program("/dev/shm/x", "x", 1000);
    let root = program("/dev/shm/x", "x", 0);
    let away = program("/usr/bin/x", "x", 1000);
    check("evt.type = execve and proc.exepath = /dev/shm/x", &[(&shm, true), (&away, false)]);
    check(
        "evt.type in (execve, execveat) and proc.exepath startswith /dev/shm/ and user.uid >= 1000",
        &[(&shm, true), (&root, false), (&away, false)],
    );
    let inside = contained(program("/dev/shm/x", "x", 0));
    check(
        "evt.type = execve and container.id != host and not proc.exepath in (/usr/bin/x, /bin/y)",
        &[(&inside, true), (&root, false), (&contained(away.clone()), false)],
    );
    check(
        "evt.type = execve and proc.exepath pmatch (/dev/shm, /tmp)",
        &[(&shm, true), (&away, false), (&program("/dev/shmem/x", "x", 0), false)],
    );
    check("evt.type = execve and evt.failed = false and proc.exe_ino = 7", &[(&shm, true)]);
    let mut memory = program("memfd:x", "x", 0);
    Arc::make_mut(&mut memory.process).executable.from_memfd = true;
    check("evt.type = execve and proc.is_exe_from_memfd = true", &[(&memory, true), (&shm, false)]);
}

#[test]
fn exceptions_are_what_must_not_hold() {
    let other = program("/opt/x", "other", 0);
    let allowed = program("/opt/x", "allowed", 0);
    check(
        "evt.type = execve and proc.exepath startswith /opt/
         and not (proc.name in (allowed, a_name_too_long_for_comm))
         and not (proc.exepath = /opt/y and user.uid = 0)",
        &[(&other, true), (&allowed, false), (&program("/opt/y", "other", 0), false)],
    );
}

#[test]
fn a_rule_about_one_way_to_start_a_program_is_not_about_the_other() {
    let rules = load("evt.type = execveat and proc.exepath = /a");
    assert_eq!(rules.exec_guard(0, EventKind::Execve), Err(NotExpressible::NoExec));
    assert!(rules.exec_guard(0, EventKind::ExecveAt).is_ok());
    assert_eq!(rules.exec_guard(0, EventKind::OpenAt), Err(NotExpressible::NoExec));
    assert_eq!(rules.exec_guard(1, EventKind::Execve), Err(NotExpressible::NoRule));
}

#[test]
fn what_the_kernel_cannot_tell_is_said() {
    for (condition, why) in [
        ("evt.type = execve and proc.cmdline contains x", "`proc.cmdline contains x`"),
        ("evt.type = execve and proc.exepath endswith /x", "`proc.exepath endswith /x`"),
        ("evt.type = execve and proc.pname = sh and proc.name = x", "`proc.pname = sh`"),
        ("evt.type = execve and proc.exepath startswith '/t\u{fffd}'", "proc.exepath startswith"),
        ("evt.type = execve and container.id = 0123456789ab", "`container.id = 0123456789ab`"),
        ("evt.type = openat and proc.exepath = /x", "no start of a program matches it"),
        ("evt.type = execve", "every start of a program matches it"),
        ("evt.type = execve and user.uid >= 0", "every start of a program matches it"),
        (
            "evt.type = execve and (user.uid = 0 or user.uid != 0 or proc.name exists)",
            "every start of a program matches it",
        ),
    ] {
        let refused = guard(condition).unwrap_err().to_string();
        assert!(refused.contains(why), "{condition}: {refused}");
    }
}

#[test]
fn an_alternative_in_doubt_is_left_to_the_matcher() {
    let guard = guard(
        "evt.type = execve and (proc.exepath = /a or (proc.exepath = /b and proc.args contains x))",
    )
    .unwrap();
    assert!(guard.holds_for(&program("/a", "a", 0)));
    assert!(!guard.holds_for(&program("/b", "b", 0)), "it may or may not match");
    assert_eq!(guard.doubts.len(), 1);
}

#[test]
fn too_many_alternatives_are_bounded() {
    let pair = |number: usize| format!("(proc.exepath = /{number} or user.uid = {number})");
    let all: Vec<_> = (0..12).map(pair).collect();
    let guard = guard(&format!("evt.type = execve and {}", all.join(" and "))).unwrap();
    assert!(guard.clauses.len() <= super::CLAUSES_MAX);
    assert!(guard.doubts.iter().any(|doubt| doubt.contains("more alternatives")));
}

#[test]
fn a_failed_exec_is_nobody_s() {
    let mut event = program("/a", "a", 0);
    let guard = guard("evt.type = execve and proc.exepath = /a").unwrap();
    assert!(guard.holds_for(&event));
    event.result = -2;
    assert!(!guard.holds_for(&event));
}

const PREDICATES: [&str; 24] = [
    "proc.exepath = /tmp/a",
    "proc.exepath != /tmp/a",
    "proc.exepath in (/tmp/a, /usr/bin/b, 'memfd:/x')",
    "proc.exepath startswith /tmp",
    "proc.exepath startswith anyof (/usr/, /tmp/a)",
    "proc.exepath startswith oneof (/usr/, /tmp/a)",
    "proc.exepath = anyof (/tmp/a, /tmp/ab)",
    "proc.exepath pmatch (/tmp)",
    "proc.exepath pmatch (/tmp/a, /usr/)",
    "proc.exepath pmatch ('memfd:')",
    "proc.exepath contains a",
    "proc.name = a",
    "proc.name != b",
    "proc.name in (a, fifteen-bytes-ab, sixteen-bytes-abc)",
    "user.uid = 0",
    "user.uid < 1000",
    "user.uid >= 1000",
    "proc.exe_ino = 7",
    "container.id = host",
    "container.id != host",
    "proc.is_exe_from_memfd = true",
    "proc.is_exe_upper_layer = false",
    "proc.args contains x",
    "evt.rawres >= 0",
];

fn condition() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(&PREDICATES[..]).prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|parts| format!("({})", parts.join(" and "))),
            prop::collection::vec(inner.clone(), 1..4)
                .prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.prop_map(|part| format!("not ({part})")),
        ]
    })
}

fn started() -> impl Strategy<Value = Event> {
    let paths = [
        "",
        "/tmp",
        "/tmp/a",
        "/tmp/ab",
        "/tmpa",
        "/usr/bin/b",
        "memfd:x",
        "memfd:/x",
        "/\u{fffd}",
    ];
    let names = ["", "a", "b", "fifteen-bytes-a", "\u{fffd}"];
    let numbers = (prop::sample::select(&[0, 1, 999, 1000, u32::MAX][..]), 6_u64..8);
    let truths = any::<(bool, bool, bool)>();
    let texts = (prop::sample::select(paths.to_vec()), prop::sample::select(names.to_vec()));
    (texts, numbers, truths).prop_map(|((path, name), (uid, inode), (host, memfd, upper))| {
        let mut event = program(path, name, uid);
        let executable = &mut Arc::make_mut(&mut event.process).executable;
        (executable.inode, executable.from_memfd) = (inode, memfd);
        executable.upper_layer = upper;
        if host { event } else { contained(event) }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_guard_holds_for_no_program_that_the_rule_does_not_match(
        condition in condition(),
        events in prop::collection::vec(started(), 1..12),
    ) {
        let rules = load(&format!("evt.type = execve and {condition}"));
        let guard = rules.exec_guard(0, EventKind::Execve);
        for event in &events {
            let matches = !rules.matches_plainly(event).is_empty();
            match &guard {
                Ok(guard) if guard.holds_for(event) => prop_assert!(matches, "{condition}"),
                Ok(guard) => {
                    prop_assert!(!matches || !guard.doubts.is_empty(), "passed over: {condition}");
                }
                Err(NotExpressible::NoExec) => prop_assert!(!matches, "{condition}"),
                Err(NotExpressible::EveryExec) => prop_assert!(matches, "{condition}"),
                Err(_) => {}
            }
        }
    }
}
