//! Real pods: every field of a container and its pod, held to what the API server says.

use std::{collections::BTreeSet, sync::OnceLock};

use alert::{Event, EventKind, EventSource, Field};
use e2e::{Cluster, mark};
use serde_json::{Value, json};

use crate::watch::{Watch, check, field, turn};

const IMAGE: &str = "localhost/busybox:1";

/// Returns a namespace all tests make their pods in.
pub(crate) fn namespace(cluster: &'static Cluster) -> &'static str {
    static NAMESPACE: OnceLock<String> = OnceLock::new();
    NAMESPACE.get_or_init(|| cluster.new_namespace("containers"))
}

/// A pod that runs until it is deleted.
pub(crate) struct Pod {
    cluster: &'static Cluster,
    namespace: &'static str,
    pub(crate) name: String,
    /// What the API server says of it once it runs.
    pub(crate) object: Value,
}

impl Pod {
    /// Makes a pod, as `kubectl apply` does, with a container `main` that has a script and settings
    /// of its own beside those of the pod, and waits until it runs.
    #[track_caller]
    pub(crate) fn run(
        cluster: &'static Cluster,
        name: &str,
        script: &str,
        of_pod: &Value,
        of_container: &Value,
    ) -> Self {
        let namespace = namespace(cluster);
        let mut container =
            json!({ "name": "main", "image": IMAGE, "command": ["sh", "-c", script] });
        merge(&mut container, of_container);
        let mut spec = json!({
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "containers": [container],
        });
        merge(&mut spec, of_pod);
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": { "app": name, "tier": "front" },
            },
            "spec": spec,
        });
        let applied = cluster.kubectl_with(&["apply", "--filename=-"], &pod.to_string());
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        let object = cluster.wait_for(namespace, &format!("pod/{name}"), "it runs", |pod| {
            !pod["status"]["containerStatuses"][0]["state"]["running"].is_null()
        });
        Self { cluster, namespace, name: name.to_owned(), object }
    }

    /// Returns a text of what the API server says, such as `/metadata/uid`.
    pub(crate) fn text(&self, pointer: &str) -> &str {
        let value = self.object.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("no {pointer} in {:#}", self.object))
    }

    /// Returns the whole id of its only container.
    pub(crate) fn container_id(&self) -> &str {
        let id = self.text("/status/containerStatuses/0/containerID");
        id.strip_prefix("containerd://").unwrap()
    }

    /// Runs a command in it, as `kubectl exec` does.
    pub(crate) fn exec(&self, argv: &[&str]) -> std::process::Output {
        self.cluster.exec_in(self.namespace, &self.name, "main", argv)
    }

    /// Returns what containerd itself notes of its container.
    fn noted(&self) -> Value {
        let arguments = ["--namespace=k8s.io", "containers", "info", self.container_id()];
        serde_json::from_slice(&self.cluster.ctr(&arguments).stdout).unwrap()
    }

    /// Deletes it, without waiting.
    pub(crate) fn delete(&self) {
        let pod = format!("pod/{}", self.name);
        let arguments = ["delete", &pod, "--namespace", self.namespace, "--wait=false"];
        self.cluster.kubectl_says(&arguments);
    }
}

fn merge(into: &mut Value, changes: &Value) {
    for (key, value) in changes.as_object().unwrap() {
        into[key] = value.clone();
    }
}

