//! Names of users and groups from `/etc/passwd` and `/etc/group`, read again when they change.

use std::{
    fs,
    io::Read,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use hashbrown::HashMap;

/// How often the files are looked at.
const CHECK_EVERY: Duration = Duration::from_secs(1);
/// A larger file is read up to here.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// User and group names of the host.
#[derive(Debug)]
pub(crate) struct Users {
    users: Table,
    groups: Table,
    checked: Instant,
}

impl Users {
    pub(crate) fn of_host() -> Self {
        Self::read("/etc/passwd".into(), "/etc/group".into())
    }

    fn read(passwd: PathBuf, group: PathBuf) -> Self {
        let mut users =
            Self { users: Table::new(passwd), groups: Table::new(group), checked: Instant::now() };
        users.refresh();
        users
    }

    /// Reads the files again if they changed, at most once a second.
    pub(crate) fn refresh_sometimes(&mut self) {
        if self.checked.elapsed() >= CHECK_EVERY {
            self.refresh();
        }
    }

    fn refresh(&mut self) {
        self.checked = Instant::now();
        self.users.refresh();
        self.groups.refresh();
    }

    /// Returns the name of a user, if there is one.
    pub(crate) fn user(&self, uid: u32) -> Option<Arc<str>> {
        self.users.names.get(&uid).cloned()
    }

    /// Returns the name of a group, if there is one.
    pub(crate) fn group(&self, gid: u32) -> Option<Arc<str>> {
        self.groups.names.get(&gid).cloned()
    }
}

/// `name:password:number:...` lines of one file.
#[derive(Debug)]
struct Table {
    path: PathBuf,
    modified: Option<SystemTime>,
    names: HashMap<u32, Arc<str>>,
}

impl Table {
    fn new(path: PathBuf) -> Self {
        Self { path, modified: None, names: HashMap::new() }
    }

    fn refresh(&mut self) {
        let modified = fs::metadata(&self.path).and_then(|data| data.modified()).ok();
        if modified.is_some() && modified == self.modified {
            return;
        }
        self.modified = modified;
        let mut bytes = Vec::new();
        let read = fs::File::open(&self.path)
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
        self.names = match read {
            Ok(_) => parse(&String::from_utf8_lossy(&bytes)),
            Err(_) => HashMap::new(),
        };
    }
}

/// The first of several names of a number counts, as for getpwuid(3).
fn parse(text: &str) -> HashMap<u32, Arc<str>> {
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
        let directory = tempfile::tempdir().unwrap();
        let passwd = directory.path().join("passwd");
        fs::write(&passwd, "a:x:1:1\n").unwrap();
        let mut users = Users::read(passwd.clone(), directory.path().join("group"));
        assert_eq!(users.user(1).as_deref(), Some("a"));
        assert_eq!(users.group(1), None);
        fs::write(&passwd, "b:x:1:1\n").unwrap();
        let later = SystemTime::now() + Duration::from_secs(5);
        fs::File::open(&passwd).unwrap().set_modified(later).unwrap();
        users.refresh();
        assert_eq!(users.user(1).as_deref(), Some("b"));
    }
}
