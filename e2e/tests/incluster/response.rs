//! What is done about a deed: asked for, allowed, done, and seen to be done.

use std::os::unix::process::ExitStatusExt;

use serde_json::{Value, json};

use crate::{
    pods::{Intruder, Pod, SLEEPER},
    responder::id,
    values::{AUTO, CONTAINED, DRY, QUIET, SHOP},
    world::{SAKER, World, world},
};

#[test]
fn an_approved_response_evicts_that_pod_and_the_agent_sees_its_process_die() {
    let Some(world) = world() else { return };
    let mut workload = e2e::Cluster::busybox(SHOP, "web", &format!("echo on the air; {SLEEPER}"));
    let container = &mut workload["spec"]["template"]["spec"]["containers"][0];
    container["env"] = json!([{ "name": "PASSWORD", "value": "correct-horse" }]);
    world.cluster.apply(&workload);
    world.cluster.wait_until_rolled_out(SHOP, "deployment/web");
    let pod = world.pod_of(SHOP, "web");
    world.exec(&pod, &["sh", "-c", "cat /etc/shadow; true"]);

    let waiting = world.response_to("evict", &pod.uid, &["awaiting"]);
    let known = world.cluster.get(SHOP, &format!("pod/{}", pod.name)).unwrap();
    assert_eq!(known["metadata"]["uid"], *pod.uid, "nothing happens before the word");
    assert_eq!(known["metadata"]["deletionTimestamp"], Value::Null);
    world.alert_where("people are told that it waits", |alert| {
        alert["rule"] == "Saker: a response awaits approval"
            && alert.to_string().contains(id(&waiting))
    });
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

    check_evidence(&world, &done, &pod);
    check_audit(&world, id(&done));
}

/// Holds the evidence of a response against what it promises.
fn check_evidence(world: &World, response: &Value, pod: &Pod) {
    let folder = world.responder_data().join("evidence").join(id(response));
    let document = |name: &str| {
        let proofs = response["documents"].as_array().unwrap();
        let proof = proofs.iter().find(|proof| proof["name"] == name);
        let proof = proof.unwrap_or_else(|| panic!("no {name}: {response:#}"));
        let bytes = std::fs::read(folder.join(name)).unwrap();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
        let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(proof["sha256"], hash, "{name}");
        assert_eq!(proof["bytes"], bytes.len(), "{name}");
        String::from_utf8(bytes).unwrap()
    };
    assert_eq!(response.get("evidence_failures"), None, "{response:#}");
    let manifest = document("pod.json");
    assert!(!manifest.contains("correct-horse"), "{manifest}");
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["metadata"]["uid"], *pod.uid);
    assert_eq!(manifest["spec"]["containers"][0]["env"][0]["name"], "PASSWORD");
    let events: Value = serde_json::from_str(&document("events.json")).unwrap();
    let started = events.as_array().unwrap().iter().any(|event| event["reason"] == "Started");
    assert!(started, "{events:#}");
    assert!(document("log-main.txt").contains("on the air"));
    let process: Value = serde_json::from_str(&document("process.json")).unwrap();
    assert_eq!(process["gone"], true, "`cat` had ended long before: {process:#}");
    let container: Value = serde_json::from_str(&document("container.json")).unwrap();
    assert_eq!(container["container"], *pod.container_id());
    let names: Vec<&Value> =
        container["processes"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert!(names.contains(&&json!("sleep")), "{names:?}");

    let address = format!("http://{}:2806", responder_address(world));
    let shown = world
        .saker()
        .args(["responses", "evidence", id(response), "log-main.txt", "--responder", &address])
        .env("SAKER_RESPONDER_TOKEN", world.token("responder", "responder"))
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&[shown.stdout, shown.stderr].concat()).into_owned();
    assert!(shown.contains("on the air"), "{shown}");
}

fn responder_address(world: &World) -> String {
    world.own_pod("responder")["status"]["podIP"].as_str().unwrap().to_owned()
}

