//! The journal alone, over a disk that fails: what was answered stays, nothing else is cut.

mod model;

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use journal::{AppendError, Cursor, Journal, OpenError, Options, Sync, Writer};

use self::model::Model;
use crate::{
    Outcome,
    chance::Chance,
    disk::{Faults, SimDisk},
    trace::{Show, Trace},
};

const DIR: &str = "/data/journal";
const CURSORS: [&str; 2] = ["slow", "fast"];
/// Calls that wait at once.
const WAITING_MAX: usize = 12;

type Answer = Pin<Box<dyn Future<Output = Result<Range<u64>, AppendError>>>>;

/// A call to `append` that has no answer yet.
struct Waiting {
    call: u64,
    answer: Answer,
}

/// The journal while it is open.
struct Life {
    journal: Journal,
    writer: Writer,
    cursors: BTreeMap<&'static str, Cursor>,
    waiting: VecDeque<Waiting>,
}

/// One simulation.
struct World {
    chance: Chance,
    disk: SimDisk,
    options: Options,
    model: Model,
    trace: Trace,
    counts: BTreeMap<&'static str, u64>,
}

/// Runs one seed. Panics when something does not hold.
pub fn simulate(seed: u64, show: Show) -> Outcome {
    let mut chance = Chance::new(seed);
    let disk = SimDisk::new(chance.split());
    let sync = if chance.percent(85) { Sync::Data } else { Sync::None };
    let segment_bytes = chance.one_of([4096, 4096, 8192, 16384]);
    let reserve_bytes = chance.one_of([0, 4096, segment_bytes, 2 * segment_bytes]);
    let options = Options {
        segment_bytes,
        group_records_max: chance.within(1..=20) as usize,
        queue_records_max: 40,
        queue_bytes_max: 1 << 20,
        record_bytes_max: 2000,
        bytes_max: reserve_bytes + segment_bytes * chance.within(2..=8),
        reserve_bytes,
        age_max: chance.one_of([None, Some(Duration::from_secs(3600))]),
        sync,
    };
    let mut world = World {
        chance,
        disk,
        model: Model::new(sync),
        options,
        trace: Trace::new(show),
        counts: BTreeMap::new(),
    };
    world.say(format_args!("{:?}", world.options.clone()));
    for _ in 0..world.chance.within(2..=7) {
        world.live();
    }
    world.end_in_peace();
    Outcome { hash: world.trace.hash(), lines: world.trace.lines(), counts: world.counts }
}

