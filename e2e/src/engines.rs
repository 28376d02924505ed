//! Real container engines beside the system's: Docker with its containerd, and Podman.
//!
//! Containers have no network, share the machine's runc, and run busybox from an image made here.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::{Folder, Process, folder::installed};

/// What every image is called.
const IMAGE: &str = "localhost/busybox:1";

/// A Docker daemon of its own, stopped when dropped.
#[derive(Debug)]
pub struct Docker {
    daemon: Process,
    folder: Folder,
}

impl Docker {
    pub const IMAGE: &str = IMAGE;

    /// Starts the daemon and gives it the image. It keeps its hands off links and rules of the net.
    pub fn start() -> Self {
        let folder = Folder::new("docker");
        let mut command = Command::new(installed(ENGINES).join("usr/sbin/dockerd"));
        let at = |name: &str| folder.join(name).display().to_string();
        command
            .args(["--data-root", &at("data"), "--exec-root", &at("run"), "--pidfile", &at("pid")])
            .args(["--host", &format!("unix://{}", at("docker.sock"))])
            .args(["--iptables=false", "--ip6tables=false", "--bridge=none"])
            .args(["--storage-driver=vfs", "--cgroup-parent", "/saker-docker"]);
        environment(&mut command);
        let daemon = Process::start("dockerd", &command, &folder.join("log"));
        let mut docker = Self { daemon, folder };
        let socket = docker.socket();
        docker.daemon.ready(|| {
            let mut version = docker_command(&socket);
            let output = version.arg("version").output().map_err(|error| error.to_string())?;
            output.status.success().then_some(()).ok_or_else(|| said(&output))
        });
        let archive = image(&docker.folder);
        docker.says(&["import", archive.to_str().expect("UTF-8"), IMAGE]);
        docker
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("docker.sock")
    }

    /// Runs `docker` and returns what it wrote.
    #[track_caller]
    pub fn says(&self, arguments: &[&str]) -> String {
        succeed(docker_command(&self.socket()).args(arguments))
    }

    /// Returns the containerd it started, which serves others as well.
    pub fn containerd(&self) -> Containerd<'_> {
        Containerd { docker: self }
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // It ends its containerd and unmounts what it mounted.
        if !std::thread::panicking() {
            self.daemon.terminate();
        }
    }
}

/// The containerd of a Docker daemon, without the part that serves Kubernetes.
#[derive(Debug)]
pub struct Containerd<'a> {
    docker: &'a Docker,
}

impl Containerd<'_> {
    pub fn socket(&self) -> PathBuf {
        self.docker.folder.join("run/containerd/containerd.sock")
    }

    /// Returns a folder that can be a container's root.
    pub fn root(&self) -> PathBuf {
        self.docker.folder.join("image")
    }

    /// Runs `ctr` in a namespace and returns what it wrote.
    #[track_caller]
    pub fn says(&self, namespace: &str, arguments: &[&str]) -> String {
        let mut ctr = Command::new(installed(ENGINES).join("usr/bin/ctr"));
        environment(&mut ctr);
        ctr.arg("--address").arg(self.socket()).args(["--namespace", namespace]);
        succeed(ctr.args(arguments))
    }
}

/// Podman with a storage of its own.
#[derive(Debug)]
pub struct Podman {
    folder: Folder,
    service: Option<Process>,
}

impl Podman {
    pub const IMAGE: &str = IMAGE;

    /// Makes the storage, with the image in it. Nobody answers at [`Podman::socket`] so far.
    pub fn new() -> Self {
        let podman = Self { folder: Folder::new("podman"), service: None };
        let archive = image(&podman.folder);
        podman.says(&["import", archive.to_str().expect("UTF-8"), IMAGE]);
        podman
    }

    /// Returns its storage.
    pub fn storage(&self) -> PathBuf {
        self.folder.join("root")
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join("podman.sock")
    }

    /// Starts the server of its interface.
    pub fn serve(&mut self) {
        let mut command = self.command();
        let at = format!("unix://{}", self.socket().display());
        command.args(["system", "service", "--time", "0", &at]);
        let mut service = Process::start("podman", &command, &self.folder.join("log"));
        let socket = self.socket();
        service.ready(|| std::os::unix::net::UnixStream::connect(&socket));
        self.service = Some(service);
    }

    /// Runs `podman` and returns what it wrote.
    #[track_caller]
    pub fn says(&self, arguments: &[&str]) -> String {
        succeed(self.command().args(arguments))
    }

    /// Returns what `podman run` needs on machines without a network driver or `CAP_SYS_RESOURCE`.
    pub fn run<'a>(&self, arguments: &[&'a str]) -> Vec<&'a str> {
        const MODEST: [&str; 7] = [
            "run",
            "--network",
            "none",
            "--ulimit",
            "nofile=1024:1024",
            "--ulimit",
            "nproc=1000:1000",
        ];
        [&MODEST, arguments].concat()
    }

    fn command(&self) -> Command {
        let mut command = Command::new("podman");
        command.args(["--runtime", "runc", "--storage-driver", "vfs", "--events-backend", "none"]);
        command.args(["--cgroup-manager", "cgroupfs"]);
        command.arg("--root").arg(self.storage()).arg("--runroot").arg(self.folder.join("run"));
        command
    }
}

impl Default for Podman {
    fn default() -> Self {
        Self::new()
    }
}

/// Returns a text that no other test of any process uses, for a container's command line.
pub fn mark() -> String {
    format!("/mark-{}", uuid::Uuid::new_v4().simple())
}

/// Where `engines/fetch` unpacked them.
const ENGINES: &str = "engines-1";

fn docker_command(socket: &Path) -> Command {
    let mut docker = Command::new(installed(ENGINES).join("usr/bin/docker"));
    environment(&mut docker);
    docker.arg("--host").arg(format!("unix://{}", socket.display()));
    docker
}

/// Lets a program find its companions and libraries.
fn environment(command: &mut Command) {
    let root = installed(ENGINES);
    let path = std::env::var("PATH").unwrap_or_default();
    let (programs, daemons) = (root.join("usr/bin"), root.join("usr/sbin"));
    command.env("PATH", format!("{}:{}:{path}", programs.display(), daemons.display()));
    let libraries = format!("lib/{}-linux-gnu", std::env::consts::ARCH);
    command.env("LD_LIBRARY_PATH", root.join(libraries));
}

/// Makes a root with busybox, and returns it packed.
fn image(folder: &Folder) -> PathBuf {
    let root = folder.join("image");
    std::fs::create_dir_all(root.join("bin")).expect("a folder");
    std::fs::copy(installed(ENGINES).join("bin/busybox"), root.join("bin/busybox"))
        .expect("busybox");
    for name in ["sh", "true", "sleep", "echo"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).expect("a link");
    }
    let archive = folder.join("image.tar");
    succeed(Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg("."));
    archive
}

#[track_caller]
fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
