//! Containers as far as an agent can tell: a cgroup with a container's name, an engine that says what
//! it is, and the cluster's API server in `/etc/hosts`.

use std::{
    ffi::CString,
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::{
        ffi::OsStrExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::watch::Watch;

/// Where the agents think the cluster's API server is.
pub(crate) const API_SERVER: &str = "198.51.100.7";

/// A container's cgroup, removed when dropped; whoever is in it must be gone by then.
pub(crate) struct Container(PathBuf);

impl Container {
    /// Makes one that the agent knows by the time this returns: on a machine as busy as these tests
    /// make it, the engine's answer can take longer than events wait for it.
    #[track_caller]
    pub(crate) fn new(watch: &Watch) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let id = format!("{pid:032x}{number:032x}");
        let name = format!("saker-attacks-{pid}-{number}/docker/{id}");
        let made = cgroup_roots().into_iter().map(|root| root.join(&name));
        let mut made = made.filter(|folder| fs::create_dir_all(folder).is_ok());
        let container = Self(made.next().expect("a cgroup can be made"));
        watch.alert("Stage known", &id);
        container
    }

    /// Returns the file that takes processes in.
    pub(crate) fn procs(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        for folder in self.0.ancestors().take(3) {
            fs::remove_dir(folder).ok();
        }
    }
}

/// The unified hierarchy first.
pub(crate) fn cgroup_roots() -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mut roots: Vec<(bool, PathBuf)> = mounts
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            let (path, kind) = (words.next()?, words.next()?);
            kind.starts_with("cgroup").then(|| (kind != "cgroup2", path.into()))
        })
        .collect();
    roots.sort();
    roots.into_iter().map(|(_, root)| root).collect()
}

/// Returns the socket of an engine that knows every container, and of each that it is privileged.
pub(crate) fn engine() -> PathBuf {
    static ENGINE: OnceLock<PathBuf> = OnceLock::new();
    let start = || {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let socket = folder.join(format!("engine-{}", std::process::id()));
        fs::remove_file(&socket).ok();
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream).ok();
            }
        });
        socket
    };
    ENGINE.get_or_init(start).clone()
}

fn answer(stream: UnixStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(&stream).lines();
    let asked = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let body = match asked.contains("/containers/") {
        true => {
            r#"{"Name": "/attacked", "Config": {"Image": "registry.example/shop/attacked:1"},
                "HostConfig": {"Privileged": true}}"#
        }
        false => "OK",
    };
    write!(
        &stream,
        "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Does something in a thread, and in those it starts, whose `/etc/hosts` names the API server.
pub(crate) fn with_hosts<T: Send>(folder: &Path, act: impl FnOnce() -> T + Send) -> T {
    let hosts = folder.join("hosts");
    let line = format!("127.0.0.1 localhost\n{API_SERVER} kubernetes.default.svc.cluster.local\n");
    fs::write(&hosts, line).unwrap();
    let hosts = CString::new(hosts.as_os_str().as_bytes()).unwrap();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            own_mounts(&hosts);
            act()
        });
        thread.join().unwrap()
    })
}

#[expect(unsafe_code, reason = "system calls that no crate of ours offers without")]
fn own_mounts(hosts: &CString) {
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: the texts end with a zero byte and live until the calls return; absent ones may be null.
    let failed = unsafe {
        libc::unshare(libc::CLONE_NEWNS) != 0
            || libc::mount(
                std::ptr::null(),
                c"/".as_ptr(),
                std::ptr::null(),
                private,
                std::ptr::null(),
            ) != 0
            || libc::mount(
                hosts.as_ptr(),
                c"/etc/hosts".as_ptr(),
                std::ptr::null(),
                libc::MS_BIND,
                std::ptr::null(),
            ) != 0
    };
    assert!(!failed, "{}", std::io::Error::last_os_error());
}
