//! Names of users and groups from `/etc/passwd` and `/etc/group`: those of the host, and those of each
//! container, read again when they change.
//!
//! A container's files are hostile: they are opened inside its root alone, in bounded size, and what
//! they say holds for the processes of that root and for no others.

mod table;

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use hashbrown::HashMap;

pub(crate) use self::table::Account;
use self::table::{IdMap, Table};

/// How often the files are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// A larger file is read up to here.
const HOST_BYTES_MAX: u64 = 4 << 20;
/// The same in a container.
const CONTAINER_BYTES_MAX: u64 = 64 << 10;
/// Containers whose names are kept; beyond it the one that was asked about the longest ago goes.
const CONTAINERS_MAX: usize = 512;
/// Bytes of all their files together, with the same end.
const CONTAINERS_BYTES_MAX: usize = 16 << 20;
/// Roots of one container: beside its own, those its processes changed to.
const ROOTS_MAX: usize = 4;

/// The first process of the host, which has the host's root: the agent may run in a container itself.
const FIRST: &str = "/proc/1";
/// Ourselves, for want of the right to look at the first.
const OWN: &str = "/proc/self";

/// The names of the host and of containers.
#[derive(Debug)]
pub(crate) struct Users {
    host: Names,
    host_path: PathBuf,
    host_place: Option<Place>,
    containers: HashMap<Box<str>, Roots>,
    /// Of those nobody can name.
    nobody: Names,
}

/// A directory that is somebody's root.
type Root = (u64, u64);

/// Where a process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    root: Root,
    /// Inode of the mount namespace, if it could be told.
    mounts: Option<u64>,
}

/// Whose names hold somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Host,
    Nobody,
    OwnRoot,
}

impl Place {
    /// Reads it from a folder of `/proc`.
    fn of(process: &str) -> Option<Self> {
        let mounts = std::fs::metadata(format!("{process}/ns/mnt")).ok().map(|data| data.ino());
        Some(Self { root: root_of(Path::new(&format!("{process}/root")))?, mounts })
    }

    /// Returns whose names hold for a process of a container.
    fn whose(self, host: Option<Self>) -> Whose {
        match host {
            Some(host) if host.root != self.root => Whose::OwnRoot,
            // It is of the container by its cgroup alone.
            Some(host) if host.mounts.is_some() && host.mounts == self.mounts => Whose::Host,
            // It is about to change its root.
            _ => Whose::Nobody,
        }
    }
}

/// The roots of one container, its own first.
#[derive(Debug)]
struct Roots {
    names: Vec<(Root, Names)>,
    asked: Instant,
}

impl Users {
    pub(crate) fn new() -> Self {
        let first = Place::of(FIRST).map(|place| (FIRST, place));
        let known = first.or_else(|| Some((OWN, Place::of(OWN)?)));
        let host_path =
            PathBuf::from(format!("{}/root", known.map_or(OWN, |(process, _)| process)));
        Self {
            host: Names::read(&host_path, HOST_BYTES_MAX, IdMap::default(), IdMap::default()),
            host_path,
            host_place: known.map(|(_, place)| place),
            containers: HashMap::new(),
            nobody: Names::none(),
        }
    }

    /// Returns the names that hold for the process `pid`, which is in `container` if that is set.
    /// Those of a container that cannot be read are empty: the host's would be wrong.
    pub(crate) fn of(&mut self, container: Option<&str>, pid: i32) -> &Names {
        let Some(id) = container else {
            return self.of_host();
        };
        let process = format!("/proc/{pid}");
        match Place::of(&process).map(|place| (place.root, place.whose(self.host_place))) {
            Some((_, Whose::Host)) => self.of_host(),
            Some((_, Whose::Nobody)) => &self.nobody,
            Some((root, Whose::OwnRoot)) => {
                self.of_root(id, root, Path::new(&format!("{process}/root")), pid)
            }
            // It is gone: most likely its root was the container's own.
            None => match self.containers.get(id) {
                Some(roots) => roots.names.first().map_or(&self.nobody, |(_, names)| names),
                None => &self.nobody,
            },
        }
    }

