//! Tells of events that were not let through, and when it is over.

use std::time::Duration;

use alert::{EventKind, Priority};
use serde_json::json;

use super::Reported;
use crate::sensor::Noisy;

/// Without events held back for so long it is over.
const QUIET: Duration = Duration::from_mins(1);

/// What is to be told about events that were not let through.
#[derive(Debug, Default)]
pub(super) struct Limited {
    reported: Reported,
    /// The count when it last grew, and when that was.
    grew: (u64, u64),
    /// An alert has told of it, none that it is over.
    told: bool,
}

/// An alert to be raised.
#[derive(Debug, PartialEq)]
pub(super) struct Told {
    pub(super) priority: Priority,
    pub(super) output: String,
    pub(super) fields: [(&'static str, serde_json::Value); 3],
}

impl Limited {
    /// Returns what is to be told now, at most once a minute. `noisy` finds the worst cgroups.
    pub(super) fn tick(
        &mut self,
        now_ns: u64,
        limited: &[(EventKind, u64)],
        noisy: impl FnOnce() -> Vec<Noisy>,
    ) -> Option<Told> {
        let total = limited.iter().map(|(_, count)| count).sum();
        if total != self.grew.0 {
            self.grew = (total, now_ns);
        }
        if let Some(new) = self.reported.due(total, now_ns) {
            self.told = true;
            return Some(began(new, limited, &noisy()));
        }
        let quiet = self.grew.1 > now_ns || now_ns - self.grew.1 >= QUIET.as_nanos() as u64;
        // What came since the last alert is told first.
        if !self.told || !quiet || total != self.reported.count {
            return None;
        }
        self.told = false;
        Some(Told {
            priority: Priority::Notice,
            output: format!("All events are let through again (since_start={total})"),
            fields: [
                ("count", json!(0)),
                ("since_start", json!(kinds_of(limited))),
                ("cgroups", json!("")),
            ],
        })
    }
}

fn began(new: u64, limited: &[(EventKind, u64)], noisy: &[Noisy]) -> Told {
    let kinds = kinds_of(limited);
    let cgroups: Vec<_> = noisy
        .iter()
        .map(|noisy| format!("{} {}={}", noisy.cgroup, noisy.kind.name(), noisy.limited))
        .collect();
    let cgroups = cgroups.join(", ");
    let worst = if cgroups.is_empty() { "all cgroups together" } else { &cgroups };
    Told {
        priority: Priority::Warning,
        output: format!(
            "Events were not let through, there were too many of their kind (new={new} from: {worst}; since start: {kinds})"
        ),
        fields: [("count", json!(new)), ("since_start", json!(kinds)), ("cgroups", json!(cgroups))],
    }
}

fn kinds_of(limited: &[(EventKind, u64)]) -> String {
    let kinds = limited.iter().filter(|(_, count)| *count > 0);
    let kinds: Vec<_> = kinds.map(|(kind, count)| format!("{}={count}", kind.name())).collect();
    kinds.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn noisy() -> Vec<Noisy> {
        vec![Noisy { kind: EventKind::OpenAt, cgroup: "/x.slice".to_owned(), limited: 5 }]
    }

    #[test]
    fn what_is_limited_is_told_once_a_minute_and_so_is_its_end() {
        let mut limited = Limited::default();
        let mut tick = |second: u64, count: u64| {
            limited.tick(second * SECOND, &[(EventKind::OpenAt, count)], noisy).map(|told| {
                let new = told.fields[0].1.as_u64().unwrap();
                (told.priority, new)
            })
        };
        assert_eq!(tick(1, 0), None);
        assert_eq!(tick(2, 5), Some((Priority::Warning, 5)));
        assert_eq!(tick(3, 9), None);
        assert_eq!(tick(61, 9), None, "neither due nor quiet for long");
        assert_eq!(tick(62, 9), Some((Priority::Warning, 4)));
        assert_eq!(tick(63, 9), Some((Priority::Notice, 0)), "quiet since second 3");
        assert_eq!(tick(200, 9), None);
        assert_eq!(tick(300, 10), Some((Priority::Warning, 1)));
    }

    #[test]
    fn the_alert_names_kinds_and_cgroups() {
        let mut limited = Limited::default();
        let counts = [(EventKind::OpenAt, 7), (EventKind::Connect, 0)];
        let told = limited.tick(SECOND, &counts, noisy).unwrap();
        assert!(told.output.contains("new=7 from: /x.slice openat=5; since start: openat=7"));
        assert_eq!(told.fields[2].1, "/x.slice openat=5");
    }
}
