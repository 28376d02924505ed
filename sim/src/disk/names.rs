//! Which files the folders hold: as seen now, and as the disk has it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::chance::Chance;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Folder,
    File(usize),
}

#[derive(Debug, Default)]
pub(super) struct Names {
    seen: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    /// With the folder that must be synced, in the order they were made.
    unsynced: Vec<(PathBuf, Change)>,
}

#[derive(Clone, Debug)]
enum Change {
    Make(PathBuf, Node),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl Change {
    fn apply(self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Make(path, node) => _ = names.insert(path, node),
            Self::Rename(from, to) => {
                if let Some(node) = names.remove(&from) {
                    names.insert(to, node);
                }
            }
            Self::Remove(path) => _ = names.remove(&path),
        }
    }
}

impl Names {
    pub(super) fn exists(&self, path: &Path) -> bool {
        path == Path::new("/") || self.seen.contains_key(path)
    }

    pub(super) fn file(&self, path: &Path) -> Option<usize> {
        match self.seen.get(path)? {
            Node::File(inode) => Some(*inode),
            Node::Folder => None,
        }
    }

    pub(super) fn files(&self) -> impl Iterator<Item = usize> {
        self.seen.values().filter_map(|node| match node {
            Node::File(inode) => Some(*inode),
            Node::Folder => None,
        })
    }

    pub(super) fn list(&self, dir: &Path) -> Option<Vec<PathBuf>> {
        let inside = self.seen.keys().filter(|path| path.parent() == Some(dir));
        self.exists(dir).then(|| inside.cloned().collect())
    }

    pub(super) fn make_dir(&mut self, dir: &Path) {
        let missing: Vec<_> = dir.ancestors().take_while(|dir| !self.exists(dir)).collect();
        for dir in missing.into_iter().rev() {
            self.change(Change::Make(dir.to_owned(), Node::Folder), dir);
        }
    }

    /// Returns whether there is a folder to make it in.
    pub(super) fn make_file(&mut self, path: &Path, inode: usize) -> bool {
        let has_folder = path.parent().is_some_and(|dir| self.exists(dir));
        if has_folder {
            self.change(Change::Make(path.to_owned(), Node::File(inode)), path);
        }
        has_folder
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) {
        self.change(Change::Rename(from.to_owned(), to.to_owned()), to);
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.change(Change::Remove(path.to_owned()), path);
    }

    /// Makes what changed in a folder durable.
    pub(super) fn sync(&mut self, dir: &Path) {
        for (folder, change) in std::mem::take(&mut self.unsynced) {
            if folder == dir {
                change.apply(&mut self.durable);
            } else {
                self.unsynced.push((folder, change));
            }
        }
    }

    /// The power went: each change that was not synced is kept or lost for itself.
    pub(super) fn crash(&mut self, chance: &mut Chance, kept: u64) {
        for (_, change) in std::mem::take(&mut self.unsynced) {
            if chance.per_mille(kept) {
                change.apply(&mut self.durable);
            }
        }
        // What is in a folder that was lost is lost with it.
        let durable = self.durable.clone();
        let has_folders = |path: &PathBuf| {
            path.ancestors().skip(1).all(|dir| dir == Path::new("/") || durable.contains_key(dir))
        };
        self.durable.retain(|path, _| has_folders(path));
        self.seen.clone_from(&self.durable);
    }

    fn change(&mut self, change: Change, path: &Path) {
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        change.clone().apply(&mut self.seen);
        self.unsynced.push((folder, change));
    }
}
