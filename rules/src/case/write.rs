//! Writes events as cases of a test, so that what was seen becomes what is tested.
//!
//! A field is written only where the reader would not find its value by itself, and only if it reads
//! back as it was.

mod redact;
#[cfg(test)]
mod tests;
mod yaml;

use alert::{Argument, Event, Field, Process};

use super::event;
use crate::text::Files;

pub use redact::redact;

/// Ancestors that are written; no field looks further than this.
const ANCESTORS_MAX: usize = 16;
/// What fields read of an ancestor, beside its number.
const ANCESTOR_KEYS: &[&str] = &[
    "proc.name",
    "proc.exe",
    "proc.exepath",
    "proc.args",
    "proc.env",
    "proc.vpid",
    "proc.sid",
    "proc.pgid",
    "container.id",
];
/// Left out: a test has a time of its own, and keeps how long something took; and the numbers of
/// files are the machine's.
const MOMENTS: &[&str] = &[
    "evt.num",
    "evt.time",
    "evt.cpu",
    "proc.exe_ino",
    "proc.exe_ino.ctime",
    "proc.exe_ino.mtime",
    "proc.pidns_init_start_ts",
    "container.start_ts",
];

/// Which list of a test its events stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseList {
    /// The rule must match them.
    Match,
    /// The rule must not.
    Ignore,
}

/// Returns the beginning of a `test` item about `rule`; its cases follow.
pub fn write_head(rule: &str, list: CaseList) -> String {
    let list = match list {
        CaseList::Match => "match",
        CaseList::Ignore => "ignore",
    };
    format!("- test: {}\n  {list}:\n", yaml::scalar(rule))
}

/// Returns a case that is read back as this event. A comment names what a test cannot say of it.
pub fn write_case(event: &Event) -> String {
    let pairs = pairs(event);
    let missed = missed(event, &pairs);
    let mut text = yaml::item(&pairs);
    if !missed.is_empty() {
        text.push_str(&format!("      # left out, a test cannot say it: {}\n", missed.join(", ")));
    }
    text
}

/// Returns the fields that the reader does not find to be what they were, and how many ancestors
/// are missing.
fn missed(event: &Event, pairs: &[Pair]) -> Vec<String> {
    let is_kept = |key: &String| !MOMENTS.contains(&&**key);
    let keys = event::keys_of(event.kind).into_iter().filter(is_kept);
    // The first pair is the case's name, which is no field.
    let mut missed: Vec<String> = match read(&pairs[1..]) {
        Some(read) => keys.filter(|key| value(&read, key) != value(event, key)).collect(),
        None => vec!["that it happened: this case does not read back".to_owned()],
    };
    let far = event.process.ancestors().skip(ANCESTORS_MAX).count();
    if far > 0 {
        missed.push(format!("{far} of its ancestors"));
    }
    missed
}

fn read(pairs: &[Pair]) -> Option<Event> {
    let mut files = Files::default();
    files.add("written", "");
    event::read(&files, &yaml::node(pairs)).ok()
}

/// A field's value as a test writes it.
#[derive(Clone, Debug, PartialEq)]
enum Written {
    /// That there is no value, where the reader would find one.
    Nothing,
    Text(String),
    List(Vec<String>),
    Parents(Vec<Vec<Pair>>),
}

type Pair = (String, Written);

/// Returns the fields that make the reader build an event like this one.
fn pairs(event: &Event) -> Vec<Pair> {
    let kind = event.kind.name();
    let mut pairs = vec![
        ("name".to_owned(), Written::Text(seen_at(event))),
        ("evt.type".to_owned(), Written::Text(kind.to_owned())),
    ];
    let keys = event::keys_of(event.kind).into_iter().filter(|key| !MOMENTS.contains(&&**key));
    let fields = Search { wanted: event, keys: keys.collect(), fixed: pairs[1..].to_vec() };
    pairs.extend(fields.find());
    let parents: Vec<Vec<Pair>> = event
        .process
        .ancestors()
        .take(ANCESTORS_MAX)
        .map(|process| process_pairs(event, process))
        .collect();
    if !parents.is_empty() {
        pairs.push(("parents".to_owned(), Written::Parents(parents)));
    }
    pairs
}

