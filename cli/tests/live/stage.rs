//! An agent that watches this machine, deeds for it to see, and the program that asks it.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

pub(crate) const SAKER: &str = env!("CARGO_BIN_EXE_saker");
/// Nothing that is waited for takes as long.
const PATIENCE: Duration = Duration::from_secs(90);

/// Returns whether this machine can be watched.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("CI").is_none(), "CI must run these as root");
        eprintln!("*** SKIPPED: watching the kernel needs root ***");
    }
    root
}

/// Each agent is told what all tests do: one at a time does without that of the others.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A running agent, with one rule: a file is read by a program that was given `mark`.
pub(crate) struct Agent {
    folder: tempfile::TempDir,
    child: Child,
    orders: SocketAddr,
    _alone: MutexGuard<'static, ()>,
}

impl Agent {
    pub(crate) fn start(mark: &str) -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        certificates(folder.path());
        fs::write(path("rules.yaml"), rule(mark)).unwrap();
        let (admin, orders) = (free(), free());
        let config = format!(
            "agent:\n  hostname: live\n  builtin_rules: false\n  rules: [{at}/rules.yaml]\n  \
             admin: \"{admin}\"\n  sensor: {{ prio_ring_bytes: 8MiB, bulk_ring_bytes: 32MiB }}\n  record: {{ socket: {at}/agent.sock }}\n  actions:\n    \
             listen: \"{orders}\"\n    watchers: [watcher]\n    tls: {{ certificate: {at}/server.pem, \
             key: {at}/server.key, client_ca: {at}/ca.pem }}\n",
            at = folder.path().display(),
        );
        fs::write(path("saker.yaml"), config).unwrap();
        let child = Command::new(SAKER)
            .args(["agent", "--config"])
            .arg(path("saker.yaml"))
            .stdout(File::create(path("alerts")).unwrap())
            .stderr(File::create(path("log")).unwrap())
            .spawn()
            .unwrap();
        let mut agent = Self { folder, child, orders, _alone: alone };
        let socket = agent.path("agent.sock");
        agent.until("the agent takes orders", |agent| {
            assert!(agent.child.try_wait().unwrap().is_none(), "{}", agent.log());
            let asked = saker(&["agent", "status", "--socket", socket.to_str().unwrap()]);
            asked.status.success() && std::net::TcpStream::connect(agent.orders).is_ok()
        });
        agent
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns where it is asked on this machine.
    pub(crate) fn here(&self) -> Vec<String> {
        vec!["--socket".to_owned(), self.path("agent.sock").display().to_string()]
    }

    /// Returns where it is asked from elsewhere, by one with a certificate of this name.
    pub(crate) fn elsewhere(&self, who: &str) -> Vec<String> {
        let file = |ending: &str| self.path(&format!("{who}.{ending}")).display().to_string();
        let place = [
            ("--agent", format!("https://localhost:{}", self.orders.port())),
            ("--ca", self.path("ca.pem").display().to_string()),
            ("--certificate", file("pem")),
            ("--key", file("key")),
        ];
        place.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }

    /// Returns the alerts it raised so far, as Falco's JSON.
    pub(crate) fn alerts(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.path("alerts")).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns how many events its own sensor lost.
    pub(crate) fn lost(&self) -> u64 {
        let socket = self.path("agent.sock");
        let place = ["--socket", socket.to_str().unwrap(), "--format", "json"];
        let asked = saker(&[&["agent", "status"], &place[..]].concat());
        let status: serde_json::Value = serde_json::from_slice(&asked.stdout).unwrap();
        let kinds = status["sensor"]["kinds"].as_array().unwrap();
        kinds.iter().map(|kind| kind["lost"].as_u64().unwrap()).sum()
    }

    /// Waits for something that comes by itself.
    pub(crate) fn wait(&self, what: &str, is: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !is() {
            assert!(Instant::now() < end, "waited in vain for {what}: {}", self.log());
            pause();
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < end, "waited in vain until {what}: {}", self.log());
            pause();
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn rule(mark: &str) -> String {
    format!(
        "- rule: Read by a marked program\n  desc: d\n  condition: >\n    evt.type in (open, openat, \
         openat2) and fd.name = /etc/hostname and proc.args contains {mark}\n  output: read \
         (command=%proc.cmdline file=%fd.name)\n  priority: NOTICE\n"
    )
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Writes certificates of one authority: of the agent, of a watcher and of a stranger.
fn certificates(folder: &Path) {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    for (file, name) in [("server", "localhost"), ("watcher", "watcher"), ("stranger", "stranger")]
    {
        let key = KeyPair::generate().unwrap();
        let parameters = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = parameters.signed_by(&key, &authority).unwrap();
        fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).unwrap();
        fs::write(folder.join(format!("{file}.pem")), certificate.pem()).unwrap();
    }
}

/// Runs `saker` to its end.
pub(crate) fn saker(arguments: &[&str]) -> Output {
    let mut saker = Command::new(SAKER);
    saker.args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// A `saker` that goes on while something is done.
pub(crate) struct Asking {
    child: Child,
    told: PathBuf,
}

/// How one that asked ended.
pub(crate) struct Asked {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) told: String,
}

impl Asking {
    /// Starts `saker` with these arguments, then `place`; `name` is its own in the agent's folder.
    pub(crate) fn start(agent: &Agent, name: &str, arguments: &[&str], place: &[String]) -> Self {
        let told = agent.path(&format!("{name}.told"));
        let child = Command::new(SAKER)
            .args(arguments)
            .args(place)
            .stdin(Stdio::null())
            .stdout(File::create(told.with_extension("output")).unwrap())
            .stderr(File::create(&told).unwrap())
            .spawn()
            .unwrap();
        Self { child, told }
    }

    /// Does something again and again until it has what it wants, and ends.
    pub(crate) fn until_it_ends(&mut self, mut deed: impl FnMut()) -> Asked {
        let end = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it waits for more: {}", self.told());
            deed();
            pause();
        }
        Asked {
            code: self.child.wait().unwrap().code(),
            output: fs::read_to_string(self.told.with_extension("output")).unwrap(),
            told: self.told(),
        }
    }

    /// Does something again and again until that is so.
    pub(crate) fn until(&mut self, is: impl Fn() -> bool, mut deed: impl FnMut()) {
        let end = Instant::now() + PATIENCE;
        while !is() {
            assert!(Instant::now() < end, "waited in vain: {}", self.told());
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {}", self.told());
            deed();
            pause();
        }
    }

    /// Ends it as Ctrl-C does.
    pub(crate) fn interrupt(&mut self) -> Asked {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        self.until_it_ends(|| {})
    }

    fn told(&self) -> String {
        fs::read_to_string(&self.told).unwrap()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Lets others have the processor before something is looked at again.
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

/// Runs a program to its end.
pub(crate) fn run(program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap();
}
