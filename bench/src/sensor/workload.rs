//! The workloads the reference measured Falco with.

use std::{
    fs::{self, File},
    hint::black_box,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::ensure;
use rustix::time::{ClockId, clock_gettime};

/// A file that exists everywhere and that no rule wants.
pub(super) const UNWANTED: &str = "/usr/bin/true";
const C_FILES: u32 = 60;

pub(super) struct Workload {
    pub(super) name: &'static str,
    count: u32,
    run: fn(&Places, u32) -> anyhow::Result<()>,
    /// The ratio of the reference's Falco, of an empty hook in its place, and ours as aimed at.
    pub(super) falco: &'static str,
    pub(super) floor: &'static str,
    pub(super) aim: &'static str,
}

pub(super) const WORKLOADS: [Workload; 7] = [
    workload("getppid", 300_000, getppid, ["0.578", "0.651", "0.64"]),
    workload("openat+close", 60_000, open_close, ["0.529", "0.916", "0.85"]),
    workload("read 1 B + write 1 B", 60_000, read_write, ["0.624", "    -", "-"]),
    workload("fork+exec+wait", 200, fork_exec, ["0.873", "0.98 ", "0.95"]),
    workload("connect/accept/close", 4000, connect, ["0.890", "    -", "0.95"]),
    workload("find / -xdev", 1, find, ["0.742", "    -", "0.92"]),
    workload("make -j2, 60 files", 1, make, ["0.951", "    -", "-"]),
];

const fn workload(
    name: &'static str,
    count: u32,
    run: fn(&Places, u32) -> anyhow::Result<()>,
    [falco, floor, aim]: [&'static str; 3],
) -> Workload {
    Workload { name, count, run, falco, floor, aim }
}

impl Workload {
    /// Returns CPU microseconds of this process and its ended children for one operation.
    pub(super) fn microseconds_each(&self, places: &Places) -> anyhow::Result<f64> {
        if self.count > 1 {
            (self.run)(places, self.count / 10)?;
        }
        let started = cpu_seconds()?;
        (self.run)(places, self.count)?;
        Ok((cpu_seconds()? - started) * 1e6 / f64::from(self.count))
    }
}

/// What the workloads need, made beforehand.
pub(super) struct Places {
    sources: tempfile::TempDir,
    listener: TcpListener,
}

impl Places {
    pub(super) fn make() -> anyhow::Result<Self> {
        let sources = tempfile::tempdir()?;
        let mut makefile = String::from("all:");
        for number in 0..C_FILES {
            makefile.push_str(&format!(" {number}.o"));
            let text =
                format!("#include <stdio.h>\nint f{number}(void) {{ return puts(\"\"); }}\n");
            fs::write(sources.path().join(format!("{number}.c")), text)?;
        }
        makefile.push_str("\n%.o: %.c\n\tcc -c -o $@ $<\n");
        fs::write(sources.path().join("Makefile"), makefile)?;
        Ok(Self { sources, listener: TcpListener::bind("127.0.0.1:0")? })
    }
}

fn cpu_seconds() -> anyhow::Result<f64> {
    let own = clock_gettime(ClockId::ProcessCPUTime);
    Ok(own.tv_sec as f64 + own.tv_nsec as f64 / 1e9 + children_seconds()?)
}

/// User and system time of children that were waited for.
fn children_seconds() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> =
        stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace().collect();
    ensure!(fields.len() > 14, "unexpected stat line");
    let ticks: u64 = fields[13].parse::<u64>()? + fields[14].parse::<u64>()?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn getppid(_: &Places, count: u32) -> anyhow::Result<()> {
    for _ in 0..count {
        black_box(rustix::process::getppid());
    }
    Ok(())
}

fn open_close(_: &Places, count: u32) -> anyhow::Result<()> {
    for _ in 0..count {
        drop(black_box(File::open(UNWANTED)?));
    }
    Ok(())
}

fn read_write(_: &Places, count: u32) -> anyhow::Result<()> {
    let (mut from, mut to) = (File::open("/dev/zero")?, File::create("/dev/null")?);
    let mut byte = [0];
    for _ in 0..count {
        from.read_exact(&mut byte)?;
        to.write_all(&byte)?;
    }
    Ok(())
}

fn fork_exec(_: &Places, count: u32) -> anyhow::Result<()> {
    for _ in 0..count {
        ensure!(Command::new("/bin/true").status()?.success(), "true failed");
    }
    Ok(())
}

fn connect(places: &Places, count: u32) -> anyhow::Result<()> {
    let address = places.listener.local_addr()?;
    for _ in 0..count {
        let mut client = TcpStream::connect(address)?;
        let (mut server, _) = places.listener.accept()?;
        client.write_all(&[1])?;
        server.read_exact(&mut [0])?;
    }
    Ok(())
}

fn find(_: &Places, _: u32) -> anyhow::Result<()> {
    quietly(Command::new("find").args(["/", "-xdev"]), Path::new("/"))
}

fn make(places: &Places, _: u32) -> anyhow::Result<()> {
    quietly(Command::new("make").args(["-B", "-j2"]), places.sources.path())
}

fn quietly(command: &mut Command, folder: &Path) -> anyhow::Result<()> {
    // What vanishes while `find` looks is an error to it.
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    Ok(())
}
