//! What conditions mean on events, and that the matcher says what the plain evaluation says.

use std::sync::Arc;

use alert::{Container, Detail, EndNames, Event, EventKind, Field, StandardStream};
use proptest::prelude::*;

use crate::{
    RuleSet, Source,
    sample::{connect, event, exec, family, open, process},
};

fn load(conditions: &[&str]) -> Arc<RuleSet> {
    let rule = |(number, condition): (usize, &&str)| {
        format!(
            "- rule: r{number}\n  desc: d\n  priority: INFO\n  output: o\n  condition: >\n    {condition}\n"
        )
    };
    let text: String = conditions.iter().enumerate().map(rule).collect();
    let source = Source { name: "t.yaml".to_owned(), text };
    match RuleSet::load(&[source]) {
        Ok(loaded) => loaded.rules,
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<String>()),
    }
}

/// Asks each condition about the event, by the matcher and plainly.
fn check(event: &Event, cases: &[(&str, bool)]) {
    let conditions: Vec<_> = cases.iter().map(|(condition, _)| *condition).collect();
    let rules = load(&conditions);
    let mut matched = Vec::new();
    let mut matcher = rules.matcher();
    // Twice: the second time answers come from the process's memory.
    for _ in 0..2 {
        matched.clear();
        matcher.matches(event, &mut |rule| matched.push(rule.name.clone()));
    }
    assert_eq!(matched, rules.matches_plainly(event));
    for (number, (condition, expected)) in cases.iter().enumerate() {
        let name = format!("r{number}");
        assert_eq!(matched.contains(&name), *expected, "{condition}");
    }
}

fn shell() -> Event {
    let mut process = process("bash", &["-c", "echo SGVsbG8= | base64 -d", "x"]);
    process.parent = Some(family(&["sshd", "sshd", "systemd"]));
    process.container = Some(Arc::new(Container {
        id: "0123456789abcdef".into(),
        image_repository: Some("docker.io/library/nginx".into()),
        pod_namespace: Some("prod-eu".into()),
        privileged: Some(false),
        ..Container::default()
    }));
    process.stdin = Some(StandardStream::Ipv4);
    process.uid = 1000;
    process.tty = 34816;
    event(EventKind::Execve, Arc::new(process), Detail::Exec { filename: "bash".into() })
}

#[test]
fn what_the_runtime_told_of_a_container() {
    let mut event = shell();
    let process = Arc::make_mut(&mut event.process);
    let container = Arc::make_mut(process.container.as_mut().unwrap());
    container.image_digest = Some("sha256:ab".into());
    container.pod_labels = [("app", "web"), ("7", "x")].map(|(a, b)| (a.into(), b.into())).into();
    container.pod_qos = Some(alert::PodQos::BestEffort);
    container.missing = [("k8s.pod.ip".into(), alert::Missing::NotFound)].into();
    check(
        &event,
        &[
            ("container.image.digest = sha256:ab", true),
            ("k8s.pod.label[app] = web", true),
            ("k8s.pod.label[7] = x", true),
            ("k8s.pod.label[none] exists", false),
            ("k8s.pod.labels = '7:x, app:web'", true),
            ("container.labels exists", false),
            ("saker.pod.qos = besteffort", true),
            ("saker.container.missing = 'k8s.pod.ip=not_found'", true),
            ("saker.proc.chain = 'sshd < sshd < systemd'", true),
            ("saker.proc.start_boot_ns exists", true),
        ],
    );
}

