//! Saker's own programs, as an operator starts them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    Folder, Port, Process,
    prometheus::{fetch, get_ok},
};

/// A router with its own data folder.
#[derive(Debug)]
pub struct Router {
    pub ingest: Port,
    pub api: Port,
    folder: Folder,
    program: &'static [&'static str],
    config: PathBuf,
    process: Process,
}

impl Router {
    /// Starts with these outputs and routes, in the shape of the configuration file.
    pub fn start(outputs: &Value, routes: &Value) -> Self {
        Self::start_with(&json!({ "outputs": outputs, "routes": routes }))
    }

    /// Starts with a configuration that lacks only addresses and folders.
    pub fn start_with(config: &Value) -> Self {
        Self::launch(&["saker-router"], config)
    }

    /// Starts `saker run`: router and agent in one process.
    pub fn start_all_in_one(config: &Value) -> Self {
        Self::launch(&["saker", "run"], config)
    }

    fn launch(program: &'static [&'static str], config: &Value) -> Self {
        let (folder, ingest, api) = (Folder::new("router"), Port::reserve(), Port::reserve());
        let mut config = config.clone();
        let router = &mut config["router"];
        router["listen"] = json!(ingest.address());
        router["api"] = json!(api.address());
        router["data"] = json!(folder.join("data"));
        let config = folder.write("saker.yaml", config.to_string());
        let process = launch(program, &config, &folder);
        let mut router = Self { ingest, api, folder, program, config, process };
        router.wait_until_ready();
        router
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same data and ports.
    pub fn restart(&mut self) {
        self.process = launch(self.program, &self.config, &self.folder);
        self.wait_until_ready();
    }

    /// Sends an alert with the `saker` command; a field is `name=value`.
    #[track_caller]
    pub fn send(&self, rule: &str, priority: &str, fields: &[&str]) {
        let mut saker = Command::new(program("saker"));
        saker.args(["send", "--router", &self.ingest_url("/"), "--rule", rule]);
        saker.args(["--priority", priority]);
        saker.args(fields.iter().flat_map(|field| ["--field", field]));
        let sent = saker.output().expect("`saker send` starts");
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    }

    /// Returns what it tells Prometheus.
    #[track_caller]
    pub fn metrics(&self) -> String {
        metrics(&self.api)
    }

    /// Returns the address of an ingest path.
    pub fn ingest_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.ingest.address())
    }

    /// Returns the address of an API path.
    pub fn api_url(&self, path: &str) -> String {
        format!("http://{}{path}", self.api.address())
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn wait_until_ready(&mut self) {
        let api = self.api.address();
        self.process.ready(|| get_ok(&api, "/ready"));
    }
}

/// A responder with its own data folder.
#[derive(Debug)]
pub struct Responder {
    pub intake: Port,
    pub api: Port,
    folder: Folder,
    config: PathBuf,
    process: Process,
}

impl Responder {
    /// Starts with `response` of the configuration file, which lacks only addresses and folders.
    pub fn start(response: &Value) -> Self {
        let (folder, intake, api) = (Folder::new("responder"), Port::reserve(), Port::reserve());
        let config = folder.join("saker.yaml");
        write_response(&folder, &intake, &api, response);
        let process = launch(&["saker-responder"], &config, &folder);
        let mut responder = Self { intake, api, folder, config, process };
        responder.wait_until_ready();
        responder
    }

    /// Puts another configuration in its place, as an operator would; it is read soon.
    pub fn reconfigure(&self, response: &Value) {
        write_response(&self.folder, &self.intake, &self.api, response);
    }

    /// Returns its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns the folder of its audit and evidence.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same data and ports.
    pub fn restart(&mut self) {
        self.process = launch(&["saker-responder"], &self.config, &self.folder);
        self.wait_until_ready();
    }

    /// Starts it again with another configuration.
    pub fn restart_with(&mut self, response: &Value) {
        self.reconfigure(response);
        self.restart();
    }

