//! One process is ended, or is not, and why.

use std::process::Command;

use alert::{
    ProcessKey,
    order::{KillOutcome, Refusal, Scope},
};

use crate::{
    container::{Container, Running, TICK_NS, container, key, running, state},
    stage::{Stage, order},
};

fn alone(process: &Running, container: &Container) -> alert::order::KillOrder {
    order(process.key(), Some(&container.id), Scope::Process)
}

#[tokio::test]
async fn a_process_in_a_container_is_killed_and_seen_to_die() {
    let Some(container) = container() else { return };
    let (stage, victim, other) = (Stage::new().await, container.sleeper(), container.sleeper());
    let report = stage.kill(&alone(&victim, &container)).await;
    assert_eq!(report.outcome, KillOutcome::Dead);
    assert_eq!(report.processes.len(), 1);
    assert_eq!(report.processes[0].process, key(victim.pid()).unwrap());
    assert_eq!(&*report.processes[0].name, "sleep");
    assert!(report.processes[0].dead_after_us.unwrap() < 10_000_000);
    assert!(victim.is_dead() && !other.is_dead());
    assert_eq!(stage.count("kill_process", "dead"), 1);
}

#[tokio::test]
async fn a_process_of_the_host_is_refused() {
    let (stage, victim) = (Stage::new().await, running("echo ready; exec sleep 600"));
    let mut wanted = order(victim.key(), None, Scope::Process);
    assert_eq!(stage.refusal(&wanted).await, Refusal::HostProcess);
    // A container in the order makes it no process of one.
    wanted = order(victim.key(), Some(&"f".repeat(64)), Scope::Tree);
    assert_eq!(stage.refusal(&wanted).await, Refusal::HostProcess);
    assert!(!victim.is_dead());

    let allowed = Stage::with(true).await;
    wanted = order(victim.key(), Some(&"f".repeat(64)), Scope::Process);
    assert_eq!(allowed.refusal(&wanted).await, Refusal::OtherContainer);
    wanted = order(victim.key(), None, Scope::Process);
    assert_eq!(allowed.kill(&wanted).await.outcome, KillOutcome::Dead);
}

#[tokio::test]
async fn another_start_time_is_another_process() {
    let Some(container) = container() else { return };
    let (stage, victim) = (Stage::new().await, container.sleeper());
    let ProcessKey { pid, start_boot_ns } = victim.key();
    for start_boot_ns in [0, start_boot_ns - TICK_NS, start_boot_ns + TICK_NS, u64::MAX] {
        let wanted = ProcessKey { pid, start_boot_ns };
        let wanted = order(wanted, Some(&container.id), Scope::Process);
        assert_eq!(stage.refusal(&wanted).await, Refusal::OtherProcess, "{start_boot_ns}");
    }
    // Where the sensor told the exact start, the tick alone is not enough.
    stage.actions.saw(&seen(ProcessKey { pid, start_boot_ns: start_boot_ns + 3 }, &[]));
    for (start, dies) in [(start_boot_ns + 4, false), (start_boot_ns + 3, true)] {
        let wanted = ProcessKey { pid, start_boot_ns: start };
        let wanted = order(wanted, Some(&container.id), Scope::Process);
        if dies {
            assert_eq!(stage.kill(&wanted).await.outcome, KillOutcome::Dead);
        } else {
            assert_eq!(stage.refusal(&wanted).await, Refusal::OtherProcess);
        }
    }
}

/// Returns a process as the sensor tells of it, below these.
pub(crate) fn seen(key: ProcessKey, ancestors: &[ProcessKey]) -> alert::Process {
    let parent = ancestors.split_first().map(|(parent, above)| seen(*parent, above));
    serde_json::from_value(serde_json::json!({
        "key": key, "ppid": 1, "vpid": 1, "sid": 1, "start_ns": 1, "name": "", "cwd": "", "tty": 0,
        "executable": alert::Executable::default(), "arguments": [], "uid": 0, "gid": 0,
        "capabilities": 0, "parent": parent,
    }))
    .unwrap()
}

#[tokio::test]
async fn another_container_than_ordered_is_refused() {
    let (Some(container), Some(other)) = (container(), container()) else { return };
    let (stage, victim) = (Stage::new().await, container.sleeper());
    for ordered in [None, Some(&*other.id)] {
        let wanted = order(victim.key(), ordered, Scope::Process);
        assert_eq!(stage.refusal(&wanted).await, Refusal::OtherContainer);
    }
    assert!(!victim.is_dead());
}

