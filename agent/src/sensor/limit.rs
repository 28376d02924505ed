//! How many events the probe lets through, and which cgroups had more.

use std::{
    collections::HashMap as Known, fs, os::unix::fs::MetadataExt, path::Path, time::Duration,
};

use alert::EventKind;
use aya::{
    Ebpf,
    maps::{HashMap, MapData},
};
use probe::{layout::Kind, program::map};

use super::event_kind;

/// Cgroups named at a time.
const NOISY_MAX: usize = 5;
/// Folders looked at for the name of a cgroup.
const FOLDERS_MAX: usize = 20_000;

/// How many events are let through, process life excepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventLimits {
    /// Of one kind, a second; 0 for no limit.
    pub kind_per_second_max: u64,
    /// Of one kind from one cgroup, a second; 0 for no limit.
    pub cgroup_per_second_max: u64,
    /// For how long what is allowed in a second is saved up.
    pub burst: Duration,
}

impl EventLimits {
    pub const fn none() -> Self {
        Self { kind_per_second_max: 0, cgroup_per_second_max: 0, burst: Duration::ZERO }
    }

    /// Returns the nanoseconds after which a token of a bucket is back: of a kind, of a cgroup.
    pub(super) fn tokens_ns(self) -> [u64; 2] {
        [self.kind_per_second_max, self.cgroup_per_second_max]
            .map(|rate| 1_000_000_000_u64.checked_div(rate).unwrap_or(0))
    }

    pub(super) fn burst_ns(self) -> u64 {
        u64::try_from(self.burst.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A cgroup that had more events of a kind than are let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noisy {
    pub kind: EventKind,
    /// Its path, or its number where it is gone.
    pub cgroup: String,
    /// Events not let through since it was last looked at.
    pub limited: u64,
}

/// The buckets of cgroups.
#[derive(Debug)]
pub(super) struct Buckets {
    map: HashMap<MapData, [u64; 2], [u64; 2]>,
    told: Known<[u64; 2], u64>,
}

impl Buckets {
    pub(super) fn take(ebpf: &mut Ebpf) -> Option<Self> {
        let map = HashMap::try_from(ebpf.take_map(map::LIMIT_CGROUPS)?).ok()?;
        Some(Self { map, told: Known::new() })
    }

    /// Returns the cgroups that had the most too many since the last time.
    pub(super) fn noisy(&mut self) -> Vec<Noisy> {
        let now: Known<[u64; 2], u64> = self
            .map
            .iter()
            .flatten()
            .filter(|(_, [_, limited])| *limited > 0)
            .map(|(key, [_, limited])| (key, limited))
            .collect();
        let new = now.iter().map(|(key, limited)| {
            (*key, limited.saturating_sub(self.told.get(key).copied().unwrap_or(0)))
        });
        let mut new: Vec<_> = new.filter(|(_, limited)| *limited > 0).collect();
        new.sort_unstable_by_key(|(key, limited)| (std::cmp::Reverse(*limited), *key));
        new.truncate(NOISY_MAX);
        self.told = now;
        let names = names(&new.iter().map(|([cgroup, _], _)| *cgroup).collect::<Vec<_>>());
        new.into_iter()
            .filter_map(|([cgroup, kind], limited)| {
                let kind = event_kind(Kind::from_number(u16::try_from(kind).ok()?)?)?;
                let name = names.get(&cgroup).cloned();
                let cgroup = name.unwrap_or_else(|| format!("number {cgroup}"));
                Some(Noisy { kind, cgroup, limited })
            })
            .collect()
    }
}

/// Returns paths of cgroups in the unified hierarchy: their number is that of their folder's inode.
fn names(wanted: &[u64]) -> Known<u64, String> {
    let mut names = Known::new();
    let Some(root) = unified_root() else { return names };
    let (mut open, mut looked_at) = (vec![String::new()], 0);
    while let Some(path) = open.pop() {
        let folder = format!("{root}{path}");
        if let Ok(seen) = fs::metadata(&folder)
            && wanted.contains(&seen.ino())
        {
            let name = if path.is_empty() { "/" } else { &path };
            names.insert(seen.ino(), name.to_owned());
        }
        looked_at += 1;
        if names.len() == wanted.len() || looked_at > FOLDERS_MAX {
            break;
        }
        let below = fs::read_dir(Path::new(&folder)).into_iter().flatten().flatten();
        let folders = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        open.extend(folders.map(|entry| format!("{path}/{}", entry.file_name().to_string_lossy())));
    }
    names
}

/// Returns where the unified hierarchy is mounted.
pub(crate) fn unified_root() -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let (path, kind) = (words.next()?, words.next()?);
        (kind == "cgroup2").then(|| path.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_time_between_tokens() {
        let limits = EventLimits {
            kind_per_second_max: 1_000_000,
            cgroup_per_second_max: 0,
            burst: Duration::from_secs(2),
        };
        assert_eq!((limits.tokens_ns(), limits.burst_ns()), ([1000, 0], 2_000_000_000));
        assert_eq!(EventLimits::none().tokens_ns(), [0, 0]);
    }

    #[test]
    fn a_cgroup_is_named_by_the_number_of_its_folder() {
        let Some(root) = unified_root() else { return };
        let number = fs::metadata(root).unwrap().ino();
        let names = names(&[number, u64::MAX]);
        assert_eq!(names.get(&number).map(String::as_str), Some("/"));
        assert_eq!(names.get(&u64::MAX), None);
    }
}
