//! What is never ended: what keeps the node running, and the agent with those it descends from.
//!
//! A path alone says who somebody is only outside containers: inside, anybody may put a file there.
//! So the probe also knows these executables by their inode, looked up in the root of init.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use probe::enforce::{FILES_MAX, PIDS_MAX};

use crate::{
    actions::{family, target::NODE_PROGRAMS},
    enrich::procfs,
};

const FOLDERS: [&str; 12] = [
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/libexec/podman",
    "/usr/lib/podman",
    "/usr/libexec/crio",
    "/usr/lib/systemd",
    "/bin",
    "/sbin",
    "/lib/systemd",
    "/opt/bin",
];
const BESIDES: [&str; 3] = ["podman", "nerdctl", "docker-init"];
const STARTS: [&str; 2] = ["containerd-", "saker-"];
/// What some distributions of Kubernetes bring along, by folder.
const WHOLE_FOLDERS: [&str; 3] =
    ["/var/lib/rancher/k3s/data/", "/var/lib/rancher/rke2/", "/var/lib/k0s/bin/"];
/// The root of init, which is the node's, wherever the agent runs.
const NODE_ROOT: &str = "/proc/1/root";
const ANCESTORS_MAX: usize = 128;

/// Returns the executables that are never ended: paths, folders and beginnings.
pub(super) fn patterns(configured: &[String]) -> Vec<String> {
    let mut patterns = Vec::new();
    for folder in FOLDERS {
        let names = NODE_PROGRAMS.iter().chain(&BESIDES);
        patterns.extend(names.map(|name| format!("{folder}/{name}")));
        patterns.extend(STARTS.map(|start| format!("{folder}/{start}*")));
    }
    patterns.extend(WHOLE_FOLDERS.map(str::to_owned));
    if let Ok(own) = fs::read_link("/proc/self/exe") {
        patterns.push(own.to_string_lossy().into_owned());
    }
    patterns.extend(configured.iter().cloned());
    patterns
}

/// Returns whether a pattern is about this path.
pub(super) fn takes(pattern: &str, path: &str) -> bool {
    match (pattern.strip_suffix('*'), pattern.ends_with('/')) {
        (Some(start), _) => path.starts_with(start),
        (None, true) => path.starts_with(pattern),
        (None, false) => path == pattern,
    }
}

/// Returns inode and device of the executables that patterns name and that are there.
pub(super) fn files(patterns: &[String]) -> Vec<[u64; 2]> {
    let root = node_root();
    let mut files = Vec::new();
    for pattern in patterns {
        match pattern.strip_suffix(['*', '/']) {
            None => files.extend(file(&format!("{root}{pattern}"))),
            Some(start) => {
                let folder = start.rsplit_once('/').map_or("", |(folder, _)| folder);
                let folder = if pattern.ends_with('/') { start } else { folder };
                let Ok(entries) = fs::read_dir(format!("{root}{folder}")) else { continue };
                let names = entries.flatten().take(FILES_MAX).map(|entry| entry.file_name());
                let paths = names.map(|name| format!("{folder}/{}", name.to_string_lossy()));
                let paths = paths.filter(|path| takes(pattern, path));
                files.extend(paths.filter_map(|path| file(&format!("{root}{path}"))));
            }
        }
    }
    files.extend(file("/proc/self/exe"));
    files.sort_unstable();
    files.dedup();
    files.truncate(FILES_MAX);
    files
}

/// Returns the folder in which the node's paths begin: our own root where init's may not be seen.
fn node_root() -> &'static str {
    if fs::metadata(format!("{NODE_ROOT}/.")).is_ok() { NODE_ROOT } else { "" }
}

fn file(path: &str) -> Option<[u64; 2]> {
    let seen = fs::metadata(Path::new(path)).ok()?;
    let runs = seen.is_file() && seen.permissions().mode() & 0o111 != 0;
    runs.then(|| [seen.ino(), seen.dev()])
}

/// Returns the agent and the processes it descends from, with their starts.
pub(super) fn pids() -> BTreeMap<u32, u64> {
    let own = std::process::id().cast_signed();
    let line = std::iter::once(own).chain(family::ancestors(own, ANCESTORS_MAX));
    line.filter_map(|pid| Some((pid.cast_unsigned(), procfs::stat(pid)?.start_ns)))
        .take(PIDS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_a_folder_and_a_beginning_are_told_apart() {
        for (pattern, path, expected) in [
            ("/usr/bin/runc", "/usr/bin/runc", true),
            ("/usr/bin/runc", "/usr/bin/runcible", false),
            ("/opt/ours/", "/opt/ours/x", true),
            ("/opt/ours/", "/opt/ours", false),
            ("/usr/bin/containerd-*", "/usr/bin/containerd-shim-runc-v2", true),
            ("/usr/bin/containerd-*", "/usr/bin/containerd", false),
        ] {
            assert_eq!(takes(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn the_runtime_s_programs_are_protected_where_they_are_installed() {
        let patterns = patterns(&["/opt/ours/".to_owned()]);
        let protected = |path| patterns.iter().any(|pattern| takes(pattern, path));
        for path in [
            "/usr/bin/containerd",
            "/usr/bin/containerd-shim-runc-v2",
            "/usr/sbin/runc",
            "/usr/bin/kubelet",
            "/usr/bin/conmon",
            "/usr/bin/podman",
            "/usr/lib/systemd/systemd",
            "/usr/bin/saker-agent",
            "/opt/ours/x",
        ] {
            assert!(protected(path), "{path}");
        }
        for path in ["/tmp/runc", "/usr/bin/curl", "/usr/bin/runcible", "/home/x/kubelet"] {
            assert!(!protected(path), "{path}");
        }
    }

    #[test]
    fn the_agent_and_its_ancestors_are_known() {
        let pids = pids();
        let own = std::process::id();
        assert!(pids.contains_key(&own) && pids.len() > 1);
        let seen = file("/proc/self/exe").unwrap();
        assert!(files(&[]).contains(&seen));
        assert_eq!(files(&["/no/such/file".to_owned(), "/no/such/folder/".to_owned()]), [seen]);
    }
}
