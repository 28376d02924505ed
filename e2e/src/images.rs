//! Our own images, for a cluster that is given them.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::{Folder, saker::program};

/// Says how the programs in the images are compiled: `dev` (default) or `release`.
const PROFILE: &str = "SAKER_IMAGE_PROFILE";

/// Returns the archives of all images, made once for all tests of this binary. With the profile
/// `dev` they hold the programs beside the tests, and nothing is compiled.
pub fn images() -> &'static [PathBuf] {
    static IMAGES: OnceLock<(Folder, Vec<PathBuf>)> = OnceLock::new();
    let (_, archives) = IMAGES.get_or_init(|| {
        let folder = Folder::new("images");
        let profile = std::env::var(PROFILE).unwrap_or_else(|_| "dev".to_owned());
        let mut xtask = Command::new(program("xtask"));
        xtask.args(["images", "--profile", &profile, "--out"]).arg(folder.path());
        // Named from the workspace's root, as `cargo xtask` runs.
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
        let made = xtask.current_dir(root).output().expect("xtask starts");
        let said = String::from_utf8_lossy(&[made.stdout, made.stderr].concat()).into_owned();
        assert!(made.status.success(), "no images: {said}");
        let files = std::fs::read_dir(folder.path()).expect("the folder of the images");
        let files = files.map(|entry| entry.expect("a file").path());
        let mut archives: Vec<PathBuf> =
            files.filter(|path| path.extension().is_some_and(|end| end == "tar")).collect();
        archives.sort();
        assert!(!archives.is_empty(), "no images: {said}");
        (folder, archives)
    });
    archives
}