    /// Starts it where it must refuse to run; returns what it said.
    #[track_caller]
    pub fn refuses_to_start(&mut self) -> String {
        self.process = launch(&["saker-responder"], &self.config, &self.folder);
        let status = self.process.ended();
        assert!(!status.success(), "{status}");
        self.process.log()
    }

    /// Returns what it tells Prometheus.
    #[track_caller]
    pub fn metrics(&self) -> String {
        metrics(&self.api)
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    fn wait_until_ready(&mut self) {
        let api = self.api.address();
        self.process.ready(|| get_ok(&api, "/ready"));
    }
}

fn write_response(folder: &Folder, intake: &Port, api: &Port, response: &Value) {
    let mut response = response.clone();
    response["listen"] = json!(intake.address());
    response["api"] = json!(api.address());
    response["data"] = json!(folder.join("data"));
    folder.write("saker.yaml", json!({ "response": response }).to_string());
}

/// An agent that watches this machine.
#[derive(Debug)]
pub struct Agent {
    pub admin: Port,
    folder: Folder,
    process: Process,
}

impl Agent {
    /// What it calls this machine.
    pub const HOSTNAME: &str = "watched-host";

    /// Starts it towards a router, with the built-in rules and these files after them.
    pub fn start(router: &Router, rules: &[&Path]) -> Self {
        Self::start_with(rules, &json!({ "url": router.ingest_url("/") }))
    }

    /// As [`Agent::start`], with its own way to reach the router.
    pub fn start_with(rules: &[&Path], reach: &Value) -> Self {
        let (folder, admin) = (Folder::new("agent"), Port::reserve());
        let agent = json!({
            "router": reach,
            "spool": { "dir": folder.join("spool"), "bytes_max": "8MiB" },
            "admin": admin.address(),
            "record": { "socket": folder.join("agent.sock") },
            "hostname": Self::HOSTNAME,
            "builtin_rules": true,
            "rules": rules,
        });
        let config = folder.write("saker.yaml", json!({ "agent": agent }).to_string());
        let mut process = launch(&["saker-agent"], &config, &folder);
        process.ready(|| get_ok(&admin.address(), "/ready"));
        Self { admin, folder, process }
    }

    /// Returns the socket it hands recorded events out on.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("agent.sock")
    }

    /// Returns what it tells Prometheus.
    #[track_caller]
    pub fn metrics(&self) -> String {
        metrics(&self.admin)
    }

    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

#[track_caller]
fn metrics(port: &Port) -> String {
    let (status, text) = fetch(&port.address(), "/metrics").expect("an answer");
    assert_eq!(status, 200, "{text}");
    text
}

fn launch(argv: &[&str], config: &Path, folder: &Folder) -> Process {
    let [name, arguments @ ..] = argv else { panic!("no program") };
    let mut command = Command::new(program(name));
    command.args(arguments).arg("--config").arg(config).current_dir(folder.path());
    Process::start(name, &command, &folder.join("log"))
}

/// Returns the path of one of our programs, which is built beside the tests.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    // target/debug/deps/some_test-0123 → target/debug
    let folder = test.ancestors().nth(2).expect("a target folder");
    let program = folder.join(name);
    assert!(
        program.exists(),
        "{} is missing: `cargo build --workspace --bins` first, as `make test` does",
        program.display()
    );
    program
}

/// Returns the path of another test program of the workspace, which is built beside this one.
#[track_caller]
pub fn test_program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let folder = test.parent().expect("a folder of tests");
    // some_test-0123: of those that were built with other settings, the newest is the current one.
    let is_it = |path: &Path| {
        let of = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
        of.rsplit_once('-').is_some_and(|(of, hash)| of == name && !hash.contains('.'))
    };
    let programs = fs::read_dir(folder).expect("the folder of tests").flatten().map(|it| it.path());
    let built = |path: &PathBuf| fs::metadata(path).and_then(|data| data.modified()).ok();
    let newest = programs.filter(|path| is_it(path)).max_by_key(built);
    newest.unwrap_or_else(|| {
        panic!("no test program {name} in {}: `make test` builds all", folder.display())
    })
}
