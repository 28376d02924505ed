//! One machine per kernel, with the agent on each back end in turn while deeds are done.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    thread,
    time::Duration,
};

use e2e::{Folder, Guest, Kernel, Report, program, test_program};
use serde_json::json;

/// How long a machine may take for everything; it is done in a third of that.
const BOUND: Duration = Duration::from_secs(480);
/// How many files are opened while their descriptors are replaced: each replacement is an event too, and
/// with more of them an emulated processor is slower than the rings fill. What is lost proves nothing.
pub(crate) const DESCRIPTOR_OPENS: usize = 500;
const RULES: &str = include_str!("rules.yaml");
/// Under how many random rule sets the filter is held to the reference; natively they are many.
const FILTER_RULE_SETS: u32 = 4;
const AGENT: &str = include_str!("agent.sh");

/// What the agent may use to watch system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Trampoline,
    Syscall,
}

impl Backend {
    pub(crate) const ALL: [Self; 2] = [Self::Trampoline, Self::Syscall];

    /// How many files are opened under a flipping name; all of them fit into the ring. An emulated agent
    /// takes a minute for two thousand, so they are many only where the call is not over yet. For more:
    /// `SAKER_NAME_OPENS=100000 cargo test --release --package e2e --test kernels`.
    pub(crate) fn name_opens(self) -> usize {
        match self {
            Self::Trampoline => opens_asked().unwrap_or(2000),
            Self::Syscall => 500,
        }
    }

    /// Its name in the configuration.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Trampoline => "trampoline",
            Self::Syscall => "syscall",
        }
    }
}

/// Returns how many files somebody wants opened under a flipping name.
fn opens_asked() -> Option<usize> {
    std::env::var("SAKER_NAME_OPENS").ok().map(|count| count.parse().unwrap())
}

/// Returns what each kernel's machine told, or `None` where kernels may be missing.
pub(crate) fn reports() -> Option<&'static HashMap<Kernel, Report>> {
    static REPORTS: OnceLock<Option<HashMap<Kernel, Report>>> = OnceLock::new();
    REPORTS.get_or_init(boot_all).as_ref()
}

fn boot_all() -> Option<HashMap<Kernel, Report>> {
    if let Some(missing) = Kernel::ALL.iter().find_map(|kernel| kernel.is_here().err()) {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{missing}");
        eprintln!("\n*** SKIPPED, nothing was tested: {missing}\n");
        return None;
    }
    let folder = Folder::new("deeds");
    let here = env!("CARGO_MANIFEST_DIR");
    let programs = [
        format!("{here}/kernels/deeds.c"),
        format!("{here}/kernels/races.c"),
        format!("{here}/../agent/tests/sift/opener.c"),
        format!("{here}/../agent/tests/sift/caller.c"),
        format!("{here}/../agent/tests/sift/mover.c"),
    ];
    let programs = programs.map(|source| compile(&folder, Path::new(&source)));
    let booted = thread::scope(|scope| {
        let programs = &programs;
        let machines =
            Kernel::ALL.map(|kernel| (kernel, scope.spawn(move || boot(kernel, programs))));
        machines.map(|(kernel, machine)| (kernel, machine.join().unwrap()))
    });
    Some(booted.into())
}

fn boot(kernel: Kernel, [deeds, races, opener, caller, mover]: &[PathBuf; 5]) -> Report {
    let mut guest = Guest::new(kernel)
        .program("bin/saker-agent", &program("saker-agent"))
        .program("bin/deeds", deeds)
        .program("bin/races", races)
        .program("bin/sift", &test_program("sift"))
        .program("bin/opener", opener)
        .program("bin/caller", caller)
        .program("bin/mover", mover)
        .file("etc/rules.yaml", 0o644, RULES)
        .file("etc/agent.sh", 0o644, AGENT)
        .file("etc/passwd", 0o644, "root:x:0:0::/root:/bin/sh\nsomeone:x:1000:1000::/:/bin/sh\n")
        .file("etc/group", 0o644, "root:x:0:\n")
        .file("etc/hostname", 0o644, "guest\n");
    for backend in Backend::ALL {
        let name = backend.name();
        guest = guest.file(&format!("etc/{name}.yaml"), 0o644, config(backend).to_string()).step(
            name,
            &format!("sh /etc/agent.sh {name} {} {DESCRIPTOR_OPENS}", backend.name_opens()),
        );
    }
    for backend in Backend::ALL {
        let name = backend.name();
        guest = guest.step(
            &format!("sift-{name}"),
            &format!(
                "export CI=true SAKER_SIFT_BACKEND={name} SAKER_SIFT_PROGRAMS=/bin \
                 SAKER_SIFT_RULE_SETS={FILTER_RULE_SETS}\n\
                 sift --nocapture --test-threads=1"
            ),
        );
    }
    guest.run(BOUND)
}

fn config(backend: Backend) -> serde_json::Value {
    json!({
        "agent": {
            "builtin_rules": false,
            "rules": ["/etc/rules.yaml"],
            // Everything that is off by default is on, without meaning anybody here: old verifiers
            // are to see all of the probe.
            "sensor": {
                "backend": backend.name(),
                "mute": [{ "exe": "/no/such/program" }],
                "bulk_ring_bytes": if opens_asked().is_some() { "256MiB" } else { "4MiB" },
            },
            "enforce": { "mode": "enforce", "rules": [{ "rule": "None", "action": "kill" }] },
            "limits": { "rule_alerts_per_second_max": 1_000_000, "rule_alerts_burst_max": 1_000_000 },
        },
    })
}

fn compile(folder: &Folder, source: &Path) -> PathBuf {
    let program = folder.join(source.file_stem().and_then(|name| name.to_str()).unwrap());
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let status = Command::new(compiler)
        .args(["-O1", "-static", "-no-pie", "-pthread", "-Wall", "-Werror", "-o"])
        .arg(&program)
        .arg(source)
        .status();
    assert!(status.unwrap().success());
    program
}

#[test]
fn each_kernel_boots_and_the_agent_works_on_both_back_ends() {
    let Some(reports) = reports() else { return };
    for (kernel, report) in reports {
        let booted = report.release.as_deref();
        assert_eq!(booted, Some(&*kernel.release()), "{}", report.console_end());
        for backend in Backend::ALL {
            report.step(backend.name()).succeeded();
        }
        assert!(report.done, "{}", report.console_end());
    }
}
