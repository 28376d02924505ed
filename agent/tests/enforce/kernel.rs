//! Programs that the kernel ends before their first instruction, and those it leaves alone.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use agent::config::EnforceMode::{Enforce, Monitor};

use crate::stage::{KILLED_AT_ONCE, LEFT_ALONE, Stage, bytes, deeds, fate, outcomes, victim};

const PREFIX: &str = "evt.type in (execve, execveat) and proc.exepath startswith FOLDER/bad/";
const TRIALS: usize = 100;

#[test]
fn a_forbidden_program_executes_no_instruction() {
    let Some(stage) = Stage::new(Enforce, &[PREFIX], |_, _| {}) else { return };
    let (bad, good) = (stage.victim("bad/victim"), stage.victim("good/victim"));
    for _ in 0..TRIALS {
        assert_eq!(fate(&mut Command::new(&bad)), KILLED_AT_ONCE);
    }
    assert_eq!(fate(&mut Command::new(&good)), LEFT_ALONE);
    let alerts = stage.alerts(TRIALS);
    assert_eq!((alerts.len(), outcomes(&alerts)), (TRIALS, vec!["killed".to_owned()]));
    assert_eq!(alerts[0].fields["saker.enforced.by"], "Forbidden 0");
    let status = stage.status();
    assert!(status.in_kernel && status.after_the_fact.is_none());
    assert_eq!(status.kernel["killed"], TRIALS as u64);
    assert!(status.after.values().all(|count| *count == 0), "{status:?}");
}

#[test]
fn what_is_monitored_runs_and_is_counted() {
    let Some(stage) = Stage::new(Monitor, &[PREFIX], |_, _| {}) else { return };
    let bad = stage.victim("bad/victim");
    for _ in 0..20 {
        assert_eq!(fate(&mut Command::new(&bad)), LEFT_ALONE);
    }
    let alerts = stage.alerts(20);
    assert_eq!((alerts.len(), outcomes(&alerts)), (20, vec!["would_kill".to_owned()]));
    assert_eq!(stage.status().kernel["would_kill"], 20);
}

#[test]
fn a_protected_program_is_spared_and_another_in_its_place_is_not() {
    let protect = |config: &mut agent::config::EnforceConfig, folder: &Path| {
        config.protect.push(format!("{}/bad/kept", folder.display()));
        config.protect.push(format!("{}/bad/folder/", folder.display()));
        config.protect.push(format!("{}/bad/start*", folder.display()));
        fs::create_dir(folder.join("bad")).unwrap();
        fs::copy(victim(), folder.join("bad/kept")).unwrap();
    };
    let Some(stage) = Stage::new(Enforce, &[PREFIX], protect) else { return };
    let (kept, other) = (stage.path("bad/kept"), stage.victim("bad/other"));
    for path in [&kept, &stage.victim("bad/folder/x"), &stage.victim("bad/start-of-name")] {
        assert_eq!(fate(&mut Command::new(path)), LEFT_ALONE, "{path:?}");
    }
    assert_eq!(outcomes(&stage.alerts(3)), ["protected"]);
    // Another file under the same name, where only its user sees it.
    let script = format!("mount --bind {} {} && exec {1}", other.display(), kept.display());
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]);
    assert_eq!(fate(&mut command), KILLED_AT_ONCE);
    assert_eq!(stage.status().kernel["protected"], 3);

    // By its inode it is known under any path.
    let link = stage.path("bad/link");
    fs::hard_link(&kept, &link).unwrap();
    assert_eq!(fate(&mut Command::new(&link)), LEFT_ALONE);
}

#[test]
fn names_chosen_to_confuse_help_nobody() {
    let Some(stage) = Stage::new(Enforce, &[PREFIX], |_, _| {}) else { return };
    let long = vec![b'a'; 250];
    let deep = [&b"bad/"[..], &long, b"/", &long, b"/", &long].concat();
    let names: [&[u8]; 6] = [
        b"bad/two\nlines",
        b"bad/\x1b[31mred\x07",
        b"bad/no\xfftext\xc3",
        b"bad/ ; rm",
        "bad/ünïcode\u{fffd}".as_bytes(),
        &deep,
    ];
    for name in names {
        let path = stage.victim(bytes(name));
        assert_eq!(fate(&mut Command::new(&path)), KILLED_AT_ONCE, "{path:?}");
    }
    // Links and detours do not change what is run.
    let victim = stage.victim("bad/victim");
    let link = stage.path("link");
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    assert_eq!(fate(&mut Command::new(&link)), KILLED_AT_ONCE);
    let detour = stage.path("bad/../bad/./victim");
    assert_eq!(fate(&mut Command::new(detour)), KILLED_AT_ONCE);
    let mut relative = Command::new("./bad/victim");
    assert_eq!(fate(relative.current_dir(stage.folder.path())), KILLED_AT_ONCE);
    assert_eq!(outcomes(&stage.alerts(names.len() + 3)), ["killed"]);
}

