//! The router: ingest, journal, pipeline and dispatch as they are, between senders and destinations
//! that do what they like.

mod hiding;
mod life;
mod machine;
mod observer;
mod outside;
mod people;
mod plan;
mod receipts;
mod senders;

use std::{collections::BTreeMap, fmt, sync::Arc};

use jiff::SignedDuration;

use self::{
    life::Life,
    machine::SimMachine,
    observer::Observer,
    outside::{Event, Outside, Weather},
    people::People,
    plan::{OUTPUTS, Plan},
    receipts::{Bounds, Receipts},
    senders::Senders,
};
use crate::{
    Outcome,
    chance::Chance,
    disk::Faults,
    trace::{Show, Trace},
};

/// One simulation.
struct World {
    chance: Chance,
    machine: Arc<SimMachine>,
    outside: Arc<Outside>,
    senders: Senders,
    people: People,
    observer: Observer,
    receipts: Receipts,
    plan: Plan,
    /// Events and posts that were not yet held against the journal.
    events: Vec<Event>,
    acknowledged: Vec<usize>,
    trace: Trace,
    counts: BTreeMap<&'static str, u64>,
}

/// How much happens in a simulation. Most faults need little of it, and a small
/// one costs a quarter of a large one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    lives_max: u64,
    steps_max: u64,
}

impl Size {
    const SMALL: Self = Self { lives_max: 2, steps_max: 12 };
    const LARGE: Self = Self { lives_max: 4, steps_max: 40 };

    /// Returns the size of one simulation: one in ten is large.
    fn draw(chance: &mut Chance) -> Self {
        if chance.percent(10) { Self::LARGE } else { Self::SMALL }
    }
}

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    InOrder,
    Killed,
}

/// Runs one seed. Panics when something does not hold.
pub fn simulate(seed: u64, show: Show) -> Outcome {
    let mut chance = Chance::new(seed);
    let size = Size::draw(&mut chance);
    let mut world = World {
        machine: Arc::new(SimMachine::new(&mut chance)),
        outside: Arc::new(Outside::new(chance.split())),
        senders: Senders::new(chance.split()),
        people: People::default(),
        observer: Observer::new(SignedDuration::from_secs(30)),
        receipts: Receipts::default(),
        plan: Plan::new(&mut chance),
        events: Vec::new(),
        acknowledged: Vec::new(),
        trace: Trace::new(show),
        counts: BTreeMap::new(),
        chance,
    };
    for _ in 0..world.chance.within(1..=size.lives_max) {
        world.live(size);
    }
    world.end_in_peace();
    Outcome { hash: world.trace.hash(), lines: world.trace.lines(), counts: world.counts }
}