impl World {
    fn say(&mut self, line: std::fmt::Arguments<'_>) {
        for what in self.disk.happened() {
            *self.counts.entry(what).or_default() += 1;
            self.trace.say(format_args!("  disk: {what}"));
        }
        self.trace.say(line);
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Opens the journal, uses it for a while and ends it, by a crash or in order.
    fn live(&mut self) {
        let faults = self.draw_faults();
        if self.chance.percent(40) {
            self.disk.crash_after(self.chance.within(1..=150));
        }
        self.disk.set_faults(faults);
        if let Some(mut life) = self.open() {
            for _ in 0..self.chance.within(5..=60) {
                if self.disk.is_off() {
                    break;
                }
                self.step(&mut life);
            }
            if !self.disk.is_off() && self.chance.percent(50) {
                self.close(life);
            } else {
                drop(life);
            }
        }
        if self.chance.percent(50) {
            self.disk.kill();
            self.count("kills");
            return self.say(format_args!("killed"));
        }
        self.disk.power_cut();
        self.model.power_lost();
        self.count("power cuts");
        self.say(format_args!("power lost"));
    }

    fn draw_faults(&mut self) -> Faults {
        let chance = &mut self.chance;
        Faults {
            write: chance.one_of([0, 0, 0, 30]),
            reserved_full: chance.one_of([0, 0, 0, 40]),
            sync: chance.one_of([0, 0, 0, 30]),
            bytes_max: chance.percent(25).then(|| chance.within(4096..=40_000)),
        }
    }

    /// Opens the journal. Only a disk that fails, or has no space to seal the end, may keep it shut.
    fn open(&mut self) -> Option<Life> {
        let disk = Arc::new(self.disk.clone());
        let opened = Journal::open_on(disk, Path::new(DIR), self.options.clone());
        match opened {
            Ok((journal, recovery, writer)) => {
                self.say(format_args!("opened {recovery:?}"));
                self.model.opened(&journal, &recovery.records);
                Some(Life { journal, writer, cursors: BTreeMap::new(), waiting: VecDeque::new() })
            }
            Err(error @ OpenError::Io { .. }) => {
                self.say(format_args!("does not open: {error}"));
                self.count("opens that failed");
                None
            }
            Err(error) => panic!("the journal is refused: {error}"),
        }
    }

    fn step(&mut self, life: &mut Life) {
        match self.chance.below(100) {
            0..45 => self.append(life),
            45..75 => self.turn(life),
            75..85 => self.move_cursor(life),
            85..92 => self.read(life),
            92..96 => {
                let bytes_max = self.chance.percent(50).then(|| self.chance.within(4096..=60_000));
                self.say(format_args!("the disk takes {bytes_max:?}"));
                self.disk.set_faults(Faults { bytes_max, ..Faults::default() });
            }
            _ => self.collect(life),
        }
    }

    fn append(&mut self, life: &mut Life) {
        if life.waiting.len() >= WAITING_MAX {
            return;
        }
        let count = self.chance.within(1..=5);
        let lengths = (0..count).map(|_| self.chance.one_of([0, 30, 200, 700]) as usize);
        let lengths: Vec<usize> = lengths.collect();
        let (call, records) = self.model.call(&lengths);
        let urgent = self.chance.percent(20);
        self.say(format_args!("append call {call}: {lengths:?}, urgent: {urgent}"));
        let journal = life.journal.clone();
        let mut answer: Answer = Box::pin(async move {
            match urgent {
                true => journal.append_urgent(records).await,
                false => journal.append(records).await,
            }
        });
        match poll(&mut answer) {
            None => life.waiting.push_back(Waiting { call, answer }),
            Some(answer) => {
                assert_eq!(answer, Err(AppendError::TooLarge), "answered before it was written");
                self.model.answered(call, &answer);
            }
        }
    }

    fn turn(&mut self, life: &mut Life) {
        life.writer.turn();
        self.collect(life);
        let stat = life.journal.stat();
        assert!(stat.bytes <= self.options.bytes_max, "{stat:?}");
        assert!(stat.queue_records <= self.options.queue_records_max, "{stat:?}");
    }

    /// Takes the answers there are.
    fn collect(&mut self, life: &mut Life) {
        let mut still = VecDeque::new();
        for mut waiting in std::mem::take(&mut life.waiting) {
            match poll(&mut waiting.answer) {
                None => still.push_back(waiting),
                Some(answer) => {
                    self.say(format_args!("call {} is answered {answer:?}", waiting.call));
                    self.count(if answer.is_ok() { "calls taken" } else { "calls refused" });
                    self.model.answered(waiting.call, &answer);
                }
            }
        }
        life.waiting = still;
    }

    fn move_cursor(&mut self, life: &mut Life) {
        let name = self.chance.one_of(CURSORS);
        if !life.cursors.contains_key(name) {
            let cursor = life.journal.cursor(name);
            self.say(format_args!("cursor {name}: {:?}", cursor.as_ref().map(Cursor::position)));
            let Ok(cursor) = cursor else {
                return self.model.cursor_refused(name);
            };
            self.model.cursor_opened(name, cursor.position(), life.journal.first());
            life.cursors.insert(name, cursor);
            return;
        }
        let cursor = &life.cursors[name];
        let (position, end) = (cursor.position(), life.journal.durable());
        let to = position + self.chance.below(end - position + 1);
        let moved = cursor.commit(to);
        self.model.cursor_moved(name, to, moved.is_ok());
        self.say(format_args!("cursor {name} to {to}: {}", moved.is_ok()));
    }

    fn read(&mut self, life: &mut Life) {
        let (first, end) = (life.journal.first(), life.journal.durable());
        let from = first + self.chance.below(end - first + 1);
        let read = self.model.check_records(&life.journal, from..end);
        self.say(format_args!("read {from}..{end}: {read}"));
    }

    /// Ends the journal in order: whatever was called is answered.
    fn close(&mut self, mut life: Life) {
        self.say(format_args!("close"));
        life.cursors.clear();
        let Life { journal, mut writer, .. } = life;
        journal.close();
        while matches!(poll(&mut Box::pin(writer.wait())), Some(true)) {
            writer.turn();
        }
        for mut waiting in life.waiting {
            let answer = poll(&mut waiting.answer).expect("an answer before the end");
            self.say(format_args!("call {} is answered {answer:?}", waiting.call));
            self.model.answered(waiting.call, &answer);
        }
        writer.finish();
    }

    /// On a disk that works, all that was answered is there, and new records are taken.
    fn end_in_peace(&mut self) {
        self.disk.heal();
        let mut life = self.open().expect("a disk that works opens");
        for name in CURSORS {
            let cursor = life.journal.cursor(name).expect("cursor");
            self.model.cursor_opened(name, cursor.position(), life.journal.first());
            cursor.commit(life.journal.durable()).expect("commit");
            self.model.cursor_moved(name, cursor.position(), true);
        }
        self.append(&mut life);
        self.turn(&mut life);
        assert!(life.waiting.is_empty(), "an append has no answer");
        let stat = life.journal.stat();
        assert!(!stat.full && stat.failure.is_none(), "{stat:?}");
        let all = life.journal.first()..life.journal.durable();
        self.model.check_records(&life.journal, all);
        self.close(life);
        self.say(format_args!("end"));
    }
}

/// Polls a future that nothing but this thread can finish.
fn poll<T>(future: &mut Pin<Box<impl Future<Output = T> + ?Sized>>) -> Option<T> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Returns the bytes of a record: its call, its place in it, and filling, which packs well in some
/// calls and hardly in others.
fn record(call: u64, place: usize, of: usize, length: usize) -> Bytes {
    let mut bytes = format!("{call}:{place}:{of}:").into_bytes();
    if call.is_multiple_of(3) {
        bytes.resize(bytes.len() + length, b'.');
    } else {
        let mut noise = Chance::new(call);
        bytes.extend((0..length).map(|_| noise.within(b' ' as u64..=b'~' as u64) as u8));
    }
    bytes.into()
}
