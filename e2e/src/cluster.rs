//! A real Kubernetes cluster of one node, on this machine: `e2e/cluster/README.md` says of what.
//!
//! `e2e/cluster/run` starts and stops it. It watches our end of its stdin, so the cluster ends when
//! this process does, in whatever way; what a killed `run` left is removed by the next one.

mod commands;
mod forwarder;
mod objects;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::Ipv4Addr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::OnceLock,
    thread::JoinHandle,
};

pub use forwarder::Forwarder;

/// How many clusters one machine has addresses for.
const INSTANCES: u8 = 10;
/// What `run` ends with when this machine cannot have a cluster.
const UNAVAILABLE: i32 = 69;
/// What `run` ends with when another process has this instance.
const BUSY: i32 = 75;

/// The cluster, stopped when dropped.
#[derive(Debug)]
pub struct Cluster {
    run: Child,
    /// What `run` told: names and where things are.
    places: BTreeMap<String, String>,
    folder: crate::Folder,
}

impl Cluster {
    /// Returns the cluster all tests of this binary share, started by the first that asks; `None`,
    /// said loudly, where none can run.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// Starts a cluster, ready to run pods; `None`, said loudly, where none can run.
    ///
    /// Panics where CI is set and none can run: there, a skipped test is a failed one.
    pub fn start() -> Option<Self> {
        for number in 0..INSTANCES {
            match launch(number) {
                Ok((run, places)) => {
                    return Some(Self { run, places, folder: crate::Folder::new("cluster") });
                }
                Err(Refusal { code: Some(BUSY), .. }) => {}
                Err(Refusal { code: Some(UNAVAILABLE), said }) => {
                    assert!(std::env::var_os("CI").is_none(), "CI must have a cluster: {said}");
                    // Not `eprintln`, which is shown only when the test fails.
                    let notice = format!("\n*** SKIPPED: no Kubernetes cluster here: {said} ***\n");
                    std::io::stderr().write_all(notice.as_bytes()).expect("stderr");
                    return None;
                }
                Err(Refusal { said, .. }) => panic!("the cluster does not start:\n{said}"),
            }
        }
        panic!("all {INSTANCES} clusters this machine can have are running")
    }

    /// Stops it and waits until nothing of it is left.
    pub fn stop(mut self) {
        let status = self.end();
        assert!(status.success(), "the cluster was not stopped: {status}");
    }

    fn end(&mut self) -> ExitStatus {
        drop(self.run.stdin.take());
        self.run.wait().expect("our child")
    }

    /// Returns the administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state().join("admin.kubeconfig")
    }

    /// Returns where the API server listens.
    pub fn api_url(&self) -> String {
        format!("https://{}:6443", self.place("node_ip"))
    }

    /// Returns the certificate of the authority that vouches for the API server.
    pub fn authority(&self) -> PathBuf {
        self.state().join("keys/authority.crt")
    }

    /// Returns containerd's socket as this machine sees it. In a pod it is
    /// `/run/containerd/containerd.sock` of the node, by `hostPath`.
    pub fn cri_socket(&self) -> PathBuf {
        self.state().join("run/containerd/containerd.sock")
    }

    /// Returns the only node's name.
    pub const fn node_name(&self) -> &'static str {
        "node"
    }

    /// Returns the name of the subtree that holds the cluster in every cgroup hierarchy.
    pub fn cgroup(&self) -> &str {
        self.place("cgroup")
    }

    /// Returns the process id of a daemon, such as `kubelet` or `containerd`.
    pub fn daemon_id(&self, name: &str) -> u32 {
        let file = self.state().join("ids").join(name);
        let id = std::fs::read_to_string(&file);
        let id = id.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        id.trim().parse().expect("a process id")
    }

    /// Returns the folder with the daemons' logs.
    pub fn logs(&self) -> PathBuf {
        self.state().join("log")
    }

    /// Returns the last lines of every daemon's log, for the report of a failed test.
    pub fn node_logs(&self) -> String {
        let mut ends = String::new();
        for entry in std::fs::read_dir(self.logs()).into_iter().flatten().flatten() {
            let log = std::fs::read(entry.path()).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(15)..].join("\n");
            ends.push_str(&format!("== {}\n{end}\n", entry.file_name().display()));
        }
        ends
    }

    /// Returns the address at which pods find this machine, where a [`Forwarder`] listens.
    pub fn host_address(&self) -> Ipv4Addr {
        self.place("host_ip").parse().expect("an IPv4 address")
    }

    /// Lets pods reach a server that listens on this machine's loopback.
    pub fn forward(&self, port: u16) -> Forwarder {
        Forwarder::start(self.host_address(), port)
    }

    fn state(&self) -> &Path {
        Path::new(self.place("state"))
    }

    fn place(&self, name: &str) -> &str {
        self.places.get(name).unwrap_or_else(|| panic!("run did not tell `{name}`"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end();
    }
}

/// Why there is no cluster.
struct Refusal {
    code: Option<i32>,
    said: String,
}

fn launch(number: u8) -> Result<(Child, BTreeMap<String, String>), Refusal> {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/run"));
    command.env("SAKER_CLUSTER_INSTANCE", number.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // An interrupt from the terminal is for us; our end of the pipe tells it.
    command.process_group(0);
    let mut run = command.spawn().expect("e2e/cluster/run");
    let stderr = collect(run.stderr.take().expect("piped"));
    let mut places = BTreeMap::new();
    for line in BufReader::new(run.stdout.take().expect("piped")).lines() {
        let line = line.expect("text");
        match line.split_once('=') {
            Some((name, value)) => {
                places.insert(name.to_owned(), value.to_owned());
            }
            None => return Ok((run, places)),
        }
    }
    let code = run.wait().expect("our child").code();
    Err(Refusal { code, said: stderr.join().expect("no panic") })
}

/// Reads all, so that the writer never waits.
fn collect(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Err(error) = stream.read_to_end(&mut bytes) {
            bytes.extend(format!("(and more, lost: {error})").bytes());
        }
        String::from_utf8_lossy(&bytes).trim_end().to_owned()
    })
}
