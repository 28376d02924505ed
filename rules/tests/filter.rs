//! The kernel's filter keeps whatever a rule matches, whatever the rules and the events.
//! `PROPTEST_CASES=5000` looks harder.

use std::{net::SocketAddr, sync::Arc};

use alert::{
    Call, Connection, Container, Descriptor, DescriptorKind, Detail, Event, EventKind, FileType,
    OpenFile, ParameterKind, ParameterValue, Process, Role,
};
use proptest::prelude::*;
use rules::{FilterView, KernelFilter, RuleSet, Source, builtin, builtin_cases, read_events};

mod sample;

const CASES: u32 = 24;

const PATHS: [&str; 17] = [
    "/a",
    "/a/b",
    "/a/ab",
    "/ab/b",
    "//a//b/",
    "/",
    "a/b",
    "/b/a.b",
    "/b",
    "/a/b/a/b",
    "../a",
    "/A/B",
    "/ä/b",
    "/\u{fffd}/b",
    "10.0.0.1:1",
    "<NA>",
    "",
];
const ENDS: [&str; 6] = [
    "10.0.0.1:1",
    "10.1.0.1:22",
    "192.168.1.1:443",
    "[::1]:1",
    "[2001:db8::1]:22",
    "[::ffff:10.0.0.1]:80",
];
const KINDS: [EventKind; 18] = [
    EventKind::Open,
    EventKind::OpenAt,
    EventKind::OpenAt2,
    EventKind::Creat,
    EventKind::Connect,
    EventKind::Bind,
    EventKind::Accept,
    EventKind::SendTo,
    EventKind::Socket,
    EventKind::UnlinkAt,
    EventKind::Rename,
    EventKind::SymlinkAt,
    EventKind::MkdirAt,
    EventKind::Fchmod,
    EventKind::Ptrace,
    EventKind::Dup2,
    EventKind::Prctl,
    EventKind::SetUid,
];

fn path_check() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec![
        "fd.name",
        "fd.directory",
        "fd.filename",
        "fd.resolved",
        "fd.nameraw",
        "fs.path.name",
        "fs.path.nameraw",
        "fs.path.source",
        "fs.path.target",
        "evt.abspath",
        "evt.arg.name",
        "evt.arg.path",
        "evt.arg.oldpath",
        "evt.arg.newpath",
        "evt.arg.linkpath",
        "evt.arg.target",
        "evt.arg[1]",
        "evt.arg[2]",
        "evt.rawarg.name",
        "tolower(fd.name)",
        "basename(fd.name)",
        "basename(tolower(evt.arg.name))",
    ]);
    let text = || {
        prop_oneof![prop::sample::select(&PATHS[..]).prop_map(ToOwned::to_owned), "[ab/.]{1,4}",]
    };
    let pattern = "[ab/*?]{1,5}|/a/[*]b|[*]/b|\\[ab\\]b[*]|/[*]/a[*]b";
    let plain = "(=|!=|contains|icontains|startswith|endswith)";
    prop_oneof![
        3 => (field.clone(), plain, text())
            .prop_map(|(field, operator, text)| format!("{field} {operator} \"{text}\"")),
        2 => (field.clone(), prop::collection::vec(text(), 1..4))
            .prop_map(|(field, texts)| format!("{field} in (\"{}\")", texts.join("\", \""))),
        1 => (field, "(glob|iglob)", pattern)
            .prop_map(|(field, operator, text)| format!("{field} {operator} \"{text}\"")),
        1 => (
            "(fd\\.name|fd\\.directory|evt\\.abspath)",
            "(\"a\"|\"ab\"|\"/a\"|\"a/b\"|\"/a/\\[ab\\]\"|\"a[*]\"|\"/a/[*]b\")",
        )
            .prop_map(|(field, text)| format!("{field} pmatch ({text})")),
        1 => (
            "(fd\\.name|fd\\.filename)",
            "(startswith|contains|glob) (oneof|anyof|allof)",
            prop::collection::vec(text(), 1..3),
        )
            .prop_map(|(field, operator, texts)| {
                format!("{field} {operator} (\"{}\")", texts.join("\", \""))
            }),
    ]
}