    fn of_host(&mut self) -> &Names {
        self.host.refresh_sometimes(&self.host_path);
        &self.host
    }

    fn of_root(&mut self, id: &str, root: Root, path: &Path, pid: i32) -> &Names {
        if !self.containers.contains_key(id) {
            self.make_room();
        }
        let asked = Instant::now();
        let roots = self
            .containers
            .entry(id.into())
            .or_insert_with(|| Roots { names: Vec::with_capacity(1), asked });
        roots.asked = asked;
        let known = roots.names.iter().position(|(known, _)| *known == root);
        let place = match known {
            Some(place) => place,
            None if roots.names.len() >= ROOTS_MAX => return &self.nobody,
            None => {
                let ids = (IdMap::of(pid, "uid_map"), IdMap::of(pid, "gid_map"));
                let (Some(users), Some(groups)) = ids else { return &self.nobody };
                let names = Names::read(path, CONTAINER_BYTES_MAX, users, groups);
                roots.names.push((root, names));
                roots.names.len() - 1
            }
        };
        let names = &mut roots.names[place].1;
        names.refresh_sometimes(path);
        names
    }

    fn make_room(&mut self) {
        let bytes =
            |roots: &Roots| roots.names.iter().map(|(_, names)| names.bytes()).sum::<usize>();
        let mut total: usize = self.containers.values().map(bytes).sum();
        while self.containers.len() >= CONTAINERS_MAX || total > CONTAINERS_BYTES_MAX {
            let oldest = self.containers.iter().min_by_key(|(_, roots)| roots.asked);
            let Some(id) = oldest.map(|(id, _)| id.clone()) else { return };
            total -= self.containers.remove(&id).as_ref().map_or(0, bytes);
        }
    }
}

/// Returns which directory a path leads to.
fn root_of(path: &Path) -> Option<Root> {
    let data = std::fs::metadata(path).ok()?;
    Some((data.dev(), data.ino()))
}

/// The user and group names below one root.
#[derive(Debug)]
pub(crate) struct Names {
    users: Table,
    groups: Table,
    /// From the kernel's numbers to those in the files.
    user_ids: IdMap,
    group_ids: IdMap,
    checked: Instant,
}

impl Names {
    fn none() -> Self {
        Self {
            users: Table::new("etc/passwd", 0),
            groups: Table::new("etc/group", 0),
            user_ids: IdMap::default(),
            group_ids: IdMap::default(),
            checked: Instant::now(),
        }
    }

