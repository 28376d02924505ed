//! Two ways of the same records to the same rules, one with repeats passed over: the alerts are equal.

use std::mem::offset_of;

use probe::layout::{Connect, Execve, Fork, Open, ProcExit, field, flag};
use rules::{Matcher, RuleSet, Source};

use super::*;
use crate::{
    decode::Decoder,
    enrich::container::Containers,
    sensor::{known::FileNames, observer::Outcome},
};

const STREAMS: u64 = 100;
const RECORDS: usize = 300;
/// Pids nobody has.
const PIDS: [u32; 4] = [0x7fff_fff0, 0x7fff_fff1, 0x7fff_fff2, 0x7fff_fff3];
const PATHS: [&str; 6] = ["/etc/shadow", "/etc/hosts", "/tmp/a", "a", "/tmp/b", "../etc/hosts"];
const FOLDERS: [&str; 3] = ["/etc", "/tmp", "/srv/x"];
/// What rules ask: of the deed, of the process, and of the moment.
const QUESTIONS: [&str; 22] = [
    "fd.name startswith /etc",
    "fd.name = /tmp/a",
    "fd.directory = /tmp",
    "fd.filename in (a, hosts)",
    "fd.resolved contains hosts",
    "fd.num = 3",
    "fd.sport = 443",
    "evt.rawres < 0",
    "evt.is_open_write = true",
    "evt.via = syscall",
    "proc.name = sh",
    "proc.pname = cat",
    "proc.cwd startswith /etc",
    "user.uid = 0",
    "proc.args contains x",
    "evt.num > 120",
    "evt.time > 4000",
    "evt.cpu = 1",
    "thread.tid > 2147483640",
    "thread.ismain = true",
    "proc.duration > 2000",
    "proc.ppid.duration > 900",
];

struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// A condition of up to three questions.
fn condition(random: &mut Random) -> String {
    let mut text = random.of(&["evt.type in (openat, connect)", "evt.type = openat"]).to_owned();
    for _ in 0..1 + random.below(3) {
        let [one, other] = [0; 2].map(|_| random.of(&QUESTIONS));
        let ask = random.of(&["{}", "{}", "not {}", "({} or not {})"]);
        text += &format!(" and {}", ask.replacen("{}", one, 1).replacen("{}", other, 1));
    }
    text
}

fn rules(random: &mut Random) -> Arc<RuleSet> {
    let rule = |number| {
        let condition = condition(random);
        format!(
            "- rule: r{number}\n  desc: d\n  condition: {condition}\n  output: o\n  priority: INFO\n"
        )
    };
    let text = (0..3).map(rule).collect();
    let loaded = RuleSet::load(&[Source { name: "random".to_owned(), text }]);
    loaded.unwrap_or_else(|errors| panic!("{errors:?}")).rules
}

/// A record as the probe writes it.
struct Bytes(Vec<u8>);

impl Bytes {
    fn new(kind: Kind, body_bytes: usize) -> Self {
        let mut bytes = Self(vec![0; size_of::<Header>() + body_bytes]);
        bytes.put(offset_of!(Header, kind), &(kind as u16).to_ne_bytes());
        bytes.put(offset_of!(Header, start_ns), &7_u64.to_ne_bytes());
        bytes
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        self.0[at..at + value.len()].copy_from_slice(value);
    }

    fn body(&mut self, at: usize, value: &[u8]) {
        self.put(size_of::<Header>() + at, value);
    }

    fn field(&mut self, kind: u16, value: &[u8]) {
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(&(value.len() as u16).to_ne_bytes());
        self.0.extend_from_slice(value);
    }

    /// Sets all that a record may differ in that tells the same.
    fn moment(&mut self, random: &mut Random, time_ns: u64) {
        let (thread, cpu) = (random.of(&[0, 0, 9_u32]), random.below(2) as u32);
        let pid = Header::of(&self.0).expect("a head").pid;
        self.put(offset_of!(Header, tid), &(pid + thread).to_ne_bytes());
        self.put(offset_of!(Header, vtid), &(thread + 1).to_ne_bytes());
        self.put(offset_of!(Header, cpu), &cpu.to_ne_bytes());
        self.put(offset_of!(Header, time_ns), &time_ns.to_ne_bytes());
        self.put(offset_of!(Header, sequence), &time_ns.to_ne_bytes());
    }

