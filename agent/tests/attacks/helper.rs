//! Who does the deeds: the compiled `attacks.c`, and a stage on which files of the system can be changed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::doer;

/// Returns a word that no other deed of this machine has.
pub(crate) fn mark() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("saker-a{}x{}x", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Returns a command that does one deed of `attacks.c`.
pub(crate) fn attack(deed: &str) -> Command {
    let mut command = Command::new(program());
    command.arg(deed);
    command
}

/// Runs a command to its end; the deed must succeed.
#[track_caller]
pub(crate) fn done(command: &mut Command) {
    let (status, errors) = doer::run(command);
    assert_eq!(status, "0", "{command:?}: {errors}");
}

/// Copies a program. Not by ourselves: a fork by another test would hold it open for a moment, and it
/// could not be run.
#[track_caller]
pub(crate) fn copy(from: &Path, to: &Path) {
    done(Command::new("cp").arg(from).arg(to));
}

/// Returns the compiled `attacks.c`.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let program = folder.join(format!("attacks-{}", std::process::id()));
        let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let status = Command::new(compiler)
            // Static, so that it runs in any root.
            .args(["-O1", "-static", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&program)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/attacks/attacks.c"))
            .status();
        assert!(status.unwrap().success());
        program
    })
}

/// A shell script, and the word by which its alerts are known.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    pub(crate) mark: String,
    pub(crate) script: String,
}

/// Does deeds one after the other in mounts of their own, in which the system's folders are changed
/// without being changed for anybody else. A script has its mark in `$0`, the helper in `$A` and a
/// folder for programs in `$D`. Processes that are written into `procs` are those of a container; they
/// have run a program since, by which an agent knows.
#[track_caller]
pub(crate) fn on_stage(procs: &Path, deeds: &[Deed]) {
    let folder = tempfile::Builder::new().prefix("saker-attacks-").tempdir().unwrap();
    let mut stage = Command::new("unshare");
    stage.args(["--mount", "--propagation", "private", "/bin/sh", "-c", STAGE, "stage"]);
    // No command line has more than one mark: those of parents are told too.
    let scripts = tempfile::tempdir().unwrap();
    for (number, deed) in deeds.iter().enumerate() {
        let file = scripts.path().join(format!("{number:03}"));
        fs::write(file, format!("{}\n{}", deed.mark, deed.script)).unwrap();
    }
    stage.env("DEEDS", scripts.path());
    stage.env("S", folder.path()).env("C", procs).env("PROGRAM", program());
    done(&mut stage);
}

/// A fresh tmpfs can carry the upper layers wherever the tests run.
const STAGE: &str = "
set -e
mount -t tmpfs none $S
mkdir $S/bin
export D=$S/bin A=$S/bin/attacks
cp $PROGRAM $A
for folder in etc var usr root home srv boot; do
    [ -d /$folder ] || continue
    mkdir $S/$folder $S/$folder/up $S/$folder/work
    mount -t overlay none -o lowerdir=/$folder,upperdir=$S/$folder/up,workdir=$S/$folder/work /$folder
done
for deed in $DEEDS/*; do
    { read -r mark; script=$(cat); } <$deed
    /bin/sh -c 'echo $$ >$C; exec /bin/sh -c \"$0\" $1' \"$script\" $mark >/dev/null 2>&1 || :
done
";