    fn read(root: &Path, bytes_max: u64, user_ids: IdMap, group_ids: IdMap) -> Self {
        let mut names = Self {
            users: Table::new("etc/passwd", bytes_max),
            groups: Table::new("etc/group", bytes_max),
            user_ids,
            group_ids,
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

    fn bytes(&self) -> usize {
        self.users.bytes() + self.groups.bytes()
    }

    /// Returns what is known of a user, by the kernel's number.
    pub(crate) fn account(&self, uid: u32) -> Option<Account<'_>> {
        self.users.line(self.user_ids.inside(uid)?).map(Account)
    }

    /// Returns the name of a user, if there is one.
    pub(crate) fn user(&self, uid: u32) -> Option<Box<str>> {
        self.account(uid).map(|account| account.name().into())
    }

    /// Returns the name of a group, if there is one.
    pub(crate) fn group(&self, gid: u32) -> Option<Box<str>> {
        let line = self.groups.line(self.group_ids.inside(gid)?)?;
        Some(Account(line).name().into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::fs::Mode;

    use super::*;

    fn read(root: &Path) -> Names {
        Names::read(root, CONTAINER_BYTES_MAX, IdMap::default(), IdMap::default())
    }

    fn root_with(passwd: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/passwd"), passwd).unwrap();
        root
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let root = root_with("a:x:1:1::/a:/bin/sh\n");
        let mut names = read(root.path());
        assert_eq!(names.user(1).as_deref(), Some("a"));
        assert_eq!(names.group(1), None);
        // Replaced within the same second, and of the same length: another inode.
        fs::write(root.path().join("etc/new"), "b:x:1:1::/b:/bin/sh\n").unwrap();
        fs::rename(root.path().join("etc/new"), root.path().join("etc/passwd")).unwrap();
        names.refresh(root.path());
        assert_eq!(names.user(1).as_deref(), Some("b"));
        assert_eq!(names.account(1).unwrap().home(), Some("/b"));
        // One that cannot be read now leaves what was known.
        fs::remove_file(root.path().join("etc/passwd")).unwrap();
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
        let names = read(root.path());
        assert_eq!((names.user(0), names.group(0)), (None, None));
    }

    #[test]
    fn a_link_inside_the_root_is_followed_inside_it() {
        let root = root_with("");
        fs::write(root.path().join("real"), "inner:x:0:0\n").unwrap();
        fs::remove_file(root.path().join("etc/passwd")).unwrap();
        std::os::unix::fs::symlink("/real", root.path().join("etc/passwd")).unwrap();
        assert_eq!(read(root.path()).user(0).as_deref(), Some("inner"));
    }

    #[test]
    fn a_container_that_is_gone_has_no_names_of_the_host() {
        let mut users = Users::new();
        assert_eq!(users.of(None, 1).user(0).as_deref(), Some("root"));
        assert_eq!(users.of(Some("gone"), i32::MAX).user(0), None);
    }

    #[test]
    fn a_process_in_the_host_s_root_has_the_host_s_names_unless_it_is_about_to_leave() {
        let host = Place { root: (1, 2), mounts: Some(5) };
        let whose = |root, mounts| Place { root, mounts }.whose(Some(host));
        assert_eq!(whose((1, 2), Some(5)), Whose::Host);
        assert_eq!(whose((1, 2), Some(6)), Whose::Nobody);
        assert_eq!(whose((1, 2), None), Whose::Nobody);
        assert_eq!(whose((1, 3), Some(5)), Whose::OwnRoot);
        assert_eq!(host.whose(None), Whose::Nobody);
        let mut users = Users::new();
        let own = std::process::id() as i32;
        assert_eq!(users.of(Some("cgroup alone"), own).user(0).as_deref(), Some("root"));
        assert!(users.containers.is_empty());
    }

    #[test]
    fn each_root_of_a_container_has_its_own_names_and_one_that_is_gone_those_of_the_first() {
        let mut users = Users::new();
        let roots = ["first:x:7:7", "second:x:7:7"].map(root_with);
        for (root, name) in roots.iter().zip(["first", "second"]) {
            let identity = root_of(root.path()).unwrap();
            assert_eq!(users.of_root("c", identity, root.path(), 1).user(7).as_deref(), Some(name));
        }
        assert_eq!(users.of(Some("c"), i32::MAX).user(7).as_deref(), Some("first"));
        for number in 0..10 {
            users.of_root("c", (number, number), Path::new("/nowhere"), 1);
        }
        assert_eq!(users.containers["c"].names.len(), ROOTS_MAX);
    }

    #[test]
    fn containers_are_forgotten_by_number_and_by_size_the_oldest_first() {
        let mut users = Users::new();
        let root = root_with(&"x:x:1:1\n".repeat(1 << 12));
        let identity = root_of(root.path()).unwrap();
        for number in 0..CONTAINERS_MAX + 10 {
            users.of_root(&number.to_string(), identity, root.path(), 1);
        }
        assert!(users.containers.len() <= CONTAINERS_MAX);
        assert!(!users.containers.contains_key("0"));
        assert!(users.containers.contains_key(&*(CONTAINERS_MAX + 9).to_string()));
        let bytes: usize = users.containers.values().map(|roots| roots.names[0].1.bytes()).sum();
        assert!(bytes <= CONTAINERS_BYTES_MAX + (64 << 10), "{bytes}");
    }
}