    fn end(mut self, random: &mut Random, time_ns: u64) -> Vec<u8> {
        self.put(offset_of!(Header, pid), &random.of(&PIDS[..3]).to_ne_bytes());
        self.moment(random, time_ns);
        if random.below(20) == 0 {
            self.put(offset_of!(Header, uid), &1000_u32.to_ne_bytes());
        }
        if random.below(20) == 0 {
            self.put(offset_of!(Header, cgroup), &5_u64.to_ne_bytes());
        }
        let length = self.0.len() as u32;
        self.put(offset_of!(Header, length), &length.to_ne_bytes());
        self.0
    }
}

fn record(random: &mut Random, time_ns: u64) -> Vec<u8> {
    let bytes = match random.below(30) {
        0 => {
            let mut bytes = Bytes::new(Kind::Execve, size_of::<Execve>());
            let name = random.of(&["sh", "cat", "x"]);
            bytes.field(field::NAME, name.as_bytes());
            bytes.field(field::ARGUMENTS, format!("{name}\0x\0").as_bytes());
            bytes.field(field::CWD, random.of(&FOLDERS).as_bytes());
            bytes
        }
        1 => {
            let mut bytes = Bytes::new(Kind::Fork, size_of::<Fork>());
            bytes.body(offset_of!(Fork, parent_start_ns), &7_u64.to_ne_bytes());
            bytes.body(offset_of!(Fork, parent_pid), &PIDS[3].to_ne_bytes());
            bytes
        }
        2 => Bytes::new(Kind::ProcExit, size_of::<ProcExit>()),
        3..9 => {
            let mut bytes = Bytes::new(Kind::Connect, size_of::<Connect>());
            bytes.body(offset_of!(Connect, family), &2_u16.to_ne_bytes());
            let port = random.of(&[443_u16, 80]);
            bytes.body(offset_of!(Connect, remote_port), &port.to_ne_bytes());
            bytes
        }
        _ => open(random),
    };
    bytes.end(random, time_ns)
}

/// Tells one of these once more.
fn again(random: &mut Random, told: &[Vec<u8>], time_ns: u64) -> Vec<u8> {
    let mut bytes = Bytes(told[random.below(told.len())].clone());
    bytes.moment(random, time_ns);
    bytes.0
}

fn open(random: &mut Random) -> Bytes {
    let mut bytes = Bytes::new(Kind::OpenAt, size_of::<Open>());
    let result = random.of(&[3_i64, 3, 4, -2]);
    bytes.put(offset_of!(Header, result), &result.to_ne_bytes());
    bytes.body(offset_of!(Open, flags), &random.of(&[0_u32, 0, 1]).to_ne_bytes());
    bytes.body(offset_of!(Open, inode), &random.of(&[1_u64, 1, 2]).to_ne_bytes());
    let path = random.of(&PATHS);
    if result >= 0 {
        bytes.field(field::PATH, random.of(&["/etc/hosts", "/srv/y"]).as_bytes());
    }
    bytes.field(field::RAW, path.as_bytes());
    if !path.starts_with('/') {
        bytes.put(offset_of!(Header, flags), &flag::BASE_IS_CWD.to_ne_bytes());
        bytes.field(field::BASE, random.of(&FOLDERS[..2]).as_bytes());
    }
    bytes
}

/// One way of records to rules.
struct Way {
    decoder: Decoder,
    repeats: Repeats,
    alerts: Vec<String>,
}

impl Way {
    fn new(names: &FileNames) -> Self {
        let processes = Processes::new(16, Containers::default(), 1000);
        let decoder = Decoder::new(processes).knowing(names.clone());
        Self { decoder, repeats: Repeats::new(), alerts: Vec::new() }
    }

    /// As the sensor does it.
    fn take(&mut self, record: &[u8], matcher: &mut Matcher) {
        let hash = match self.repeats.look(record, self.decoder.processes_mut()) {
            Look::Repeated => return self.decoder.pass_over(),
            Look::New(hash) => Some(hash),
            Look::Unfit => None,
        };
        let Some(event) = self.decoder.decode(record).expect("a record") else { return };
        matcher.matches(&event, &mut |rule| {
            self.alerts.push(format!("{} {} {:?}", event.number, rule.name, event.detail));
        });
        let outcome = if matcher.is_settled() { Outcome::Settled } else { Outcome::Open };
        if let Some(hash) = hash.filter(|_| outcome == Outcome::Settled) {
            self.repeats.learn(hash, record, self.decoder.processes_mut());
        }
    }
}

