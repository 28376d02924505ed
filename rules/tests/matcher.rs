//! The matcher finds exactly the rules that a walk over each condition finds, whatever the rules,
//! the events, and what became of the processes meanwhile. `PROPTEST_CASES=5000` looks harder.

use std::sync::Arc;

use alert::{Connection, Container, Detail, Event, EventKind, Process};
use proptest::prelude::*;
use rules::{FilterView, KernelFilter, Matcher, RuleSet, Source};

mod naive;
mod sample;

const CASES: u32 = 48;

/// Words of which conditions and events are made, so that they meet.
const NAMES: [&str; 8] = ["a", "b", "ab", "ba", "aab", "", "a b", "ä"];
const PATHS: [&str; 14] = [
    "/a", "/a/b", "/a/ab", "/ab/b", "//a//b/", "/", "a/b", "/b/a.b", "/b", "/a/b/a/b", "/a/../b",
    "/A/B", "/ä/b", "10.0.0.1",
];
const ADDRESSES: [&str; 6] =
    ["10.0.0.1", "10.0.0.2", "192.168.1.1", "::1", "2001:db8::1", "10.1.0.1"];

fn text_field() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "proc.name",
        "proc.pname",
        "proc.aname",
        "proc.aname[2]",
        "proc.exepath",
        "proc.aexepath",
        "proc.cmdline",
        "proc.args",
        "proc.pcmdline",
        "proc.acmdline",
        "proc.exe",
        "proc.aexe",
        "proc.cwd",
        "proc.env[X]",
        "user.name",
        "container.id",
        "container.name",
        "container.image.repository",
        "k8s.ns.name",
        "fd.name",
        "fd.nameraw",
        "fd.directory",
        "fd.filename",
        "fd.resolved",
        "fd.type",
        "fd.l4proto",
        "evt.arg.flags",
        "evt.arg.name",
        "tolower(proc.name)",
        "basename(fd.name)",
        "toupper(fd.name)",
        "concat(proc.name, fd.name)",
        "concat(evt.type, proc.name)",
    ])
    .prop_map(ToOwned::to_owned)
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(&NAMES[..]).prop_map(quoted),
        prop::sample::select(&PATHS[..]).prop_map(quoted),
        "[ab/]{1,4}".prop_map(|text| quoted(&text)),
        Just(quoted("host")),
        Just(quoted("O_WRONLY")),
    ]
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

fn words(count: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    prop::collection::vec(word(), count).prop_map(|words| format!("({})", words.join(", ")))
}

fn pattern() -> impl Strategy<Value = String> {
    "[ab/*?]{1,5}|/a/[*]b|[*]/b|\\[ab\\]b[*]".prop_map(|text| quoted(&text))
}

fn check() -> impl Strategy<Value = String> {
    let operators = "(=|!=|contains|icontains|startswith|endswith)";
    prop_oneof![
        8 => (text_field(), operators, word()).prop_map(|(a, b, c)| format!("{a} {b} {c}")),
        3 => (text_field(), "(in|intersects|pmatch)", words(0..6))
            .prop_map(|(a, b, c)| format!("{a} {b} {c}")),
        2 => (text_field(), "(glob|iglob)", pattern()).prop_map(|(a, b, c)| format!("{a} {b} {c}")),
        1 => (text_field(), prop::sample::select(vec!["/a.*", "a+b?", "[ab]*/b", ".*b", "(a|b)+"]))
            .prop_map(|(a, b)| format!("{a} regex \"{b}\"")),
        1 => (text_field(), "/?[ab]{1,2}([+]|[?]|[*]|[+][*]|[{][02][}]|[+][{]0,2[}])[ab]?")
            .prop_map(|(a, b)| format!("{a} regex \"{b}\"")),
        1 => (text_field(), "(contains|startswith|endswith|=)", "(oneof|anyof|allof)", words(1..4))
            .prop_map(|(a, b, c, d)| format!("{a} {b} {c} {d}")),
        1 => text_field().prop_map(|field| format!("{field} exists")),
        1 => (text_field(), prop::sample::select(vec!["proc.name", "proc.pname", "proc.exepath"]))
            .prop_filter("ancestors compare with no field", |(left, _)| !left.starts_with("proc.a"))
            .prop_map(|(a, b)| format!("{a} = val({b})")),
        4 => number_check(),
        3 => address_check(),
        5 => kind_check(),
    ]
}

