//! What hostile input is given to: each takes any bytes and panics if a promise is broken.
//!
//! libFuzzer runs them (`rules/fuzz/fuzz_targets`), and so does `cargo test` with a bounded number
//! of mutations of the corpus (`rules/tests/fuzz.rs`).

use std::sync::Arc;

use alert::{
    Access, Connection, Container, Detail, Event, EventKind, Executable, FileType, OpenFile,
    Process, ProcessKey,
};
use rules::{Condition, Diagnostic, LintOptions, RuleSet, Source, lint, parse_condition};

/// Takes one input.
pub(crate) type Target = fn(&[u8]);

/// Every target with its name, that of its corpus.
pub(crate) const TARGETS: [(&str, Target); 4] =
    [("load", load), ("condition", condition), ("output", output), ("evaluate", evaluate)];

/// Between the files of one load.
const NEXT_FILE: &str = "\n%%%\n";

/// Rule files: loading, linting and testing them never panics, and every diagnostic points into
/// the text.
pub(crate) fn load(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let sources: Vec<Source> = text
        .split(NEXT_FILE)
        .enumerate()
        .map(|(number, text)| Source { name: format!("{number}.yaml"), text: text.to_owned() })
        .collect();
    let found = match RuleSet::load(&sources) {
        Ok(loaded) => {
            for rule in loaded.rules.rules() {
                assert!(loaded.rules.explain(&rule.name).is_some());
            }
            loaded.warnings
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "a load that fails says why");
            errors
        }
    };
    check_places(&found, &sources);
    check_places(&lint(&sources, &LintOptions { pedantic: true, ignored: Vec::new() }), &sources);
    rules::test(&sources);
}

fn check_places(found: &[Diagnostic], sources: &[Source]) {
    for diagnostic in found {
        let printed = diagnostic.to_string();
        let control = |byte: u8| byte.is_ascii_control() && byte != b'\n';
        assert!(!printed.bytes().any(control), "a diagnostic is safe to print: {printed:?}");
        let Some(source) = sources.iter().find(|source| source.name == diagnostic.file) else {
            continue;
        };
        let lines = source.text.matches('\n').count() + 1;
        assert!(diagnostic.line <= lines, "line {} of {lines}", diagnostic.line);
    }
}

/// Conditions on alerts and on events: each compiles or is told where it does not. What parses is
/// printed so that it reads as the same.
pub(crate) fn condition(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match parse_condition(&text) {
        Ok(tree) => {
            let printed = tree.to_string();
            let again = parse_condition(&printed).map(|tree| tree.to_string());
            assert_eq!(again.as_deref(), Ok(&*printed));
        }
        Err(fault) => assert!(fault.line >= 1 && fault.column >= 1),
    }
    match Condition::parse(&text) {
        Ok(condition) => assert_eq!(condition.text(), text),
        Err(fault) => check_places(&[fault], &[]),
    }
    if let Err(errors) = RuleSet::load(&[rule(&text, "%proc.name")]) {
        assert!(!errors.is_empty());
        check_places(&errors, &[]);
    }
}

/// Output strings: what compiles prints, and its fields are as many as JSON can hold.
pub(crate) fn output(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Ok(loaded) = RuleSet::load(&[rule("evt.type = openat", &text)]) else { return };
    let event = event(&mut Choices { bytes: input, words: vec!["x".to_owned()] });
    for rule in loaded.rules.rules() {
        let rendered = rule.render(&event);
        assert_eq!(rendered, rule.render(&event), "printing is a function of the event");
        assert!(serde_json::to_string(&rendered).is_ok());
    }
}

/// A condition and events: the matcher and the plain walk over the tree agree.
pub(crate) fn evaluate(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (condition, rest) = text.split_once("\n---\n").unwrap_or((&text, ""));
    let Ok(loaded) = RuleSet::load(&[rule(condition, "%proc.name")]) else { return };
    let mut matcher = loaded.rules.matcher();
    let mut choices = Choices { bytes: rest.as_bytes(), words: words(condition) };
    for _ in 0..3 {
        let event = event(&mut choices);
        let mut matched = false;
        matcher.matches(&event, &mut |_| matched = true);
        let plain = loaded.rules.trace("Fuzzed", &event).is_some_and(|trace| trace.matches);
        assert_eq!(matched, plain, "{condition}\n{event:?}");
    }
}

/// Returns a rule file. The texts stand in double quotes, in which YAML can say any text.
fn rule(condition: &str, output: &str) -> Source {
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let text = format!(
        "- rule: Fuzzed\n  desc: d\n  condition: {}\n  output: {}\n  priority: NOTICE\n  \
         warn_evttypes: false\n",
        quoted(condition),
        quoted(output)
    );
    Source { name: "fuzzed.yaml".to_owned(), text }
}

/// Returns the words of a condition, so that events say what it asks for.
fn words(condition: &str) -> Vec<String> {
    let ends = |character: char| character.is_whitespace() || "(),=\"'".contains(character);
    let words = condition.split(ends).filter(|word| !word.is_empty() && word.len() < 200);
    let mut words: Vec<_> = words.map(str::to_owned).collect();
    words.extend(["", "a", "/etc/passwd", "*", "a/b", "\u{e9}"].map(str::to_owned));
    words
}

/// Turns bytes into choices; after the last byte every choice is the first.
struct Choices<'a> {
    bytes: &'a [u8],
    words: Vec<String>,
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

fn event(choices: &mut Choices<'_>) -> Event {
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
