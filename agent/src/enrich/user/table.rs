//! One file of names, `passwd` or `group`: its text, and where in it each number is.

use std::{
    fs::File,
    io::{self, Read},
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::Path,
};

use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};

use crate::enrich::procfs;

/// `name:password:number:...` lines of one file.
#[derive(Debug)]
pub(super) struct Table {
    /// Below the root.
    path: &'static str,
    bytes_max: u64,
    version: Option<Version>,
    text: Box<str>,
    /// Numbers with the start of their line, in their order.
    lines: Box<[(u32, u32)]>,
}

/// What changes when a file does: device, inode, size, seconds and rest of its last change.
type Version = (u64, u64, u64, i64, i64);

impl Table {
    pub(super) fn new(path: &'static str, bytes_max: u64) -> Self {
        Self { path, bytes_max, version: None, text: "".into(), lines: Box::default() }
    }

    /// Keeps what it has when the file cannot be read now.
    pub(super) fn refresh(&mut self, root: &Path) {
        let Ok(file) = open_below(root, self.path) else { return };
        let Ok(data) = file.metadata() else { return };
        let version = (data.dev(), data.ino(), data.len(), data.ctime(), data.ctime_nsec());
        if !data.is_file() || Some(version) == self.version {
            return;
        }
        let mut bytes = Vec::new();
        if file.take(self.bytes_max).read_to_end(&mut bytes).is_ok() {
            self.version = Some(version);
            self.text = String::from_utf8_lossy(&bytes).into();
            self.lines = index(&self.text);
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.lines)
    }

    /// Returns the first line with this number, as getpwuid(3) does.
    pub(super) fn line(&self, number: u32) -> Option<&str> {
        let place = self.lines.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.text.get(self.lines[place].1 as usize..)?.lines().next()
    }
}

/// Opens a file of a root that may be hostile: links stay inside, and a pipe does not block.
fn open_below(root: &Path, path: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let root: OwnedFd =
        open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = openat2(root, path, flags, Mode::empty(), inside)?;
    Ok(file.into())
}

fn index(text: &str) -> Box<[(u32, u32)]> {
    let mut start = 0;
    let mut lines = Vec::new();
    for line in text.split_inclusive('\n') {
        let number = line.trim_end().split(':').nth(2).and_then(|number| number.parse().ok());
        if let Some(number) = number {
            lines.push((number, start));
        }
        start += line.len() as u32;
    }
    // Of several lines of a number the first is kept.
    lines.sort_by_key(|(number, _)| *number);
    lines.dedup_by_key(|(number, _)| *number);
    lines.into()
}

/// A line of `passwd`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account<'a>(pub(super) &'a str);

impl<'a> Account<'a> {
    pub(crate) fn name(self) -> &'a str {
        self.part(0).unwrap_or_default()
    }

    pub(crate) fn home(self) -> Option<&'a str> {
        self.part(5)
    }

    pub(crate) fn shell(self) -> Option<&'a str> {
        self.part(6)
    }

    fn part(self, place: usize) -> Option<&'a str> {
        self.0.split(':').nth(place)
    }
}

/// How a user namespace numbers users or groups: a container's files have its own numbers, events
/// those of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct IdMap {
    /// First number inside, first outside, how many; absent where all are the same.
    ranges: Option<Box<[(u32, u32, u32)]>>,
}

impl IdMap {
    /// Reads the map of a process from `/proc/PID/uid_map` or `gid_map`; `None` when it is gone.
    pub(super) fn of(pid: i32, file: &str) -> Option<Self> {
        let text = procfs::read_file(pid, file)?;
        Some(Self::parse(&String::from_utf8_lossy(&text)))
    }

    fn parse(text: &str) -> Self {
        let ranges: Vec<_> = text
            .lines()
            .filter_map(|line| {
                let mut numbers = line.split_ascii_whitespace().map(|word| word.parse().ok());
                Some((numbers.next()??, numbers.next()??, numbers.next()??))
            })
            .collect();
        match ranges[..] {
            [(0, 0, u32::MAX)] => Self::default(),
            _ => Self { ranges: Some(ranges.into()) },
        }
    }

    /// Returns the number inside; `None` for one the namespace does not have.
    pub(super) fn inside(&self, outside: u32) -> Option<u32> {
        let Some(ranges) = &self.ranges else { return Some(outside) };
        ranges.iter().find_map(|(inside, first, count)| {
            let distance = outside.checked_sub(*first)?;
            (distance < *count).then(|| inside.checked_add(distance)).flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_lines_are_passed_over_and_the_first_name_counts() {
        let text =
            "root:x:0:0::/:/bin/sh\n#\ntoor:x:0:0\nbad:x:abc\nuser:x:1000\n\n::\nlast:x:7:7:::";
        let table = Table { text: text.into(), lines: index(text), ..Table::new("", 0) };
        let name = |number| table.line(number).map(|line| Account(line).name());
        assert_eq!(name(0), Some("root"));
        assert_eq!(name(1000), Some("user"));
        assert_eq!(name(7), Some("last"));
        assert_eq!(name(1), None);
        assert_eq!(table.lines.len(), 3);
        let root = Account(table.line(0).expect("root"));
        assert_eq!((root.home(), root.shell()), (Some("/"), Some("/bin/sh")));
        assert_eq!(Account(table.line(1000).expect("user")).home(), None);
    }

    #[test]
    fn a_namespace_of_users_has_its_own_numbers() {
        let map =
            IdMap::parse("         0     100000      65536\n     70000       5000          1\n");
        assert_eq!(map.inside(100_000), Some(0));
        assert_eq!(map.inside(165_535), Some(65_535));
        assert_eq!(map.inside(165_536), None);
        assert_eq!(map.inside(5000), Some(70_000));
        assert_eq!(map.inside(0), None);
        let all = IdMap::parse("         0          0 4294967295\n");
        assert_eq!(all, IdMap::default());
        assert_eq!(all.inside(7), Some(7));
        assert_eq!(IdMap::parse("4294967295 0 9\n").inside(3), None);
        assert_eq!(IdMap::parse("odd\n1 2\n").inside(0), None);
    }
}
