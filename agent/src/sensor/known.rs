//! Files that rules name by their full path, known by what they are: who opens one through a hard link
//! or below another mount opens that file, whatever the name.

use std::{
    collections::BTreeSet,
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
};

use alert::OpenFile;
use arc_swap::ArcSwap;
use aya::maps::{Array, MapData, MapError};
use hashbrown::HashMap;
use probe::filter::known::{KnownFile, PLACES, SEVERAL};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, major, minor, open, openat2};
use tracing::warn;

/// The files of the host, as its first process sees them; where that cannot be looked at, our own.
const ROOTS: [&str; 2] = ["/proc/1/root", "/"];
/// Files known at once; further ones are known by their paths alone.
const FILES_MAX: usize = 1024;
/// What is there is made when it is asked for: these have no other names.
const MADE_UP: [&str; 2] = ["/proc/", "/sys/"];

/// The paths of each file, by device and inode.
pub(crate) type Names = HashMap<(u64, u64), Box<[Box<str>]>>;

/// Says of opened files by which paths rules name them.
#[derive(Clone, Debug, Default)]
pub(crate) struct FileNames(Arc<ArcSwap<Names>>);

impl FileNames {
    /// Returns the names that hold now.
    pub(crate) fn current(&self) -> Arc<Names> {
        self.0.load_full()
    }

    /// Knows this file by this path, and no other file.
    #[cfg(test)]
    pub(crate) fn know(&self, file: (u64, u64), path: &str) {
        self.0.store(Arc::new([(file, [path.into()].into())].into_iter().collect()));
    }

    /// Gives a file that was reached by another name the path by which rules name it.
    pub(crate) fn tell(&self, file: &mut OpenFile) {
        let Some(resolved) = &file.resolved else { return };
        let names = self.0.load();
        let Some(paths) = names.get(&(file.device, file.inode)) else { return };
        if !paths.iter().any(|path| *path == *resolved || *path == file.path) {
            file.resolved = paths.first().cloned();
        }
    }
}

/// Looks for the files, and tells the probe and the decoder which they are.
pub struct KnownFiles {
    state: Mutex<State>,
    names: FileNames,
}

struct State {
    wanted: BTreeSet<Box<str>>,
    table: Array<MapData, KnownFile>,
    /// What the table holds, by place.
    placed: HashMap<u32, KnownFile>,
}

impl KnownFiles {
    pub(super) fn new(table: Array<MapData, KnownFile>) -> Self {
        let state = State { wanted: BTreeSet::new(), table, placed: HashMap::new() };
        Self { state: Mutex::new(state), names: FileNames::default() }
    }

    pub(super) fn names(&self) -> FileNames {
        self.names.clone()
    }

    /// Looks for these files from now on, and at once.
    pub fn want(&self, mut wanted: BTreeSet<Box<str>>) -> Result<(), MapError> {
        wanted.retain(|path| !MADE_UP.iter().any(|start| path.starts_with(start)));
        let beyond = wanted.iter().nth(FILES_MAX).cloned();
        if let Some(beyond) = beyond {
            let dropped = wanted.split_off(&beyond).len();
            warn!(dropped, "rules name too many files, not all are known by other names");
        }
        self.state.lock().unwrap_or_else(PoisonError::into_inner).wanted = wanted;
        self.refresh()
    }

    /// Looks again: files are replaced, made and deleted.
    pub fn refresh(&self) -> Result<(), MapError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = ROOTS.iter().map(|root| names(root, &state.wanted));
        let names = found.find_map(Result::ok).unwrap_or_default();
        if *self.names.0.load_full() == names {
            return Ok(());
        }
        state.place(&names)?;
        self.names.0.store(Arc::new(names));
        Ok(())
    }
}