fn seen_at(event: &Event) -> String {
    let time = event.value(Field::EvtTimeIso, &Argument::None);
    format!(
        "seen at {}",
        time.map_or_else(|| "an unknown time".to_owned(), |time| time.to_string())
    )
}

/// Returns the fields of an ancestor: those of an event that it would be the process of.
fn process_pairs(event: &Event, process: &Process) -> Vec<Pair> {
    let keys = ANCESTOR_KEYS.iter().map(|key| (*key).to_owned()).collect();
    let alone = Process { parent: None, ..process.clone() };
    let wanted = Event { process: alone.into(), ..event.clone() };
    let text = |key: &str, text: String| (key.to_owned(), Written::Text(text));
    // By default a process has the number of its place, which is not this one's.
    let pid = text("proc.pid", process.key.pid.to_string());
    let fixed = vec![text("evt.type", event.kind.name().to_owned()), pid.clone()];
    let mut pairs = vec![pid];
    pairs.extend(Search { wanted: &wanted, keys, fixed }.find());
    pairs
}

/// Finds the fields that must be given.
struct Search<'a> {
    wanted: &'a Event,
    keys: Vec<String>,
    /// What is given in any case.
    fixed: Vec<Pair>,
}

impl Search<'_> {
    fn find(&self) -> Vec<Pair> {
        let mut given: Vec<Pair> = Vec::new();
        for key in self.keys.iter().filter(|key| *key != "evt.type") {
            let wanted = value(self.wanted, key);
            let reached =
                |given: &[Pair]| self.read(given).is_some_and(|event| value(&event, key) == wanted);
            if reached(&given) {
                continue;
            }
            let shown = wanted.clone().unwrap_or(Written::Nothing);
            for candidate in std::iter::once(shown).chain(raw(self.wanted, key)) {
                given.push((key.clone(), candidate));
                if reached(&given) {
                    break;
                }
                given.pop();
            }
        }
        self.prune(given)
    }

    /// Takes away what follows from the fields behind it.
    fn prune(&self, mut given: Vec<Pair>) -> Vec<Pair> {
        let all =
            |event: &Event| -> Vec<_> { self.keys.iter().map(|key| value(event, key)).collect() };
        let Some(reached) = self.read(&given).map(|event| all(&event)) else { return given };
        let mut at = 0;
        while at < given.len() {
            let taken = given.remove(at);
            if self.read(&given).is_none_or(|event| all(&event) != reached) {
                given.insert(at, taken);
                at += 1;
            }
        }
        given
    }

    fn read(&self, given: &[Pair]) -> Option<Event> {
        read(&[&self.fixed[..], given].concat())
    }
}

/// Returns a parameter's number, where what is shown of it names something instead.
fn raw(event: &Event, key: &str) -> Option<Written> {
    let name = key.strip_prefix("evt.arg.")?;
    let value = event.value(Field::EvtRawarg, &Argument::Key(name.into()))?;
    Some(Written::Text(value.to_string()))
}

/// Returns what a test would write for a field of an event; `None` if it has no value.
fn value(event: &Event, key: &str) -> Option<Written> {
    let all = |texts: &[Box<str>]| Written::List(texts.iter().map(ToString::to_string).collect());
    match key {
        "proc.args" => return Some(all(event.process.arguments.get(1..).unwrap_or_default())),
        "proc.env" => return Some(all(&event.process.environment)),
        // The field shows its first digits.
        "container.id" => return value(event, "container.full_id"),
        _ => {}
    }
    let (field, argument) = Field::resolve(key, None).ok()?;
    match event.value(field, &argument)? {
        alert::Value::List(items) => {
            Some(Written::List(items.iter().map(ToString::to_string).collect()))
        }
        single => Some(Written::Text(single.to_string())),
    }
}
