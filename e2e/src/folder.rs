//! A folder of its own for every server, and the cache of what was downloaded.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Once,
};

/// A new folder, removed when dropped. What a killed test left is removed by the next one.
#[derive(Debug)]
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new(name: &str) -> Self {
        let user = rustix::process::getuid().as_raw();
        let root = std::env::temp_dir().join(format!("saker-e2e-{user}"));
        let mine = root.join(std::process::id().to_string());
        static SWEPT: Once = Once::new();
        SWEPT.call_once(|| sweep(&root));
        fs::create_dir_all(&mine).expect("a temporary folder");
        let folder = tempfile::Builder::new().prefix(&format!("{name}-")).tempdir_in(mine);
        Self(folder.expect("a temporary folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, content).expect("a file in the temporary folder");
        path
    }
}

/// Removes the folders of processes that are no more.
fn sweep(root: &Path) {
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let alive = Path::new("/proc").join(entry.file_name()).exists();
        if !alive && fs::remove_dir_all(entry.path()).is_err() {
            // Another test process sweeps as well.
        }
    }
}

/// Returns what `e2e/install.sh` put under `name`.
pub(crate) fn installed(name: &str) -> PathBuf {
    let path = cache().join("saker/e2e").join(name);
    assert!(path.exists(), "{} is missing: run e2e/install.sh", path.display());
    path
}

/// Returns the user's folder for what can be made again.
pub(crate) fn cache() -> PathBuf {
    std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).unwrap_or_else(|| {
        PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache")
    })
}
