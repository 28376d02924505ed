//! The cluster itself: it runs what a cluster runs, and leaves nothing behind.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use axum::{Router, routing::get};
use e2e::{Cluster, Http};
use serde_json::{Value, json};

const SLEEPER: &str = "exec sleep 86400";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

/// Runs a pod and returns its namespace and itself.
fn pod(cluster: &Cluster, about: &str, script: &str) -> (String, Value) {
    let namespace = cluster.new_namespace(about);
    cluster.apply(&Cluster::busybox(&namespace, "web", script));
    cluster.wait_until_rolled_out(&namespace, "deployment/web");
    let mut pods = cluster.pods(&namespace, "app=web");
    assert_eq!(pods.len(), 1, "{pods:#?}");
    (namespace, pods.remove(0))
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().expect("a name")
}

#[test]
fn a_deployment_runs_and_its_pod_takes_commands() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, pod) = pod(cluster, "exec", "echo hello; exec sleep 86400");
    assert_eq!(pod["spec"]["nodeName"], cluster.node_name());

    let output = cluster.exec_in(&namespace, name(&pod), "main", &["cat", "/proc/self/comm"]);
    assert_eq!(said(&output), "cat\n");
    assert_eq!(cluster.pod_log(&namespace, name(&pod), "main"), "hello\n");
    let failed = cluster.exec_in(&namespace, name(&pod), "main", &["false"]);
    assert_eq!(failed.status.code(), Some(1), "{}", said(&failed));

    cluster.restart_pod(&namespace, name(&pod));
    cluster.wait_until_rolled_out(&namespace, "deployment/web");
    assert_ne!(name(&cluster.pods(&namespace, "app=web")[0]), name(&pod));
}

#[test]
fn a_pod_is_evicted_by_its_own_uid_only() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, pod) = pod(cluster, "evict", SLEEPER);
    let uid = pod["metadata"]["uid"].as_str().unwrap();

    let refused = cluster.evict(&namespace, name(&pod), "00000000-0000-0000-0000-000000000000");
    assert!(refused.as_ref().is_err_and(|answer| answer.contains("(Conflict)")), "{refused:?}");
    cluster.evict(&namespace, name(&pod), uid).unwrap();
    cluster.wait_until_gone(&namespace, &format!("pod/{}", name(&pod)));

    let of_evictions = |entry: &Value| {
        let object = &entry["objectRef"];
        let here = object["namespace"] == namespace && object["subresource"] == "eviction";
        here.then(|| entry["responseStatus"]["code"].clone())
    };
    let codes: Vec<Value> = cluster.audit().iter().filter_map(of_evictions).collect();
    assert_eq!(codes, [409, 201]);
}

#[test]
fn a_pod_asks_the_api_by_its_cluster_address_with_its_own_token() {
    let Some(cluster) = Cluster::shared() else { return };
    let (namespace, pod) = pod(cluster, "api", SLEEPER);
    let ask = "wget -qO- --no-check-certificate \
        --header \"Authorization: Bearer $(cat /var/run/secrets/kubernetes.io/serviceaccount/token)\" \
        https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api";
    let output = cluster.exec_in(&namespace, name(&pod), "main", &["sh", "-c", ask]);
    assert!(said(&output).contains("\"kind\": \"APIVersions\""), "{}", said(&output));
    let host = ["sh", "-c", "echo $KUBERNETES_SERVICE_HOST"];
    let output = cluster.exec_in(&namespace, name(&pod), "main", &host);
    assert_eq!(said(&output), "10.96.0.1\n");
}

#[test]
fn a_pod_reaches_a_service_by_name() {
    let Some(cluster) = Cluster::shared() else { return };
    let serve = "mkdir /www; echo here >/www/index.html; exec httpd -f -p 8080 -h /www";
    let (namespace, pod) = pod(cluster, "service", serve);
    cluster.apply(&json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "shop", "namespace": namespace },
        "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": 8080 }] },
    }));
    let ask = |host: &str| {
        e2e::eventually(&format!("a page from {host}"), || {
            let url = format!("http://{host}/");
            let output = cluster.exec_in(&namespace, name(&pod), "main", &["wget", "-qO-", &url]);
            if output.status.success() { Ok(said(&output)) } else { Err(said(&output)) }
        })
    };
    assert_eq!(ask("shop"), "here\n");
    assert_eq!(ask(&format!("shop.{namespace}.svc")), "here\n");
    assert_eq!(ask(&format!("shop.{namespace}.svc.cluster.local")), "here\n");
}