impl World {
    fn say(&mut self, line: fmt::Arguments<'_>) {
        let now = self.machine.time.now();
        for what in self.machine.disk.happened() {
            self.count(what);
            self.trace.say(format_args!("{now:?}   disk: {what}"));
        }
        self.trace.say(format_args!("{now:?} {line}"));
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// Starts the router, has things happen, and ends it.
    fn live(&mut self, size: Size) {
        if self.chance.percent(30) {
            self.machine.disk.crash_after(self.chance.within(1..=600));
        }
        let ending = if self.chance.percent(40) { Ending::InOrder } else { Ending::Killed };
        let runtime = self.runtime();
        runtime.block_on(async {
            let Some(mut life) = Life::start(self).await else { return };
            for _ in 0..self.chance.within(4..=size.steps_max) {
                self.step(&life).await;
                if self.machine.disk.is_off() {
                    return;
                }
            }
            if ending == Ending::InOrder {
                life.stop(self).await;
            }
        });
        drop(runtime);
        self.observe_outside();
        self.senders.cut_off();
        if self.chance.percent(50) {
            self.machine.disk.kill();
            self.count("kills");
            self.say(format_args!("killed"));
        } else {
            self.machine.disk.power_cut();
            self.count("power cuts");
            self.say(format_args!("power lost"));
        }
    }

    fn runtime(&self) -> tokio::runtime::Runtime {
        let time = self.machine.time.clone();
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let builder = builder.enable_time().on_thread_park(move || time.leap());
        builder.build().expect("a runtime")
    }

    /// Lets something happen, and then some time pass.
    async fn step(&mut self, life: &Life) {
        match self.chance.below(100) {
            0..42 => {
                let count = if self.chance.percent(8) { 30 } else { self.chance.within(1..=4) };
                self.senders.write(count);
                self.send(life);
            }
            42..50 => self.send(life),
            50..62 => self.change_weather(),
            62..69 => self.change_disk(),
            69..73 => self.set_clock(),
            73..78 => self.replay(life),
            78..90 => self.ask(life),
            _ => self.pass_between(20_000, 200_000).await,
        }
        self.pass_between(0, 4000).await;
        self.observe(life).await;
    }

    async fn pass_between(&mut self, ms_min: u64, ms_max: u64) {
        let ms = self.chance.within(ms_min..=ms_max);
        self.pass(ms).await;
    }

    async fn pass(&self, ms: u64) {
        self.machine.time.sleep(std::time::Duration::from_millis(ms)).await;
    }

    fn send(&mut self, life: &Life) {
        let sent = self.senders.send(&self.machine, &life.door);
        self.say(format_args!("posts {sent:?} are sent"));
    }

    fn change_weather(&mut self) {
        let output = self.chance.one_of(OUTPUTS);
        let some = |chance: &mut Chance| chance.one_of([0, 0, 0, 150, 400]);
        let chance = &mut self.chance;
        let weather = if chance.percent(30) {
            Weather::default()
        } else if chance.percent(10) {
            // Somebody took our credentials away.
            Weather { denied: 1000, ..Weather::default() }
        } else {
            Weather {
                hang: some(chance) / 2,
                slow: some(chance),
                reset: some(chance),
                unavailable: some(chance),
                too_many: some(chance) / 2,
                rejected: some(chance) / 4,
                denied: some(chance) / 8,
                taken_then_reset: some(chance) / 2,
                taken_then_hang: some(chance) / 4,
            }
        };
        self.outside.set(output, weather);
        self.say(format_args!("{output}: {weather:?}"));
    }

    fn change_disk(&mut self) {
        let chance = &mut self.chance;
        let faults = if chance.percent(40) {
            Faults::default()
        } else {
            Faults {
                write: chance.one_of([0, 0, 20]),
                reserved_full: chance.one_of([0, 0, 30]),
                sync: chance.one_of([0, 0, 20]),
                bytes_max: chance.percent(40).then(|| chance.within(20_000..=200_000)),
            }
        };
        let slow = chance.one_of([1, 3, 3, 300, 3000]);
        self.machine.disk.set_faults(faults);
        self.machine.slow_disk(slow);
        self.say(format_args!("disk takes {slow} ms: {faults:?}"));
    }

    fn set_clock(&mut self) {
        let seconds = self.chance.one_of([-7200, -60, -5, 5, 60, 7200]);
        self.machine.set_clock(seconds * 1000);
        self.count("clock set");
        self.say(format_args!("the clock is set by {seconds} s"));
    }

    fn replay(&mut self, life: &Life) {
        let letter = people::dead_letter(&mut self.chance, &self.observer.shadow);
        let Some(notification) = letter else { return };
        self.say(format_args!("{notification} is asked for again"));
        life.replay(notification);
    }

    /// Somebody silences, holds maintenance, or gives a dead letter up.
    fn ask(&mut self, life: &Life) {
        let now = life.now();
        let asked = self.people.decide(&mut self.chance, now, &self.observer.shadow);
        if let Some(record) = asked {
            self.say(format_args!("asked for: {record:?}"));
            self.people.ask(record, life.handle());
        }
    }

    /// Takes in what happened outside.
    fn observe_outside(&mut self) {
        for event in self.outside.events() {
            match &event {
                Event::Begun(attempt) => {
                    self.say(format_args!("{} begins at {}", attempt.id, attempt.output));
                }
                Event::Done(attempt) => {
                    self.count(attempt.deed.name());
                    self.say(format_args!("{}: {:?}", attempt.id, attempt.deed));
                }
                _ => {}
            }
            let concurrency = self.plan.concurrency as u64;
            self.receipts.check(&event, concurrency, self.plan.queue_max);
            self.events.push(event);
        }
        for (number, status) in self.senders.hear() {
            self.count(if status == 200 { "posts taken" } else { "posts refused" });
            self.say(format_args!("post {number}: {status}"));
            if status == 200 {
                self.acknowledged.push(number);
            }
        }
    }

    /// Takes in the records the journal holds, and checks everything that must hold.
    async fn observe(&mut self, life: &Life) {
        self.observe_outside();
        if self.machine.disk.is_off() {
            return;
        }
        let said = self.observer.follow(&life.journal);
        // A disk that fails keeps it where it was.
        life.cursor.commit(self.observer.position()).ok();
        self.compare(said);
        for what in life.check_bounds(&self.plan, &self.observer) {
            self.count(what);
        }
        assert!(!life.core.is_finished(), "the core ended by itself");
        if self.chance.percent(10) {
            life.check_log(&self.observer);
            life.check_state(&self.observer).await;
        }
    }

    fn compare(&mut self, said: Vec<String>) {
        for line in said {
            self.say(format_args!("  {line}"));
        }
        for number in std::mem::take(&mut self.acknowledged) {
            self.observer.check_acknowledged(&self.senders.post(number).ids);
        }
        for (sequence, record) in self.people.hear() {
            self.count("people answered");
            self.observer.check_answered(sequence, &record);
        }
        for what in std::mem::take(&mut self.observer.happened) {
            self.count(what);
        }
        self.receipts.compare(&self.observer, &std::mem::take(&mut self.events));
        let bounds =
            Bounds { now: self.machine.time.now(), give_up: self.plan.retry.give_up_after.0 };
        for (id, death) in std::mem::take(&mut self.observer.ended) {
            self.count(if death.is_some() { "dead letters" } else { "delivered" });
            self.receipts.check_end(id, death.as_deref(), &bounds);
        }
    }

    /// Nothing goes wrong any more: all that was sent is taken, and all that is owed is delivered.
    fn end_in_peace(&mut self) {
        self.machine.disk.heal();
        self.machine.slow_disk(1);
        self.outside.heal();
        self.say(format_args!("peace"));
        let runtime = self.runtime();
        runtime.block_on(async {
            let mut life = Life::start(self).await.expect("a machine that works starts");
            for _ in 0..200 {
                if self.senders.is_done() {
                    break;
                }
                self.send(&life);
                self.pass(2000).await;
                self.observe(&life).await;
            }
            assert!(self.senders.is_done(), "alerts are not taken");
            for _ in 0..200 {
                if self.observer.shadow.ledger().outputs.values().all(|output| output.pending == 0)
                {
                    break;
                }
                self.pass(60_000).await;
                self.observe(&life).await;
            }
            self.observer.check_ends();
            life.check_log(&self.observer);
            life.check_state(&self.observer).await;
            life.stop(self).await;
        });
        drop(runtime);
        self.say(format_args!("end"));
    }
}
