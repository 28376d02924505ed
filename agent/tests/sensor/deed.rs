//! Children that do something.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

/// Returns a command that does one deed of `deeds.c`.
pub(crate) fn deed(name: &str) -> Command {
    let mut command = Command::new(program());
    command.arg(name);
    command
}

/// Runs a command to its end; returns its pid.
pub(crate) fn run(command: &mut Command) -> i32 {
    run_status(command).0
}

/// Runs a command to its end; returns its pid and status.
pub(crate) fn run_status(command: &mut Command) -> (i32, ExitStatus) {
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid = child.id() as i32;
    (pid, finish(child))
}

/// Waits for a child, not for ever.
pub(crate) fn finish(mut child: Child) -> ExitStatus {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("the child {} did not end", child.id());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns the compiled `deeds.c`.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| compiled("deeds"))
}

/// Compiles a C file that lies here.
pub(crate) fn compiled(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let program = directory.join(format!("{name}-{}", std::process::id()));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sensor").join(name);
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let status = Command::new(compiler)
        // Static, so that it runs in any root.
        .args(["-O1", "-static", "-pthread", "-o"])
        .arg(&program)
        .arg(source.with_extension("c"))
        .status()
        .unwrap();
    assert!(status.success());
    program
}
