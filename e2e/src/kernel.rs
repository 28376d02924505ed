//! Stock kernels, each booted in an emulator with a user space of a few files, to try the probe on.
//!
//! A guest runs steps one after another and tells of each on a serial line of its own; then it
//! switches itself off. `e2e/kernels/fetch` gets the kernels.

mod archive;
mod guest;
mod report;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use guest::Guest;
pub use report::{Report, Step};

/// A kernel of a Debian package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// Its version, as far as it tells it apart.
    pub name: &'static str,
}

impl Kernel {
    /// The oldest long-term kernel the probe is for, and the newest one of Debian.
    pub const ALL: [Self; 2] = [Self { name: "6.1" }, Self { name: "6.12" }];

    /// Returns whether everything is here that booting it needs, or what is missing.
    pub fn is_here(self) -> Result<(), String> {
        let qemu = std::env::var_os("PATH").is_some_and(|path| {
            std::env::split_paths(&path).any(|folder| folder.join(guest::EMULATOR).exists())
        });
        if !qemu {
            return Err(format!("{} is missing: run e2e/install.sh", guest::EMULATOR));
        }
        let image = self.image();
        if !image.exists() {
            return Err(format!("{} is missing: run e2e/install.sh", image.display()));
        }
        Ok(())
    }

    /// Returns its full version, as `uname -r` prints it.
    #[track_caller]
    pub fn release(self) -> String {
        let release =
            fs::read_to_string(self.folder().join("release")).expect("a kernel's release");
        release.trim().to_owned()
    }

    fn image(self) -> PathBuf {
        self.folder().join("vmlinuz")
    }

    /// Returns its module for overlay file systems.
    fn overlay_module(self) -> PathBuf {
        self.folder().join("overlay.ko")
    }

    fn folder(self) -> PathBuf {
        kernels().join(self.name)
    }
}

fn kernels() -> PathBuf {
    crate::folder::cache().join("saker/kernels")
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}
