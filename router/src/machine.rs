//! What the router takes from the machine it runs on: time, chance, the disk, and work done aside.
//! It is handed in, so that a simulation can give its own.

use std::{fmt, io, path::Path, pin::Pin, pin::pin, sync::Arc, thread, time::Duration};

use jiff::Timestamp;
use journal::{Disk, FileSystem, Journal, OpenError, Recovery};
use tokio::time::Instant;

/// Ends at a moment.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is done aside.
pub type Work = Box<dyn FnOnce() + Send>;

/// A machine.
pub trait Machine: fmt::Debug + Send + Sync {
    /// Returns the wall clock's time.
    fn now(&self) -> Timestamp;

    /// Returns the moment on a clock that never goes back.
    fn instant(&self) -> Instant;

    fn sleep_until(&self, moment: Instant) -> Sleep;

    /// Returns a number that nobody can foresee.
    fn seed(&self) -> u64;

    fn disk(&self) -> Arc<dyn Disk>;

    /// Opens a journal on the disk, and has its writer run.
    fn open_journal(
        &self,
        dir: &Path,
        options: journal::Options,
    ) -> Result<(Journal, Recovery), OpenError>;

    /// Does something that takes a while, beside everything else.
    fn aside(&self, name: &str, work: Work) -> io::Result<()>;
}

impl dyn Machine {
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.instant() + duration)
    }

    /// Returns what the future gives, or `None` when the moment comes first.
    pub async fn until<T>(&self, moment: Instant, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let mut sleep = self.sleep_until(moment);
        tokio::select! {
            biased;
            output = &mut future => Some(output),
            () = &mut sleep => None,
        }
    }
}

/// The machine this process runs on.
#[derive(Clone, Copy, Debug)]
pub struct Local;

impl Machine for Local {
    fn now(&self) -> Timestamp {
        service::clock::now()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn sleep_until(&self, moment: Instant) -> Sleep {
        Box::pin(tokio::time::sleep_until(moment))
    }

    fn seed(&self) -> u64 {
        rand::random()
    }

    fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(FileSystem)
    }

    fn open_journal(
        &self,
        dir: &Path,
        options: journal::Options,
    ) -> Result<(Journal, Recovery), OpenError> {
        Journal::open(dir, options)
    }

    fn aside(&self, name: &str, work: Work) -> io::Result<()> {
        thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
    }
}
