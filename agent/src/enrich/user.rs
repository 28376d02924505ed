//! Names of users and groups from `/etc/passwd` and `/etc/group`: those of the host, and those of each
//! container, read again when they change.

use std::{
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use hashbrown::HashMap;
use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};

/// How often the files are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// A larger file is read up to here.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Containers whose names are kept.
const CONTAINERS_MAX: usize = 512;

/// The names of the host and of containers.
#[derive(Debug)]
pub(crate) struct Users {
    host: Names,
    containers: HashMap<Box<str>, Names>,
}

impl Users {
    pub(crate) fn new() -> Self {
        Self { host: Names::read(Path::new("/")), containers: HashMap::new() }
    }

    /// Returns the names that hold for the process `pid`, which is in `container` if that is set.
    /// Those of a container that cannot be read are empty: the host's would be wrong.
    pub(crate) fn of(&mut self, container: Option<&str>, pid: i32) -> &Names {
        let Some(id) = container else {
            self.host.refresh_sometimes(Path::new("/"));
            return &self.host;
        };
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        if !self.containers.contains_key(id) && self.containers.len() >= CONTAINERS_MAX {
            self.containers.clear();
        }
        let names = self.containers.entry(id.into()).or_insert_with(|| Names::read(&root));
        names.refresh_sometimes(&root);
        names
    }
}

/// The user and group names below one root.
#[derive(Debug)]
pub(crate) struct Names {
    users: Table,
    groups: Table,
    checked: Instant,
}

impl Names {
    fn read(root: &Path) -> Self {
        let mut names = Self {
            users: Table::new("etc/passwd"),
            groups: Table::new("etc/group"),
            checked: Instant::now(),
        };
        names.refresh(root);
        names
    }

    fn refresh_sometimes(&mut self, root: &Path) {
        if self.checked.elapsed() >= CHECK_EVERY {
            self.refresh(root);
        }
    }

    fn refresh(&mut self, root: &Path) {
        self.checked = Instant::now();
        self.users.refresh(root);
        self.groups.refresh(root);
    }

    /// Returns the name of a user, if there is one.
    pub(crate) fn user(&self, uid: u32) -> Option<Box<str>> {
        self.users.names.get(&uid).cloned()
    }

    /// Returns the name of a group, if there is one.
    pub(crate) fn group(&self, gid: u32) -> Option<Box<str>> {
        self.groups.names.get(&gid).cloned()
    }
}

/// `name:password:number:...` lines of one file.
#[derive(Debug)]
struct Table {
    /// Below the root.
    path: &'static str,
    modified: Option<SystemTime>,
    names: HashMap<u32, Box<str>>,
}

impl Table {
    fn new(path: &'static str) -> Self {
        Self { path, modified: None, names: HashMap::new() }
    }

    /// Keeps what it has when the file cannot be read now.
    fn refresh(&mut self, root: &Path) {
        let Ok(file) = open_below(root, self.path) else { return };
        let Ok(data) = file.metadata() else { return };
        let modified = data.modified().ok();
        if !data.is_file() || (modified.is_some() && modified == self.modified) {
            return;
        }
        let mut bytes = Vec::new();
        if file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).is_ok() {
            self.modified = modified;
            self.names = parse(&String::from_utf8_lossy(&bytes));
        }
    }
}

/// Opens a file of a root that may be hostile: links stay inside, and a pipe does not block.
fn open_below(root: &Path, path: &str) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let root: OwnedFd =
        open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let file = openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)?;
    Ok(file.into())
}

/// The first of several names of a number counts, as for getpwuid(3).
fn parse(text: &str) -> HashMap<u32, Box<str>> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let mut parts = line.split(':');
        let (Some(name), Some(_), Some(number)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        if let Ok(number) = number.parse() {
            names.entry(number).or_insert_with(|| name.into());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn odd_lines_are_passed_over_and_the_first_name_counts() {
        let names = parse("root:x:0:0::/:/bin/sh\n#\ntoor:x:0:0\nbad:x:abc\nuser:x:1000\n\n::\n");
        assert_eq!(names.get(&0).map(|name| &**name), Some("root"));
        assert_eq!(names.get(&1000).map(|name| &**name), Some("user"));
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let root = tempfile::tempdir().unwrap();
        let passwd = root.path().join("etc/passwd");
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(&passwd, "a:x:1:1\n").unwrap();
        let mut names = Names::read(root.path());
        assert_eq!(names.user(1).as_deref(), Some("a"));
        assert_eq!(names.group(1), None);
        fs::write(&passwd, "b:x:1:1\n").unwrap();
        let later = SystemTime::now() + Duration::from_secs(5);
        File::open(&passwd).unwrap().set_modified(later).unwrap();
        names.refresh(root.path());
        assert_eq!(names.user(1).as_deref(), Some("b"));
    }

    #[test]
    fn a_hostile_root_neither_leads_out_nor_blocks() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        std::os::unix::fs::symlink("../../../../../etc/passwd", root.path().join("etc/passwd"))
            .unwrap();
        let fifo = root.path().join("etc/group");
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let names = Names::read(root.path());
        assert_eq!((names.user(0), names.group(0)), (None, None));
    }

    #[test]
    fn a_container_that_is_gone_has_no_names_of_the_host() {
        let mut users = Users::new();
        assert_eq!(users.of(None, 1).user(0).as_deref(), Some("root"));
        assert_eq!(users.of(Some("gone"), i32::MAX).user(0), None);
    }
}