/// The chain holds, seen from the node and from within the pod; the response's entries are in it,
/// the intent before the effect.
fn check_audit(world: &World, response: &str) {
    let folder = world.responder_data().join("audit");
    let saker = |arguments: &[&str]| {
        let output = world.saker().arg("audit").args(arguments).arg(&folder).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    };
    saker(&["verify"]);
    let shown = saker(&["show", "--response", response, "--format", "json"]);
    let entries = serde_json::Deserializer::from_str(&shown).into_iter::<Value>();
    let kinds: Vec<String> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let kind = entry["entry"]["kind"].as_str().or(entry["kind"].as_str());
            kind.unwrap_or_else(|| panic!("{entry:#}")).to_owned()
        })
        .collect();
    let place = |kind: &str| kinds.iter().position(|it| it == kind);
    for (first, then) in [
        ("proposed", "judged"),
        ("judged", "decided"),
        ("decided", "evidence"),
        ("evidence", "intent"),
        ("intent", "answered"),
        ("answered", "ended"),
    ] {
        assert!(place(first).is_some() && place(first) < place(then), "{first} {then}: {kinds:?}");
    }

    let said = world.cluster.kubectl_says(&[
        "exec",
        "--namespace",
        SAKER,
        "deploy/saker-responder",
        "--",
        "/usr/bin/saker",
        "audit",
        "verify",
        "/var/lib/saker-responder/audit",
    ]);
    assert!(said.contains("entries"), "{said}");
}

#[test]
fn a_process_is_killed_alone_and_its_pod_stays() {
    let Some(world) = world() else { return };
    let pod = world.deploy(AUTO, "alone");
    let deed = "exec 3>/tmp/deed/kill-alone; exec sleep 1000";
    let output = world.exec(&pod, &["sh", "-c", deed]);
    assert_eq!(output.status.code(), Some(137), "{output:?}");

    let done = world.response_to("kill", &pod.uid, &["ended"]);
    assert_eq!(done["outcome"]["result"], "done", "{done:#}");
    assert_eq!(done["outcome"]["process"], "dead", "{done:#}");
    assert_eq!(done["outcome"]["processes"].as_array().unwrap().len(), 1, "{done:#}");
    let now = world.pod_of(AUTO, "alone");
    assert_eq!(now.uid, pod.uid);
    let status = &now.object["status"]["containerStatuses"][0];
    assert_eq!(status["restartCount"], 0, "{status:#}");
}

#[test]
fn a_process_is_killed_with_its_descendants_and_its_pod_stays() {
    let Some(world) = world() else { return };
    let pod = world.deploy(AUTO, "tree");
    let deed = "sleep 1001 & sleep 1002 & exec 3>/tmp/deed/tree; wait";
    let output = world.exec(&pod, &["sh", "-c", deed]);
    assert_eq!(output.status.code(), Some(137), "{output:?}");

    let done = world.response_to("kill-tree", &pod.uid, &["ended"]);
    assert_eq!(done["outcome"]["result"], "done", "{done:#}");
    assert_eq!(done["outcome"]["process"], "dead", "{done:#}");
    assert_eq!(done["outcome"]["processes"].as_array().unwrap().len(), 3, "{done:#}");
    let left = world.exec(&pod, &["sh", "-c", "grep -l '100[12]' /proc/[0-9]*/cmdline"]);
    assert_eq!(String::from_utf8_lossy(&left.stdout), "", "{left:?}");
    assert_eq!(world.pod_of(AUTO, "tree").uid, pod.uid);
}

#[test]
fn an_isolation_is_there_is_not_called_verified_and_is_taken_back_by_a_word() {
    let Some(world) = world() else { return };
    let pod = world.deploy(CONTAINED, "isolated");
    let by = |name: &str| pod_label(&world, &pod, name);
    world.exec(&pod, &["touch", "/tmp/deed/isolate"]);
    let done = world.response_to("isolate", &pod.uid, &["ended"]);
    assert_eq!(done["outcome"]["result"], "not_verified", "{done:#}");
    let policies = world.cluster.get(CONTAINED, "networkpolicies").unwrap();
    let of_it =
        |policy: &&Value| policy["metadata"]["annotations"]["saker.dev/pod-uid"] == *pod.uid;
    let policy = policies["items"].as_array().unwrap().iter().find(of_it);
    let policy = policy.unwrap_or_else(|| panic!("no policy: {policies:#}"));
    let label = &policy["spec"]["podSelector"]["matchLabels"]["saker.dev/response"];
    assert_eq!(*label, by("saker.dev/response"), "{policy:#}");
    assert!(label.is_string());
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress", "Egress"]));

    world.responses_say(&["undo", id(&done)]);
    let undone = world.response_to("isolate", &pod.uid, &["undone"]);
    assert_eq!(id(&undone), id(&done));
    assert_eq!(by("saker.dev/response"), Value::Null);
    let name = policy["metadata"]["name"].as_str().unwrap();
    world.cluster.wait_until_gone(CONTAINED, &format!("networkpolicy/{name}"));
}