#[test]
fn comparisons_on_a_process() {
    check(
        &shell(),
        &[
            ("evt.type = execve", true),
            ("evt.type != execve", false),
            ("evt.type in (execve, execveat)", true),
            ("evt.type in (open)", false),
            ("evt.type = kexec_load", false),
            ("evt.type startswith exec", true),
            ("evt.dir = <", true),
            ("evt.dir = >", false),
            ("evt.num = 0", false),
            ("not evt.num = 0", true),
            ("evt.num != 0", true),
            ("evt.num = 7", true),
            ("evt.rawres >= 0", true),
            ("evt.res = SUCCESS", true),
            ("proc.name = bash", true),
            ("proc.name == bash", true),
            ("proc.name = Bash", false),
            ("proc.name != bash", false),
            ("proc.name != sh", true),
            ("proc.name in (sh, bash)", true),
            ("proc.name in (sh, zsh, csh, ksh, ash)", false),
            ("proc.name in (sh, zsh, csh, ksh, bash)", true),
            ("proc.name in ()", false),
            ("not proc.name in ()", true),
            ("proc.name intersects (bash)", true),
            ("proc.name contains as", true),
            ("proc.name contains \"\"", true),
            ("proc.name icontains AS", true),
            ("proc.name icontains ASX", false),
            ("proc.name startswith ba", true),
            ("proc.name startswith sh", false),
            ("proc.name endswith sh", true),
            ("proc.name endswith ba", false),
            ("proc.name glob b*h", true),
            ("proc.name glob B*H", false),
            ("proc.name iglob B*H", true),
            ("proc.name regex b.*", true),
            ("proc.name regex as", false),
            ("proc.name regex \"(sh|bash)\"", true),
            ("proc.name exists", true),
            ("proc.cmdline contains base64", true),
            ("proc.cmdline startswith \"bash -c\"", true),
            ("proc.args contains \"| base64 -d\"", true),
            ("proc.cmdnargs = 3", true),
            ("proc.cmdnargs > 3", false),
            ("proc.cmdnargs >= 3", true),
            ("proc.cmdnargs < 4", true),
            ("proc.cmdnargs <= 2", false),
            ("proc.tty != 0", true),
            ("proc.pname = sshd", true),
            ("proc.aname = systemd", true),
            ("proc.aname = bash", false),
            ("proc.aname != systemd", true),
            ("proc.aname in (init, systemd)", true),
            ("proc.aname[1] = sshd", true),
            ("proc.aname[3] = systemd", true),
            ("proc.aname[0] = bash", true),
            ("proc.aname[4] = systemd", false),
            ("proc.aname[4] != systemd", false),
            ("not proc.aname[4] = systemd", true),
            ("proc.aname[4] exists", false),
            ("proc.aname startswith sys", true),
            ("proc.apid = 100", true),
            ("proc.env[HOME] = /root", true),
            ("proc.env[X] = \"\"", true),
            ("proc.env[X] exists", true),
            ("proc.env[Y] exists", false),
            ("proc.env contains \"HOME=/root\"", true),
            ("proc.stdin.type in (ipv4, ipv6)", true),
            ("proc.stdout.type exists", false),
            ("user.uid = 1000", true),
            ("user.uid = -1", false),
            ("user.loginuid = -1", true),
            ("user.name = \"<NA>\"", true),
            ("user.name = <NA>", true),
            ("container.id != host", true),
            ("container.id = 0123456789ab", true),
            ("container.image.repository endswith nginx", true),
            ("container.image.tag = x", false),
            ("container.image.tag != x", false),
            ("not container.image.tag = x", true),
            ("container.privileged = false", true),
            ("container.privileged = true", false),
            ("container.privileged != true", true),
            ("k8s.ns.name startswith prod", true),
            ("thread.cap_effective contains CAP_CHOWN", true),
            ("proc.is_exe_upper_layer = false", true),
            ("fd.name = x", false),
            ("not fd.name = x", true),
            ("fd.num >= 0", false),
            ("proc.exepath pmatch (/usr, /opt)", true),
            ("proc.exepath pmatch (/us)", false),
            ("proc.exepath pmatch (/usr/b*)", true),
            ("proc.exepath pmatch (/usr/bin/bash)", true),
            ("proc.exepath pmatch (/usr/bin/bash/x)", false),
            ("proc.exepath pmatch (//usr//bin)", true),
            ("proc.duration <= 2000000000", true),
            ("proc.duration < 2000000000", false),
        ],
    );
}

