//! The machine the simulated router runs on.

use std::{
    fmt, io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use journal::{Disk, Journal, OpenError, Recovery, Writer};
use router::machine::{Machine, Sleep, Work};
use tokio::time::Instant;

use crate::{chance::Chance, disk::SimDisk, time::Time};

/// When the simulation begins, in seconds since 1970.
const BEGINNING: i64 = 1_700_000_000;

/// A machine of which everything is simulated.
pub(super) struct SimMachine {
    pub(super) time: Time,
    pub(super) disk: SimDisk,
    chance: Mutex<Chance>,
    /// Only the difference to it means something.
    origin: Instant,
    /// What the wall clock was set ahead, in milliseconds.
    ahead_ms: AtomicI64,
    /// How slow the disk is, in milliseconds.
    disk_ms_max: AtomicU64,
}

impl fmt::Debug for SimMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimMachine")
    }
}

impl SimMachine {
    pub(super) fn new(chance: &mut Chance) -> Self {
        Self {
            time: Time::default(),
            disk: SimDisk::new(chance.split()),
            chance: Mutex::new(chance.split()),
            origin: Instant::now(),
            ahead_ms: AtomicI64::new(0),
            disk_ms_max: AtomicU64::new(3),
        }
    }

    /// Sets the wall clock, by so many milliseconds.
    pub(super) fn set_clock(&self, by_ms: i64) {
        self.ahead_ms.fetch_add(by_ms, Ordering::Relaxed);
    }

    pub(super) fn slow_disk(&self, ms_max: u64) {
        self.disk_ms_max.store(ms_max, Ordering::Relaxed);
    }

    /// Draws from the machine's own chance.
    fn draw<T>(&self, draw: impl FnOnce(&mut Chance) -> T) -> T {
        draw(&mut self.chance.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns a time the disk may take.
    fn disk_time(&self) -> Duration {
        let ms_max = self.disk_ms_max.load(Ordering::Relaxed);
        Duration::from_micros(self.draw(|chance| chance.within(50..=ms_max.max(1) * 1000)))
    }
}

/// A shared machine.
#[derive(Clone, Debug)]
pub(super) struct Shared(pub(super) Arc<SimMachine>);

impl Machine for Shared {
    fn now(&self) -> Timestamp {
        let machine = &self.0;
        let since = SignedDuration::try_from(machine.time.now()).expect("a short simulation");
        let ahead = SignedDuration::from_millis(machine.ahead_ms.load(Ordering::Relaxed));
        let beginning = Timestamp::from_second(BEGINNING).expect("a time");
        beginning.checked_add(since + ahead).expect("a time")
    }

    fn instant(&self) -> Instant {
        self.0.origin + self.0.time.now()
    }

    fn sleep_until(&self, moment: Instant) -> Sleep {
        Box::pin(self.0.time.sleep(moment.saturating_duration_since(self.instant())))
    }

    fn seed(&self) -> u64 {
        self.0.draw(Chance::number)
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(self.0.disk.clone())
    }

    fn open_journal(
        &self,
        dir: &Path,
        options: journal::Options,
    ) -> Result<(Journal, Recovery), OpenError> {
        let (journal, recovery, writer) = Journal::open_on(self.disk(), dir, options)?;
        tokio::spawn(write(self.clone(), writer));
        Ok((journal, recovery))
    }

    fn aside(&self, _: &str, work: Work) -> io::Result<()> {
        let machine = Arc::clone(&self.0);
        tokio::spawn(async move {
            let pause = machine.disk_time() * 5;
            machine.time.sleep(pause).await;
            work();
        });
        Ok(())
    }
}

/// Runs a journal's writer; a commit takes the time of the disk, and meanwhile others gather.
async fn write(machine: Shared, mut writer: Writer) {
    while writer.wait().await {
        let pause = machine.0.disk_time();
        machine.0.time.sleep(pause).await;
        let now_ms = machine.now().as_millisecond();
        machine.0.disk.set_time(u64::try_from(now_ms).unwrap_or_default());
        writer.turn();
    }
    writer.finish();
}
