//! The programs an operator has: kubectl, Helm, containerd's `ctr`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use super::Cluster;

impl Cluster {
    /// Runs kubectl as the administrator and returns how it ended.
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        self.kubectl_with(arguments, "")
    }

    /// Runs kubectl with something to read, as `--filename=-` does.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.kubectl_command();
        command.args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl");
        // Closed afterwards, which ends the input.
        let written = child.stdin.take().expect("piped").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("kubectl's output");
        assert!(written.is_ok() || !output.status.success(), "kubectl read only part of {input}");
        output
    }

    /// Runs kubectl, which must succeed, and returns what it said.
    #[track_caller]
    pub fn kubectl_says(&self, arguments: &[&str]) -> String {
        succeeded("kubectl", arguments, self.kubectl(arguments))
    }

    /// Returns kubectl with the administrator's kubeconfig, for what the other calls cannot do.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(Path::new(self.place("kubernetes")).join("kubectl"));
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// Runs Helm as the administrator and returns how it ended.
    pub fn helm(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(Path::new(self.place("helm")).join("helm"));
        command.args(arguments).env("KUBECONFIG", self.kubeconfig());
        // Its caches and plugins are none of this user's.
        for (name, folder) in [
            ("HELM_CACHE_HOME", "cache"),
            ("HELM_CONFIG_HOME", "config"),
            ("HELM_DATA_HOME", "data"),
        ] {
            command.env(name, self.folder.join(folder));
        }
        command.stdin(Stdio::null()).output().expect("helm")
    }

    /// Runs Helm, which must succeed, and returns what it said.
    #[track_caller]
    pub fn helm_says(&self, arguments: &[&str]) -> String {
        succeeded("helm", arguments, self.helm(arguments))
    }

    /// Gives the node an image: a docker or OCI archive, plain tar.
    #[track_caller]
    pub fn import_image(&self, archive: &Path) {
        let archive = archive.to_str().expect("a plain path");
        let arguments = ["--namespace=k8s.io", "images", "import", archive];
        succeeded("ctr", &arguments, self.ctr(&arguments));
    }

    /// Runs containerd's own client and returns how it ended. The node's pods are in the namespace
    /// `k8s.io`.
    pub fn ctr(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(Path::new(self.place("debian")).join("usr/bin/ctr"));
        command.arg("--address").arg(self.cri_socket()).args(arguments);
        command.stdin(Stdio::null()).output().expect("ctr")
    }

    /// Runs a command in a container and returns how it ended.
    pub fn exec_in(&self, namespace: &str, pod: &str, container: &str, argv: &[&str]) -> Output {
        let mut arguments =
            vec!["exec", "--namespace", namespace, pod, "--container", container, "--"];
        arguments.extend(argv);
        self.kubectl(&arguments)
    }

    /// Returns a kubeconfig that may do what a service account may, for an hour.
    #[track_caller]
    pub fn service_account_kubeconfig(&self, namespace: &str, account: &str) -> PathBuf {
        let token = self.kubectl_says(&["create", "token", account, "--namespace", namespace]);
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "cluster", "cluster": {
                "server": self.api_url(),
                "certificate-authority": self.authority(),
            } }],
            "users": [{ "name": "user", "user": { "token": token.trim() } }],
            "contexts": [{ "name": "context", "context": {
                "cluster": "cluster",
                "user": "user",
                "namespace": namespace,
            } }],
            "current-context": "context",
        });
        // JSON is YAML.
        let name = format!("{namespace}-{account}.kubeconfig");
        self.folder.write(&name, config.to_string())
    }
}

#[track_caller]
pub(super) fn succeeded(program: &str, arguments: &[&str], output: Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}
