//! A real Kubernetes API server over a real etcd, without a node: objects live, pods do not run.
//!
//! Enough for what the API promises (preconditions, budgets, RBAC, dry runs), and up in seconds
//! without root.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use rcgen::KeyPair;
use serde_json::json;

use crate::{Certificates, Folder, Port, Process};

/// The server; stopped when dropped.
#[derive(Debug)]
pub struct ApiServer {
    pub port: Port,
    pub certificates: Certificates,
    folder: Folder,
    _server: Process,
    _etcd: Process,
}

impl ApiServer {
    /// The user who may do everything.
    pub const ADMIN: &str = "admin";

    /// Starts with a user for each name, who may do nothing until RBAC says otherwise.
    ///
    /// Returns nothing where Kubernetes was not built (see `e2e/cluster/build`).
    pub fn start(users: &[&str]) -> Option<Self> {
        let programs = programs()?;
        let (folder, certificates) = (Folder::new("api-server"), Certificates::new());
        let (client, peer, port) = (Port::reserve(), Port::reserve(), Port::reserve());

        let client = format!("http://{}", client.address());
        let mut command = Command::new(programs.join("etcd"));
        command
            .arg(format!("--data-dir={}", folder.join("etcd").display()))
            .arg(format!("--listen-client-urls={client}"))
            .arg(format!("--advertise-client-urls={client}"))
            .arg(format!("--listen-peer-urls=http://{}", peer.address()))
            .args(["--unsafe-no-fsync", "--log-level=error"]);
        let etcd = Process::start("etcd", &command, &folder.join("etcd.log"));

        let key = KeyPair::generate().expect("a key");
        let mut command = Command::new(programs.join("kube-apiserver"));
        let mut option = |name: &str, value: &Path| {
            command.arg(format!("--{name}={}", value.display()));
        };
        option("tls-cert-file", &certificates.server.certificate);
        option("tls-private-key-file", &certificates.server.key);
        option("token-auth-file", &folder.write("tokens", tokens(users)));
        let private = folder.write("service-accounts.key", key.serialize_pem());
        option("service-account-signing-key-file", &private);
        let public = folder.write("service-accounts.pub", key.public_key_pem());
        option("service-account-key-file", &public);
        option("cert-dir", &folder.join("made"));
        command
            .arg(format!("--etcd-servers={client}"))
            .arg(format!("--secure-port={}", port.number()))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg("--authorization-mode=RBAC")
            // No controller makes the accounts that pods would need.
            .arg("--disable-admission-plugins=ServiceAccount")
            .args(["--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged=true"]);
        let mut server = Process::start("the API server", &command, &folder.join("log"));
        server.ready(|| {
            let mut ask = Command::new(programs.join("kubectl"));
            ask.arg(format!("--server=https://{}", port.address()))
                .arg(format!("--certificate-authority={}", certificates.authority.display()))
                .arg(format!("--token={}", token(Self::ADMIN)))
                .args(["get", "--raw", "/readyz"])
                .env("HOME", folder.path());
            let answer = ask.output()?;
            if answer.status.success() {
                return Ok(());
            }
            Err(std::io::Error::other(String::from_utf8_lossy(&answer.stderr).into_owned()))
        });
        Some(Self { port, certificates, folder, _server: server, _etcd: etcd })
    }

    /// Returns its base address.
    pub fn url(&self) -> String {
        format!("https://{}", self.port.address())
    }

    /// Returns a kubeconfig of a user, which reaches the server itself.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.kubeconfig_through(user, &self.url())
    }

    /// Returns a kubeconfig of a user, which reaches the server by another address, such as a
    /// [`crate::FaultProxy`]'s.
    pub fn kubeconfig_through(&self, user: &str, url: &str) -> PathBuf {
        let authority = &self.certificates.authority;
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{
                "name": "cluster",
                "cluster": { "server": url, "certificate-authority": authority },
            }],
            "users": [{ "name": "user", "user": { "token": token(user) } }],
            "contexts": [{ "name": "it", "context": { "cluster": "cluster", "user": "user" } }],
            "current-context": "it",
        });
        // JSON is YAML. The port keeps two proxies' files apart.
        let place = url.rsplit(':').next().unwrap_or_default();
        let name = format!("{user}-{place}.kubeconfig");
        // Many ask for the same one, and none may read it half written.
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let new = self.folder.write(&format!("{name}.{number}"), config.to_string());
        let path = self.folder.join(&name);
        fs::rename(new, &path).expect("a file in its place");
        path
    }
}

/// Returns the token of a user.
fn token(user: &str) -> String {
    format!("the-token-of-{user}")
}

fn tokens(users: &[&str]) -> String {
    let admin = ApiServer::ADMIN;
    let mut lines = format!("{},{admin},{admin},\"system:masters\"\n", token(admin));
    for user in users {
        lines += &format!("{},{user},{user}\n", token(user));
    }
    lines
}

/// Returns the folder of the programs that `e2e/cluster/build` made last.
fn programs() -> Option<PathBuf> {
    let cache = std::env::var_os("SAKER_CLUSTER_CACHE").map(PathBuf::from);
    let cache = cache.unwrap_or_else(|| crate::folder::cache().join("saker/cluster"));
    let entries = fs::read_dir(cache).ok()?.flatten();
    let built = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("kubernetes-") && entry.path().join("kube-apiserver").exists()
    });
    let newest =
        built.max_by_key(|entry| entry.metadata().and_then(|metadata| metadata.modified()).ok());
    newest.map(|entry| entry.path())
}
