//! Reads a process from `/proc`: for those older than the sensor, and those whose start was missed.

use std::{
    fs,
    io::Read,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
};

use alert::{Executable, StandardStream};

use super::path::text;

const FILE_BYTES_MAX: u64 = 64 << 10;
/// `include/linux/sched.h`.
const PF_KTHREAD: i64 = 0x0020_0000;
/// `/proc/PID/stat` counts time in these.
pub(crate) const TICK_NS: u64 = 10_000_000;

/// What `/proc` tells about one process. A part that could not be read is empty.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) pid: i32,
    pub(crate) ppid: i32,
    pub(crate) vpid: i32,
    pub(crate) sid: i32,
    pub(crate) group_id: i32,
    /// In its own pid namespace.
    pub(crate) virtual_group_id: i32,
    pub(crate) tty: u32,
    /// Since boot, rounded down to [`TICK_NS`].
    pub(crate) start_ns: u64,
    /// One of the kernel's own threads.
    pub(crate) kernel_thread: bool,
    /// `R`, `S`, `T` and so on: the first thread's.
    pub(crate) state: char,
    pub(crate) name: Box<str>,
    pub(crate) arguments: Vec<Box<str>>,
    pub(crate) cwd: Box<str>,
    pub(crate) executable: Executable,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) login_uid: Option<u32>,
    /// Effective.
    pub(crate) capabilities: u64,
    pub(crate) permitted: u64,
    pub(crate) inheritable: u64,
    pub(crate) cgroups: Vec<Box<str>>,
    pub(crate) stdin: Option<StandardStream>,
    pub(crate) stdout: Option<StandardStream>,
}

/// Returns the pids of all processes.
pub(crate) fn pids() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Returns what `stat` alone tells of the process with this pid, or `None` when it is gone.
pub(crate) fn stat(pid: i32) -> Option<Seen> {
    let stat = read_file(pid, "stat")?;
    let seen = parse_stat(&String::from_utf8_lossy(&stat))?;
    Some(Seen { pid, vpid: pid, ..seen })
}

/// Returns the process with this pid, or `None` when it is gone.
pub(crate) fn read(pid: i32) -> Option<Seen> {
    let mut seen = stat(pid)?;
    if let Some(status) = read_file(pid, "status") {
        parse_status(&String::from_utf8_lossy(&status), &mut seen);
    }
    if let Some(arguments) = read_file(pid, "cmdline") {
        seen.arguments = probe::texts(&arguments).map(text).collect();
    }
    if let Some(cgroup) = read_file(pid, "cgroup") {
        seen.cgroups = parse_cgroups(&String::from_utf8_lossy(&cgroup));
    }
    seen.login_uid = read_file(pid, "loginuid")
        .and_then(|bytes| std::str::from_utf8(&bytes).ok()?.trim().parse().ok())
        .filter(|uid| *uid != u32::MAX);
    seen.cwd = link(pid, "cwd").unwrap_or_default();
    seen.executable = executable(pid);
    seen.stdin = stream(pid, 0);
    seen.stdout = stream(pid, 1);
    Some(seen)
}

/// Returns the cgroup paths of a process, the unified hierarchy first.
pub(crate) fn cgroups(pid: i32) -> Vec<Box<str>> {
    read_file(pid, "cgroup")
        .map(|cgroup| parse_cgroups(&String::from_utf8_lossy(&cgroup)))
        .unwrap_or_default()
}

