//! Workloads in which deeds are done.

use e2e::{Cluster, eventually};
use serde_json::Value;

use crate::world::World;

/// What a pod does that only waits for deeds.
pub(crate) const SLEEPER: &str = "mkdir /tmp/deed; trap 'exit 0' TERM; sleep 86400 & wait";

/// A running pod.
pub(crate) struct Pod {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) object: Value,
}

impl Pod {
    pub(crate) fn of(object: Value) -> Self {
        let text = |name: &str| object["metadata"][name].as_str().unwrap().to_owned();
        Self { namespace: text("namespace"), name: text("name"), uid: text("uid"), object }
    }

    /// Returns the whole id of its container `main`.
    pub(crate) fn container_id(&self) -> &str {
        let id = self.object["status"]["containerStatuses"][0]["containerID"].as_str().unwrap();
        id.strip_prefix("containerd://").unwrap()
    }
}

impl World {
    /// Runs a Deployment of one pod, and returns that pod.
    #[track_caller]
    pub(crate) fn deploy(&self, namespace: &str, name: &str) -> Pod {
        self.cluster.apply(&Cluster::busybox(namespace, name, SLEEPER));
        self.cluster.wait_until_rolled_out(namespace, &format!("deployment/{name}"));
        self.pod_of(namespace, name)
    }

    /// Returns the only pod of a Deployment.
    #[track_caller]
    pub(crate) fn pod_of(&self, namespace: &str, name: &str) -> Pod {
        Pod::of(eventually("one pod", || {
            let mut pods = self.cluster.pods(namespace, &format!("app={name}"));
            if pods.len() == 1 { Ok(pods.remove(0)) } else { Err(format!("{pods:#?}")) }
        }))
    }

    /// Runs a command in a pod, as `kubectl exec` does.
    pub(crate) fn exec(&self, pod: &Pod, argv: &[&str]) -> std::process::Output {
        self.cluster.exec_in(&pod.namespace, &pod.name, "main", argv)
    }
}
