//! How long it takes, how often in a row it is right, and what it costs. No time is asserted:
//! docs/benchmarks.md holds the figures that are printed here with images of the release profile.

use std::time::{Duration, Instant};

use e2e::{Cluster, eventually};
use serde_json::Value;

use crate::{
    pods::{Intruder, Pod, SLEEPER, task_id},
    responder::id,
    values::{AUTO, DEEDS, QUIET, SHOP},
    world::{Alone, World, say, world_alone},
};

/// Prints a distribution.
fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    let [median, most, last] = [at(50), at(99), times[times.len() - 1]];
    say(&format!("{what}: p50 {median:.1?}, p99 {most:.1?}, max {last:.1?} of {}", times.len()));
}

#[test]
fn a_hundred_deeds_are_told_each_with_its_pod() {
    let Some(world) = world_alone() else { return };
    let pod = world.deploy(QUIET, "hundred");
    let mut times = Vec::new();
    for number in 0..100 {
        let file = format!("{DEEDS}hundred-{number}");
        let script = format!(": >{file}; rm {file}");
        let mut intruder = Intruder::start(&world, pod.container_id(), &script);
        let start = Instant::now();
        intruder.go();
        let (told, pod_name) = eventually(&format!("{file} is told"), || {
            let calls = world.webhook.calls();
            let told = calls.iter().rev().find_map(|call| {
                let alert = &call.body["notification"]["findings"][0]["sample"];
                (alert["fields"]["fd.name"] == *file)
                    .then(|| (call.received, alert["fields"]["k8s.pod.name"].clone()))
            });
            told.ok_or("not yet")
        });
        assert_eq!(pod_name, *pod.name);
        intruder.wait();
        times.push(told - start);
    }
    tell("deed → alert with its pod at the webhook", times);
}

#[test]
fn fifty_processes_are_killed_each_by_itself() {
    let Some(world) = world_alone() else { return };
    let pod = world.deploy(AUTO, "fifty");
    let mut times = Vec::new();
    for number in 0..50 {
        let file = format!("{DEEDS}kill-{number}");
        let script = format!("exec 3>{file}; exec sleep 1000");
        let mut intruder = Intruder::start(&world, pod.container_id(), &script);
        let start = Instant::now();
        intruder.go();
        let status = intruder.wait();
        times.push(start.elapsed());
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
        std::fs::remove_file(file).unwrap();
    }
    tell("deed → dead process", times);
    let outcomes: Vec<Value> = eventually("fifty responses have ended", || {
        let all = world.responses_say(&["list"]);
        let of_it = all.into_iter().filter(|it| it["plan"]["target"]["pod"]["uid"] == *pod.uid);
        let ended = of_it.filter(|it| it["state"]["name"] == "ended");
        let outcomes: Vec<Value> = ended.map(|it| it["outcome"]["result"].clone()).collect();
        if outcomes.len() == 50 { Ok(outcomes) } else { Err(format!("{}", outcomes.len())) }
    });
    assert!(outcomes.iter().all(|result| result == "done"), "{outcomes:?}");
    assert_eq!(world.pod_of(AUTO, "fifty").uid, pod.uid);
}

#[test]
fn five_pods_of_a_workload_are_evicted_one_after_the_other() {
    let Some(world) = world_alone() else { return };
    let mut workload = Cluster::busybox(SHOP, "five", SLEEPER);
    workload["spec"]["replicas"] = 5.into();
    world.cluster.apply(&workload);
    world.cluster.wait_until_rolled_out(SHOP, "deployment/five");
    let pods: Vec<Pod> = world.cluster.pods(SHOP, "app=five").into_iter().map(Pod::of).collect();
    let (mut accepted, mut dead, mut told) = (Vec::new(), Vec::new(), Vec::new());
    for pod in &pods {
        world.exec(pod, &["sh", "-c", "cat /etc/shadow; true"]);
        let waiting = world.response_to("evict", &pod.uid, &["awaiting"]);
        let process = format!("/proc/{}", task_id(&world, pod.container_id()));
        let watcher = std::thread::spawn(move || {
            while std::path::Path::new(&process).exists() {
                std::thread::sleep(Duration::from_millis(1));
            }
            (Instant::now(), jiff::Timestamp::now())
        });
        world.responses_say(&["approve", id(&waiting)]);
        let done = world.ended(id(&waiting));
        let (_, died) = watcher.join().unwrap();
        assert_eq!(done["outcome"]["process"], "dead", "{done:#}");
        let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let approved = time(&done["decision"]["at"]);
        let since = |moment: jiff::Timestamp| {
            Duration::try_from(moment.duration_since(approved)).unwrap_or_default()
        };
        let eviction = world.requests_of("saker-responder").into_iter().find(|entry| {
            entry["objectRef"]["subresource"] == "eviction"
                && entry["objectRef"]["name"] == *pod.name
                && !entry["requestURI"].as_str().unwrap().contains("dryRun")
        });
        accepted.push(since(time(&eviction.unwrap()["stageTimestamp"])));
        dead.push(since(died));
        told.push(since(time(&done["updated"])));
    }
    tell("approve → the API server's 201", accepted);
    tell("approve → the process is dead", dead);
    tell("approve → the response has ended, with what was seen", told);
}

#[test]
fn our_pods_are_small_and_the_agent_rests_when_nothing_happens() {
    const SPAN: Duration = Duration::from_secs(5);
    let Some(world) = world_alone() else { return };
    for component in ["agent", "router", "responder"] {
        let status = proc_file(&world, component, "status");
        let memory = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            let kilobytes: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
            kilobytes / 1024.0
        };
        let [all, own, files, shared] = ["VmRSS:", "RssAnon:", "RssFile:", "RssShmem:"].map(memory);
        say(&format!(
            "{component}: {all:.1} MiB resident: {own:.1} its own, {files:.1} of files such as the \
             program, {shared:.1} shared"
        ));
    }
    let pod = world.deploy(QUIET, "busy");
    let share = |cpu: Duration, span: Duration| 100.0 * cpu.as_secs_f64() / span.as_secs_f64();
    let (rest, _) = agent_cpu(&world, || std::thread::sleep(SPAN));
    say(&format!("agent at rest: {:.2} % of a core", share(rest, SPAN)));

    let script = "n=0; while [ $n -lt 5000 ]; do n=$((n+1)); /bin/true; done";
    let mut intruder = Intruder::start(&world, pod.container_id(), script);
    let (busy, span) = agent_cpu(&world, || {
        intruder.go();
        assert!(intruder.wait().success());
    });
    let rate = 5000.0 / span.as_secs_f64();
    say(&format!("agent under {rate:.0} execs/s: {:.1} % of a core", share(busy, span)));
}

/// Returns the CPU time of the agent while something is done, and how long that was.
fn agent_cpu(world: &Alone, something: impl FnOnce()) -> (Duration, Duration) {
    let (before, start) = (cpu_time(world), Instant::now());
    something();
    let span = start.elapsed();
    (cpu_time(world) - before, span)
}

/// Returns the CPU time of the agent, that of threads that ended included.
fn cpu_time(world: &World) -> Duration {
    let stat = proc_file(world, "agent", "stat");
    let (_, after_name) = stat.rsplit_once(')').unwrap();
    let ticks: u64 =
        after_name.split_whitespace().skip(11).take(2).map(|of| of.parse::<u64>().unwrap()).sum();
    Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap()
}

fn proc_file(world: &World, component: &str, name: &str) -> String {
    let pod = Pod::of(world.own_pod(component));
    let process = task_id(world, pod.container_id());
    std::fs::read_to_string(format!("/proc/{process}/{name}")).unwrap()
}