#[test]
fn an_isolation_ends_by_itself_when_its_time_is_up() {
    let Some(world) = world() else { return };
    let pod = world.deploy(CONTAINED, "brief");
    world.exec(&pod, &["touch", "/tmp/deed/brief"]);
    let ended = world.response_to("isolate-briefly", &pod.uid, &["ended", "undone"]);
    assert_eq!(ended["outcome"]["result"], "not_verified", "{ended:#}");
    world.response_to("isolate-briefly", &pod.uid, &["undone"]);
    assert_eq!(pod_label(&world, &pod, "saker.dev/response"), Value::Null);
    let policies = world.cluster.get(CONTAINED, "networkpolicies").unwrap();
    assert!(!policies.to_string().contains(&pod.uid), "{policies:#}");
}

#[test]
fn a_label_is_set_and_taken_back_by_a_word() {
    let Some(world) = world() else { return };
    let pod = world.deploy(CONTAINED, "labelled");
    world.exec(&pod, &["touch", "/tmp/deed/label"]);
    let done = world.response_to("label", &pod.uid, &["ended"]);
    assert_eq!(done["outcome"]["result"], "done", "{done:#}");
    assert_eq!(pod_label(&world, &pod, "saker.dev/suspect"), "true");
    world.responses_say(&["undo", id(&done)]);
    world.response_to("label", &pod.uid, &["undone"]);
    assert_eq!(pod_label(&world, &pod, "saker.dev/suspect"), Value::Null);
}

#[test]
fn evidence_of_a_process_that_lives_tells_of_it_and_changes_nothing() {
    let Some(world) = world() else { return };
    let pod = world.deploy(CONTAINED, "kept");
    let mut kubectl = world.cluster.kubectl_command();
    kubectl.args(["exec", "--namespace", CONTAINED, &pod.name, "--", "sh", "-c"]);
    kubectl.arg("exec 3>/tmp/deed/keep; exec sleep 1003");
    let mut deed = kubectl.stdout(std::process::Stdio::null()).spawn().unwrap();
    let done = world.response_to("keep", &pod.uid, &["ended"]);
    deed.kill().unwrap();
    deed.wait().unwrap();
    assert_eq!(done["outcome"]["result"], "done", "{done:#}");
    let folder = world.responder_data().join("evidence").join(id(&done));
    let process = std::fs::read_to_string(folder.join("process.json")).unwrap();
    let process: Value = serde_json::from_str(&process).unwrap();
    assert_eq!(process["process"]["name"], "sleep", "{process:#}");
    assert!(process.to_string().contains("/tmp/deed/keep"), "{process:#}");
    assert_eq!(world.pod_of(CONTAINED, "kept").uid, pod.uid);
}

fn pod_label(world: &World, pod: &Pod, label: &str) -> Value {
    world.pod_of(&pod.namespace, pod.app()).object["metadata"]["labels"][label].clone()
}

#[test]
fn our_own_pods_the_clusters_and_those_of_other_namespaces_are_left_alone() {
    let Some(world) = world() else { return };
    let theirs = [world.deploy("kube-system", "victim"), world.deploy(QUIET, "victim")];
    let ours = ["agent", "router", "responder"].map(|name| Pod::of(world.own_pod(name)));
    let mut denied = Vec::new();
    for (number, pod) in theirs.iter().chain(&ours).enumerate() {
        let script = format!(": >/tmp/deed/anywhere-{number}; rm /tmp/deed/anywhere-{number}");
        let mut intruder = Intruder::start(&world, pod.container_id(), &script);
        intruder.go();
        assert_eq!(intruder.wait().signal(), None);
        let response = world.response_to("nowhere", &pod.uid, &["denied"]);
        let verdict = |gate: &str| {
            let verdicts = response["verdicts"].as_array().unwrap();
            let verdict = verdicts.iter().find(|verdict| verdict["gate"] == gate);
            verdict.map(|it| it["reason"].as_str().unwrap().to_owned()).unwrap_or_default()
        };
        denied.push((pod.namespace.clone(), verdict("mode"), verdict("scope")));
        let now = world.cluster.get(&pod.namespace, &format!("pod/{}", pod.name)).unwrap();
        assert_eq!(now["metadata"]["uid"], *pod.uid);
        assert_eq!(now["metadata"]["deletionTimestamp"], Value::Null);
    }
    let scopes: Vec<(&str, &str)> =
        denied.iter().map(|(namespace, _, scope)| (namespace.as_str(), scope.as_str())).collect();
    assert_eq!(
        scopes,
        [
            ("kube-system", "protected_namespace"),
            (QUIET, ""),
            (SAKER, "own_namespace"),
            (SAKER, "own_namespace"),
            (SAKER, "own_namespace"),
        ]
    );
    assert!(denied.iter().all(|(_, mode, _)| !mode.is_empty()), "{denied:?}");
    world.cluster.kubectl_says(&["delete", "deployment/victim", "--namespace", "kube-system"]);
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
