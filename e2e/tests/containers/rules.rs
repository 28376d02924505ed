//! Our own rules about containers, each by a deed in a real pod.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use agent::{
    detect::{Detector, Limits},
    sensor::{Sensor, SensorOptions},
};
use alert::Alert;
use e2e::{Cluster, Folder, eventually};
use rules::{RuleSet, Source};
use serde_json::json;

use crate::{
    pods::Pod,
    watch::{options, turn},
};

/// Watches with our own rules until dropped.
struct Guard {
    alerts: Arc<Mutex<Vec<Alert>>>,
    stop: Arc<AtomicBool>,
    sensor: Option<JoinHandle<()>>,
}

/// The built-in ones, but nothing is excused for being below a build: this test may be.
static RULES: LazyLock<Arc<RuleSet>> = LazyLock::new(|| {
    let never = |name| {
        format!("- macro: {name}\n  condition: evt.num < 0\n  override: {{ condition: replace }}\n")
    };
    let text = ["build_work", "container_build_work"].map(never).concat();
    let mut sources = rules::builtin();
    sources.push(Source { name: "test".to_owned(), text });
    RuleSet::load(&sources).unwrap().rules
});

impl Guard {
    fn start(cluster: &Cluster) -> Self {
        let needed = RULES.requirements();
        let sensor_options = SensorOptions {
            containers: options(&[cluster.cri_socket()], &[]),
            environment: needed.environment,
            filter: Some(RULES.kernel_filter()),
            ..SensorOptions::default()
        };
        let sensor = Sensor::start(&needed.kinds, sensor_options).unwrap();
        let mut detector = Detector::new(Arc::clone(&RULES), "node".to_owned(), Limits::none());
        let (alerts, stop) = (Arc::<Mutex<Vec<Alert>>>::default(), Arc::<AtomicBool>::default());
        let (kept, stopping) = (Arc::clone(&alerts), Arc::clone(&stop));
        let mut keep = move |alert: &Alert| kept.lock().unwrap().push(alert.clone());
        let thread = std::thread::spawn(move || {
            sensor.run(&stopping, &mut |event| _ = detector.observe(&event, &mut keep));
        });
        Self { alerts, stop, sensor: Some(thread) }
    }

    /// Returns how many alerts a rule raised about a pod.
    fn count(&self, rule: &str, pod: &Pod) -> usize {
        let alerts = self.alerts.lock().unwrap();
        alerts.iter().filter(|alert| alert.rule == rule && is_about(alert, pod)).count()
    }

    /// Waits for the alert of a rule about a pod.
    #[track_caller]
    fn alert(&self, rule: &str, pod: &Pod) -> Alert {
        eventually(&format!("{rule:?} in {}", pod.name), || {
            let alerts = self.alerts.lock().unwrap();
            let of_it = |alert: &&Alert| is_about(alert, pod);
            let found = alerts.iter().filter(of_it).find(|alert| alert.rule == rule).cloned();
            found.ok_or_else(|| {
                let of_pod: BTreeSet<_> = alerts.iter().filter(of_it).map(|it| &it.rule).collect();
                format!("told of this pod: {of_pod:#?}")
            })
        })
    }
}

fn is_about(alert: &Alert, pod: &Pod) -> bool {
    alert.fields.get("container.full_id").is_some_and(|id| id == pod.container_id())
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(sensor) = self.sensor.take() {
            sensor.join().unwrap();
        }
    }
}

/// Deeds in the order of their rules. Tools that the image lacks are busybox under their name: a
/// rule sees what is started, whatever comes of it.
const DEEDS: [(&str, &str); 19] = [
    ("Host control file written from a container", ": >/tmp/release_agent"),
    (
        "Container runtime reached from a container",
        "/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"/node/containerd.sock\")'",
    ),
    ("Host namespaces entered from a container", "/usr/bin/nsenter -t 1 -n /bin/true"),
    ("Host files reached through a process", "/bin/cat /proc/1/root/etc/hostname"),
    ("Host secrets read through a mounted folder", "/bin/cat /host/etc/shadow"),
    ("Host disk opened from a container", "/bin/touch /dev/sdz; /bin/cat /dev/sdz"),
    ("Disk mounted in a container", "/bin/mkdir /tmp/proc; /bin/mount -t proc proc /tmp/proc"),
    ("Namespace made in a container", "/usr/bin/unshare --user /bin/true"),
    (
        "Added program run in a container",
        "/bin/cp /bin/busybox /tmp/busybox-added; /tmp/busybox-added true",
    ),
    ("Package manager in a container", "as apt-get update"),
    ("Compiler in a container", "as gcc -o x x.c"),
    ("Network tool in a container", "/bin/nc -w 1 127.0.0.1 9"),
    ("Service account token read by a tool", "/bin/cat $TOKENS/token"),
    ("Kubernetes client in a container", "as kubectl get pods"),
    (
        "Kubernetes API asked by hand",
        "/bin/wget -O- --header='Authorization: Bearer x' http://127.0.0.1:1/api/v1/namespaces",
    ),
    ("Kubelet contacted from a container", "/bin/wget -O- http://$NODE:10250/"),
    ("Cluster store contacted from a container", "/bin/wget -O- http://$NODE:2379/"),
    ("Remote shell client in a container", "as ssh 192.0.2.1"),
    ("Copying tool for the cloud run in a container", "as rclone copy / remote:"),
];