fn number_check() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (
            "(evt\\.rawres|fd\\.num|user\\.uid|fd\\.sport|fd\\.cport|fd\\.rport|fd\\.lport|evt\\.count\\.error)",
            "(=|!=|<|<=|>|>=)",
            prop::sample::select(vec!["0", "1", "2", "3", "22", "443", "1000"]),
        )
            .prop_map(|(field, operator, number)| format!("{field} {operator} {number}")),
        1 => "evt\\.rawres (=|!=|<) (-1|-2|-13|-115)",
        1 => "evt\\.res (=|!=) (SUCCESS|ENOENT|EACCES|EINPROGRESS)",
        1 => "evt\\.res (in \\(SUCCESS, EPERM\\)|startswith E|contains N)",
        1 => "evt\\.failed = (true|false)",
        1 => "(fd\\.port|fd\\.rport|evt\\.rawres) in \\((1|22|443), (2|3|80)\\)",
        1 => "fd\\.port (=|!=) (1|22|443)",
    ]
}

fn other_check() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => "evt\\.is_open_(read|write|exec|create) (=|!=) (true|false)",
        2 => "evt\\.arg\\.flags contains (O_CREAT|O_TRUNC|O_RDONLY|O_WRONLY|O_CLOEXEC|O_DIRECTORY|O_|O_SYNC|O_TMPFILE|TRUNC)",
        1 => "evt\\.arg\\.flags (=|!=|startswith) (O_RDONLY|O_WRONLY)",
        1 => "evt\\.arg\\.mode contains (S_ISUID|S_IXUSR|S_IWOTH|0)",
        1 => "evt\\.arg\\.creat_flags contains (O_CREAT|O_WRONLY)",
        2 => "fd\\.(typechar|type) (=|!=) (f|d|4|u|file|ipv4|unix)",
        1 => "fd\\.(typechar|type) in \\((f|4), (ipv6|directory)\\)",
        1 => "fd\\.(l4proto) (=|!=) (tcp|udp)",
        1 => "fd\\.sockfamily (=|!=) (ip|unix)",
        2 => "container\\.(id|name|type) (=|!=) (host|docker)",
        1 => "container\\.id in \\(host\\)",
        1 => "(container\\.privileged|k8s\\.ns\\.name|container\\.id) exists",
        2 => "fd\\.(ip|sip|cip|lip|rip) (=|!=) (10\\.0\\.0\\.1|\\\"::1\\\"|192\\.168\\.1\\.1)",
        2 => "fd\\.(net|snet|cnet|lnet|rnet) (=|!=) (\\\"10\\.0\\.0\\.0/8\\\"|\\\"10\\.0\\.0\\.0/30\\\"|\\\"::/0\\\"|\\\"2001:db8::/32\\\"|\\\"0\\.0\\.0\\.0/0\\\")",
        1 => "fd\\.(net|snet|rnet) in \\(\\\"10\\.0\\.0\\.0/8\\\", \\\"::/0\\\"\\)",
        2 => "evt\\.(arg|rawarg)\\.(request|option|domain|type|uid) (=|!=) (PTRACE_ATTACH|PR_SET_NAME|AF_INET|AF_UNIX|0|1|16)",
        1 => "evt\\.arg\\.(request|option|domain) (contains|startswith) (PTRACE|PR_|AF_|1)",
        1 => "evt\\.rawarg\\.(request|domain|uid) (<|>=) (1|16)",
        1 => "evt\\.arg\\.res (=|!=) (0|EPERM|ENOENT|5)",
        1 => "proc\\.name (=|!=) a",
    ]
}

fn kind_check() -> impl Strategy<Value = String> {
    let names: Vec<String> = KINDS.map(|kind| kind.name().to_owned()).into();
    prop::collection::vec(prop::sample::select(names), 1..5)
        .prop_map(|kinds| format!("evt.type in ({})", kinds.join(", ")))
}

fn condition() -> impl Strategy<Value = String> {
    let check = prop_oneof![
        5 => path_check(),
        3 => number_check(),
        4 => other_check(),
        2 => kind_check(),
    ];
    check.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            4 => prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" and "))),
            2 => prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|parts| format!("({})", parts.join(" or "))),
            1 => inner.prop_map(|inner| format!("not ({inner})")),
        ]
    })
}

/// A check of opens alone, of which there may be many.
fn check_of_open() -> impl Strategy<Value = String> {
    prop_oneof![3 => path_check(), 1 => number_check(), 1 => other_check()]
        .prop_map(|check| format!("evt.type in (openat, open) and {check}"))
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(&PATHS[..]).prop_map(ToOwned::to_owned),
        3 => "/[ab/.]{0,5}",
        1 => any::<String>(),
    ]
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![
        prop::sample::select(vec![
            0,
            1,
            2,
            3,
            15,
            16,
            22,
            0o644,
            0o2755,
            0o4755,
            0o104_755,
            -1,
            -2,
            -13,
            -115,
            -4095,
            i64::MIN,
            i64::MAX
        ]),
        0..40_i64,
        any::<i64>(),
    ]
}

