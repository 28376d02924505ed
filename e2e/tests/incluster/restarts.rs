//! What upgrades and restarts of our own pods cost: time, and no alert.

use std::{
    collections::BTreeSet,
    process::{Child, Stdio},
};

use e2e::eventually;
use serde_json::{Value, json};

use crate::{
    pods::Pod,
    values::{DEEDS, QUIET},
    world::{SAKER, World, world, world_alone},
};

/// Does numbered deeds in a pod, one after the other, until it is told to end.
struct Deeds {
    child: Child,
}

impl Deeds {
    fn begin(world: &World, pod: &Pod, about: &str) -> Self {
        let script = format!(
            "n=0; while [ ! -e /tmp/enough ]; do n=$((n+1)); : >{DEEDS}{about}-$n; \
             echo $n >/tmp/count; usleep 50000; done"
        );
        let mut kubectl = world.cluster.kubectl_command();
        kubectl.args(["exec", "--namespace", &pod.namespace, &pod.name, "--", "sh", "-c", &script]);
        kubectl.stdin(Stdio::null());
        Self { child: kubectl.spawn().unwrap() }
    }

    /// Returns how many were done.
    fn end(mut self, world: &World, pod: &Pod) -> usize {
        world.exec(pod, &["touch", "/tmp/enough"]);
        assert!(self.child.wait().unwrap().success());
        let count = world.exec(pod, &["cat", "/tmp/count"]).stdout;
        String::from_utf8(count).unwrap().trim().parse().unwrap()
    }
}

/// Waits until the webhook was told of every deed.
#[track_caller]
fn check_all_told(world: &World, about: &str, count: usize) {
    let wanted: BTreeSet<String> = (1..=count).map(|n| format!("{DEEDS}{about}-{n}")).collect();
    eventually(&format!("{count} deeds of {about} are told"), || {
        let told: BTreeSet<String> = world
            .alerts()
            .iter()
            .filter_map(|alert| alert["fields"]["fd.name"].as_str().map(str::to_owned))
            .collect();
        let missing: Vec<&String> = wanted.difference(&told).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("not told: {missing:?}")) }
    });
}

/// Deletes the pod of a component and waits for its successor, which may have the same name.
fn restart(world: &World, component: &str) {
    let old = Pod::of(world.own_pod(component));
    world.cluster.kubectl_says(&["delete", "pod", &old.name, "--namespace", SAKER, "--wait=false"]);
    eventually(&format!("another pod of {component} is ready"), || {
        let pods = world.cluster.pods(SAKER, &format!("app.kubernetes.io/component={component}"));
        let another = pods.iter().any(|pod| {
            let ready = &pod["status"]["containerStatuses"][0]["ready"];
            pod["metadata"]["uid"] != *old.uid && *ready == true
        });
        if another { Ok(()) } else { Err(format!("{pods:#?}")) }
    });
}

/// Does one deed that must be told.
fn deed(world: &World, pod: &Pod, about: &str, number: usize) {
    world.exec(pod, &["touch", &format!("{DEEDS}{about}-{number}")]);
}

#[test]
fn a_router_that_is_deleted_loses_no_alert() {
    let Some(world) = world_alone() else { return };
    let pod = world.deploy(QUIET, "during");
    let deeds = Deeds::begin(&world, &pod, "router");
    world.alert_where("a deed before", |alert| alert["fields"]["fd.name"] == "/tmp/deed/router-1");
    restart(&world, "router");
    let count = deeds.end(&world, &pod);
    check_all_told(&world, "router", count);
}

#[test]
fn an_upgrade_that_restarts_the_router_and_its_rollback_lose_no_alert() {
    let Some(world) = world_alone() else { return };
    let pod = world.deploy(QUIET, "upgraded");
    let before = Pod::of(world.own_pod("router"));
    let agent = Pod::of(world.own_pod("agent"));
    let deeds = Deeds::begin(&world, &pod, "upgrade");
    world.alert_where("a deed before", |alert| alert["fields"]["fd.name"] == "/tmp/deed/upgrade-1");
    world.upgrade(&json!({ "router": { "config": { "drain": "9s" } } }));
    assert_eq!(world.own_pod("agent")["metadata"]["uid"], *agent.uid, "it has nothing new to read");
    let upgraded = Pod::of(world.own_pod("router"));
    assert_ne!(upgraded.uid, before.uid);
    world.roll_back(&json!({ "router": { "config": { "drain": "10s" } } }));
    assert_ne!(world.own_pod("router")["metadata"]["uid"], *upgraded.uid);
    let count = deeds.end(&world, &pod);
    check_all_told(&world, "upgrade", count);
}

#[test]
fn an_agent_that_is_deleted_or_upgraded_loses_nothing_it_saw() {
    let Some(world) = world_alone() else { return };
    let pod = world.deploy(QUIET, "watched");
    for number in 1..=10 {
        deed(&world, &pod, "agent", number);
    }
    // At once: what it saw is not yet told.
    restart(&world, "agent");
    for number in 11..=20 {
        deed(&world, &pod, "agent", number);
    }
    check_all_told(&world, "agent", 20);

    let between = Pod::of(world.own_pod("agent"));
    deed(&world, &pod, "agent", 21);
    world.upgrade(&json!({ "agent": { "config": { "router": { "batch_alerts_max": 200 } } } }));
    world.cluster.wait_until_rolled_out(SAKER, "daemonset/saker-agent");
    assert_ne!(world.own_pod("agent")["metadata"]["uid"], *between.uid);
    deed(&world, &pod, "agent", 22);
    check_all_told(&world, "agent", 22);

    // A pod that was there before the agent is known to it all the same.
    let told =
        world.alerts().into_iter().rfind(|it| it["fields"]["fd.name"] == "/tmp/deed/agent-22");
    let told = told.unwrap();
    assert_eq!(told["fields"]["k8s.pod.uid"], *pod.uid, "{told:#}");
    assert_eq!(told["fields"]["container.name"], "main", "{told:#}");
}

#[test]
fn a_workload_that_is_rolled_out_again_keeps_its_finding() {
    let Some(world) = world() else { return };
    let first = world.deploy(QUIET, "rolled");
    // The finding of the workload, once it has been seen so often.
    let fingerprint = |pod: &Pod, count: u64| {
        world.exec(pod, &["cat", "/etc/shadow"]);
        eventually("the finding of the workload", || {
            let findings = world.router_says("findings?limit=1000");
            let of_it = |finding: &&Value| {
                finding["sample"]["rule"] == "Password hashes read"
                    && finding["sample"]["fields"]["k8s.workload.name"] == "rolled"
            };
            let found: Vec<&Value> =
                findings["items"].as_array().unwrap().iter().filter(of_it).collect();
            match found[..] {
                [only] if only["count"] == count => Ok(only["fingerprint"].clone()),
                _ => Err(format!("{found:#?}")),
            }
        })
    };
    let before = fingerprint(&first, 1);
    world.cluster.kubectl_says(&["rollout", "restart", "deployment/rolled", "--namespace", QUIET]);
    world.cluster.wait_until_rolled_out(QUIET, "deployment/rolled");
    let second = world.pod_of(QUIET, "rolled");
    assert_ne!(second.uid, first.uid);
    assert_eq!(fingerprint(&second, 2), before);
    assert_ne!(before, Value::Null);
}
