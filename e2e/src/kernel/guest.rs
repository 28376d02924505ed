//! An emulated machine that runs one of the kernels: what is in it, and what it is to do.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{Kernel, Report, archive::Archive, kernels, read};
use crate::{Folder, Process};

pub(super) const EMULATOR: &str = "qemu-system-x86_64";
const INIT: &str = include_str!("init.sh");
/// What of busybox the guest's scripts use, beside the shell's own commands.
const APPLETS: [&str; 32] = [
    "cat", "chmod", "chown", "cp", "env", "false", "find", "grep", "head", "insmod", "ip", "kill",
    "ln", "ls", "mkdir", "mount", "mv", "poweroff", "rm", "sed", "sh", "sleep", "stty", "tail",
    "taskset", "timeout", "touch", "tr", "true", "umount", "uname", "wget",
];
const BOOT_OPTIONS: &str =
    "console=ttyS0 quiet panic=-1 mitigations=off lsm=lockdown,capability,landlock,yama,bpf";

/// How the kernel ends when an emulated processor still runs code that another one has replaced: QEMU 7.2
/// gives up such code a moment late, and a breakpoint that stood there meanwhile is nobody's any more.
const STALE_CODE: &str = "Oops: int3";
/// How often a machine is booted at most, should that happen.
const BOOTS_MAX: usize = 4;

/// A machine that is being put together.
#[derive(Debug)]
pub struct Guest {
    kernel: Kernel,
    archive: Archive,
    steps: usize,
    libraries: Vec<PathBuf>,
}

impl Guest {
    /// Starts with a shell and nothing else.
    pub fn new(kernel: Kernel) -> Self {
        let mut archive = Archive::default();
        for folder in ["bin", "etc", "root", "proc", "sys", "dev", "tmp", "run", "steps"] {
            archive.folder(folder);
        }
        archive.device("dev/console", 5, 1);
        archive.file("init", 0o755, INIT.as_bytes());
        archive.file("bin/busybox", 0o755, &read(&kernels().join("busybox")));
        for applet in APPLETS {
            archive.link(&format!("bin/{applet}"), "busybox");
        }
        archive.file("overlay.ko", 0o644, &read(&kernel.overlay_module()));
        Self { kernel, archive, steps: 0, libraries: Vec::new() }
    }

    /// Adds a file.
    #[must_use]
    pub fn file(mut self, path: &str, mode: u32, content: impl AsRef<[u8]>) -> Self {
        self.archive.file(path, mode, content.as_ref());
        self
    }

    /// Adds a program of this machine, without what only a debugger reads, and the libraries it is
    /// linked with.
    #[must_use]
    pub fn program(mut self, path: &str, program: &Path) -> Self {
        for library in libraries_of(program) {
            if !self.libraries.contains(&library) {
                let name = library.to_str().expect("a library's path is text");
                self.archive.file(name, 0o755, &read(&library));
                self.libraries.push(library);
            }
        }
        self.archive.file(path, 0o755, &stripped(program));
        self
    }

    /// Adds a shell script to run after the steps before it.
    #[must_use]
    pub fn step(mut self, name: &str, script: &str) -> Self {
        self.archive.file(&format!("steps/{:02}-{name}", self.steps), 0o644, script.as_bytes());
        self.steps += 1;
        self
    }

    /// Boots, and returns what was told when the machine has switched itself off or its time is up. One that
    /// the emulator made fall is booted anew.
    #[track_caller]
    #[expect(clippy::print_stderr, reason = "a test says what it did twice, and why")]
    pub fn run(self, bound: Duration) -> Report {
        let folder = Folder::new("kernel");
        let initial = folder.write("initial.cpio", self.archive.finish());
        for boot in 1..BOOTS_MAX {
            let report = Self::boot(&folder, self.kernel, &initial, bound);
            if !report.console.contains(STALE_CODE) {
                return report;
            }
            eprintln!("boot {boot} of {}: the emulator ran stale code", self.kernel.name);
        }
        Self::boot(&folder, self.kernel, &initial, bound)
    }

    #[track_caller]
    fn boot(folder: &Folder, kernel: Kernel, initial: &Path, bound: Duration) -> Report {
        let [console, told] = ["console", "told"].map(|name| folder.join(name));
        let mut command = Command::new(EMULATOR);
        command
            // QEMU 7.2 now and then faults in a cmpxchg16b of two processors at once; Linux does without.
            .args(["-accel", "tcg,thread=multi", "-cpu", "max,cx16=off", "-smp", "2", "-m", "1536"])
            .args(["-display", "none", "-monitor", "none", "-no-reboot", "-nodefaults"])
            .arg("-kernel")
            .arg(kernel.image())
            .arg("-initrd")
            .arg(initial)
            .args(["-append", BOOT_OPTIONS])
            .arg("-serial")
            .arg(format!("file:{}", console.display()))
            .arg("-serial")
            .arg(format!("file:{}", told.display()));
        let mut emulator = Process::start("the emulator", &command, &folder.join("log"));
        // One that hangs is stopped when it goes out of scope; what it told by then says where.
        let status = emulator.ended_within(bound);
        let text = |path: &Path| match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => panic!("no {}: {error}\n{}", path.display(), emulator.log()),
        };
        let failed = status.is_some_and(|status| !status.success());
        assert!(!failed, "the emulator failed:\n{}", emulator.log());
        Report::read(&text(&told), text(&console))
    }
}

/// Returns what the loader would map for this program, the loader included.
fn libraries_of(program: &Path) -> Vec<PathBuf> {
    let listed = Command::new("ldd").arg(program).output().expect("ldd starts");
    let text = String::from_utf8_lossy(&listed.stdout);
    let found = text.lines().flat_map(|line| line.split_ascii_whitespace());
    // `libc.so.6 => /lib/…/libc.so.6 (0x…)`, or the loader's path alone.
    found.filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn stripped(program: &Path) -> Vec<u8> {
    let folder = Folder::new("strip");
    let small = folder.join("program");
    let status = Command::new("strip").args(["-s", "-o"]).arg(&small).arg(program).status();
    assert!(status.expect("strip starts").success(), "strip {}", program.display());
    read(&small)
}