impl State {
    fn place(&mut self, names: &Names) -> Result<(), MapError> {
        let mut places: HashMap<u32, KnownFile> = HashMap::new();
        for (device, inode) in names.keys() {
            let place = *inode as u32 & (PLACES as u32 - 1);
            // How the kernel keeps the two numbers together (MINORBITS).
            let device = u64::from(major(*device)) << 20 | u64::from(minor(*device));
            let file = places.entry(place).or_insert([*inode, device]);
            if *file != [*inode, device] {
                *file = [0, SEVERAL];
            }
        }
        for (place, file) in &places {
            self.table.set(*place, file, 0)?;
        }
        for place in self.placed.keys().filter(|place| !places.contains_key(*place)) {
            self.table.set(*place, [0, 0], 0)?;
        }
        self.placed = places;
        Ok(())
    }
}

impl fmt::Debug for KnownFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownFiles").field("names", &self.names).finish_non_exhaustive()
    }
}

/// Returns which files the paths lead to below a root, as far as they are there.
fn names(root: &str, wanted: &BTreeSet<Box<str>>) -> io::Result<Names> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = open(root, flags | OFlags::DIRECTORY, Mode::empty())?;
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let mut found: HashMap<(u64, u64), Vec<Box<str>>> = HashMap::new();
    for path in wanted {
        let Ok(file) = openat2(&root, &**path, flags, Mode::empty(), inside) else { continue };
        let Ok(data) = fstat(&file) else { continue };
        if FileType::from_raw_mode(data.st_mode) == FileType::RegularFile {
            found.entry((data.st_dev, data.st_ino)).or_default().push(path.clone());
        }
    }
    Ok(found.into_iter().map(|(file, paths)| (file, paths.into())).collect())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use alert::FileType;

    use super::*;

    fn opened(path: &str, resolved: &str, (device, inode): (u64, u64)) -> OpenFile {
        OpenFile {
            raw: path.into(),
            path: path.into(),
            resolved: Some(resolved.into()),
            flags: 0,
            mode: 0,
            file_type: FileType::File,
            inode,
            device,
        }
    }

    fn told(names: &Names, path: &str, resolved: &str, identity: (u64, u64)) -> String {
        let mut file = opened(path, resolved, identity);
        FileNames(Arc::new(ArcSwap::from_pointee(names.clone()))).tell(&mut file);
        file.resolved.unwrap().into()
    }

    #[test]
    fn a_file_is_known_by_all_its_names_and_only_if_it_is_one() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("etc")).unwrap();
        fs::write(at("etc/shadow"), "x").unwrap();
        symlink("/etc", at("linked")).unwrap();
        symlink("/../../../etc/passwd", at("outside")).unwrap();
        let wanted = ["/etc", "/etc/shadow", "/linked/shadow", "/none", "/outside"];
        let wanted = wanted.map(Box::from).into_iter().collect();
        let names = names(root.path().to_str().unwrap(), &wanted).unwrap();
        assert_eq!(names.len(), 1, "{names:?}");
        let (file, paths) = names.iter().next().unwrap();
        let data = rustix::fs::stat(at("etc/shadow")).unwrap();
        assert_eq!(*file, (data.st_dev, data.st_ino));
        assert_eq!(paths[..], ["/etc/shadow".into(), "/linked/shadow".into()]);
    }

    #[test]
    fn another_name_is_told_as_the_one_in_the_rules() {
        let paths: Box<[Box<str>]> = ["/etc/a".into(), "/etc/b".into()].into();
        let names = Names::from_iter([((1, 2), paths)]);
        assert_eq!(told(&names, "/tmp/hard", "/tmp/hard", (1, 2)), "/etc/a");
        assert_eq!(told(&names, "/tmp/link", "/tmp/hard", (1, 2)), "/etc/a");
        assert_eq!(told(&names, "/tmp/hard", "/tmp/hard", (1, 3)), "/tmp/hard");
        // Rules know it already by what is there.
        assert_eq!(told(&names, "/tmp/link", "/etc/b", (1, 2)), "/etc/b");
        assert_eq!(told(&names, "/etc/b", "/data/b", (1, 2)), "/data/b");
    }
}
