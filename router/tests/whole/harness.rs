//! Starts the real program on free ports and speaks to it as its users do.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::RngCore;
use reqwest::{Method, Response, StatusCode};
use router::api::types::{Ledger, Status};
use serde::{Serialize, de::DeserializeOwned};

/// Bound of every wait in these tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with a configuration, in which a router is started, killed and started again.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
    http: reqwest::Client,
}

/// A running router. Killed when dropped.
pub(crate) struct Router {
    child: Child,
    pub(crate) ingest: SocketAddr,
    pub(crate) api: SocketAddr,
    http: reqwest::Client,
}

/// How a router that did not start ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

/// What of a configuration every test has; lines that follow may go on with the router's part.
const COMMON: &str = "
logs: { format: json, level: info }
router:
  listen: 127.0.0.1:0
  api: 127.0.0.1:0
  data: DATA
  journal: { segment_bytes: 4MiB, bytes_max: 256MiB }
  decisions_bytes_max: 64MiB
";

impl Site {
    /// Makes a folder with a configuration: `DIR` in it is the folder.
    pub(crate) fn new(config: &str) -> Self {
        service::tls::install_crypto_provider();
        let folder = tempfile::tempdir().unwrap();
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        let site = Self { folder, environment: Vec::new(), http };
        site.configure(config);
        site
    }

    /// Returns one whose routers have this environment variable.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Replaces the configuration.
    pub(crate) fn configure(&self, config: &str) {
        let data = self.path("data").display().to_string();
        let text = format!("{COMMON}{config}").replace("DATA", &data);
        let text = text.replace("DIR", &self.folder.path().display().to_string());
        std::fs::write(self.path("new.yaml"), text).unwrap();
        std::fs::rename(self.path("new.yaml"), self.path("saker.yaml")).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a router and waits until it says that it runs.
    pub(crate) fn start(&self) -> Router {
        self.try_start(&[]).unwrap_or_else(|ended| panic!("{:?}: {}", ended.code, ended.stderr))
    }

    pub(crate) fn try_start(&self, environment: &[(&str, &str)]) -> Result<Router, Ended> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_saker-router"))
            .args(["--config".as_ref(), self.path("saker.yaml").as_os_str()])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, started) = mpsc::channel();
        let verbose = std::env::var_os("SAKER_TEST_VERBOSE").is_some();
        std::thread::spawn(move || {
            #[expect(clippy::print_stderr, reason = "asked for by who runs the test")]
            for line in lines.map_while(Result::ok) {
                if verbose {
                    eprintln!("router: {line}");
                }
                drop(sender.send(line));
            }
        });
        let deadline = Instant::now() + PATIENCE;
        let mut stderr = String::new();
        while let Ok(line) =
            started.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            if let Some((ingest, api)) = addresses(&line) {
                let http = self.http.clone();
                return Ok(Router { child, ingest, api, http });
            }
            stderr.push_str(&line);
            stderr.push('\n');
        }
        drop(child.kill());
        let code = child.wait().unwrap().code();
        Err(Ended { code, stderr })
    }

    /// Returns the lines of a file of JSON lines.
    pub(crate) fn lines(&self, name: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Reads the log line that says where the router listens.
fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let find = |name: &str| {
        let value = line.get(name).or_else(|| line.get("fields")?.get(name))?;
        value.as_str()?.parse().ok()
    };
    Some((find("ingest_addr")?, find("api_addr")?))
}

impl Router {
    /// Sends alerts as JSON lines and returns the status.
    pub(crate) async fn send(&self, alerts: &[serde_json::Value]) -> StatusCode {
        self.try_send(alerts).await.unwrap()
    }

    /// As [`Self::send`]; the connection may break when the router is killed.
    pub(crate) async fn try_send(
        &self,
        alerts: &[serde_json::Value],
    ) -> reqwest::Result<StatusCode> {
        let body: String = alerts.iter().map(|alert| format!("{alert}\n")).collect();
        let request = self.http.post(format!("http://{}/", self.ingest));
        let request = request.header("content-type", "application/x-ndjson").body(body);
        Ok(request.send().await?.status())
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let response = self.request(Method::GET, path, &()).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        body: &impl Serialize,
    ) -> Response {
        let request = self.http.request(method.clone(), format!("http://{}{path}", self.api));
        let request = if method == Method::GET { request } else { request.json(body) };
        request.send().await.unwrap()
    }

    pub(crate) async fn ledger(&self) -> Ledger {
        let ledger: Ledger = self.get("/api/v1/ledger").await;
        assert_eq!(ledger.check(), Ok(()));
        ledger
    }

    pub(crate) async fn status(&self) -> Status {
        self.get("/api/v1/status").await
    }

    pub(crate) async fn metrics(&self) -> String {
        let response = self.request(Method::GET, "/metrics", &()).await;
        response.text().await.unwrap()
    }

    /// Waits until every alert that came was decided and every output was told.
    pub(crate) async fn settled(&self) -> Ledger {
        eventually("nothing is pending", async || {
            // In this order: what is not behind is in the ledger that is asked for next.
            let behind = self.status().await.behind_records;
            let ledger = self.ledger().await;
            let pending: u64 = ledger.outputs.values().map(|output| output.pending).sum();
            (pending == 0 && behind == 0).then_some(ledger)
        })
        .await
    }

    /// Returns resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes * 1024
    }

    /// Ends it at once, as a crash does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Asks it to stop, and returns its exit code.
    pub(crate) async fn stop(mut self) -> Option<i32> {
        self.signal(rustix::process::Signal::TERM);
        let status = eventually("the router stops", async || self.child.try_wait().unwrap()).await;
        status.code()
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits until `condition` returns something.
pub(crate) async fn eventually<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns an alert as Falco sends it. `workload` makes it a finding of its own.
pub(crate) fn alert(rule: &str, priority: &str, workload: &str) -> serde_json::Value {
    serde_json::json!({
        "uuid": alert::AlertId::random().to_string(),
        "time": "2026-11-21T08:00:00.000000000Z",
        "rule": rule,
        "priority": priority,
        "source": "syscall",
        "hostname": "node-1",
        "output": format!("{rule} in {workload}"),
        "output_fields": {
            "k8s.ns.name": "prod",
            "k8s.pod.name": workload,
            "container.name": workload,
            "proc.name": "sh",
            "proc.exepath": format!("/bin/{workload}"),
        },
    })
}

/// Returns an alert with much text that hardly packs: it fills a journal.
pub(crate) fn filler(workload: &str, bytes: usize) -> serde_json::Value {
    let mut alert = alert("Filler", "Notice", workload);
    let mut noise = vec![0; bytes / 4 * 3];
    rand::rng().fill_bytes(&mut noise);
    alert["output"] = STANDARD.encode(noise).into();
    alert
}

pub(crate) fn id(alert: &serde_json::Value) -> &str {
    alert["uuid"].as_str().unwrap()
}