#[test]
fn a_user_a_name_an_inode_and_a_path_decide_together() {
    let condition = "evt.type in (execve, execveat) and proc.exepath pmatch (FOLDER/bad) and \
                     (user.uid >= 1000 or proc.name in (named, other)) and proc.exe_ino != 1";
    let Some(stage) = Stage::new(Enforce, &[condition], |_, _| {}) else { return };
    // Others must get there.
    fs::set_permissions(stage.folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let (victim, named) = (stage.victim("bad/victim"), stage.victim("bad/named"));
    assert_eq!(fate(&mut Command::new(&victim)), LEFT_ALONE);
    assert_eq!(fate(&mut Command::new(&named)), KILLED_AT_ONCE);
    let mut other = Command::new("setpriv");
    other.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&victim);
    assert_eq!(fate(&mut other), KILLED_AT_ONCE);
    assert!(stage.status().after_the_fact.is_none(), "{:?}", stage.status());
}

#[test]
fn a_program_in_memory_is_known_to_have_no_file() {
    let condition = "evt.type in (execve, execveat) and proc.is_exe_from_memfd = true and \
                     proc.exepath startswith 'memfd:saker-enforce-test'";
    let Some(stage) = Stage::new(Enforce, &[condition], |_, _| {}) else { return };
    let mut command = Command::new(deeds());
    assert!(fate(command.args(["memfd", "saker-enforce-test-1"])).killed);
    let mut command = Command::new(deeds());
    assert!(!fate(command.args(["memfd", "another-test-1"])).killed);
    assert_eq!(stage.status().kernel["killed"], 1);
}

/// A cgroup for one test.
struct Cgroup(PathBuf);

impl Drop for Cgroup {
    fn drop(&mut self) {
        let mut left = 1000;
        while fs::remove_dir(&self.0).is_err() && left > 0 {
            left -= 1;
            std::thread::yield_now();
        }
    }
}

fn cgroup_roots() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let root = |line: &str| {
        let mut words = line.split(' ').skip(1);
        let (path, kind) = (words.next()?, words.next()?);
        kind.starts_with("cgroup").then(|| (kind != "cgroup2", PathBuf::from(path)))
    };
    let mut roots: Vec<_> = mounts.lines().filter_map(root).collect();
    roots.sort();
    roots.into_iter().map(|(_, root)| root).collect()
}

/// Runs a program after it was moved to the root of every hierarchy, but in one to this cgroup.
fn run_in(folder: Option<&Path>, program: &Path) -> Command {
    let roots = cgroup_roots();
    let moves = roots.iter().map(|root| format!("echo $$ > {}/cgroup.procs; ", root.display()));
    let last =
        folder.map(|folder| format!("echo $$ > {}/cgroup.procs || exit 1; ", folder.display()));
    let script: String = moves.chain(last).collect();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{{ {script} }} 2>/dev/null; exec {}", program.display())]);
    command
}

#[test]
fn the_kernel_tells_containers_from_the_host_and_leaves_doubt_to_the_agent() {
    let inside = format!("{PREFIX} and container.id != host");
    let outside = PREFIX.replace("/bad/", "/out/") + " and container.id = host";
    let Some(stage) = Stage::new(Enforce, &[&inside, &outside], |_, _| {}) else { return };
    let (bad, out) = (stage.victim("bad/victim"), stage.victim("out/victim"));
    let id = format!("{:064x}", std::process::id());
    let roots = cgroup_roots();
    let Some(root) = roots.first() else { return };
    let made = |name: String| {
        let folder = root.join(name);
        fs::create_dir(&folder).unwrap();
        Cgroup(folder)
    };
    for name in
        [id.clone(), format!("libpod-{id}.scope"), format!("saker-test:cri-containerd:{id}")]
    {
        let container = made(name);
        assert_eq!(
            fate(&mut run_in(Some(&container.0), &bad)),
            KILLED_AT_ONCE,
            "{:?}",
            container.0
        );
        assert_eq!(fate(&mut run_in(Some(&container.0), &out)), LEFT_ALONE, "{:?}", container.0);
    }
    let slice = made(format!("saker-test-{}.slice", std::process::id()));
    for host in [None, Some(slice.0.as_path())] {
        assert_eq!(fate(&mut run_in(host, &bad)), LEFT_ALONE, "{host:?}");
        assert_eq!(fate(&mut run_in(host, &out)), KILLED_AT_ONCE, "{host:?}");
    }
    let killed = |number: usize| stage.enforcer.status().rules[number].kernel["killed"];
    assert_eq!((killed(0), killed(1)), (3, 2));
    // What somebody may have called a container.
    let doubtful = made(format!("saker-test-{}", std::process::id()));
    fate(&mut run_in(Some(&doubtful.0), &out));
    assert_eq!(outcomes(&stage.alerts(5)[..5]), ["killed"]);
    assert_eq!(killed(1), 2, "the agent's to decide");
}

#[test]
fn other_rules_are_in_force_at_once_when_they_are_loaded() {
    let Some(stage) = Stage::new(Enforce, &[PREFIX], |_, _| {}) else { return };
    let (bad, good) = (stage.victim("bad/victim"), stage.victim("good/victim"));
    assert_eq!(fate(&mut Command::new(&bad)), KILLED_AT_ONCE);
    let other = PREFIX.replace("/bad/", "/good/");
    for _ in 0..10 {
        stage.load(&[&other]);
        assert_eq!(fate(&mut Command::new(&bad)), LEFT_ALONE);
        assert_eq!(fate(&mut Command::new(&good)), KILLED_AT_ONCE);
        stage.load(&[PREFIX]);
        assert_eq!(fate(&mut Command::new(&good)), LEFT_ALONE);
        assert_eq!(fate(&mut Command::new(&bad)), KILLED_AT_ONCE);
    }
    assert_eq!(stage.status().kernel["killed"], 21);
}