fn number_check() -> impl Strategy<Value = String> {
    let fields = "(user\\.uid|proc\\.tty|proc\\.vpid|fd\\.sport|fd\\.lport|fd\\.port|fd\\.num|evt\\.rawres|evt\\.num|proc\\.cmdnargs|len\\(proc\\.name\\))";
    prop_oneof![
        (fields, "(=|!=|<|<=|>|>=)", 0..5_u8).prop_map(|(a, b, c)| format!("{a} {b} {c}")),
        (fields, prop::collection::vec(0..12_u8, 0..10)).prop_map(|(a, numbers)| {
            let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
            format!("{a} in ({})", numbers.join(","))
        }),
        "(evt\\.is_open_read|evt\\.is_open_write|evt\\.is_open_create|proc\\.is_exe_upper_layer|container\\.privileged|evt\\.failed) (=|!=) (true|false)",
    ]
    .prop_filter("an order of text ends is none", |text| {
        !text.starts_with("fd.port <") && !text.starts_with("fd.port >")
    })
}

fn address_check() -> impl Strategy<Value = String> {
    let nets = "(10\\.0\\.0\\.0/8|10\\.0\\.0\\.0/30|192\\.168\\.0\\.0/16|0\\.0\\.0\\.0/0|2001:db8::/32|::/0)";
    prop_oneof![
        ("fd\\.(ip|sip|cip|lip|rip)", "(=|!=)", prop::sample::select(&ADDRESSES[..]))
            .prop_map(|(a, b, c)| format!("{a} {b} {c}")),
        ("fd\\.(net|snet|cnet|lnet|rnet)", "(=|!=)", nets)
            .prop_map(|(a, b, c)| format!("{a} {b} {c}")),
        ("fd\\.(net|snet|cnet)", prop::collection::vec(nets, 1..4))
            .prop_map(|(a, nets)| format!("{a} in ({})", nets.join(", "))),
        ("fd\\.(ip|sip)", prop::collection::vec(prop::sample::select(&ADDRESSES[..]), 1..4))
            .prop_map(|(a, ips)| format!("{a} in ({})", ips.join(", "))),
    ]
}

fn kind_check() -> impl Strategy<Value = String> {
    let kinds = "(open|openat|openat2|creat|execve|connect|unlinkat|ptrace|clone)";
    prop_oneof![
        (kinds, "(=|!=)").prop_map(|(kind, operator)| format!("evt.type {operator} {kind}")),
        prop::collection::vec(kinds, 1..4)
            .prop_map(|kinds| format!("evt.type in ({})", kinds.join(", "))),
        Just("evt.num = 0".to_owned()),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    check().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" and "))),
            2 => prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" or "))),
            1 => inner.prop_map(|inner| format!("not ({inner})")),
        ]
    })
}

/// What happens, one after the other. Numbers name processes, modulo how many there are.
#[derive(Clone, Debug)]
enum Step {
    Fork(usize, String),
    Change(usize, Change),
    Happen(usize, What),
    /// The other rules take over.
    Reload,
}

#[derive(Clone, Debug)]
enum Change {
    Name(String),
    Executable(String),
    Arguments(Vec<String>),
    User(u32),
    Container(Option<(String, bool)>),
    Cwd(String),
}

#[derive(Clone, Debug)]
enum What {
    Exec,
    Clone,
    Open { kind: EventKind, path: String, resolved: Option<String>, flags: u32, failed: bool },
    Connect { local: usize, remote: usize, ports: (u16, u16) },
    Unix(String),
    Unlink(String),
    Ptrace,
}

fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(&PATHS[..]).prop_map(ToOwned::to_owned),
        prop::sample::select(&NAMES[..]).prop_map(ToOwned::to_owned),
        "[ab/.]{0,6}",
        any::<String>(),
        Just("/a/b".repeat(80)),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        hostile().prop_map(Change::Name),
        hostile().prop_map(Change::Executable),
        prop::collection::vec(hostile(), 0..4).prop_map(Change::Arguments),
        (0..4_u32).prop_map(Change::User),
        prop::option::of((hostile(), any::<bool>())).prop_map(Change::Container),
        hostile().prop_map(Change::Cwd),
    ]
}

fn what() -> impl Strategy<Value = What> {
    let open = prop::sample::select(vec![
        EventKind::Open,
        EventKind::OpenAt,
        EventKind::OpenAt2,
        EventKind::Creat,
    ]);
    let address = 0..ADDRESSES.len();
    prop_oneof![
        2 => Just(What::Exec),
        1 => Just(What::Clone),
        5 => (open, hostile(), prop::option::of(hostile()), 0..4_u32, any::<bool>()).prop_map(
            |(kind, path, resolved, flags, failed)| {
                What::Open { kind, path, resolved, flags: flags | flags << 6, failed }
            }
        ),
        3 => (address.clone(), address, (0..5_u16, 0..5_u16))
            .prop_map(|(local, remote, ports)| What::Connect { local, remote, ports }),
        1 => hostile().prop_map(What::Unix),
        1 => hostile().prop_map(What::Unlink),
        1 => Just(What::Ptrace),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let process = any::<usize>();
    prop_oneof![
        1 => (process, hostile()).prop_map(|(parent, name)| Step::Fork(parent, name)),
        2 => (process, change()).prop_map(|(process, change)| Step::Change(process, change)),
        6 => (process, what()).prop_map(|(process, what)| Step::Happen(process, what)),
        1 => Just(Step::Reload),
    ]
}

fn apply(process: &mut Process, change: &Change) {
    match change {
        Change::Name(name) => process.name = name.as_str().into(),
        Change::Executable(path) => process.executable.path = path.as_str().into(),
        Change::Arguments(texts) => {
            process.arguments = texts.iter().map(|text| text.as_str().into()).collect();
        }
        Change::User(uid) => (process.uid, process.tty) = (*uid, *uid),
        Change::Container(container) => {
            process.container = container.as_ref().map(|(name, privileged)| {
                Arc::new(Container {
                    id: format!("{name}0123456789abcdef").into(),
                    name: Some(name.as_str().into()),
                    image_repository: Some(name.as_str().into()),
                    privileged: Some(*privileged),
                    ..Container::default()
                })
            });
        }
        Change::Cwd(cwd) => process.cwd = cwd.as_str().into(),
    }
}

fn event(number: u64, process: Arc<Process>, what: &What) -> Event {
    let (kind, result, detail) = match what {
        What::Exec => (EventKind::Execve, 0, Detail::Exec { filename: "/a".into() }),
        What::Clone => (EventKind::Clone, 0, Detail::Clone { flags: 0 }),
        What::Open { kind, path, resolved, flags, failed } => {
            let detail = sample::open(path, resolved.as_deref(), *flags);
            (*kind, if *failed { -2 } else { 3 }, detail)
        }
        What::Connect { local, remote, ports } => {
            let end = |ip: usize, port| {
                Some((ADDRESSES[ip].parse::<std::net::IpAddr>().expect("an address"), port).into())
            };
            let connection = Connection {
                descriptor: 4,
                protocol: Some("tcp".into()),
                local: end(*local, ports.0),
                remote: end(*remote, ports.1),
                ..Connection::default()
            };
            (EventKind::Connect, 0, Detail::Connect(connection))
        }
        What::Unix(path) => {
            let unix = Some(path.as_str().into());
            (EventKind::Connect, -1, Detail::Connect(Connection { unix, ..Connection::default() }))
        }
        What::Unlink(path) => {
            let (path, raw) = (path.as_str().into(), "a".into());
            (EventKind::UnlinkAt, 0, Detail::Unlink { path, raw, directory: false })
        }
        What::Ptrace => (EventKind::Ptrace, 0, Detail::Ptrace { request: 16, pid: 1 }),
    };
    Event { number, result, ..sample::event(kind, process, detail) }
}

/// Rules, with what each means.
struct Side {
    matcher: Matcher,
    filter: Arc<KernelFilter>,
    conditions: Vec<naive::Condition>,
}

impl Side {
    fn new(conditions: &[String]) -> Self {
        let rule = |(number, condition): (usize, &String)| {
            let condition = serde_json::to_string(condition).expect("a text");
            format!(
                "- {{rule: r{number}, desc: d, priority: INFO, output: o, condition: {condition}}}\n"
            )
        };
        let text = conditions.iter().enumerate().map(rule).collect();
        let source = Source { name: "t.yaml".to_owned(), text };
        let rules = RuleSet::load(&[source])
            .unwrap_or_else(|errors| panic!("{}\n{conditions:#?}", errors[0]))
            .rules;
        let conditions = conditions.iter().map(|text| naive::Condition::new(text)).collect();
        Self { matcher: rules.matcher(), filter: rules.kernel_filter(), conditions }
    }

    fn check(&mut self, event: &Event) -> Result<(), TestCaseError> {
        let mut matched = Vec::new();
        self.matcher.matches(event, &mut |rule| matched.push(rule.name.clone()));
        let numbered = self.conditions.iter().enumerate();
        let expected: Vec<_> = numbered
            .filter(|(_, condition)| condition.matches(event))
            .map(|(number, _)| format!("r{number}"))
            .collect();
        prop_assert_eq!(&matched, &expected, "{:#?}", event);
        let view = FilterView::of(event);
        let kept = self.filter.keeps(event.kind, &view);
        prop_assert!(kept || expected.is_empty(), "{:#?} as {:#?}", event, view);
        Ok(())
    }
}

fn run(rules: &[Vec<String>; 2], steps: &[Step]) -> Result<(), TestCaseError> {
    let mut sides = [Side::new(&rules[0]), Side::new(&rules[1])];
    let mut first = Arc::new(sample::process("a", None));
    Arc::make_mut(&mut first).environment = ["X=a".into()].into();
    let mut processes = vec![first];
    for (number, step) in (1..).zip(steps) {
        let count = processes.len();
        match step {
            Step::Fork(parent, name) => {
                let parent = Arc::clone(&processes[parent % count]);
                let mut child =
                    Process { parent: Some(Arc::clone(&parent)), ..Process::clone(&parent) };
                child.name = name.as_str().into();
                processes.push(Arc::new(child));
            }
            Step::Change(process, change) => {
                apply(Arc::make_mut(&mut processes[process % count]), change);
            }
            Step::Happen(process, what) => {
                let event = event(number, Arc::clone(&processes[process % count]), what);
                sides[0].check(&event)?;
                // Again: what is remembered now says the same.
                sides[0].check(&event)?;
            }
            Step::Reload => sides.swap(0, 1),
        }
    }
    Ok(())
}

fn config() -> ProptestConfig {
    // There is no source folder beside this file to keep failures in.
    let default = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => default,
        None => ProptestConfig { cases: CASES, ..default },
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn it_finds_what_a_walk_over_the_conditions_finds(
        rules in prop::array::uniform2(prop::collection::vec(condition(), 1..16)),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        run(&rules, &steps)?;
    }

    #[test]
    fn it_does_so_with_more_rules_than_a_word_has_bits(
        rules in prop::collection::vec(condition(), 70..140),
        steps in prop::collection::vec(step(), 1..8),
    ) {
        run(&[rules.clone(), rules], &steps)?;
    }
}

#[test]
fn ancestors_are_looked_at_as_far_as_they_are_told() {
    let rules = [vec!["proc.aname = top".to_owned(), "proc.aname[3] = b".to_owned()], vec![]];
    let mut sides = Side::new(&rules[0]);
    let mut process = Arc::new(sample::process("top", None));
    for depth in 0..80 {
        let name = if depth % 2 == 0 { "a" } else { "b" };
        process = Arc::new(sample::process(name, Some(process)));
        let event = event(1, Arc::clone(&process), &What::Exec);
        sides.check(&event).unwrap_or_else(|error| panic!("{depth} ancestors: {error}"));
    }
}