#[test]
fn transformers_and_two_fields() {
    check(
        &shell(),
        &[
            ("toupper(proc.name) = BASH", true),
            ("tolower(proc.args) contains sgvsbg8", true),
            ("basename(proc.exepath) = bash", true),
            ("basename(proc.exepath) = val(proc.name)", true),
            ("len(proc.name) = 4", true),
            ("len(proc.aname) = 3", true),
            ("b64(proc.name) exists", true),
            ("b64(proc.args) exists", false),
            ("proc.name = val(proc.pname)", false),
            ("proc.pname = val(proc.aname[2])", false),
            ("proc.name = tolower(proc.name)", true),
            ("proc.name != val(proc.pname)", true),
            ("proc.pid >= val(proc.ppid)", true),
            ("proc.exepath endswith val(proc.name)", true),
            ("concat(proc.name, \"-\", proc.pname) = bash-sshd", true),
            ("join(\"+\", (proc.name, proc.pname)) = bash+sshd", true),
            ("proc.name contains anyof (x, as)", true),
            ("proc.name contains oneof (ba, as)", false),
            ("proc.name contains oneof (ba, x)", true),
            ("proc.name contains allof (ba, as)", true),
            ("proc.name contains allof ()", false),
            ("proc.name regex anyof (\"b.*\", x)", true),
        ]
        .map(|(text, expected)| match text {
            // An ancestor family compares with no field.
            "proc.pname = val(proc.aname[2])" => ("proc.pname = val(proc.pexe)", true),
            _ => (text, expected),
        }),
    );
}

#[test]
fn connections_have_two_ends() {
    check(
        &connect("10.0.0.5:41000", "203.0.113.9:443"),
        &[
            ("evt.type = connect", true),
            ("fd.type = ipv4", true),
            ("fd.typechar = 4", true),
            ("fd.name = 10.0.0.5:41000->203.0.113.9:443", true),
            ("fd.ip = 203.0.113.9", true),
            ("fd.ip = 10.0.0.5", true),
            ("fd.ip = 1.2.3.4", false),
            ("fd.ip != 203.0.113.9", false),
            ("fd.ip != 1.2.3.4", true),
            ("fd.ip in (1.2.3.4, 10.0.0.5)", true),
            ("fd.ip = ::1", false),
            ("fd.ip != ::1", true),
            ("fd.sip = 203.0.113.9", true),
            ("fd.cip = 203.0.113.9", false),
            ("fd.snet = 203.0.113.0/24", true),
            ("fd.snet in (10.0.0.0/8, 203.0.113.0/24)", true),
            ("fd.cnet = 10.0.0.0/8", true),
            ("fd.net = 10.0.0.0/8", true),
            ("fd.net != 10.0.0.0/8", false),
            ("fd.snet = fc00::/7", false),
            ("fd.port = 443", true),
            ("fd.port = https", true),
            ("fd.port != 443", false),
            ("fd.port in (80, 41000)", true),
            ("fd.sport = https", true),
            ("fd.sport < 1024", true),
            ("fd.cport >= 32768", true),
            ("fd.l4proto = tcp", true),
            ("fd.sip.name exists", false),
            ("fd.directory exists", false),
        ],
    );
    check(
        &connect("[::ffff:10.0.0.5]:1", "[2001:db8::1]:80"),
        &[
            ("fd.sip = 2001:db8::1", true),
            ("fd.snet = 2001:db8::/32", true),
            ("fd.snet = 2001:db8::1", true),
            ("fd.cip = 10.0.0.5", true),
        ],
    );
}

#[test]
fn an_end_has_every_name_that_leads_to_it() {
    let mut event = connect("10.0.0.5:41000", "203.0.113.9:443");
    let Detail::Connect(connection) = &mut event.detail else { panic!() };
    let names = ["api.example", "cdn.example"].map(Into::into).into();
    connection.names = Some(Box::new(EndNames { remote: names, ..EndNames::default() }));
    check(
        &event,
        &[
            ("fd.sip.name = api.example", true),
            ("fd.rip.name = cdn.example", true),
            ("fd.sip.name != cdn.example", false),
            ("fd.sip.name != other.example", true),
            ("fd.sip.name in (cdn.example, other.example)", true),
            ("fd.sip.name in (other.example)", false),
            ("fd.sip.name endswith .example", true),
            ("fd.cip.name exists", false),
            ("fd.lip.name = api.example", false),
        ],
    );
}

