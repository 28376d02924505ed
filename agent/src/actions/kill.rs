//! Ends a process, or a process and all that descend from it, and says which deaths were seen.
//!
//! A tree is stopped before it is killed. While one process of it runs it may fork, and a child
//! nobody has seen would live on; so each is stopped, and the search goes on until it finds nobody
//! new and every thread of those found stands still. One that forks and ends just before it is
//! stopped leaves an orphan that only the sensor may know.

use std::{
    collections::HashSet,
    thread,
    time::{Duration, Instant},
};

use alert::order::{KillOrder, KillOutcome, KillReport, ProcessEnd, Refusal, Scope};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::Signal,
};

use super::{
    family,
    known::Known,
    target::{Guard, No, Target},
};
use crate::enrich::procfs;

/// Processes one order may end.
pub(super) const TREE_PROCESSES_MAX: usize = 512;
/// Longest wait for deaths.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(30);
/// Longest search for a tree that does not stand still.
const STOP_MAX: Duration = Duration::from_millis(500);
/// A thread in an uninterruptible sleep for so long is taken to stand still: a parent waiting for
/// its `vfork` child, which is stopped itself, stays in one for ever.
const SLEEP_SETTLED: Duration = Duration::from_millis(20);
const SEARCH_PAUSE: Duration = Duration::from_micros(200);

/// Carries an order out. Blocks until the deaths or `wait_ms` later.
pub(super) fn kill(guard: &Guard, known: &Known, order: &KillOrder, began: Instant) -> KillReport {
    let victims = match choose(guard, known, order) {
        Ok(victims) => victims,
        Err(no) => return no.into(),
    };
    if order.dry_run {
        return report(KillOutcome::WouldKill, &victims.members, &[]);
    }
    let mut denied = None;
    for member in &victims.members {
        if let Err(No::Refused(_, detail)) = member.signal(Signal::KILL) {
            denied.get_or_insert(detail);
        }
    }
    if let (Some(detail), 1) = (&denied, victims.members.len()) {
        return No::Refused(Refusal::NotPermitted, detail.clone()).into();
    }
    let wait = Duration::from_millis(order.wait_ms).min(WAIT_MAX);
    let ends = wait_for_ends(&victims.members, began, began + wait);
    let alive = ends.iter().filter(|end| end.is_none()).count();
    let outcome = match (denied, alive) {
        (Some(detail), 1..) => KillOutcome::Unknown { detail },
        (_, 1..) => KillOutcome::Unknown {
            detail: format!(
                "{alive} of {} were not seen to die within {} ms",
                ends.len(),
                wait.as_millis()
            ),
        },
        (_, 0) if !victims.settled => KillOutcome::Unknown {
            detail: "not all stood still before they were killed: one may have escaped".to_owned(),
        },
        (_, 0) => KillOutcome::Dead,
    };
    report(outcome, &victims.members, &ends)
}

impl From<No> for KillReport {
    fn from(no: No) -> Self {
        let outcome = match no {
            No::Gone => KillOutcome::Gone,
            No::Refused(reason, detail) => KillOutcome::Refused { reason, detail },
        };
        Self { outcome, processes: Vec::new() }
    }
}

fn report(outcome: KillOutcome, members: &[Target], ends: &[Option<u64>]) -> KillReport {
    let ends = ends.iter().copied().chain(std::iter::repeat(None));
    let processes = members
        .iter()
        .zip(ends)
        .map(|(member, dead_after_us)| ProcessEnd {
            process: member.key,
            name: member.name.clone(),
            dead_after_us,
        })
        .collect();
    KillReport { outcome, processes }
}

/// Those an order is about, the one it names first.
struct Victims {
    members: Vec<Target>,
    /// Nobody among them could fork any more when the search ended.
    settled: bool,
}

fn choose(guard: &Guard, known: &Known, order: &KillOrder) -> Result<Victims, No> {
    let root = guard.admit(order, known)?;
    if order.dry_run {
        root.may_signal()?;
    }
    match (order.scope, order.dry_run) {
        (Scope::Process, _) => Ok(Victims { members: vec![root], settled: true }),
        (Scope::Tree, true) => {
            let mut tree =
                Tree { guard, known, members: vec![root], resume: Vec::new(), stop: false };
            tree.search()?;
            Ok(Victims { members: tree.members, settled: true })
        }
        (Scope::Tree, false) => {
            let mut tree =
                Tree { guard, known, members: Vec::new(), resume: Vec::new(), stop: true };
            match tree.add(root).and_then(|()| tree.still()) {
                Ok(settled) => Ok(Victims { members: tree.members, settled }),
                Err(no) => {
                    tree.resume();
                    Err(no)
                }
            }
        }
    }
}

/// A tree as far as it is known, stopped if `stop`.
struct Tree<'a> {
    guard: &'a Guard,
    known: &'a Known,
    members: Vec<Target>,
    /// Those among `members` that ran before.
    resume: Vec<usize>,
    stop: bool,
}