/// Returns a pod that may do everything, which has done all deeds.
fn doer(cluster: &'static Cluster, host: &Folder) -> Pod {
    let deeds: Vec<&str> = DEEDS.iter().map(|(_, deed)| *deed).collect();
    let script = format!(
        "as() {{ ln -s /bin/busybox /tmp/$1; /tmp/\"$@\"; }}\n\
         TOKENS=/var/run/secrets/kubernetes.io/serviceaccount\n{}\nexec sleep 86400",
        deeds.join("\n")
    );
    let volume = |name: &str, path: &str| json!({ "name": name, "hostPath": { "path": path } });
    let host = host.path().to_str().unwrap();
    let at = |name: &str, path: &str| json!({ "name": name, "mountPath": path });
    let pod = json!({
        "automountServiceAccountToken": true,
        "volumes": [
            volume("node", "/run/containerd"), volume("host", host), volume("usr", "/usr"),
        ],
    });
    let container = json!({
        "securityContext": { "privileged": true },
        "env": [{ "name": "NODE", "valueFrom": { "fieldRef": { "fieldPath": "status.hostIP" } } }],
        // With python3 and others of this machine.
        "volumeMounts": [at("node", "/node"), at("host", "/host"), at("usr", "/usr")],
    });
    Pod::run(cluster, "doer", &script, &pod, &container)
}

#[test]
fn every_rule_about_containers_tells_of_a_deed_in_a_real_pod_and_whose_it_was() {
    let Some(cluster) = Cluster::shared() else { return };
    let _turn = turn();
    let guard = Guard::start(cluster);
    let host = Folder::new("host");
    std::fs::create_dir(host.join("etc")).unwrap();
    host.write("etc/shadow", "root:*:1::::::\n");
    let doer = doer(cluster, &host);
    let script = "exec sleep 86400";
    let terminal = Pod::run(cluster, "terminal", script, &json!({}), &json!({ "tty": true }));
    doer.exec(&["tar", "cf", "-", "/etc/hostname"]);

    let mut told: Vec<(&str, Alert)> =
        DEEDS.iter().map(|(rule, _)| (*rule, guard.alert(rule, &doer))).collect();
    for (rule, pod) in [
        ("Privileged container started", &doer),
        ("Files copied out of a container", &doer),
        ("Terminal shell in a container", &terminal),
    ] {
        told.push((rule, guard.alert(rule, pod)));
    }
    for (rule, alert) in &told {
        let pod = if alert.fields["k8s.pod.name"] == "terminal" { &terminal } else { &doer };
        for (field, value) in [
            ("k8s.pod.name", pod.name.as_str()),
            ("k8s.pod.uid", pod.text("/metadata/uid")),
            ("k8s.ns.name", pod.text("/metadata/namespace")),
            ("container.name", "main"),
            ("container.image.repository", "localhost/busybox"),
        ] {
            assert_eq!(alert.fields[field], value, "{field} of {rule}: {alert:#?}");
        }
    }
    let tried: BTreeSet<&str> = told.iter().map(|(rule, _)| *rule).collect();
    let is_of_containers = |tags: &[String]| {
        let has = |wanted: &str| tags.iter().any(|tag| tag == wanted);
        has("container") && !has("host")
    };
    let all: BTreeSet<&str> = RULES
        .rules()
        .iter()
        .filter(|rule| is_of_containers(&rule.tags))
        .map(|rule| rule.name.as_str())
        .collect();
    assert_eq!(tried, all, "rules that a deed was done for, and rules about containers alone");
    doer.delete();
    terminal.delete();
}

#[test]
fn a_pod_among_the_host_s_processes_is_told_of_as_privileged_once_and_its_runtime_is_no_intruder() {
    const STARTED: &str = "Privileged container started";
    let Some(cluster) = Cluster::shared() else { return };
    let _turn = turn();
    let guard = Guard::start(cluster);
    let rights = json!({ "securityContext": { "privileged": true } });
    let script = "sleep 86400; true";
    let pod = Pod::run(cluster, "host-pid", script, &json!({ "hostPID": true }), &rights);
    guard.alert(STARTED, &pod);
    // Started by the runtime too, which enters the pod for it.
    pod.exec(&["/bin/nc", "-w", "1", "127.0.0.1", "9"]);
    guard.alert("Network tool in a container", &pod);
    assert_eq!(guard.count(STARTED, &pod), 1);
    for rule in ["Host namespaces entered from a container", "Program run from memory"] {
        assert_eq!(guard.count(rule, &pod), 0, "{rule}");
    }
    pod.delete();
}