#[test]
fn requirements_name_what_is_to_be_looked_up() {
    let names = |condition: &str| {
        let names = load(&[condition]).requirements().address_names;
        names.iter().map(|name| &**name).collect::<Vec<_>>().join(" ")
    };
    for (condition, expected) in [
        (
            "fd.sip.name = b.example and fd.cip.name in (a.example, b.example)",
            "a.example b.example",
        ),
        ("not fd.rip.name != a.example", "a.example"),
        ("fd.lip.name = anyof (a.example)", "a.example"),
        ("fd.sip.name contains example", ""),
        ("fd.name = a.example", ""),
    ] {
        let condition = format!("evt.type = connect and {condition}");
        assert_eq!(names(&condition), expected, "{condition}");
    }
}

#[test]
fn a_rule_sees_both_paths_of_a_file() {
    let linked = open("/tmp/x", Some("/etc/shadow"), 0);
    check(
        &linked,
        &[
            ("fd.name = /tmp/x", true),
            ("fd.name = /etc/shadow", true),
            ("fd.name startswith /etc/", true),
            ("fd.name in (/etc/shadow)", true),
            ("fd.name pmatch (/etc)", true),
            ("fd.directory = /etc", true),
            ("fd.directory = /tmp", true),
            ("fd.filename = shadow", true),
            ("fd.directory = /etc and fd.filename = shadow", true),
            // No mixture of the two.
            ("fd.directory = /etc and fd.filename = x", false),
            ("fd.directory = /tmp and fd.filename = shadow", false),
            // An exception for one path does not hide the other.
            ("fd.name startswith /etc and not fd.name startswith /tmp", true),
            ("fd.name startswith /tmp and not fd.name startswith /etc", true),
            ("not fd.name startswith /tmp and not fd.name startswith /etc", false),
            ("fd.nameraw = /tmp/x", true),
            ("fd.nameraw = /etc/shadow", false),
            ("fd.resolved = /etc/shadow", true),
            ("fd.resolved = /tmp/x", false),
            ("evt.is_open_read = true", true),
            ("evt.is_open_write = true", false),
            ("evt.arg.flags contains O_RDONLY", true),
            ("evt.arg.name = /tmp/x", true),
            ("evt.arg[2] = /tmp/x", true),
            ("fd.typechar = f", true),
            ("fd.type = file", true),
            ("evt.type in (open, openat) and proc.aname = sshd", true),
            ("len(fd.name) = 11", true),
        ],
    );
    check(
        &open("/x", Some("/x"), 0o1101),
        &[
            ("fd.directory = /", true),
            ("fd.filename = x", true),
            ("evt.is_open_write = true", true),
            ("evt.is_open_create = true", true),
            ("evt.arg.flags contains O_TRUNC", true),
        ],
    );
}

#[test]
fn words_join_as_they_read() {
    check(
        &exec("cat", &[]),
        &[
            ("proc.name = cat and proc.name = cat", true),
            ("proc.name = cat and proc.name = dog", false),
            ("proc.name = dog or proc.name = cat", true),
            ("not proc.name = dog", true),
            ("not not proc.name = cat", true),
            ("proc.name = dog and proc.name = cat or proc.name = cat", true),
            ("proc.name = dog and (proc.name = cat or proc.name = cat)", false),
            ("not proc.name = cat or proc.name = cat", true),
            ("not (proc.name = cat or proc.name = cat)", false),
            ("not(proc.name = dog) and proc.name = cat", true),
            ("evt.num = 0 or proc.name = cat", true),
            ("evt.num = 0 and proc.name = cat", false),
            ("evt.type = execve or evt.type = open", true),
            ("not evt.type = open and not evt.type = connect", true),
        ],
    );
}

