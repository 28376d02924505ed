//! Workloads in which deeds are done.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

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

    /// Returns the name of its Deployment.
    pub(crate) fn app(&self) -> &str {
        self.object["metadata"]["labels"]["app"].as_str().unwrap()
    }

    /// Returns the whole id of its only container.
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

/// A process in a pod's cgroup, started from here so that it can be told to act, and seen to die,
/// without `kubectl` between. It waits for a line.
pub(crate) struct Intruder {
    child: Child,
}

impl Intruder {
    /// Starts a script that waits in the container of a pod for the word to go on. It sees this
    /// machine's files: not every image has a shell.
    pub(crate) fn start(world: &World, container_id: &str, script: &str) -> Self {
        std::fs::create_dir_all(crate::values::DEEDS).unwrap();
        let mut entries = String::new();
        for folder in cgroups(world, container_id) {
            entries.push_str(&format!("echo $$ >'{}/cgroup.procs'\n", folder.display()));
        }
        // A container's processes are in its cgroup before they begin with a program of it.
        let script = format!("{entries}exec sh -e -c 'echo in; read word; {script}'");
        let mut command = Command::new("sh");
        command.args(["-e", "-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = [0; 3];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
        assert_eq!(&said, b"in\n");
        Self { child }
    }

    /// Gives the word.
    pub(crate) fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    /// Waits until it is dead.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

/// Returns the id of a container's first process, on this machine.
pub(crate) fn task_id(world: &World, container_id: &str) -> u32 {
    let output = world.cluster.ctr(&["--namespace=k8s.io", "tasks", "list"]);
    let tasks = String::from_utf8(output.stdout).unwrap();
    let task = tasks.lines().find(|line| line.starts_with(container_id)).unwrap();
    task.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Returns the folders of a container's cgroup, one for each hierarchy.
fn cgroups(world: &World, container_id: &str) -> Vec<PathBuf> {
    let pid = task_id(world, container_id);
    let file = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let folders = file.lines().map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap(), parts.next().unwrap());
        let hierarchy = controllers.trim_start_matches("name=");
        Path::new("/sys/fs/cgroup").join(hierarchy).join(path.trim_start_matches('/'))
    });
    folders.filter(|folder| folder.join("cgroup.procs").exists()).collect()
}
