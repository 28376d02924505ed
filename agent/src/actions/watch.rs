//! Watches containers until nothing in them lives: a pidfd for each process, and a search for new
//! ones again and again.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use alert::order::{ProcessEnd, WatchReport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::watch;

use super::{
    known::Known,
    target::{No, Target, container},
};
use crate::enrich::procfs;

const WATCHES_MAX: usize = 64;
/// How long a watch lasts and is answered for.
const LIFE: Duration = Duration::from_secs(600);
/// How often new processes are sought while others live.
const SEARCH_EVERY: Duration = Duration::from_millis(100);
/// Searches in a row that must find nobody.
const SEARCHES_EMPTY: u32 = 2;
/// Processes held at a time, a descriptor each; more are counted, and held when others have died.
const HELD_MAX: usize = 256;
/// Processes a watch tells of; the first dead make room for more.
const TOLD_MAX: usize = 4096;

/// The watches of the last ten minutes.
#[derive(Debug, Default)]
pub(super) struct Watches {
    by_id: Mutex<HashMap<String, Watch>>,
    search: Arc<Search>,
}

#[derive(Debug)]
struct Watch {
    began: Instant,
    report: watch::Receiver<WatchReport>,
}

/// Why a watch could not begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum WatchError {
    #[error("{WATCHES_MAX} watches are under way already")]
    Full,
    #[error("failed to start a thread")]
    Thread(#[source] io::Error),
}

impl Watches {
    /// Begins a watch; blocks while it looks who lives now. Deaths are told from `began` on.
    pub(super) fn begin(
        &self,
        containers: &[Box<str>],
        known: &Arc<Known>,
        began: Instant,
    ) -> Result<WatchReport, WatchError> {
        let id = format!("{:016x}", rand::random::<u64>());
        let report = WatchReport { id: id.clone(), processes: Vec::new(), alive: 0, empty: false };
        let (sender, receiver) = watch::channel(report);
        {
            let mut watches = self.lock();
            watches.retain(|_, watch| watch.began.elapsed() < LIFE);
            if watches.len() >= WATCHES_MAX {
                // One that has ended has been answered for most likely.
                let ended = watches.iter().filter(|(_, watch)| watch.report.borrow().empty);
                let oldest = ended.min_by_key(|(_, watch)| watch.began).map(|(id, _)| id.clone());
                watches.remove(&oldest.ok_or(WatchError::Full)?);
            }
            watches.insert(id.clone(), Watch { began, report: receiver.clone() });
        }
        let mut eye = Eye {
            containers: containers.to_vec(),
            known: Arc::clone(known),
            search: Arc::clone(&self.search),
            began,
            held: Vec::new(),
            told: Vec::new(),
            passed_over: 0,
            report: sender,
        };
        eye.look();
        eye.tell(false);
        let first = receiver.borrow().clone();
        let started = thread::Builder::new().name("watch".to_owned()).spawn(move || eye.watch());
        if let Err(error) = started {
            self.lock().remove(&id);
            return Err(WatchError::Thread(error));
        }
        Ok(first)
    }

    /// Returns a watch as it is once the containers are empty, or `wait` later.
    pub(super) async fn report(&self, id: &str, wait: Duration) -> Option<WatchReport> {
        let mut report = {
            let watches = self.lock();
            watches.get(id).filter(|watch| watch.began.elapsed() < LIFE)?.report.clone()
        };
        let empty = report.wait_for(|report| report.empty);
        if let Ok(Ok(report)) = tokio::time::timeout(wait, empty).await {
            return Some(report.clone());
        }
        Some(report.borrow().clone())
    }