pub(crate) fn read_file(pid: i32, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/{name}")).ok()?;
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

pub(crate) fn link(pid: i32, name: &str) -> Option<Box<str>> {
    let target = fs::read_link(format!("/proc/{pid}/{name}")).ok()?;
    Some(text(target.as_os_str().as_bytes()))
}

fn executable(pid: i32) -> Executable {
    let Some(target) = link(pid, "exe") else { return Executable::default() };
    let (path, deleted) = match target.strip_suffix(" (deleted)") {
        Some(path) => (path, true),
        None => (&*target, false),
    };
    let from_memfd = deleted && path.starts_with("/memfd:");
    let path = if from_memfd { &path[1..] } else { path };
    let mut executable =
        Executable { path: path.into(), deleted, from_memfd, ..Default::default() };
    if let Ok(data) = fs::metadata(format!("/proc/{pid}/exe")) {
        executable.inode = data.ino();
        executable.ctime_ns = nanoseconds(data.ctime(), data.ctime_nsec());
        executable.mtime_ns = nanoseconds(data.mtime(), data.mtime_nsec());
    }
    executable
}

pub(crate) fn nanoseconds(seconds: i64, rest: i64) -> u64 {
    u64::try_from(seconds.saturating_mul(1_000_000_000).saturating_add(rest)).unwrap_or(0)
}

/// Sockets are told apart only by the probe.
fn stream(pid: i32, descriptor: u32) -> Option<StandardStream> {
    let target = link(pid, &format!("fd/{descriptor}"))?;
    Some(match &*target {
        "/dev/null" => StandardStream::Null,
        path if path.starts_with("/dev/pts/") || path.starts_with("/dev/tty") => {
            StandardStream::Terminal
        }
        path if path.starts_with("pipe:") => StandardStream::Pipe,
        path if path.starts_with('/') => StandardStream::File,
        _ => StandardStream::Other,
    })
}

/// The name is in parentheses and may itself hold any byte, so the last one ends it.
fn parse_stat(stat: &str) -> Option<Seen> {
    let name_start = stat.find('(')? + 1;
    let name_end = stat.rfind(')')?;
    let name = stat.get(name_start..name_end)?;
    let numbers: Vec<&str> = stat.get(name_end + 1..)?.split_ascii_whitespace().collect();
    let number = |index: usize| numbers.get(index)?.parse::<i64>().ok();
    Some(Seen {
        name: name.into(),
        ppid: number(1)?.try_into().ok()?,
        group_id: number(2)?.try_into().ok()?,
        sid: number(3)?.try_into().ok()?,
        tty: number(4)? as u32,
        state: numbers.first()?.chars().next()?,
        kernel_thread: number(6)? & PF_KTHREAD != 0,
        start_ns: u64::try_from(number(19)?).ok()?.saturating_mul(TICK_NS),
        ..Seen::default()
    })
}

fn parse_status(status: &str, seen: &mut Seen) {
    seen.vpid = seen.pid;
    seen.virtual_group_id = seen.group_id;
    let bits =
        |text: Option<&str>| text.and_then(|bits| u64::from_str_radix(bits, 16).ok()).unwrap_or(0);
    for line in status.lines() {
        let Some((key, values)) = line.split_once(':') else { continue };
        let mut values = values.split_ascii_whitespace();
        match key {
            // Real, effective, saved, file system.
            "Uid" => seen.uid = values.nth(1).and_then(|uid| uid.parse().ok()).unwrap_or(0),
            "Gid" => seen.gid = values.nth(1).and_then(|gid| gid.parse().ok()).unwrap_or(0),
            "NSpid" => {
                if let Some(vpid) = values.last().and_then(|pid| pid.parse().ok()) {
                    seen.vpid = vpid;
                }
            }
            "NSpgid" => {
                if let Some(group) = values.last().and_then(|pid| pid.parse().ok()) {
                    seen.virtual_group_id = group;
                }
            }
            "CapEff" => seen.capabilities = bits(values.next()),
            "CapPrm" => seen.permitted = bits(values.next()),
            "CapInh" => seen.inheritable = bits(values.next()),
            _ => {}
        }
    }
}

/// Lines are `number:controllers:path`; the unified hierarchy has number 0.
fn parse_cgroups(cgroup: &str) -> Vec<Box<str>> {
    let mut paths: Vec<(bool, usize, Box<str>)> = cgroup
        .lines()
        .filter_map(|line| {
            let path = line.splitn(3, ':').nth(2)?;
            Some((!line.starts_with("0:"), usize::MAX - path.len(), path.into()))
        })
        .collect();
    paths.sort();
    paths.into_iter().map(|(_, _, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_parentheses_does_not_shift_the_numbers() {
        let stat = "42 (a) b (c)) S 1 40 39 34816 -1 4194560 1 0 0 0 5 6 0 0 20 0 1 0 777 1 1";
        let seen = parse_stat(stat).unwrap();
        assert_eq!((&*seen.name, seen.ppid, seen.sid, seen.tty), ("a) b (c)", 1, 39, 34816));
        assert_eq!(seen.group_id, 40);
        assert_eq!(seen.start_ns, 777 * TICK_NS);
        assert_eq!((seen.state, seen.kernel_thread), ('S', false));
        for broken in ["", "42", "42 (a", "42 )a( S 1", "42 (a) S", "1 (a) S x y z w"] {
            assert!(parse_stat(broken).is_none(), "{broken}");
        }
    }

    #[test]
    fn numbers_of_a_nested_namespace_are_the_last_of_their_line() {
        let status = "Name:\tx\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\nNSpid:\t40\t7\t1\n\
            NSpgid:\t40\t7\t1\nCapInh:\t0000000000000001\nCapPrm:\t00000000a80425fb\n\
            CapEff:\t0000000000000002\n";
        let mut seen = Seen { pid: 40, group_id: 40, ..Seen::default() };
        parse_status(status, &mut seen);
        assert_eq!((seen.uid, seen.gid), (2, 6));
        assert_eq!((seen.vpid, seen.virtual_group_id), (1, 1));
        assert_eq!((seen.capabilities, seen.permitted, seen.inheritable), (2, 0xa804_25fb, 1));
    }

    #[test]
    fn the_unified_cgroup_comes_first_then_the_longest() {
        let paths = parse_cgroups("2:cpu:/\n3:memory:/docker/x\n0::/u\nodd\n");
        let paths: Vec<_> = paths.iter().map(|path| &**path).collect();
        assert_eq!(paths, ["/u", "/docker/x", "/"]);
    }

    #[test]
    fn this_process_is_read() {
        let seen = read(std::process::id() as i32).unwrap();
        assert!(seen.start_ns > 0);
        assert!(!seen.arguments.is_empty());
        assert_eq!(&*seen.executable.path, std::env::current_exe().unwrap().to_str().unwrap());
        assert_eq!(&*seen.cwd, std::env::current_dir().unwrap().to_str().unwrap());
    }
}