/// What the value of a field is.
enum Expected<'a> {
    Is(&'a str),
    Has(&'a str),
    /// A positive number.
    Number,
    Nothing,
}
use Expected::{Has, Is, Nothing, Number};

/// Holds fields to what is expected of them, and returns their names without arguments.
#[track_caller]
fn hold<'a>(event: &Event, expected: &[(&'a str, Expected<'_>)]) -> BTreeSet<&'a str> {
    for (name, expected) in expected {
        let value = field(event, name);
        let right = match (expected, value.as_deref()) {
            (Is(expected), Some(value)) => value == *expected,
            (Has(expected), Some(value)) => value.contains(expected),
            (Number, Some(value)) => value.parse::<u64>().is_ok_and(|value| value > 0),
            (Nothing, None) => true,
            _ => false,
        };
        let missing = field(event, "saker.container.missing");
        assert!(right, "{name} is {value:?}; missing: {missing:?}");
    }
    expected.iter().map(|(name, _)| name.split('[').next().unwrap()).collect()
}

#[test]
fn every_field_of_a_container_has_its_value_in_a_real_pod() {
    let Some(cluster) = Cluster::shared() else { return };
    let _turn = turn();
    let watch = Watch::start(&[cluster.cri_socket()], &[]);
    let (first, live, ready, other) = (mark(), mark(), mark(), mark());
    let check_by =
        |mark: &str| json!({ "exec": { "command": ["true", mark] }, "periodSeconds": 1 });
    let pod = Pod::run(
        cluster,
        "fields",
        &format!("true {first}; exec sleep 86400"),
        &json!({ "volumes": [{ "name": "share", "hostPath": { "path": "/usr/share" } }] }),
        &json!({
            "volumeMounts": [{ "name": "share", "mountPath": "/data", "readOnly": true }],
            "resources": { "requests": { "memory": "8Mi" } },
            "livenessProbe": check_by(&live),
            "readinessProbe": check_by(&ready),
        }),
    );
    let event = watch.program_with(&first);
    let noted = pod.noted();
    let sandbox = noted["Spec"]["annotations"]["io.kubernetes.cri.sandbox-id"].as_str().unwrap();
    let (id, uid, ip) = (pod.container_id(), pod.text("/metadata/uid"), pod.text("/status/podIP"));
    let labels = "app:fields, tier:front";
    let held = hold(
        &event,
        &[
            ("container.id", Is(&id[..12])),
            ("container.full_id", Is(id)),
            ("container.name", Is("main")),
            ("container.type", Is("containerd")),
            ("container.image", Is(IMAGE)),
            ("container.image.id", Is(pod.text("/status/containerStatuses/0/imageID"))),
            ("container.image.repository", Is("localhost/busybox")),
            ("container.image.tag", Is("1")),
            // An imported image has none of a registry.
            ("container.image.digest", Nothing),
            ("container.privileged", Is("false")),
            ("container.mounts", Has("/usr/share:/data::false:")),
            ("container.mount[/usr/share]", Has("/usr/share:/data::false:")),
            ("container.mount.source[/data]", Is("/usr/share")),
            ("container.mount.dest[/usr/share]", Is("/data")),
            ("container.mount.mode[/usr/share]", Is("")),
            ("container.mount.rdwr[/usr/share]", Is("false")),
            ("container.mount.propagation[/usr/share]", Has("private")),
            ("container.start_ts", Number),
            ("container.duration", Number),
            ("container.ip", Is(ip)),
            ("container.cni.json", Has(ip)),
            ("container.healthcheck", Nothing),
            ("container.liveness_probe", Is(&format!("true {live}"))),
            ("container.readiness_probe", Is(&format!("true {ready}"))),
            ("container.host_pid", Is("false")),
            ("container.host_network", Is("false")),
            ("container.host_ipc", Is("false")),
            // Those of the pod are the pod's.
            ("container.label[app]", Nothing),
            ("container.labels", Nothing),
            ("k8s.ns.name", Is(pod.namespace)),
            ("k8s.pod.name", Is("fields")),
            ("k8s.pod.uid", Is(uid)),
            ("k8s.pod.id", Is(uid)),
            ("k8s.pod.sandbox_id", Is(&sandbox[..12])),
            ("k8s.pod.full_sandbox_id", Is(sandbox)),
            ("k8s.pod.ip", Is(ip)),
            ("k8s.pod.cni.json", Has(ip)),
            ("k8s.pod.label[app]", Is("fields")),
            ("k8s.pod.labels", Is(labels)),
        ],
    );
    let claimed: BTreeSet<&str> = Field::of(EventSource::Syscall)
        .filter(|field| field.supplied())
        .map(Field::name)
        .filter(|name| name.starts_with("container.") || name.starts_with("k8s."))
        .collect();
    assert_eq!(held, claimed, "fields that are supplied, and those held to a value");
    check(
        &event,
        &[
            ("proc.vpid", "1"),
            ("saker.pod.qos", "burstable"),
            ("saker.container.missing", "container.image.digest=not_found"),
        ],
    );

    let (live, ready) = (watch.program_with(&live), watch.program_with(&ready));
    pod.exec(&["true", &other]);
    let other = watch.program_with(&other);
    let is_check = |event, kind| field(event, &format!("proc.is_container_{kind}")).unwrap();
    for (event, expected) in
        [(&live, ["true", "false"]), (&ready, ["false", "true"]), (&other, ["false"; 2])]
    {
        assert_eq!(
            ["liveness_probe", "readiness_probe"].map(|kind| is_check(event, kind)),
            expected
        );
    }

    pod.delete();
    let notices = watch.notices(&id[..12]);
    let kinds: Vec<_> = notices.iter().map(|notice| notice.kind).collect();
    assert_eq!(kinds, [EventKind::Container, EventKind::ContainerRemoved]);
    assert!(watch.place_of(&notices[0]) < watch.place_of(&event), "it is told of first");
    let told: Value = serde_json::from_str(&field(&notices[0], "evt.arg.json").unwrap()).unwrap();
    let told = &told["container"];
    assert_eq!(told["type"], 7);
    assert_eq!(told["full_id"], id);
    assert_eq!(told["pod_sandbox_id"], sandbox);
    assert_eq!(told["labels"]["io.kubernetes.pod.uid"], uid);
    assert_eq!(told["pod_sandbox_labels"], json!({ "app": "fields", "tier": "front" }));
    let is_share = |mount: &&Value| mount["Source"] == "/usr/share" && mount["RW"] == false;
    assert_eq!(told["Mounts"].as_array().unwrap().iter().filter(is_share).count(), 1);
}

#[test]
fn a_pod_that_shares_the_host_s_namespaces_and_rights_is_told_as_one() {
    let Some(cluster) = Cluster::shared() else { return };
    let _turn = turn();
    let watch = Watch::start(&[cluster.cri_socket()], &[]);
    let first = mark();
    let of_pod = json!({ "hostPID": true, "hostIPC": true, "hostNetwork": true });
    let rights = json!({ "securityContext": { "privileged": true } });
    let script = format!("true {first}; exec sleep 86400");
    let pod = Pod::run(cluster, "like-the-host", &script, &of_pod, &rights);
    let event = watch.program_with(&first);
    check(
        &event,
        &[
            ("container.full_id", pod.container_id()),
            ("container.privileged", "true"),
            ("container.host_pid", "true"),
            ("container.host_network", "true"),
            ("container.host_ipc", "true"),
            ("k8s.pod.name", &pod.name),
            ("k8s.pod.uid", pod.text("/metadata/uid")),
            ("k8s.pod.ip", "-"),
            ("saker.pod.qos", "besteffort"),
        ],
    );
    pod.delete();
}
