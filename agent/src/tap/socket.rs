//! The socket on which events are asked for. Only root and the agent's own user can use it.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use tokio::net::UnixListener;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("another agent listens on `{}`", .0.display())]
    InUse(PathBuf),
    #[error("`{}` is there and is no socket of ours", .0.display())]
    Foreign(PathBuf),
    #[error("failed to listen on `{}`", path.display())]
    Listen { path: PathBuf, source: io::Error },
}

/// A socket that is listened on, and goes when this does.
#[derive(Debug)]
pub struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
}

/// Returns where an agent of this user listens unless told otherwise.
pub fn default_path() -> Option<PathBuf> {
    if rustix::process::geteuid().is_root() {
        return Some(PathBuf::from("/run/saker/agent.sock"));
    }
    let run = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty())?;
    Some(PathBuf::from(run).join("saker/agent.sock"))
}

impl Socket {
    /// Listens at `path`. A folder that is missing is made, for its owner alone. Must be called
    /// inside a runtime.
    pub fn bind(path: &Path) -> Result<Self, SocketError> {
        let failed = |source| SocketError::Listen { path: path.to_owned(), source };
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            fs::DirBuilder::new().mode(0o700).recursive(true).create(folder).map_err(failed)?;
        }
        make_way(path)?;
        // It gets its name when nobody else can open it any more.
        let unnamed = path.with_extension(format!("{}.new", std::process::id()));
        let listener = UnixListener::bind(&unnamed).map_err(failed)?;
        let named = fs::set_permissions(&unnamed, fs::Permissions::from_mode(0o600))
            .and_then(|()| fs::rename(&unnamed, path));
        if let Err(source) = named {
            // What is left behind is a socket nobody listens on.
            drop(fs::remove_file(&unnamed));
            return Err(failed(source));
        }
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Returns whether a peer's user may ask: root, or the agent's own.
    pub(super) fn is_allowed(user: u32) -> bool {
        user == 0 || user == rustix::process::geteuid().as_raw()
    }
}

/// Makes sure that nobody listens at `path` and that nothing else is there.
fn make_way(path: &Path) -> Result<(), SocketError> {
    use std::os::unix::fs::FileTypeExt;
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(SocketError::Listen { path: path.to_owned(), source }),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(SocketError::Foreign(path.to_owned()));
        }
        Ok(_) => {}
    }
    // One that was killed leaves its socket, on which nobody answers.
    match UnixStream::connect(path) {
        Ok(_) => Err(SocketError::InUse(path.to_owned())),
        Err(_) => Ok(()),
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // One that stays is taken over by the next agent.
        drop(fs::remove_file(&self.path));
    }
}
