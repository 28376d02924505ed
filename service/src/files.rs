//! Who may read what a daemon writes.

use rustix::{fs::Mode, process::umask};

/// From here on the files and folders that this process makes are for its user alone: alerts hold arguments
/// and environments of other people's programs.
pub fn keep_private() {
    umask(Mode::RWXG | Mode::RWXO);
}
