//! What the targets of the rules' languages share.

use alert::{
    Access, Connection, Container, Detail, Event, EventKind, Executable, FileType, OpenFile,
    Process, ProcessKey,
};
use rules::{Diagnostic, Source};
use std::sync::Arc;

/// A diagnostic repeats the text's lines, and says a little of each place.
const TOLD_BYTES_MAX: usize = 1 << 20;

/// The name of the rule that `rule` makes.
pub(super) const RULE: &str = "Fuzzed";

/// Words that conditions and output formats are made of.
pub(super) const WORDS: &[&str] = &[
    " and ",
    " or ",
    " not ",
    "(",
    ")",
    ",",
    "=",
    "!=",
    " in ",
    " contains ",
    " startswith ",
    " glob ",
    " regex ",
    " pmatch ",
    " exists",
    " intersects ",
    " oneof ",
    " allof ",
    "val(",
    "tolower(",
    "b64(",
    "len(",
    "join(",
    "concat(",
    "basename(",
    "proc.name",
    "proc.aname",
    "proc.aname[2]",
    "fd.name",
    "fd.sip",
    "fd.net",
    "fd.sport",
    "evt.type",
    "evt.arg.flags",
    "evt.rawres",
    "user.uid",
    "\"",
    "'",
    "\\",
    "\\x00",
    "[",
    "]",
    "{",
    "}",
    "&a ",
    "*a",
    "!!str ",
    "- ",
    ": ",
    "|",
    ">",
    "\n",
    "\n  ",
    "\r\n",
    "\t",
    "\0",
    "\u{feff}",
    "\u{2028}",
    "%",
    "%5",
    "%99999999999proc.name",
    "%proc.name",
    "*",
    "*a*a*a*a*a",
    "(a+)+$",
    ".*",
    "99999999999999999999",
    "-1",
    "0x10",
    "1e400",
    "10.0.0.0/33",
    "::/0",
    "evt.num=0",
    "\n---\n",
];

/// Diagnostics are safe to print, bounded, and point into the text they are about.
pub(super) fn check_told(told: &[Diagnostic], sources: &[Source]) {
    for diagnostic in told {
        let printed = diagnostic.to_string();
        assert!(printed.len() <= TOLD_BYTES_MAX);
        let control = |byte: u8| byte.is_ascii_control() && byte != b'\n';
        assert!(!printed.bytes().any(control), "not safe to print: {printed:?}");
        let Some(source) = sources.iter().find(|source| source.name == diagnostic.file) else {
            continue;
        };
        let lines = source.text.matches('\n').count() + 1;
        assert!(diagnostic.line <= lines, "line {} of {lines}", diagnostic.line);
    }
}

/// Returns a rule file. The texts stand in double quotes, in which YAML can say any text.
pub(super) fn rule(condition: &str, output: &str) -> Source {
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let text = format!(
        "- rule: {RULE}\n  desc: d\n  condition: {}\n  output: {}\n  priority: NOTICE\n  \
         warn_evttypes: false\n",
        quoted(condition),
        quoted(output)
    );
    Source { name: "fuzzed.yaml".to_owned(), text }
}

/// Returns the words of a condition, so that events say what it asks for.
pub(super) fn words(condition: &str) -> Vec<String> {
    let ends = |character: char| character.is_whitespace() || "(),=\"'".contains(character);
    let words = condition.split(ends).filter(|word| !word.is_empty() && word.len() < 200);
    let mut words: Vec<_> = words.map(str::to_owned).collect();
    words.extend(["", "a", "/etc/passwd", "*", "a/b", "\u{e9}"].map(str::to_owned));
    words
}

/// Turns bytes into choices; after the last byte every choice is the first.
pub(super) struct Choices<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) words: Vec<String>,
}

impl Choices<'_> {
    fn number(&mut self) -> usize {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        (*first).into()
    }

    fn flag(&mut self) -> bool {
        self.number() % 2 == 1
    }

    fn text(&mut self) -> Box<str> {
        let number = self.number();
        self.words[number % self.words.len()].as_str().into()
    }

    fn texts(&mut self) -> Arc<[Box<str>]> {
        (0..self.number() % 4).map(|_| self.text()).collect()
    }
}

fn process(choices: &mut Choices<'_>, depth: usize) -> Process {
    let container = choices.flag().then(|| Arc::new(Container::default()));
    let parent = (depth > 0 && choices.flag()).then(|| Arc::new(process(choices, depth - 1)));
    Process {
        key: ProcessKey { pid: 100, start_boot_ns: 1 },
        name: choices.text(),
        executable: Executable { path: choices.text(), ..Executable::default() },
        arguments: choices.texts(),
        environment: choices.texts(),
        cwd: choices.text(),
        tty: u32::from(choices.flag()),
        uid: u32::from(choices.flag()),
        user: choices.flag().then(|| choices.text()),
        capabilities: choices.number() as u64,
        container,
        parent,
        ..Process::default()
    }
}

pub(super) fn event(choices: &mut Choices<'_>) -> Event {
    let number = choices.number();
    let (kind, detail) = match number % 3 {
        0 => (EventKind::Execve, Detail::Exec { filename: choices.text() }),
        1 => {
            let raw = choices.text();
            let open = OpenFile {
                path: raw.clone(),
                raw,
                resolved: choices.flag().then(|| choices.text()),
                flags: choices.number() as u32,
                mode: 0o644,
                file_type: FileType::File,
                inode: 1,
                device: 1,
            };
            let kinds = [EventKind::OpenAt, EventKind::Open, EventKind::Creat];
            let kind = kinds[if open.access() == Access::Write { 2 } else { number / 3 % 2 }];
            (kind, Detail::Open(open))
        }
        _ => {
            let ends = ["10.0.0.1:443", "[::1]:22", "192.168.1.1:80", "8.8.8.8:53"];
            let mut end = || ends[choices.number() % ends.len()].parse().ok();
            let (local, remote) = (end(), end());
            let connection = Connection { descriptor: 4, local, remote, ..Connection::default() };
            (EventKind::Connect, Detail::Connect(connection))
        }
    };
    let result = if choices.flag() { -2 } else { 3 };
    let process = Arc::new(process(choices, 3));
    let (number, time_ns, tid) = (7, 3_000_000_000, 100);
    Event {
        number,
        time_ns,
        kind,
        result,
        tid,
        vtid: None,
        cpu: None,
        via_io_uring: false,
        process,
        detail,
    }
}
