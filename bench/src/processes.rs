//! Starts the built binaries, and reads what the kernel accounts to them.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// A running program of ours, killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Process {
    /// Returns user and system CPU seconds so far.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        cpu_seconds(self.child.id())
    }

    /// Returns resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> anyhow::Result<u64> {
        Ok(self.memory_kib("VmRSS")? * 1024)
    }

    /// Returns a line of `/proc/PID/status` that tells a size.
    pub(crate) fn memory_kib(&self, name: &str) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let line = line.with_context(|| format!("no {name}"))?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Sends a signal and waits until the process has ended.
    pub(crate) fn stop(&mut self, signal: rustix::process::Signal) -> anyhow::Result<()> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal)?;
        wait_until("the process ends", Duration::from_secs(60), || {
            Ok(self.child.try_wait()?.is_some())
        })
    }
}

/// A router with one catch-all output, on free ports.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) process: Process,
    pub(crate) input: SocketAddr,
    pub(crate) api: SocketAddr,
}

impl Router {
    /// Starts a router on `folder`; `outputs` and `routes` are YAML.
    pub(crate) fn start(folder: &Path, outputs: &str, routes: &str) -> anyhow::Result<Self> {
        let (input, api) = (free_address()?, free_address()?);
        let config = folder.join("saker.yaml");
        let data = folder.join("data");
        fs::write(
            &config,
            format!(
                "router: {{ listen: {input}, api: {api}, data: {} }}\noutputs:\n{outputs}\nroutes:\n{routes}\n",
                data.display()
            ),
        )?;
        let child = Command::new(binary("saker")?)
            .args(["router", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("router.log"))?)
            .spawn()?;
        let router = Self { process: Process { child }, input, api };
        wait_until("the router answers", Duration::from_secs(20), || {
            Ok(TcpStream::connect(input).is_ok() && get(api, "/ready").is_ok())
        })?;
        Ok(router)
    }

    /// Returns the ledger.
    pub(crate) fn ledger(&self) -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_str(&get(self.api, "/api/v1/ledger")?)?)
    }
}

/// Returns the path of a binary beside this one.
pub(crate) fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        bail!("{} is not built: run `make bench`", path.display());
    }
    Ok(path)
}

pub(crate) fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after_name = stat.rsplit_once(')').context("unexpected stat line")?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Returns the body of a GET answered with 200.
pub(crate) fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no head in the answer")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("GET {path} was answered {}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}

pub(crate) fn wait_until(
    what: &str,
    limit: Duration,
    mut done: impl FnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    while !done()? {
        if Instant::now() > deadline {
            bail!("waited {} s in vain until {what}", limit.as_secs());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