#[test]
fn with_repeats_passed_over_the_same_alerts_are_raised() {
    let (mut hits, mut alerts) = (0, 0);
    for seed in 0..STREAMS {
        let random = &mut Random(seed);
        let names = FileNames::default();
        let [mut plain, mut passing] = [Way::new(&names), Way::new(&names)];
        let (mut set, mut memory) = (rules(random), 0);
        let [mut one, mut other] = [set.matcher(), set.matcher()];
        let mut told: Vec<Vec<u8>> = Vec::new();
        for number in 0..RECORDS {
            if number % 8 == 0 {
                match random.below(12) {
                    0 => {
                        set = rules(random);
                        [one, other] = [set.matcher(), set.matcher()];
                    }
                    1 => memory += 1,
                    2 => names.know((0, random.of(&[1, 2])), random.of(&["/tmp/a", "/etc/shadow"])),
                    _ => {}
                }
                let standard = Standard { rules: set.generation(), memory };
                passing.repeats.judge_by(Some(standard), &names.current());
            }
            let time_ns = 10 + 20 * number as u64;
            let record = match random.below(4) {
                1.. if number >= 4 => again(random, &told[number - 4..], time_ns),
                _ => record(random, time_ns),
            };
            told.push(record.clone());
            plain.take(&record, &mut one);
            passing.take(&record, &mut other);
            assert_eq!(plain.alerts, passing.alerts, "stream {seed}, record {number}");
        }
        assert_eq!(plain.repeats.counts(), RepeatCounts::default());
        hits += passing.repeats.counts().hits;
        alerts += plain.alerts.len();
    }
    assert!(hits > STREAMS * 10 && alerts > 10_000, "{hits} hits, {alerts} alerts");
}

/// A way on which one record was settled, and that record.
fn settled() -> (Way, Vec<u8>, Matcher) {
    let (mut way, random) = (Way::new(&FileNames::default()), &mut Random(5));
    let text = "- rule: r\n  desc: d\n  condition: evt.type = openat and fd.name = /none\n  \
                output: o\n  priority: INFO\n";
    let source = Source { name: "one".to_owned(), text: text.to_owned() };
    let mut matcher = RuleSet::load(&[source]).expect("a rule").rules.matcher();
    let standard = Standard { rules: 1, memory: 0 };
    way.repeats.judge_by(Some(standard), &FileNames::default().current());
    let record = open(random).end(random, 5);
    way.take(&record, &mut matcher);
    assert!(matches!(look(&mut way, &record), Look::New(_)), "what came once may never come again");
    way.take(&record, &mut matcher);
    assert_eq!(way.repeats.counts(), RepeatCounts { hits: 0, misses: 3, evicted: 0 });
    (way, record, matcher)
}

fn look(way: &mut Way, record: &[u8]) -> Look {
    way.repeats.look(record, way.decoder.processes_mut())
}

#[test]
fn a_record_that_differs_in_its_moment_alone_is_a_repeat() {
    let (mut way, mut record, _) = settled();
    for at in [offset_of!(Header, time_ns), offset_of!(Header, cpu), offset_of!(Header, tid)] {
        record[at] ^= 1;
        assert_eq!(look(&mut way, &record), Look::Repeated);
    }
    let last = record.len() - 1;
    record[last] ^= 1;
    assert!(matches!(look(&mut way, &record), Look::New(_)));
}

#[test]
fn without_a_standard_or_by_another_one_nothing_is_a_repeat() {
    let (mut way, record, _) = settled();
    let names = FileNames::default().current();
    way.repeats.judge_by(Some(Standard { rules: 2, memory: 0 }), &names);
    assert!(matches!(look(&mut way, &record), Look::New(_)));
    way.repeats.judge_by(None, &names);
    assert_eq!(look(&mut way, &record), Look::Unfit);
}

#[test]
fn what_is_remembered_is_bounded() {
    let (mut way, record, mut matcher) = settled();
    for number in 0..3 * PLACES as u32 {
        let mut other = record.clone();
        let at = size_of::<Header>() + offset_of!(Open, create_mode);
        other[at..at + 4].copy_from_slice(&(number + 1).to_ne_bytes());
        way.take(&other, &mut matcher);
        way.take(&other, &mut matcher);
    }
    let counts = way.repeats.counts();
    assert!(counts.evicted >= 2 * PLACES as u64, "{counts:?}");
    let long = [&record[..], &[0; RECORD_BYTES_MAX]].concat();
    assert_eq!(look(&mut way, &long), Look::Unfit);
}