    pub(super) fn count(&self) -> usize {
        self.lock().values().filter(|watch| watch.began.elapsed() < LIFE).count()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Watch>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread of one watch. Ends when the containers are empty or the watch has lasted long enough.
struct Eye {
    containers: Vec<Box<str>>,
    known: Arc<Known>,
    search: Arc<Search>,
    began: Instant,
    /// Alive, with their place in `told`.
    held: Vec<Target>,
    told: Vec<ProcessEnd>,
    /// Alive, but too many to be held.
    passed_over: usize,
    report: watch::Sender<WatchReport>,
}

impl Eye {
    fn watch(mut self) {
        let mut looked = Instant::now();
        let mut searches_empty = 0;
        while self.began.elapsed() < LIFE {
            if !self.held.is_empty() {
                self.wait(SEARCH_EVERY.saturating_sub(looked.elapsed()));
            }
            if self.held.is_empty() || looked.elapsed() >= SEARCH_EVERY {
                looked = Instant::now();
                self.look();
                let nobody = self.held.is_empty() && self.passed_over == 0;
                searches_empty = if nobody { searches_empty + 1 } else { 0 };
            }
            let empty = searches_empty >= SEARCHES_EMPTY;
            self.tell(empty);
            if empty {
                return;
            }
        }
    }

    /// Waits for a death, at most so long.
    fn wait(&mut self, timeout: Duration) {
        let timeout = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
        let mut polled: Vec<_> = self
            .held
            .iter()
            .map(|target| PollFd::from_borrowed_fd(target.pidfd(), PollFlags::IN))
            .collect();
        // An interrupted wait is a short one.
        if poll(&mut polled, Some(&timeout)).is_err() {
            return;
        }
        let dead_after_us = u64::try_from(self.began.elapsed().as_micros()).ok();
        let dead: Vec<bool> = polled.iter().map(|polled| !polled.revents().is_empty()).collect();
        let mut dead = dead.into_iter();
        let told = &mut self.told;
        self.held.retain(|target| {
            let died = dead.next().unwrap_or(false);
            if died && let Some(end) = told.iter_mut().find(|end| end.process == target.key) {
                end.dead_after_us = dead_after_us;
            }
            !died
        });
    }

    /// Takes in who lives in the containers now.
    fn look(&mut self) {
        let processes = self.search.after(Instant::now());
        self.passed_over = 0;
        for (pid, of) in processes.iter() {
            if !self.containers.contains(of)
                || self.held.iter().any(|held| held.key.pid == *pid && !held.is_dead())
            {
                continue;
            }
            let target = match Target::open(*pid, &self.known) {
                Ok(target) => target,
                Err(No::Gone) => continue,
                // Out of descriptors, mostly: it lives all the same.
                Err(No::Refused(..)) => {
                    self.passed_over += 1;
                    continue;
                }
            };
            if target.container.as_ref() != Some(of) {
                continue;
            }
            if self.held.len() >= HELD_MAX {
                self.passed_over += 1;
                continue;
            }
            if self.told.len() >= TOLD_MAX
                && let Some(dead) = self.told.iter().position(|end| end.dead_after_us.is_some())
            {
                self.told.remove(dead);
            }
            let name = target.name.clone();
            self.told.push(ProcessEnd { process: target.key, name, dead_after_us: None });
            self.held.push(target);
        }
    }

    fn tell(&self, empty: bool) {
        let alive = self.held.len() + self.passed_over;
        self.report.send_if_modified(|report| {
            let dead = self.told.iter().filter(|end| end.dead_after_us.is_some()).count();
            let dead_told =
                report.processes.iter().filter(|end| end.dead_after_us.is_some()).count();
            let same = report.alive == alive
                && report.empty == empty
                && report.processes.len() == self.told.len()
                && report.processes.last() == self.told.last()
                && dead == dead_told;
            if !same {
                report.alive = alive;
                report.empty = empty;
                report.processes.clone_from(&self.told);
            }
            !same
        });
    }
}

/// Searches all processes for those in containers; watches at the same time share a search.
#[derive(Debug, Default)]
struct Search(Mutex<Option<(Instant, Found)>>);

/// Pids with the whole id of their container.
type Found = Arc<[(i32, Box<str>)]>;

impl Search {
    /// Returns what a search begun at `instant` or later found.
    fn after(&self, instant: Instant) -> Found {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((began, found)) = &*last
            && *began >= instant
        {
            return Arc::clone(found);
        }
        let began = Instant::now();
        let found: Found = in_containers().collect();
        *last = Some((began, Arc::clone(&found)));
        found
    }
}

/// Returns the pids of all processes in containers, with the whole id of the container.
pub(super) fn in_containers() -> impl Iterator<Item = (i32, Box<str>)> {
    procfs::pids().into_iter().filter_map(|pid| Some((pid, container(pid)?)))
}