#[test]
fn requirements_name_the_kinds_and_the_context() {
    let needs = |condition: &str| {
        let requirements = load(&[condition]).requirements();
        let kinds: Vec<_> = requirements.kinds.iter().map(|kind| kind.name()).collect();
        (kinds.join(" "), requirements.environment, requirements.container_metadata)
    };
    for (condition, kinds, environment, container) in [
        ("evt.type = execve", "execve", false, false),
        ("evt.type in (open, openat) and container.id != host", "open openat", false, false),
        ("evt.type = execve and proc.env[X] exists", "execve", true, false),
        ("evt.type = execve and k8s.ns.name = x", "execve", false, true),
        ("evt.type = execve and evt.num = 0", "", false, false),
        (
            "(evt.type = execve or evt.type = connect) and not evt.type = connect",
            "execve",
            false,
            false,
        ),
        ("evt.type = dup", "dup", false, false),
    ] {
        assert_eq!(needs(condition), (kinds.to_owned(), environment, container), "{condition}");
    }
    let all: Vec<_> = EventKind::reported().filter(|kind| !kind.is_frequent()).collect();
    assert_eq!(load(&["proc.name = x"]).requirements().kinds, all);
}

#[test]
fn an_output_prints_values_and_keeps_their_types() {
    let render = |output: &str, event: &Event| {
        let text = format!(
            "- rule: r\n  desc: d\n  priority: INFO\n  condition: evt.type = execve\n  output: '{output}'\n"
        );
        let source = Source { name: "t.yaml".to_owned(), text };
        let rules = RuleSet::load(&[source]).unwrap_or_else(|errors| panic!("{}", errors[0])).rules;
        rules.rules()[0].render(event)
    };
    let event = shell();
    for (output, expected) in [
        ("%proc.name", "bash"),
        ("*%proc.name", "bash"),
        ("%proc.name.", "bash."),
        ("a %proc.name b %user.uid", "a bash b 1000"),
        ("%fd.name|%proc.aname[9]", "<NA>|<NA>"),
        ("%proc.aname[2]", "sshd"),
        ("%proc.aname", "(sshd,sshd,systemd)"),
        ("%evt.arg.comm %evt.arg[0]", "bash 0"),
        ("%evt.arg.nothing", "<NA>"),
        ("%proc.env[HOME]", "/root"),
        ("%6proc.name|%2proc.name|", "bash  |ba|"),
        ("%toupper(proc.name)", "BASH"),
        ("%basename(proc.exepath)-", "bash-"),
        ("%container.privileged", "false"),
        ("%user.name", "<NA>"),
        ("é%proc.nameé", "ébashé"),
    ] {
        assert_eq!(render(output, &event).output, expected, "{output}");
    }
    let fields =
        render("%user.uid %fd.name %container.privileged %proc.aname %toupper(proc.name)", &event)
            .fields;
    assert_eq!(fields["user.uid"], 1000);
    assert_eq!(fields["fd.name"], serde_json::Value::Null);
    assert_eq!(fields["container.privileged"], false);
    assert_eq!(fields["proc.aname"], serde_json::json!(["sshd", "sshd", "systemd"]));
    assert_eq!(fields["evt.time"], 3_000_000_000_u64);
    assert_eq!(fields["container.id"], "0123456789ab", "in every alert where the event has it");
    assert!(!fields.keys().any(|name| name.contains("toupper")));

    let long = exec(&"x".repeat(10_000), &[]);
    assert!(render("%proc.name", &long).output.len() < 5000);
}

const TEXT_FIELDS: [&str; 9] = [
    "proc.name",
    "proc.pname",
    "proc.aname",
    "proc.aname[2]",
    "fd.name",
    "fd.directory",
    "proc.cmdline",
    "user.name",
    "fd.filename",
];

