//! What tests do with the cluster's objects: make them, read them, wait for what they become.

use serde_json::{Value, json};

use super::{Cluster, commands::succeeded};
use crate::{eventually, patience};

impl Cluster {
    /// Makes or changes objects: one, or a `List` of them.
    #[track_caller]
    pub fn apply(&self, objects: &Value) {
        let arguments = ["apply", "--server-side", "--force-conflicts", "--filename=-"];
        succeeded("kubectl", &arguments, self.kubectl_with(&arguments, &objects.to_string()));
    }

    /// Returns a Deployment of one busybox pod that runs a script in its container `main`. Its
    /// label is `app`, with its name.
    pub fn busybox(namespace: &str, name: &str, script: &str) -> Value {
        let labels = json!({ "app": name });
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": { "name": name, "namespace": namespace },
            "spec": {
                "replicas": 1,
                "selector": { "matchLabels": labels },
                "template": {
                    "metadata": { "labels": labels },
                    "spec": {
                        "terminationGracePeriodSeconds": 1,
                        "containers": [{
                            "name": "main",
                            "image": "localhost/busybox:1",
                            "command": ["sh", "-c", script],
                        }],
                    },
                },
            },
        })
    }

    /// Makes a namespace that no other test has, ready for pods, and returns its name.
    #[track_caller]
    pub fn new_namespace(&self, about: &str) -> String {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let name = format!("{about}-{}", &unique[..8]);
        self.kubectl_says(&["create", "namespace", &name]);
        // Without it the namespace takes no pod.
        self.wait_for(&name, "serviceaccount/default", "it exists", |_| true);
        name
    }

    /// Returns an object, such as `pod/web-0`, or a `List`, for `pods`; what kubectl said if there
    /// is none.
    pub fn get(&self, namespace: &str, what: &str) -> Result<Value, String> {
        let output = self.kubectl(&["get", "--namespace", namespace, "--output=json", what]);
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
    }

    /// Waits until an object, such as `pod/web-0`, or a `List`, for `pods`, is as `is_it` wants
    /// it, and returns it.
    #[track_caller]
    pub fn wait_for(
        &self,
        namespace: &str,
        what: &str,
        sentence: &str,
        is_it: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(&format!("{what} in {namespace}: {sentence}"), || {
            let object = self.get(namespace, what)?;
            if is_it(&object) { Ok(object) } else { Err(format!("{object:#}")) }
        })
    }

    /// Waits until an object is no more.
    #[track_caller]
    pub fn wait_until_gone(&self, namespace: &str, what: &str) {
        eventually(&format!("{what} in {namespace} is gone"), || match self.get(namespace, what) {
            Err(answer) if answer.contains("NotFound") => Ok(()),
            other => Err(format!("{other:?}")),
        });
    }

    /// Waits until a Deployment, DaemonSet or StatefulSet, such as `deployment/web`, has all its
    /// pods ready.
    #[track_caller]
    pub fn wait_until_rolled_out(&self, namespace: &str, what: &str) {
        let timeout = format!("--timeout={}s", patience().as_secs());
        let arguments = ["rollout", "status", "--namespace", namespace, &timeout, what];
        let output = self.kubectl(&arguments);
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            panic!("{what} in {namespace} is not ready: {said}\n{}", self.why(namespace));
        }
    }

    /// Returns the pods that a selector such as `app=web` finds and that are not on their way out.
    #[track_caller]
    pub fn pods(&self, namespace: &str, selector: &str) -> Vec<Value> {
        let said = self.kubectl_says(&[
            "get",
            "pods",
            "--namespace",
            namespace,
            "--selector",
            selector,
            "--output=json",
        ]);
        let list: Value = serde_json::from_str(&said).expect("JSON");
        let pods = list["items"].as_array().expect("a list").iter();
        pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null()).cloned().collect()
    }

    /// Deletes a pod and waits until it is gone; whoever owns it makes another.
    #[track_caller]
    pub fn restart_pod(&self, namespace: &str, pod: &str) {
        self.kubectl_says(&["delete", "pod", pod, "--namespace", namespace, "--wait=false"]);
        self.wait_until_gone(namespace, &format!("pod/{pod}"));
    }

    /// Asks the API server to evict a pod, if it is still the one with that UID. What kubectl says
    /// otherwise names the reason: `(Conflict)` for 409, `(TooManyRequests)` for 429.
    pub fn evict(&self, namespace: &str, pod: &str, uid: &str) -> Result<(), String> {
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": { "name": pod, "namespace": namespace },
            "deleteOptions": { "preconditions": { "uid": uid } },
        });
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/eviction");
        let arguments = ["create", "--raw", &path, "--filename=-"];
        let output = self.kubectl_with(&arguments, &eviction.to_string());
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Returns what the API server's audit log holds so far.
    pub fn audit(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(self.logs().join("audit.json")).expect("the audit log");
        // The last line may be half written.
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Returns what a container wrote.
    pub fn pod_log(&self, namespace: &str, pod: &str, container: &str) -> String {
        let arguments = ["logs", "--namespace", namespace, pod, "--container", container];
        let output = self.kubectl(&arguments);
        let (out, err) = (output.stdout, output.stderr);
        String::from_utf8_lossy(&[out, err].concat()).into_owned()
    }

    /// Returns what a namespace's pods and events say, for the report of a failed test.
    pub fn why(&self, namespace: &str) -> String {
        let mut report = String::new();
        for arguments in [
            ["get", "pods", "--output=wide", "--namespace", namespace],
            ["get", "events", "--sort-by=.lastTimestamp", "--namespace", namespace],
        ] {
            let output = self.kubectl(&arguments);
            report.push_str(&String::from_utf8_lossy(&output.stdout));
            report.push_str(&String::from_utf8_lossy(&output.stderr));
        }
        report
    }
}
