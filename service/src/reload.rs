//! Notices that files changed: configuration, rules, certificates, templates.
//!
//! Folders are watched, not files, since editors and Kubernetes replace files by renaming
//! (`..data` links). What changed is told once the changes have paused.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Tells when watched files changed. Stops watching when dropped.
#[derive(Debug)]
pub struct Changes {
    events: mpsc::Receiver<()>,
    debounce: Duration,
    _watcher: RecommendedWatcher,
}

/// The folders cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("failed to watch {}", path.display())]
pub struct WatchError {
    path: PathBuf,
    #[source]
    source: notify::Error,
}

/// Watches files, by their folders, and whole folders: any file in one counts.
pub fn watch(paths: &[PathBuf], debounce: Duration) -> Result<Changes, WatchError> {
    let watched = paths.iter().map(|path| Watched::of(path)).collect::<Result<Vec<_>, _>>()?;
    let folders: BTreeSet<PathBuf> = watched.iter().map(|watched| watched.folder.clone()).collect();
    // One waiting change says all there is to say, so a full channel loses nothing.
    let (sender, events) = mpsc::channel(1);
    let of_interest = move |event: &notify::Event| {
        let reading = matches!(event.kind, notify::EventKind::Access(_));
        !reading
            && event.paths.iter().any(|path| watched.iter().any(|watched| watched.covers(path)))
    };
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.as_ref().map_or(true, &of_interest) {
            // A full channel holds the same news.
            sender.try_send(()).ok();
        }
    })
    .map_err(|source| WatchError { path: PathBuf::new(), source })?;
    for folder in folders {
        watcher
            .watch(&folder, RecursiveMode::NonRecursive)
            .map_err(|source| WatchError { path: folder, source })?;
    }
    Ok(Changes { events, debounce, _watcher: watcher })
}

/// A file in its folder, or a whole folder when `file` is absent. The folder's path is absolute
/// and without links, as the events' paths are.
struct Watched {
    folder: PathBuf,
    file: Option<OsString>,
}

impl Watched {
    fn of(path: &Path) -> Result<Self, WatchError> {
        let (folder, file) = if path.is_dir() {
            (path, None)
        } else {
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            (folder.unwrap_or(Path::new(".")), path.file_name().map(OsString::from))
        };
        let folder = folder.canonicalize().map_err(|error| WatchError {
            path: folder.to_owned(),
            source: notify::Error::io(error),
        })?;
        Ok(Self { folder, file })
    }

    fn covers(&self, path: &Path) -> bool {
        let name = path.file_name();
        path.parent() == Some(&self.folder)
            && (self.file.is_none()
                || name == self.file.as_deref()
                || name == Some(OsStr::new("..data")))
    }
}

impl Changes {
    /// Returns once something changed and nothing more has for the debounce time.
    pub async fn next(&mut self) {
        if self.events.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        while let Ok(Some(())) = tokio::time::timeout(self.debounce, self.events.recv()).await {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(changes: &mut Changes) -> bool {
        tokio::time::timeout(Duration::from_secs(5), changes.next()).await.is_ok()
    }

    #[tokio::test]
    async fn a_written_a_renamed_and_a_relinked_file_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, "a").unwrap();
        let mut changes = watch(std::slice::from_ref(&file), Duration::from_millis(50)).unwrap();
        std::fs::write(&file, "b").unwrap();
        assert!(told(&mut changes).await);
        std::fs::write(folder.path().join("new"), "c").unwrap();
        std::fs::rename(folder.path().join("new"), &file).unwrap();
        assert!(told(&mut changes).await);
        std::os::unix::fs::symlink("x", folder.path().join("..data")).unwrap();
        assert!(told(&mut changes).await);
    }

    #[tokio::test]
    async fn a_new_file_in_a_watched_folder_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut changes = watch(&[folder.path().to_owned()], Duration::from_millis(50)).unwrap();
        std::fs::write(folder.path().join("new.yaml"), "a").unwrap();
        assert!(told(&mut changes).await);
    }
}
