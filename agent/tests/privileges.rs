//! What the program needs of root's rights, says that it lacks, and gives up.
//!
//! Needs root, to give rights up. Under `CI=true` that is a failure; elsewhere the tests say loudly
//! that they did nothing.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "tests panic where something is wrong and say loudly what they skip"
)]

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

const RULE: &str = "- rule: Mine\n  desc: d\n  priority: INFO\n  output: o\n  condition: evt.type = openat and fd.name = /saker/privileges\n";
/// What the units and the chart grant, by the names of setpriv(1).
const ALL: [&str; 5] = ["bpf", "perfmon", "sys_ptrace", "dac_read_search", "kill"];
/// Bits of these, as in capabilities(7).
const BITS: [u64; 5] = [1 << 39, 1 << 38, 1 << 19, 1 << 2, 1 << 5];

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "needs root");
        eprintln!("\n*** SKIPPED, nothing was tested: needs root to give rights up\n");
    }
    root
}

/// A running agent that has said what it has to say about its rights.
struct Running {
    child: Child,
    said: Vec<String>,
}

impl Running {
    /// Runs the program as root with these capabilities alone, or with all; `more` is its
    /// configuration. Returns when it watches or has ended.
    fn new(capabilities: Option<&[&str]>, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("rules.yaml");
        fs::write(&rules, RULE).unwrap();
        let config = folder.path().join("saker.yaml");
        fs::write(&config, format!("agent:\n  record: {{ enabled: false }}\n{more}")).unwrap();
        let mut command = Command::new("setpriv");
        if let Some(capabilities) = capabilities {
            let named: String = capabilities.iter().map(|name| format!(",+{name}")).collect();
            command.args(["--inh-caps=-all", &format!("--bounding-set=-all{named}")]);
        } else {
            command.arg("--inh-caps=-all");
        }
        command.arg(env!("CARGO_BIN_EXE_saker-agent")).arg("--config").arg(&config);
        command.arg("--rules").arg(&rules).env_remove("SAKER_CONFIG");
        command.env("SAKER_AGENT__ADMIN", "127.0.0.1:0").stdin(Stdio::null());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        for line in lines.map_while(Result::ok) {
            let done = line.contains("watching the kernel");
            said.push(line);
            if done {
                break;
            }
        }
        Self { child, said }
    }

    fn watches(&self) -> bool {
        self.said.iter().any(|line| line.contains("watching the kernel"))
    }

    fn says(&self, capability: &str) -> bool {
        self.said.iter().any(|line| line.contains(capability))
    }

    /// Returns a set of its main thread, and whether another thread has another.
    fn set(&self, name: &str) -> u64 {
        let mut sets = Vec::new();
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().flatten() {
            let Ok(status) = fs::read_to_string(thread.path().join("status")) else { continue };
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
            sets.push(u64::from_str_radix(line, 16).unwrap());
        }
        sets.dedup();
        assert_eq!(sets.len(), 1, "all threads have the same {name}: {sets:x?}");
        sets[0]
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

const KILLS: &str = "  enforce: { mode: enforce, rules: [{ rule: None, action: kill }] }\n";

#[test]
fn each_capability_that_is_missing_is_named() {
    if !is_root() {
        return;
    }
    let complete = Running::new(Some(&ALL), KILLS);
    assert!(complete.watches(), "{:#?}", complete.said);
    assert!(!complete.says("CAP_"), "{:#?}", complete.said);
    for missing in ALL {
        let rest: Vec<_> = ALL.into_iter().filter(|name| *name != missing).collect();
        let agent = Running::new(Some(&rest), KILLS);
        let name = format!("CAP_{}", missing.to_uppercase());
        assert!(agent.says(&name), "{name}: {:#?}", agent.said);
        let needed = matches!(missing, "bpf" | "perfmon");
        assert_eq!(agent.watches(), !needed, "{name}: {:#?}", agent.said);
        // It names what is missing and nothing that is there.
        for there in rest.iter().filter(|_| !needed) {
            let name = format!("CAP_{}", there.to_uppercase());
            assert!(!agent.says(&name), "{name}: {:#?}", agent.said);
        }
    }
}

#[test]
fn what_is_not_needed_is_given_up_for_good() {
    if !is_root() {
        return;
    }
    let sum = |bits: &[u64]| bits.iter().fold(0, |all, bit| all | bit);
    // As root with everything.
    let agent = Running::new(None, "");
    assert!(agent.watches(), "{:#?}", agent.said);
    assert!(!agent.says("CAP_"), "without kills CAP_KILL is not missed: {:#?}", agent.said);
    for set in ["CapEff:", "CapPrm:", "CapBnd:"] {
        assert_eq!(agent.set(set), sum(&BITS[..4]), "{set}");
    }
    assert_eq!((agent.set("CapInh:"), agent.set("CapAmb:")), (0, 0));
    assert_eq!(agent.set("NoNewPrivs:"), 1);
    let agent = Running::new(None, KILLS);
    assert_eq!(agent.set("CapEff:"), sum(&BITS));
}