impl Tree<'_> {
    /// Searches until there is nobody new and all stand still; returns whether they do.
    fn still(&mut self) -> Result<bool, No> {
        let began = Instant::now();
        let mut sleeping_since = None;
        loop {
            // First looked at, then searched: one that stands still now has forked before.
            let state = self.state();
            let found = self.search()?;
            if state != State::Sleeps {
                sleeping_since = None;
            }
            let settled = match state {
                State::Still => true,
                State::Runs => false,
                State::Sleeps => {
                    let since = *sleeping_since.get_or_insert_with(Instant::now);
                    since.elapsed() >= SLEEP_SETTLED
                }
            };
            if found == 0 && settled {
                return Ok(true);
            }
            if began.elapsed() > STOP_MAX {
                return Ok(false);
            }
            if found == 0 {
                thread::sleep(SEARCH_PAUSE);
            }
        }
    }

    /// Takes in, and stops, those that descend from the members; returns how many were new.
    fn search(&mut self) -> Result<usize, No> {
        let before = self.members.len();
        let container = self.members[0].container.clone();
        let root = self.members[0].key;
        let mut pids: HashSet<i32> = self.members.iter().map(|member| member.key.pid).collect();
        let own: Vec<i32> = self.members.iter().map(|member| member.key.pid).collect();
        // Orphans have another parent now; the sensor remembers whose they were.
        for orphan in self.known.descendants(root) {
            if pids.contains(&orphan.pid) {
                continue;
            }
            let found = Target::open(orphan.pid, self.known);
            if let Ok(target) = found
                && target.key == orphan
                && target.container == container
            {
                pids.insert(orphan.pid);
                self.add(target)?;
            }
        }
        let (mut found, mut unheld) = (Vec::new(), None);
        let known = self.known;
        family::descendants(&own, 2 * TREE_PROCESSES_MAX, &mut |pid| {
            let target = match Target::open(pid, known) {
                Ok(target) => target,
                Err(No::Gone) => return false,
                // Out of descriptors, mostly: whoever is not held would escape.
                Err(no) => {
                    unheld = Some(no);
                    return false;
                }
            };
            // The pid was read from a list: it may have been given away since.
            let related = pids.contains(&target.ppid) && target.container == container;
            if related && pids.insert(pid) {
                found.push(target);
            }
            related
        });
        if let Some(no) = unheld {
            return Err(no);
        }
        for target in found {
            self.add(target)?;
        }
        Ok(self.members.len() - before)
    }

    fn add(&mut self, target: Target) -> Result<(), No> {
        if self.members.len() >= TREE_PROCESSES_MAX {
            let detail = format!("more than {TREE_PROCESSES_MAX} processes");
            return Err(No::Refused(Refusal::TooMany, detail));
        }
        if !self.members.is_empty() {
            self.guard.protect(&target)?;
        }
        if self.stop {
            let ran =
                procfs::stat(target.key.pid).is_some_and(|seen| !matches!(seen.state, 'T' | 't'));
            match target.signal(Signal::STOP) {
                Ok(()) if ran => self.resume.push(self.members.len()),
                Ok(()) => {}
                // The one that was named must be there; another that ended meanwhile is no matter.
                Err(No::Gone) if !self.members.is_empty() => return Ok(()),
                Err(no) => return Err(no),
            }
        }
        self.members.push(target);
        Ok(())
    }

    /// Lets those go on that were stopped for an order that is then refused.
    fn resume(&self) {
        for index in &self.resume {
            // One that is gone needs no more.
            self.members[*index].signal(Signal::CONT).ok();
        }
    }

    /// Returns what the liveliest thread does.
    fn state(&self) -> State {
        let alive = self.members.iter().filter(|member| !member.is_dead());
        alive.map(|member| state(member.key.pid)).max().unwrap_or(State::Still)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Stopped or dead.
    Still,
    /// In an uninterruptible sleep.
    Sleeps,
    Runs,
}

fn state(pid: i32) -> State {
    let state = |thread| match thread_state(pid, thread) {
        Some('T' | 't' | 'Z' | 'X') | None => State::Still,
        Some('D') => State::Sleeps,
        Some(_) => State::Runs,
    };
    family::threads(pid).into_iter().map(state).max().unwrap_or(State::Still)
}

fn thread_state(pid: i32, thread: i32) -> Option<char> {
    let stat = procfs::read_file(pid, &format!("task/{thread}/stat"))?;
    let stat = String::from_utf8_lossy(&stat);
    stat.get(stat.rfind(')')? + 1..)?.trim_start().chars().next()
}

/// Returns, for each process, how long after `began` its end was seen, if it was before `until`.
fn wait_for_ends(members: &[Target], began: Instant, until: Instant) -> Vec<Option<u64>> {
    let mut ends = vec![None; members.len()];
    loop {
        let alive: Vec<usize> = (0..members.len()).filter(|index| ends[*index].is_none()).collect();
        if alive.is_empty() {
            return ends;
        }
        let mut polled: Vec<_> = alive
            .iter()
            .map(|index| PollFd::from_borrowed_fd(members[*index].pidfd(), PollFlags::IN))
            .collect();
        let left = until.saturating_duration_since(Instant::now());
        let timeout =
            Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
        let ready = poll(&mut polled, Some(&timeout));
        let after_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        match ready {
            Ok(0) => return ends,
            // A signal to ourselves.
            Err(_) if !left.is_zero() => continue,
            Err(_) => return ends,
            Ok(_) => {}
        }
        for (index, polled) in alive.iter().zip(&polled) {
            if !polled.revents().is_empty() {
                ends[*index] = Some(after_us);
            }
        }
    }
}
