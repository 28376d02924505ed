//! Finds the container of a process in its cgroup path.
//!
//! Runtimes name the cgroup after the container: `docker-ID.scope`, `kubepods/.../podUID/ID`,
//! `...:cri-containerd:ID`. Only a name of exactly 64 hex digits counts, so a process of the host
//! never becomes one of a container by a guess.

use std::sync::{Arc, Weak};

use alert::Container;
use hashbrown::HashMap;

const ID_DIGITS: usize = 64;
/// Containers remembered before those no process holds are swept out.
const SWEEP_AT: usize = 1024;

/// The containers seen, each shared by its processes.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    by_id: HashMap<Box<str>, Weak<Container>>,
}

impl Containers {
    /// Returns the container the first of these cgroup paths names, or `None` for the host.
    pub(crate) fn of(&mut self, paths: &[&str]) -> Option<Arc<Container>> {
        let found = paths.iter().find_map(|path| identify(path))?;
        if let Some(known) = self.by_id.get(found.id).and_then(Weak::upgrade) {
            return Some(known);
        }
        if self.by_id.len() >= SWEEP_AT {
            self.by_id.retain(|_, container| container.strong_count() > 0);
        }
        let container = Arc::new(Container {
            id: found.id.into(),
            runtime: found.runtime.map(Into::into),
            pod_uid: found.pod_uid.map(Into::into),
            ..Container::default()
        });
        self.by_id.insert(found.id.into(), Arc::downgrade(&container));
        Some(container)
    }
}

/// What a cgroup path tells.
#[derive(Debug, PartialEq, Eq)]
struct Identity<'a> {
    id: &'a str,
    runtime: Option<&'static str>,
    pod_uid: Option<String>,
}

/// Returns the innermost container of a path.
fn identify(path: &str) -> Option<Identity<'_>> {
    let (index, id, runtime) = path.split('/').enumerate().fold(None, |found, (index, part)| {
        container_id(part).map(|(id, runtime)| (index, id, runtime)).or(found)
    })?;
    let above = path.split('/').take(index + 1);
    let runtime = runtime.or_else(|| runtime_above(path, index));
    Some(Identity { id, runtime, pod_uid: above.filter_map(pod_uid).last() })
}

/// Returns the id in one part of a path, with the runtime its name tells.
fn container_id(part: &str) -> Option<(&str, Option<&'static str>)> {
    let part = part.strip_suffix(".scope").unwrap_or(part);
    // `SLICE:cri-containerd:ID` is the systemd driver of containerd without systemd support.
    let (prefix, id) = match part.rfind([':', '-']) {
        Some(at) => (&part[..at], &part[at + 1..]),
        None => ("", part),
    };
    if id.len() != ID_DIGITS || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let prefix = prefix.rsplit(':').next().unwrap_or(prefix);
    let runtime = match prefix {
        "" => None,
        "docker" => Some("docker"),
        "cri-containerd" | "nerdctl" => Some("containerd"),
        "crio" => Some("cri-o"),
        "libpod" => Some("podman"),
        // The monitor of a container runs on the host.
        "crio-conmon" | "libpod-conmon" => return None,
        _ => None,
    };
    Some((id, runtime))
}

/// Returns the runtime named by a folder above: `/docker/ID`, `/libpod_parent/ID`.
fn runtime_above(path: &str, index: usize) -> Option<&'static str> {
    path.split('/').take(index).find_map(|part| match part {
        "docker" => Some("docker"),
        "libpod_parent" | "machine.slice" => Some("podman"),
        "containerd" | "system.slice:containerd.service" => Some("containerd"),
        _ => None,
    })
}

/// Returns the pod's uid in one part of a path: `podUID`, or a slice name with `_` for `-`.
fn pod_uid(part: &str) -> Option<String> {
    let part = part.split(':').next().unwrap_or(part);
    let part = part.strip_suffix(".slice").unwrap_or(part);
    let uid = match part.strip_prefix("pod") {
        Some(uid) => uid,
        None if part.starts_with("kubepods") => &part[part.rfind("-pod")? + 4..],
        None => return None,
    };
    let digits = uid.bytes().filter(u8::is_ascii_hexdigit).count();
    let separators = uid.bytes().filter(|byte| matches!(byte, b'-' | b'_')).count();
    // A static pod has the hash of its manifest: 32 digits without separators.
    (digits == 32 && digits + separators == uid.len()).then(|| uid.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "2f6b0c1a-7a8e-4c51-9a33-0d4bb1c7e001";

    #[test]
    fn every_runtime_and_driver_is_recognised() {
        let check = |path: &str, runtime: Option<&'static str>, pod: Option<&str>| {
            let path = path.replace("ID", ID);
            let expected = Identity { id: ID, runtime, pod_uid: pod.map(Into::into) };
            assert_eq!(identify(&path), Some(expected), "{path}");
        };
        check("/docker/ID", Some("docker"), None);
        check("/system.slice/docker-ID.scope", Some("docker"), None);
        check("/libpod_parent/libpod-ID", Some("podman"), None);
        check("/machine.slice/libpod-ID.scope/container", Some("podman"), None);
        check(
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
            Some("podman"),
            None,
        );
        check("/system.slice/nerdctl-ID.scope", Some("containerd"), None);
        check(&format!("/kubepods/burstable/pod{UID}/ID"), None, Some(UID));
        check(&format!("/kubepods/pod{UID}/crio-ID"), Some("cri-o"), Some(UID));
        check(
            "/kubepods/besteffort/pod0123456789abcdef0123456789abcdef/ID",
            None,
            Some("0123456789abcdef0123456789abcdef"),
        );
        let slice = format!("kubepods-burstable-pod{}.slice", UID.replace('-', "_"));
        check(
            &format!("/kubepods.slice/kubepods-burstable.slice/{slice}/cri-containerd-ID.scope"),
            Some("containerd"),
            Some(UID),
        );
        check(
            &format!("/system.slice/containerd.service/{slice}:cri-containerd:ID"),
            Some("containerd"),
            Some(UID),
        );
        check(&format!("/kubepods.slice/{slice}/crio-ID.scope"), Some("cri-o"), Some(UID));
        check(&format!("/kubepods.slice/{slice}/docker-ID.scope"), Some("docker"), Some(UID));
        check(&format!("/docker/{}/docker/ID", "f".repeat(64)), Some("docker"), None);
    }

    #[test]
    fn a_process_of_the_host_stays_one() {
        for path in [
            "/",
            "",
            "/user.slice/user-1000.slice/session-3.scope",
            "/system.slice/docker.service",
            "/process_api/d7321b57c752ca8a7933e0008ac4733d",
            "/kubepods/burstable/pod2f6b0c1a-7a8e-4c51-9a33-0d4bb1c7e001",
        ] {
            assert_eq!(identify(path), None, "{path}");
        }
        assert_eq!(identify(&format!("/machine.slice/libpod-conmon-{ID}.scope")), None);
        assert_eq!(identify(&format!("/kubepods.slice/crio-conmon-{ID}.scope")), None);
        assert_eq!(identify(&format!("/docker/{ID}0")), None);
        assert_eq!(identify(&format!("/docker/{}z", &ID[1..])), None);
    }

    #[test]
    fn processes_of_one_container_share_it() {
        let mut containers = Containers::default();
        let path = format!("/docker/{ID}");
        let first = containers.of(&["/", &path]).unwrap();
        let second = containers.of(&[&path]).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
    }
}
