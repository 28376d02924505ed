//! The chart's value sets, held against a real API server; the release with nothing but defaults.

use std::{collections::BTreeSet, path::Path, time::Instant};

use e2e::{Cluster, Folder, eventually};
use serde_json::{Value, json};

use crate::{
    values::{self, QUIET, merge},
    world::{chart, say, volume, world},
};

#[test]
fn every_set_of_values_makes_objects_that_the_api_server_takes() {
    let Some(world) = world() else { return };
    let cluster = world.cluster;
    let known: BTreeSet<String> =
        cluster.kubectl_says(&["api-versions"]).lines().map(str::to_owned).collect();
    // A dry run makes nothing, so what an object needs must be there.
    for namespace in ["ci", "web"] {
        cluster.kubectl_says(&["create", "namespace", namespace]);
    }
    let sets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/helm/ci");
    let mut sets: Vec<_> =
        std::fs::read_dir(sets).unwrap().map(|entry| entry.unwrap().path()).collect();
    sets.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    assert!(sets.len() >= 5, "{sets:?}");
    let mut skipped = BTreeSet::new();
    for set in sets {
        let rendered = cluster.helm_says(&[
            "template",
            "ci",
            chart().to_str().unwrap(),
            "--namespace=ci",
            "--kube-version=1.34.0",
            "--values",
            set.to_str().unwrap(),
        ]);
        let objects: Vec<Value> = serde_saphyr::from_multiple(&rendered).unwrap();
        let objects = objects.into_iter().filter(|object| !object.is_null());
        let (objects, others): (Vec<Value>, Vec<Value>) =
            objects.partition(|object| known.contains(object["apiVersion"].as_str().unwrap()));
        skipped.extend(others.iter().map(|it| format!("{} {}", it["apiVersion"], it["kind"])));
        assert!(objects.len() > 5, "{}: {objects:#?}", set.display());
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        let arguments = ["apply", "--validate=strict", "--dry-run=server", "--filename=-"];
        let output = cluster.kubectl_with(&arguments, &list.to_string());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", set.display());
        // Pod Security and deprecations are told as warnings.
        assert!(!said.contains("Warning"), "{}: {said}", set.display());
    }
    for kind in &skipped {
        let foreign = ["cert-manager.io", "monitoring.coreos.com"];
        assert!(foreign.iter().any(|group| kind.contains(group)), "{kind} is not known here");
    }
    say(&format!("SKIPPED: the API server does not know and was not asked of: {skipped:?}"));
}

/// With nothing but defaults: detection in the router's log, and nothing that acts; switched on
/// without actions the responder does nothing either; and what an uninstall leaves.
#[test]
fn a_release_with_defaults_only_tells_and_leaves_only_what_the_page_says() {
    const PLAIN: &str = "plain";
    let Some(world) = world() else { return };
    let cluster = world.cluster;
    let pod = world.deploy(QUIET, "plain");
    cluster.kubectl_says(&["create", "namespace", PLAIN]);
    let volumes = Folder::new("volumes");
    volume(cluster, &volumes, "plain-router", (PLAIN, "data-plain-saker-router-0"));
    volume(cluster, &volumes, "plain-responder", (PLAIN, "plain-saker-responder"));
    // Two agents on one node must not share a folder.
    let spool = json!({ "agent": {
        "spool": { "hostPath": "/var/lib/saker-agent-plain" },
        "resources": { "limits": { "memory": "256Mi" } },
    } });
    let mut values = values::images();
    merge(&mut values, &spool);
    let folder = Folder::new("values");
    let helm = |verb: &str, values: &Value, wait: &[&str]| {
        let file = folder.write("values.yaml", values.to_string());
        let file = file.to_str().unwrap();
        let chart = chart();
        let arguments =
            [verb, PLAIN, chart.to_str().unwrap(), "--namespace", PLAIN, "--values", file];
        cluster.helm_says(&[&arguments, wait].concat());
    };

    let start = Instant::now();
    helm("install", &values, &[]);
    let log = || cluster.kubectl(&["logs", "--namespace", PLAIN, "statefulset/plain-saker-router"]);
    eventually("an alert in the router's log", || {
        world.exec(&pod, &["cat", "/etc/shadow"]);
        let said = String::from_utf8_lossy(&log().stdout).into_owned();
        let told = said.contains("Password hashes read") && said.contains(&pod.name);
        if told { Ok(()) } else { Err(said) }
    });
    say(&format!("from `helm install` to the first detection: {:?}", start.elapsed()));
    for gone in ["deployment", "role", "rolebinding", "validatingadmissionpolicy"] {
        let there = cluster.get(PLAIN, gone).unwrap();
        assert!(!there.to_string().contains("plain-saker-responder"), "{there:#}");
    }

    merge(&mut values, &json!({ "responder": { "enabled": true } }));
    helm("upgrade", &values, &["--wait", "--timeout=2m"]);
    world.exec(&pod, &["cat", "/etc/shadow"]);
    let account = format!("system:serviceaccount:{PLAIN}:");
    let mut changes = cluster.audit();
    changes.retain(|entry| {
        let user = entry["user"]["username"].as_str().unwrap_or_default();
        let reads = ["get", "list", "watch"].iter().any(|verb| entry["verb"] == *verb);
        let asks = entry["objectRef"]["apiGroup"] == "authorization.k8s.io";
        user.starts_with(&account) && !reads && !asks
    });
    assert_eq!(changes, Vec::<Value>::new());
    assert_eq!(world.pod_of(QUIET, "plain").uid, pod.uid);

    cluster.helm_says(&["uninstall", PLAIN, "--namespace", PLAIN, "--wait", "--timeout=2m"]);
    let expected = [
        // Every namespace has these two.
        "configmap/kube-root-ca.crt",
        "serviceaccount/default",
        "persistentvolumeclaim/data-plain-saker-router-0",
        "persistentvolumeclaim/plain-saker-responder",
    ];
    let expected = BTreeSet::from(expected.map(str::to_owned));
    eventually("only what is to stay is left", || {
        let left = left(cluster, PLAIN);
        if left == expected { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

/// Returns every object in a namespace, and every other object of the release with its name.
fn left(cluster: &Cluster, release: &str) -> BTreeSet<String> {
    let mut left = BTreeSet::new();
    for (scope, place) in [
        ("--namespaced=true", format!("--namespace={release}")),
        ("--namespaced=false", format!("--selector=app.kubernetes.io/instance={release}")),
    ] {
        let kinds =
            cluster.kubectl_says(&["api-resources", "--verbs=list", scope, "--output=name"]);
        let kinds: Vec<&str> = kinds.lines().filter(|kind| !kind.starts_with("events")).collect();
        let found = cluster.kubectl_says(&["get", &kinds.join(","), &place, "--output=name"]);
        left.extend(found.lines().map(str::to_owned));
    }
    left
}
