//! Ends the process of an event after its rule matched: by pidfd, if it still is the same process.

use alert::{EnforcedOutcome, Event};
use rustix::process::Signal;

use super::protect;
use crate::{
    actions::{
        known::{Known, same},
        target::{Guard, No, Target},
    },
    config::EnforceMode,
    enrich::procfs,
};

/// Whom to spare.
#[derive(Debug)]
pub(super) struct Hand {
    guard: Guard,
    /// Executables that are never ended.
    protected: Vec<String>,
}

impl Hand {
    pub(super) fn new(protected: Vec<String>) -> Self {
        Self { guard: Guard::new(true), protected }
    }

    /// Ends the process, or, unless `mode` is to enforce, finds out whether it would.
    pub(super) fn kill(&self, event: &Event, mode: EnforceMode) -> EnforcedOutcome {
        let key = event.process.key;
        let known = Known::default();
        known.saw(&event.process);
        let target = match Target::open(key.pid, &known) {
            Ok(target) if same(target.key, key) => target,
            // The pid has been given away.
            Ok(_) | Err(No::Gone) => return EnforcedOutcome::Gone,
            Err(No::Refused(..)) => return EnforcedOutcome::Failed,
        };
        if self.guard.protect(&target).is_err() || self.is_protected(&target) {
            return EnforcedOutcome::Protected;
        }
        if mode != EnforceMode::Enforce {
            return EnforcedOutcome::WouldKill;
        }
        match target.signal(Signal::KILL) {
            Ok(()) => EnforcedOutcome::Killed,
            Err(No::Gone) => EnforcedOutcome::Gone,
            Err(No::Refused(..)) => EnforcedOutcome::Failed,
        }
    }

    /// Inside containers a path says nothing about who somebody is.
    fn is_protected(&self, target: &Target) -> bool {
        let pid = target.key.pid;
        let path = procfs::link(pid, "exe").unwrap_or_default();
        let path = path.strip_suffix(" (deleted)").unwrap_or(&path);
        let takes = |pattern: &String| protect::takes(pattern, path);
        target.container.is_none() && has_root_of_init(pid) && self.protected.iter().any(takes)
    }
}

/// Whoever cannot be compared is taken to have it: rather spared than the node's runtime ended.
fn has_root_of_init(pid: i32) -> bool {
    use std::os::unix::fs::MetadataExt;
    let root = |pid: i32| {
        let seen = std::fs::metadata(format!("/proc/{pid}/root/.")).ok()?;
        Some((seen.ino(), seen.dev()))
    };
    match (root(pid), root(1)) {
        (Some(own), Some(init)) => own == init,
        _ => true,
    }
}