#[test]
fn a_pod_reaches_a_server_on_our_loopback() {
    let Some(cluster) = Cluster::shared() else { return };
    let server = Http::serve(Router::new().route("/", get(async || "from the test")));
    let forwarder = cluster.forward(server.address.port());
    let (namespace, pod) = pod(cluster, "loopback", SLEEPER);
    let url = format!("http://{}/", forwarder.address());
    let output = cluster.exec_in(&namespace, name(&pod), "main", &["wget", "-qO-", &url]);
    assert_eq!(said(&output), "from the test");
}

#[test]
fn a_service_account_may_do_what_its_role_says() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.new_namespace("role");
    for arguments in [
        ["create", "role", "reader", "--verb=list", "--resource=pods"].as_slice(),
        &[
            "create",
            "rolebinding",
            "reader",
            "--role=reader",
            &format!("--serviceaccount={namespace}:default"),
        ],
    ] {
        cluster.kubectl_says(&[arguments, &["--namespace", &namespace]].concat());
    }
    let config = cluster.service_account_kubeconfig(&namespace, "default");
    let config = config.to_str().unwrap();
    cluster.kubectl_says(&["--kubeconfig", config, "get", "pods"]);
    let refused = said(&cluster.kubectl(&["--kubeconfig", config, "get", "secrets"]));
    assert!(refused.contains("(Forbidden)"), "{refused}");
}

#[test]
fn helm_installs_a_chart() {
    let Some(cluster) = Cluster::shared() else { return };
    let namespace = cluster.new_namespace("helm");
    let chart = greeting_chart();
    let folder = chart.path().to_str().unwrap();
    cluster.helm_says(&["install", "greeting", folder, "--namespace", &namespace]);
    let map = cluster.get(&namespace, "configmap/greeting").unwrap();
    assert_eq!(map["data"]["hello"], "world");
}

fn greeting_chart() -> e2e::Folder {
    let chart = e2e::Folder::new("chart");
    chart.write("Chart.yaml", "apiVersion: v2\nname: greeting\nversion: 1.0.0\n");
    fs::create_dir(chart.join("templates")).expect("a folder");
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: '{{ .Release.Name }}' }\n\
        data: { hello: world }\n";
    chart.write("templates/map.yaml", map);
    chart
}

#[test]
fn a_stopped_cluster_leaves_nothing_behind() {
    let Some(cluster) = Cluster::start() else { return };
    pod(&cluster, "stop", SLEEPER);
    let cgroup = cluster.cgroup().to_owned();
    let (socket, kubeconfig) = (cluster.cri_socket(), cluster.kubeconfig());
    let state = kubeconfig.parent().unwrap();
    let kubelet = format!("/proc/{}", cluster.daemon_id("kubelet"));
    assert!(processes_in(&cgroup).contains(&kubelet) && socket.exists());

    let state = state.to_owned();
    cluster.stop();

    assert_eq!(processes_in(&cgroup), Vec::<String>::new());
    let left = Command::new("find").args(["/sys/fs/cgroup", "-name", &cgroup]).output().unwrap();
    assert_eq!(said(&left), "");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(state.to_str().unwrap()), "{mounts}");
    let link = format!("saker{}", cgroup.rsplit('-').next().unwrap());
    assert!(!Path::new("/sys/class/net").join(link).exists());
    assert!(!socket.exists() && !kubeconfig.exists());
}

/// Returns the living processes in a cgroup. A dead one may wait for its parent to notice.
fn processes_in(cgroup: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("processes").flatten().map(|entry| entry.path());
    let lives_inside = |process: &PathBuf| {
        let file = |name| fs::read_to_string(process.join(name)).unwrap_or_default();
        file("cgroup").contains(cgroup) && !file("status").contains("State:\tZ")
    };
    processes.filter(lives_inside).map(|process| process.display().to_string()).collect()
}