fn text_check() -> impl Strategy<Value = String> {
    let value = "[abc/]{1,3}";
    let field = prop::sample::select(&TEXT_FIELDS[..]);
    prop_oneof![
        (field.clone(), "(=|!=|contains|icontains|startswith|endswith|glob)", value)
            .prop_map(|(field, op, value)| format!("{field} {op} {value}")),
        (field.clone(), "(in|intersects|pmatch)", prop::collection::vec(value, 0..6))
            .prop_map(|(field, op, values)| format!("{field} {op} ({})", values.join(", "))),
        field.prop_map(|field| format!("{field} exists")),
        "(evt\\.type = (open|openat|execve|connect)|user\\.uid (=|<|>=) [0-3]|evt\\.num = 0)",
        "evt\\.rawres >= 0|evt\\.is_open_read = true|fd\\.sport = 80|fd\\.ip != 1\\.1\\.1\\.1",
    ]
}

fn any_condition() -> impl Strategy<Value = String> {
    text_check().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            inner.prop_map(|inner| format!("not ({inner})")),
        ]
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    let word = "[abc]{1,3}";
    let path = "/[abc]{1,2}(/[abc]{1,2})?";
    (prop::collection::vec(word, 1..4), 0..4_u8, path, prop::option::of(path), 0..3_u32).prop_map(
        |(names, kind, path, resolved, uid)| {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let mut event = match kind {
                0 => exec(names[0], &["a", "b"]),
                1 => connect("1.1.1.1:5", "2.2.2.2:80"),
                2 => open(&path, resolved.as_deref(), uid),
                _ => {
                    let mut event = open(&path, None, 0);
                    event.result = -2;
                    event
                }
            };
            let mut process = Arc::unwrap_or_clone(family(&names));
            process.uid = uid;
            event.process = Arc::new(process);
            event
        },
    )
}

proptest! {
    #[test]
    fn the_matcher_says_what_the_tree_says(
        conditions in prop::collection::vec(any_condition(), 1..12),
        events in prop::collection::vec(any_event(), 1..8),
    ) {
        let conditions: Vec<_> = conditions.iter().map(String::as_str).collect();
        let rules = load(&conditions);
        let mut matcher = rules.matcher();
        for event in events.iter().chain(&events) {
            let mut matched = Vec::new();
            matcher.matches(event, &mut |rule| matched.push(rule.name.as_str().to_owned()));
            prop_assert_eq!(&matched, &rules.matches_plainly(event));
        }
    }
}

#[test]
fn every_field_can_be_asked_of_every_event() {
    let events = [shell(), connect("1.1.1.1:1", "2.2.2.2:2"), open("/a", Some("/b"), 0)];
    for field in Field::of(alert::EventSource::Syscall) {
        let argument = match field.argument() {
            alert::ArgumentRule::Required => "[x]",
            _ => "",
        };
        let condition = format!("{}{argument} exists", field.name());
        let rules = load(&[&condition]);
        for event in &events {
            rules.matcher().matches(event, &mut |_| {});
        }
    }
}

#[test]
fn the_kind_of_an_event_compared_together_with_another_field() {
    check(
        &shell(),
        &[
            ("concat(evt.type, proc.name) = execvebash", true),
            ("concat(evt.type, proc.name) = execve", false),
            ("concat(evt.type, evt.type) = execveexecve", true),
        ],
    );
}

#[test]
fn the_name_of_a_socket_is_compared_where_a_text_could_be_one() {
    let v4 = connect("10.0.0.5:4000", "10.0.0.1:80");
    check(&v4, &[("fd.name = /run/docker.sock", false), ("fd.name startswith /run", false)]);
    check(&v4, &[("fd.name endswith :80", true), ("fd.name endswith .sock", false)]);
    check(&v4, &[("fd.name startswith 10.0.", true)]);
    check(&v4, &[("fd.name contains \"->\"", true)]);
    check(&v4, &[("fd.name startswith \"\"", true)]);
    check(&v4, &[("fd.name pmatch (/run, 10.0.0.5:4000->10.0.0.1:80)", true)]);
    check(&v4, &[("fd.name glob *:80", true), ("fd.name glob 1*:80", true)]);
    let v6 = connect("[fe80::1]:4000", "[::1]:443");
    check(&v6, &[("fd.name startswith fe80", true), ("fd.name = /a", false)]);
    check(&connect("[::2]:40", "[::1]:443"), &[("fd.name startswith ::2", true)]);
}