#[tokio::test]
async fn init_the_agent_and_a_container_runtime_are_refused() {
    let Some(container) = container() else { return };
    let stage = Stage::with(true).await;
    let own = std::process::id() as i32;
    let parent = rustix::process::getppid().unwrap().as_raw_nonzero().get();
    // One that lives as long as this test; those of other tests may end.
    let (tell, told) = std::sync::mpsc::channel();
    let (_end, ended) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        tell.send(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
        ended.recv().ok();
    });
    let thread: i32 = told.recv().unwrap();
    let start_boot_ns = key(own).unwrap().start_boot_ns;
    let mut wanted = vec![
        key(1).unwrap(),
        key(own).unwrap(),
        key(parent).unwrap(),
        ProcessKey { pid: thread, start_boot_ns },
    ];
    if std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        wanted.push(key(2).unwrap());
    }

    let folder = tempfile::tempdir().unwrap();
    let shim = folder.path().join("containerd-shim-runc-v2");
    std::fs::copy("/bin/sleep", &shim).unwrap();
    let shim = running(&format!("echo ready; exec {} 600", shim.display()));
    shim.became("containerd-shim-runc-v2");
    wanted.push(shim.key());

    // Whatever its name: it holds a container's process.
    let script = format!(
        "(echo $$ > /dev/null; sh -c 'echo $$ > {}; echo ready; sleep 600'); :",
        container.procs().display()
    );
    let holder = running(&script);
    wanted.push(holder.key());

    for key in wanted {
        for scope in [Scope::Process, Scope::Tree] {
            let wanted = order(key, None, scope);
            assert_eq!(stage.refusal(&wanted).await, Refusal::Protected, "{key:?}");
        }
    }
    assert!(!shim.is_dead() && !holder.is_dead());
    assert!(!matches!(state(shim.pid()), Some('T')) && !matches!(state(holder.pid()), Some('T')));
}

#[tokio::test]
async fn a_name_of_the_runtime_protects_nobody_in_a_container() {
    let Some(container) = container() else { return };
    let stage = Stage::new().await;
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("kubelet");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let victim = container.run(&format!("echo ready; exec {} 600", program.display()));
    victim.became("kubelet");
    let report = stage.kill(&alone(&victim, &container)).await;
    assert_eq!(report.outcome, KillOutcome::Dead);
}

#[tokio::test]
async fn the_same_order_twice_kills_once() {
    let Some(container) = container() else { return };
    let (stage, victim) = (Stage::new().await, container.sleeper());
    let wanted = alone(&victim, &container);
    let (first, second) = tokio::join!(stage.kill(&wanted), stage.kill(&wanted));
    assert_eq!(first.outcome, KillOutcome::Dead);
    assert_eq!(first, second);
    assert_eq!(stage.kill(&wanted).await, first);
    assert_eq!(stage.count("kill_process", "dead"), 1);
    assert_eq!(stage.count("kill_process", "repeated"), 2);

    let mut other = wanted.clone();
    other.wait_ms += 1;
    assert_eq!(stage.post("/v1/kill", &other).await.status(), 409);
    other.id.push('x');
    assert_eq!(stage.kill(&other).await.outcome, KillOutcome::Gone);
}

#[tokio::test]
async fn a_zombie_is_dead() {
    let Some(container) = container() else { return };
    let (stage, victim) = (Stage::new().await, container.sleeper());
    let mut wanted = alone(&victim, &container);
    assert_eq!(stage.kill(&wanted).await.outcome, KillOutcome::Dead);
    // Nobody has waited for it.
    assert_eq!(state(victim.pid()), Some('Z'));
    wanted.id.push('2');
    assert_eq!(stage.kill(&wanted).await.outcome, KillOutcome::Gone);
    let path =
        format!("/v1/processes/{}?start_boot_ns={}", victim.pid(), victim.key().start_boot_ns);
    assert_eq!(stage.get(&path).await.status(), 404);
}

#[tokio::test]
async fn a_dry_run_kills_nothing() {
    let Some(container) = container() else { return };
    let stage = Stage::new().await;
    let victim = container.run("sleep 600 & echo ready; wait");
    for (scope, processes) in [(Scope::Process, 1), (Scope::Tree, 2)] {
        let mut wanted = order(victim.key(), Some(&container.id), scope);
        wanted.dry_run = true;
        let report = stage.kill(&wanted).await;
        assert_eq!(report.outcome, KillOutcome::WouldKill);
        assert_eq!(report.processes.len(), processes);
        assert!(report.processes.iter().all(|process| process.dead_after_us.is_none()));
    }
    let mut wanted = order(victim.key(), None, Scope::Tree);
    wanted.dry_run = true;
    assert_eq!(stage.refusal(&wanted).await, Refusal::OtherContainer);
    assert_eq!(container.pids().len(), 2);
    assert!(container.pids().into_iter().all(|pid| state(pid) == Some('S')));
}

#[tokio::test]
async fn without_the_right_to_kill_the_status_says_so_and_the_order_is_refused() {
    let Some(container) = container() else { return };
    let victim = container.sleeper();
    let folder = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .unwrap();
    let program = folder.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args(["--inh-caps=-all", "--ambient-caps=-all"])
        .arg(&program)
        .args(["--exact", "kill::orders_without_rights", "--ignored", "--nocapture"])
        .env("SAKER_TEST_VICTIM", serde_json::to_string(&victim.key()).unwrap())
        .env("SAKER_TEST_CONTAINER", &*container.id)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("was refused"), "{said}");
    assert!(!victim.is_dead());
}

#[tokio::test]
#[ignore = "run without rights by the test above"]
async fn orders_without_rights() {
    let stage = Stage::new().await;
    let process = serde_json::from_str(&std::env::var("SAKER_TEST_VICTIM").unwrap()).unwrap();
    let container = std::env::var("SAKER_TEST_CONTAINER").unwrap();
    for (scope, dry_run) in [(Scope::Process, true), (Scope::Process, false), (Scope::Tree, false)]
    {
        let mut wanted = order(process, Some(&container), scope);
        wanted.dry_run = dry_run;
        assert_eq!(stage.refusal(&wanted).await, Refusal::NotPermitted);
    }
    assert!(stage.actions.status().trouble.unwrap().contains("CAP_KILL"));
    eprintln!("was refused");
}
