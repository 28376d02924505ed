//! What is done about a deed: asked for, allowed, done, and seen to be done.

use serde_json::Value;

use crate::{
    responder::id,
    values::{DRY, SHOP},
    world::world,
};

#[test]
fn an_approved_response_evicts_that_pod_and_the_agent_sees_its_process_die() {
    let Some(world) = world() else { return };
    let pod = world.deploy(SHOP, "web");
    world.exec(&pod, &["sh", "-c", "cat /etc/shadow; true"]);

    let waiting = world.response_to("evict", &pod.uid, &["awaiting"]);
    let known = world.cluster.get(SHOP, &format!("pod/{}", pod.name)).unwrap();
    assert_eq!(known["metadata"]["uid"], *pod.uid, "nothing happens before the word");
    assert_eq!(known["metadata"]["deletionTimestamp"], Value::Null);
    let approved = world.responses_say(&["approve", id(&waiting), "--comment", "seen it"]);
    assert_eq!(approved[0]["decision"]["comment"], "seen it");

    let done = world.ended(id(&waiting));
    assert_eq!(done["outcome"]["result"], "done", "{done:#}");
    assert_eq!(done["outcome"]["object"], "gone", "{done:#}");
    assert_eq!(done["outcome"]["process"], "dead", "{done:#}");
    assert_eq!(done["resolved"]["workload"], "Deployment/web");

    world.cluster.wait_until_rolled_out(SHOP, "deployment/web");
    let successor = world.pod_of(SHOP, "web");
    assert_ne!(successor.uid, pod.uid);
    let evictions: Vec<Value> = world
        .requests_of("saker-responder")
        .into_iter()
        .filter(|entry| entry["objectRef"]["subresource"] == "eviction")
        .filter(|entry| !entry["requestURI"].as_str().unwrap().contains("dryRun"))
        .filter(|entry| entry["objectRef"]["name"] == *pod.name)
        .collect();
    assert_eq!(evictions.len(), 1, "{evictions:#?}");
    assert_eq!(evictions[0]["responseStatus"]["code"], 201);
}

#[test]
fn a_dry_run_changes_nothing_and_says_what_it_would_do() {
    let Some(world) = world() else { return };
    let pod = world.deploy(DRY, "web");
    world.exec(&pod, &["sh", "-c", "cat /etc/shadow; true"]);
    let dry = world.response_to("rehearse", &pod.uid, &["dry_run"]);
    assert_eq!(dry["state"]["would_act"], true, "{dry:#}");
    assert_eq!(dry.get("outcome"), None);
    assert_eq!(world.pod_of(DRY, "web").uid, pod.uid);

    let writes = world.requests_of("saker-responder").into_iter().filter(|entry| {
        let reads = ["get", "list", "watch"].iter().any(|verb| entry["verb"] == *verb);
        !reads && entry["objectRef"]["namespace"] == DRY
    });
    let uris: Vec<String> =
        writes.map(|entry| entry["requestURI"].as_str().unwrap().to_owned()).collect();
    assert!(!uris.is_empty(), "the API server was asked");
    for uri in uris {
        assert!(uri.contains("dryRun=All"), "{uri}");
    }
}
