//! Processes, with a real agent that does what it is ordered, or is not there.

use alert::{Alert, ProcessKey};
use response::{
    cluster::Pod,
    entry::{ProcessSeen, ResultKind},
};
use serde_json::{Value, json};

use crate::{
    container::{self, Container, running},
    orders,
    stage::{NODE, Stage, alert, outcome, rule, until, with},
    world::Place,
};

/// A responder, an agent, and a container that is a pod's.
struct World {
    stage: Stage,
    agent: orders::Stage,
    container: Container,
    pod: Pod,
}

impl World {
    async fn new(action: &'static str) -> Option<Self> {
        let container = container::container()?;
        let agent = orders::Stage::new().await;
        let stage = Stage::with(|place| settings(place, action, &agent)).await?;
        let pod = stage.pod("web-0").await;
        stage.runs(&pod, &container.id).await;
        let pod = Pod::clone(&stage.look(&pod).await);
        Some(Self { stage, agent, container, pod })
    }

    fn alert_of(&self, process: ProcessKey) -> Alert {
        let alert = with(alert(&self.pod), "proc.pid", json!(process.pid));
        with(alert, "saker.proc.start_boot_ns", json!(process.start_boot_ns))
    }
}

fn settings(place: &Place, action: &str, agent: &orders::Stage) -> Value {
    let (certificate, key) = agent.certificates.issue("saker-responder");
    let write = |name: &str, text: String| {
        let path = agent.certificates.path(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    json!({
        "actions": { action: { "mode": "auto", "namespaces": [place.namespace, "host"] } },
        "responses": [rule(action, &json!({}))],
        "agents": {
            "ca": agent.certificates.path("ca.pem"),
            "certificate": write("responder.pem", certificate),
            "key": write("responder.key", key),
            "addresses": { NODE: agent.address },
        },
    })
}

impl Stage {
    /// Says of a pod that it has this container, as its kubelet would.
    async fn runs(&self, pod: &Pod, container: &str) {
        let name = &pod.reference.name;
        let path = self.place.path("/api/v1", &format!("pods/{name}"));
        let mut status = self.place.look(&path).await["status"].clone();
        status["containerStatuses"][0]["containerID"] = json!(format!("containerd://{container}"));
        let body = json!({ "status": status });
        self.place.admin("PATCH", &format!("{path}/status"), &body).await;
    }

    async fn look(&self, pod: &Pod) -> Pod {
        use response::cluster::Cluster;
        let reference = &pod.reference;
        self.place.client.pod(&reference.namespace, &reference.name).await.unwrap().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_process_of_the_alert_is_killed_and_seen_to_die() {
    let Some(world) = World::new("kill_process").await else { return };
    let (meant, other) = (world.container.sleeper(), world.container.sleeper());
    let ended = world.stage.respond(world.alert_of(meant.key())).await;
    let told = outcome(&ended);
    assert_eq!((told.result, told.process), (ResultKind::Done, Some(ProcessSeen::Dead)));
    assert!(meant.is_dead() && !other.is_dead());
    assert_eq!(world.stage.story(1)[..3], ["proposed", "goes", "intent kill"]);
    assert_eq!(world.stage.changes(), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_took_the_pid_of_another_is_left_alone() {
    let Some(world) = World::new("kill_process").await else { return };
    let process = world.container.sleeper();
    let ProcessKey { pid, start_boot_ns } = process.key();
    let alert = world.alert_of(ProcessKey { pid, start_boot_ns: start_boot_ns - 10_000_000_000 });
    let ended = world.stage.respond(alert).await;
    world.stage.denied(&ended, "preflight", "agent_refuses");
    assert!(!process.is_dead());
}

#[tokio::test(flavor = "multi_thread")]
async fn init_kubelet_and_container_runtimes_are_left_alone() {
    let Some(world) = World::new("kill_process").await else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    let mut check = async |process: ProcessKey| {
        let mut alert = world.alert_of(process);
        for field in ["k8s.ns.name", "k8s.pod.name", "k8s.pod.uid", "container.full_id"] {
            alert.fields.remove(field);
        }
        number += 1;
        let ended = world.stage.respond(alert).await;
        world.stage.denied(&ended, "preflight", "agent_refuses");
        assert_eq!(ended.id.0, number);
    };
    check(container::key(1).unwrap()).await;
    for name in ["kubelet", "containerd"] {
        let program = folder.path().join(name);
        std::fs::copy("/bin/sleep", &program).unwrap();
        let process = running(&format!("echo ready; exec {} 600", program.display()));
        process.became(name);
        check(process.key()).await;
        assert!(!process.is_dead());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_outside_of_the_pod_that_is_named_is_left_alone() {
    let Some(world) = World::new("kill_process").await else { return };
    let process = running("echo ready; exec sleep 600");
    let ended = world.stage.respond(world.alert_of(process.key())).await;
    world.stage.denied(&ended, "preflight", "agent_refuses");
    assert!(!process.is_dead());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_away_is_a_reason_not_to_act() {
    let Some(world) = World::new("kill_process").await else { return };
    let process = world.container.sleeper();
    let World { stage, agent, container, pod } = world;
    drop(agent);
    let alert = with(alert(&pod), "proc.pid", json!(process.pid()));
    let start = json!(process.key().start_boot_ns);
    let ended = stage.respond(with(alert, "saker.proc.start_boot_ns", start)).await;
    stage.denied(&ended, "preflight", "agent_unreachable");
    assert!(!process.is_dead());
    drop(container);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_processes_of_an_evicted_pod_are_dead_when_the_agent_saw_them_die() {
    let Some(world) = World::new("kill_pod").await else { return };
    let process = world.container.sleeper();
    assert_eq!(world.stage.send(&[alert(&world.pod)]).await, 200);
    world.stage.evicted().await;
    // As the kubelet would.
    drop(process);
    let ended = world.stage.settled(1).await;
    let told = outcome(&ended);
    assert_eq!((told.result, told.process), (ResultKind::Done, Some(ProcessSeen::Dead)));
    assert_eq!(told.processes.len(), 1);
    assert_eq!(world.stage.story(1).last().unwrap(), "ended done");
    assert_eq!(world.stage.kills().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_dies_while_it_watches_has_seen_nobody_die() {
    let Some(world) = World::new("kill_pod").await else { return };
    let process = world.container.sleeper();
    let World { stage, agent, container, pod } = world;
    assert_eq!(stage.send(&[alert(&pod)]).await, 200);
    stage.evicted().await;
    drop(agent);
    let ended = stage.settled(1).await;
    let told = outcome(&ended);
    assert_ne!(told.process, Some(ProcessSeen::Dead), "{told:?}");
    assert!(matches!(told.result, ResultKind::NotVerified | ResultKind::Unknown), "{told:?}");
    assert!(!process.is_dead());
    drop(container);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_renewed_are_used_after_a_refusal() {
    let Some(world) = World::new("kill_process").await else { return };
    let folder = &world.agent.certificates;
    let (own, key) = (folder.path("responder.pem"), folder.path("responder.key"));
    // What the responder has read is not taken any more.
    let (certificate, secret) = folder.issue("somebody-else");
    std::fs::write(&own, certificate).unwrap();
    std::fs::write(&key, secret).unwrap();
    let mut stage = world.stage;
    stage.responder.kill();
    stage.responder.restart();
    let process = world.container.sleeper();
    let of = |process: ProcessKey| {
        let alert = with(alert(&world.pod), "proc.pid", json!(process.pid));
        with(alert, "saker.proc.start_boot_ns", json!(process.start_boot_ns))
    };
    let refused = stage.respond(of(process.key())).await;
    stage.denied(&refused, "preflight", "agent_unreachable");
    let (certificate, secret) = folder.issue("saker-responder");
    std::fs::write(&own, certificate).unwrap();
    std::fs::write(&key, secret).unwrap();
    let ended = stage.respond(of(process.key())).await;
    assert_eq!(outcome(&ended).result, ResultKind::Done, "{ended:#?}");
    assert!(process.is_dead());
}

impl Stage {
    async fn evicted(&self) {
        until("the eviction", async || match self.kills().len() {
            0 => Err("not yet".to_owned()),
            _ => Ok(()),
        })
        .await;
    }
}