fn process() -> impl Strategy<Value = Process> {
    (prop::option::of(prop_oneof![Just("host"), Just("0123456789abcdef")]), 0..1002_u32).prop_map(
        |(container, uid)| {
            let mut process = sample::process("a", None);
            process.uid = uid;
            process.container = container.map(|id| {
                Arc::new(Container {
                    id: id.into(),
                    name: Some("b".into()),
                    ..Container::default()
                })
            });
            process
        },
    )
}

fn file() -> impl Strategy<Value = OpenFile> {
    let types = vec![
        FileType::File,
        FileType::Directory,
        FileType::Character,
        FileType::Pipe,
        FileType::Socket,
        FileType::Other,
    ];
    let flag = prop::sample::select(vec![0, 0o100, 0o1000, 0o200_000, 0o10_000_000, 0o2_000_000]);
    let flags = prop_oneof![
        3 => (0..4_u32, flag.clone(), flag).prop_map(|(access, one, other)| access | one | other),
        1 => any::<u32>(),
    ];
    let mode = prop_oneof![Just(0o644), Just(0o755), Just(0o4755), Just(0), any::<u32>()];
    (path(), path(), prop::option::of(path()), flags, mode, prop::sample::select(types)).prop_map(
        |(raw, path, resolved, flags, mode, file_type)| OpenFile {
            raw: raw.into(),
            path: path.into(),
            resolved: resolved.map(Into::into),
            flags,
            mode,
            file_type,
            inode: 1,
            device: 1,
        },
    )
}

fn socket() -> impl Strategy<Value = Connection> {
    let end = || {
        prop::option::of(prop::sample::select(&ENDS[..]))
            .prop_map(|end| end.map(|end| end.parse::<SocketAddr>().expect("an address")))
    };
    let protocol = prop::option::of(prop::sample::select(vec!["tcp", "udp", "sctp"]));
    let role = prop::sample::select(vec![Role::Client, Role::Server, Role::Unknown]);
    (end(), end(), protocol, role, prop::option::of(path())).prop_map(
        |(local, remote, protocol, role, unix)| Connection {
            descriptor: 4,
            protocol: protocol.map(Into::into),
            unix: unix.filter(|_| local.or(remote).is_none()).map(Into::into),
            local,
            remote,
            role,
            ..Connection::default()
        },
    )
}

fn descriptor() -> impl Strategy<Value = Descriptor> {
    prop_oneof![
        socket().prop_map(Descriptor::Socket),
        (path(), prop::sample::select(DescriptorKind::ALL)).prop_map(|(name, kind)| {
            let name = name.into();
            Descriptor::Other { number: 3, kind, name, inode: None, device: None }
        }),
    ]
}

/// What a call of a kind was given: each parameter by chance as it should be, or in another way.
fn call(kind: EventKind) -> impl Strategy<Value = Call> {
    let one = (number(), path(), path(), 0..8_u8);
    let count = kind.parameters().len();
    (prop::collection::vec(one, count), prop::option::of(descriptor())).prop_map(
        move |(given, descriptor)| {
            let value =
                |(place, (number, raw, full, chance)): (usize, (i64, String, String, u8))| {
                    let kind = kind.parameters()[place].kind;
                    match (kind, chance) {
                        (_, 0) => None,
                        (_, 1) => Some(ParameterValue::Text(full.into())),
                        (ParameterKind::Path(_), _) => {
                            Some(ParameterValue::Path { raw: raw.into(), full: full.into() })
                        }
                        (ParameterKind::Text, _) => Some(ParameterValue::Text(full.into())),
                        _ => Some(ParameterValue::Number(number)),
                    }
                };
            let values = given.into_iter().enumerate().map(value).collect();
            Call { values, descriptor }
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let detail = prop::sample::select(&KINDS[..]).prop_flat_map(|kind| {
        let detail: BoxedStrategy<Detail> = match kind {
            kind if kind.is_open() => file().prop_map(Detail::Open).boxed(),
            EventKind::Connect => socket().prop_map(Detail::Connect).boxed(),
            EventKind::Ptrace => {
                (0..40_u64).prop_map(|request| Detail::Ptrace { request, pid: 1 }).boxed()
            }
            EventKind::UnlinkAt => (path(), path())
                .prop_map(|(raw, path)| Detail::Unlink {
                    raw: raw.into(),
                    path: path.into(),
                    directory: false,
                })
                .boxed(),
            kind => call(kind).prop_map(Detail::Call).boxed(),
        };
        (Just(kind), detail)
    });
    (detail, process(), number()).prop_map(|((kind, detail), process, result)| {
        // A call returns no error beyond those there are.
        let result = result.max(-4095);
        Event { result, ..sample::event(kind, Arc::new(process), detail) }
    })
}

fn source(conditions: &[String]) -> Source {
    let rule = |(number, condition): (usize, &String)| {
        let condition = serde_json::to_string(condition).expect("a text");
        format!(
            "- {{rule: r{number}, desc: d, priority: INFO, output: o, condition: {condition}}}\n"
        )
    };
    let text = conditions.iter().enumerate().map(rule).collect();
    Source { name: "t.yaml".to_owned(), text }
}

fn filter(conditions: &[&str]) -> Arc<KernelFilter> {
    let conditions: Vec<String> = conditions.iter().map(|text| (*text).to_owned()).collect();
    let loaded = RuleSet::load(&[source(&conditions)]);
    loaded.unwrap_or_else(|errors| panic!("{}", errors[0])).rules.kernel_filter()
}

/// Returns how many of the events a rule matches; each of these must be kept.
fn check(rules: &Arc<RuleSet>, events: &[Event]) -> Result<usize, TestCaseError> {
    let filter = rules.kernel_filter();
    let mut matcher = rules.matcher();
    let mut count = 0;
    for event in events {
        let mut matched = Vec::new();
        matcher.matches(event, &mut |rule| matched.push(rule.name.clone()));
        count += usize::from(!matched.is_empty());
        let view = FilterView::of(event);
        let kept = filter.keeps(event.kind, &view);
        prop_assert!(kept || matched.is_empty(), "{:?}: {:#?} as {:#?}", matched, event, view);
    }
    Ok(count)
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
    fn an_event_that_a_rule_matches_is_kept(
        conditions in prop::collection::vec(condition(), 1..8),
        events in prop::collection::vec(event(), 1..60),
    ) {
        let rules = RuleSet::load(&[source(&conditions)])
            .unwrap_or_else(|errors| panic!("{}\n{conditions:#?}", errors[0]))
            .rules;
        check(&rules, &events)?;
    }

    #[test]
    fn it_is_so_with_more_rules_than_a_mask_has_bits(
        many in prop::collection::vec(check_of_open(), 130..160),
        conditions in prop::collection::vec(condition(), 1..4),
        events in prop::collection::vec(event(), 1..60),
    ) {
        let conditions = [many, conditions].concat();
        let rules = RuleSet::load(&[source(&conditions)])
            .unwrap_or_else(|errors| panic!("{}\n{conditions:#?}", errors[0]))
            .rules;
        check(&rules, &events)?;
    }
}

#[test]
fn what_holds_of_an_empty_name_is_kept_without_a_path() {
    let detail = Detail::Connect(Connection { role: Role::Client, ..Connection::default() });
    let event = sample::event(EventKind::Connect, Arc::new(sample::process("a", None)), detail);
    for condition in ["fd.name startswith oneof (\"\")", "fd.name contains \"\"", "fd.name glob *"]
    {
        let condition = format!("evt.type = connect and {condition}");
        let rules = RuleSet::load(&[source(std::slice::from_ref(&condition))]).unwrap().rules;
        let matched = check(&rules, std::slice::from_ref(&event)).unwrap();
        assert_eq!(matched, 1, "{condition}");
    }
}

#[test]
fn what_the_cases_of_our_own_rules_match_is_kept() {
    let rules = RuleSet::load(&builtin()).expect("our own rules").rules;
    let cases = builtin_cases();
    let events: Vec<Event> = cases
        .iter()
        .flat_map(|source| read_events(source).expect("events"))
        .map(|named| named.event)
        .collect();
    let matched = check(&rules, &events).unwrap_or_else(|error| panic!("{error}"));
    assert!(matched > 200, "{matched} of {}", events.len());
}

/// Returns an open of a path, for reading unless flags say otherwise.
fn open(path: &str, flags: u32) -> Event {
    let process = sample::process("a", None);
    sample::event(EventKind::OpenAt, Arc::new(process), sample::open(path, None, flags))
}

fn keeps(filter: &KernelFilter, event: &Event) -> bool {
    filter.keeps(event.kind, &FilterView::of(event))
}

#[test]
fn an_open_is_kept_for_its_path_its_flags_and_its_result_together() {
    let filter = filter(&[
        "evt.type = openat and evt.is_open_write = true and fd.num >= 0 and fd.typechar = f \
         and (fd.name = /etc/passwd or fd.directory in (/bin, /usr/bin) or fd.filename = id_rsa)",
        "evt.type = openat and evt.is_open_read = true and fd.name startswith /root/ \
         and fd.name endswith .key and not proc.name = b",
        "evt.type = openat and evt.arg.flags contains O_TRUNC and fd.name glob \"/var/log/*.log\"",
    ]);
    const WRITE: u32 = 1;
    const CREATE_AND_EMPTY: u32 = 0o1101;
    for (path, flags, kept) in [
        ("/etc/passwd", WRITE, true),
        ("/etc/passwd", 0, false),
        ("/etc/passwd-", WRITE, false),
        ("/usr/bin/ls", WRITE, true),
        ("/usr/bin/x/ls", WRITE, false),
        ("/srv/id_rsa", WRITE, true),
        ("/srv/id_rsa.pub", WRITE, false),
        ("/root/a.key", 0, true),
        ("/root/a.key", WRITE, false),
        ("/srv/a.txt", 0, false),
        ("/var/log/a.log", CREATE_AND_EMPTY, true),
        ("/var/log/a.log", WRITE, false),
        ("/var/lib/a", CREATE_AND_EMPTY, false),
    ] {
        assert_eq!(keeps(&filter, &open(path, flags)), kept, "{path} {flags:o}");
    }
    let mut failed = open("/etc/passwd", WRITE);
    failed.result = -13;
    assert!(!keeps(&filter, &failed));
    let mut link = open("/srv/link", WRITE);
    link.detail = sample::open("/srv/link", Some("/etc/passwd"), WRITE);
    assert!(keeps(&filter, &link), "the resolved path counts, too");
    let mut unread = open("/srv/a", WRITE);
    if let Detail::Open(file) = &mut unread.detail {
        file.raw = "<NA>".into();
    }
    assert!(keeps(&filter, &unread), "what could not be read is kept");
    let shell = Event { kind: EventKind::Execve, ..open("/srv/a", 0) };
    assert!(keeps(&filter, &shell), "how processes begin is always told");
    assert!(!keeps(&filter, &Event { kind: EventKind::MkdirAt, ..open("/etc/passwd", WRITE) }));
}

#[test]
fn a_connect_is_kept_for_its_family_its_port_and_its_address_together() {
    let filter = filter(&[
        "evt.type = connect and fd.sport in (22, 443) and not fd.snet in (\"10.0.0.0/8\", \"::1\")",
        "evt.type = connect and fd.l4proto = udp and fd.rport = 53 and container.id != host",
        "evt.type = connect and fd.name endswith /agent.sock",
    ]);
    let connect = |remote: &str, protocol: &str, contained: bool| {
        let mut process = sample::process("a", None);
        process.container =
            contained.then(|| Arc::new(Container { id: "0a".into(), ..Container::default() }));
        let socket = Connection {
            remote: remote.parse().ok(),
            unix: remote.starts_with('/').then(|| remote.into()),
            protocol: (!remote.starts_with('/')).then(|| protocol.into()),
            ..Connection::default()
        };
        sample::event(EventKind::Connect, Arc::new(process), Detail::Connect(socket))
    };
    for (remote, protocol, contained, kept) in [
        ("192.0.2.1:443", "tcp", false, true),
        ("192.0.2.1:80", "tcp", false, false),
        ("10.2.0.1:443", "tcp", false, false),
        ("[::ffff:10.2.0.1]:443", "tcp", false, false),
        ("[::1]:22", "tcp", false, false),
        ("[2001:db8::1]:22", "tcp", false, true),
        ("10.0.0.1:53", "udp", true, true),
        ("10.0.0.1:53", "udp", false, false),
        ("10.0.0.1:53", "tcp", true, false),
        ("/run/agent.sock", "", false, true),
        ("/run/other.sock", "", false, false),
    ] {
        let event = connect(remote, protocol, contained);
        assert_eq!(keeps(&filter, &event), kept, "{remote} {protocol} {contained}");
    }
}

#[test]
fn a_call_is_kept_for_its_user_its_result_and_its_numbers_together() {
    let filter = filter(&[
        "evt.type = ptrace and evt.arg.request = PTRACE_ATTACH and user.uid != 0",
        "evt.type in (dup, dup2) and evt.rawres in (0, 1, 2) and fd.type in (ipv4, ipv6)",
        "evt.type = socket and evt.arg.domain = AF_PACKET and evt.res = SUCCESS",
    ]);
    let event = |kind, uid: u32, result: i64, detail: Detail| {
        let process = Process { uid, ..sample::process("a", None) };
        Event { result, ..sample::event(kind, Arc::new(process), detail) }
    };
    let attach = |request| Detail::Ptrace { request, pid: 1 };
    let dup = |kind| {
        let descriptor =
            Descriptor::Other { number: 1, kind, name: "".into(), inode: None, device: None };
        Detail::Call(Call { values: [].into(), descriptor: Some(descriptor) })
    };
    let socket = |domain| {
        let values = [None, Some(ParameterValue::Number(domain))].into();
        Detail::Call(Call { values, descriptor: None })
    };
    for (event, kept) in [
        (event(EventKind::Ptrace, 1000, 0, attach(16)), true),
        (event(EventKind::Ptrace, 0, 0, attach(16)), false),
        (event(EventKind::Ptrace, 1000, 0, attach(7)), false),
        (event(EventKind::Dup2, 0, 1, dup(DescriptorKind::Ipv4)), true),
        (event(EventKind::Dup2, 0, 3, dup(DescriptorKind::Ipv4)), false),
        (event(EventKind::Dup2, 0, 1, dup(DescriptorKind::File)), false),
        (event(EventKind::Socket, 0, 3, socket(17)), true),
        (event(EventKind::Socket, 0, -1, socket(17)), false),
        (event(EventKind::Socket, 0, 3, socket(2)), false),
    ] {
        assert_eq!(keeps(&filter, &event), kept, "{event:#?}");
    }
}

#[test]
fn a_mode_is_told_by_the_bits_above_its_permissions() {
    let filter = filter(&[
        "evt.type = fchmod and evt.rawres = 0 and evt.arg.mode contains S_ISUID",
        "evt.type = fchmod and user.uid != 0 and evt.arg.mode contains S_ISVTX",
    ]);
    let event = |mode, uid: u32| {
        let process = Arc::new(Process { uid, ..sample::process("a", None) });
        let values = [None, None, Some(ParameterValue::Number(mode))].into();
        let detail = Detail::Call(Call { values, descriptor: None });
        Event { result: 0, ..sample::event(EventKind::Fchmod, process, detail) }
    };
    for (mode, uid, kept) in [
        (0o755, 0, false),
        (0, 0, false),
        (0o7777, 0, true),
        (0o4000, 0, true),
        (0o3777, 0, false),
        (0o3777, 1, true),
        (0o2777, 1, false),
        // Nobody says what more bits stand for.
        (0o10_000, 0, true),
        (0o14_755, 0, true),
    ] {
        assert_eq!(keeps(&filter, &event(mode, uid)), kept, "{mode:o} {uid}");
    }
}

#[test]
fn paths_that_do_not_fit_the_automaton_make_their_rules_possible_and_are_counted() {
    let names: Vec<String> = (1..4000_u64)
        .map(|number| format!("/{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
        .collect();
    let many = format!("evt.type = openat and fd.name in ({})", names.join(", "));
    let filter = filter(&[&many, "evt.type = unlinkat and evt.arg.name = /a"]);
    assert_eq!(filter.unfit(), 1);
    assert!(keeps(&filter, &open("/b", 0)));
    let unlink = |path: &str| Event {
        kind: EventKind::UnlinkAt,
        detail: Detail::Unlink { path: path.into(), raw: path.into(), directory: false },
        ..open(path, 0)
    };
    assert!(keeps(&filter, &unlink("/a")));
    assert!(!keeps(&filter, &unlink("/b")));
}

#[test]
fn equal_rules_give_equal_filters() {
    let conditions = ["evt.type = openat and fd.name = /a", "evt.type = connect and fd.sport = 1"];
    assert_eq!(filter(&conditions), filter(&conditions));
    assert_ne!(filter(&conditions), filter(&conditions[..1]));
}
