//! What a cgroup path tells: the container, its pod, and the pod's class of service.
//!
//! Runtimes name the cgroup after the container: `docker-ID.scope`, `kubepods/.../podUID/ID`,
//! `...:cri-containerd:ID`. Only a name of exactly 64 hex digits counts, so a process of the host
//! never becomes one of a container by a guess.

use alert::PodQos;

const ID_DIGITS: usize = 64;

/// What a cgroup path tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity<'a> {
    pub(super) id: &'a str,
    pub(super) runtime: Option<&'static str>,
    pub(super) pod: Option<Pod>,
    /// Whether the cgroup is the container's own, not one inside it.
    pub(super) whole: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) uid: String,
    pub(super) qos: PodQos,
}

/// Returns the innermost container of a path.
pub(super) fn identify(path: &str) -> Option<Identity<'_>> {
    let (index, id, runtime) = path.split('/').enumerate().fold(None, |found, (index, part)| {
        container_id(part).map(|(id, runtime)| (index, id, runtime)).or(found)
    })?;
    let runtime = runtime.or_else(|| runtime_above(path, index));
    let whole = path.split('/').count() == index + 1;
    Some(Identity { id, runtime, pod: pod_above(path, index), whole })
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

/// Returns the innermost pod around the container at `index`, whose own part may name it as well.
fn pod_above(path: &str, index: usize) -> Option<Pod> {
    let mut above = "";
    let mut found = None;
    for part in path.split('/').take(index + 1) {
        if let Some(uid) = pod_uid(part) {
            // The systemd driver says it in the slice's name, the cgroupfs driver in the folder
            // above; the guaranteed class has neither.
            let slice = part.rfind("-pod").map_or("", |at| &part[..at]);
            let qos = if above == "burstable" || slice.ends_with("-burstable") {
                PodQos::Burstable
            } else if above == "besteffort" || slice.ends_with("-besteffort") {
                PodQos::BestEffort
            } else {
                PodQos::Guaranteed
            };
            found = Some(Pod { uid, qos });
        }
        above = part;
    }
    found
}

/// Returns the pod's uid in one part of a path: `podUID`, or a slice name with `_` for `-`.
fn pod_uid(part: &str) -> Option<String> {
    let part = part.split(':').next().unwrap_or(part);
    let part = part.strip_suffix(".slice").unwrap_or(part);
    let uid = match part.strip_prefix("pod") {
        Some(uid) => uid,
        // The kubelet's own root comes first in the name: `kubelet-kubepods-pod…`.
        None if part.contains("kubepods") => &part[part.rfind("-pod")? + 4..],
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
    const UNDERSCORED: &str = "2f6b0c1a_7a8e_4c51_9a33_0d4bb1c7e001";

    fn check(path: &str, runtime: Option<&'static str>, pod: Option<(&str, PodQos)>) {
        let path = path.replace("UID_", UNDERSCORED).replace("UID", UID).replace("ID", ID);
        let pod = pod.map(|(uid, qos)| Pod { uid: uid.to_owned(), qos });
        let expected = Identity { id: ID, runtime, pod, whole: true };
        assert_eq!(identify(&path), Some(expected), "{path}");
    }

    #[test]
    fn containers_without_a_pod() {
        check("/docker/ID", Some("docker"), None);
        check("/system.slice/docker-ID.scope", Some("docker"), None);
        check("/libpod_parent/libpod-ID", Some("podman"), None);
        check(
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
            Some("podman"),
            None,
        );
        check("/system.slice/nerdctl-ID.scope", Some("containerd"), None);
        check(&format!("/docker/{}/docker/ID", "f".repeat(64)), Some("docker"), None);
    }

    #[test]
    fn pods_of_the_cgroupfs_driver() {
        let (burstable, best_effort, guaranteed) = (
            Some((UID, PodQos::Burstable)),
            Some((UID, PodQos::BestEffort)),
            Some((UID, PodQos::Guaranteed)),
        );
        // containerd and cri-dockerd.
        check("/kubepods/burstable/podUID/ID", None, burstable);
        check("/kubepods/besteffort/podUID/ID", None, best_effort);
        check("/kubepods/podUID/ID", None, guaranteed);
        // CRI-O.
        check("/kubepods/podUID/crio-ID", Some("cri-o"), guaranteed);
        check("/kubepods/burstable/podUID/crio-ID", Some("cri-o"), burstable);
        // The kubelet's own root, as in a cluster within a cluster.
        check("/kubelab/kubepods/burstable/podUID/ID", None, burstable);
        check(
            &format!("/docker/{}/kubelet/kubepods/besteffort/podUID/ID", "f".repeat(64)),
            Some("docker"),
            best_effort,
        );
        // A static pod.
        check(
            "/kubepods/besteffort/pod0123456789abcdef0123456789abcdef/ID",
            None,
            Some(("0123456789abcdef0123456789abcdef", PodQos::BestEffort)),
        );
    }

    #[test]
    fn pods_of_the_systemd_driver() {
        let (burstable, best_effort, guaranteed) = (
            Some((UID, PodQos::Burstable)),
            Some((UID, PodQos::BestEffort)),
            Some((UID, PodQos::Guaranteed)),
        );
        let root = "/kubepods.slice";
        check(
            &format!(
                "{root}/kubepods-burstable.slice/kubepods-burstable-podUID_.slice/cri-containerd-ID.scope"
            ),
            Some("containerd"),
            burstable,
        );
        check(
            &format!(
                "{root}/kubepods-besteffort.slice/kubepods-besteffort-podUID_.slice/crio-ID.scope"
            ),
            Some("cri-o"),
            best_effort,
        );
        check(&format!("{root}/kubepods-podUID_.slice/crio-ID.scope"), Some("cri-o"), guaranteed);
        check(
            &format!("{root}/kubepods-podUID_.slice/docker-ID.scope"),
            Some("docker"),
            guaranteed,
        );
        check(
            "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-podUID_.slice/cri-containerd-ID.scope",
            Some("containerd"),
            burstable,
        );
        // containerd that was told nothing of systemd.
        check(
            "/system.slice/containerd.service/kubepods-burstable-podUID_.slice:cri-containerd:ID",
            Some("containerd"),
            burstable,
        );
        check("/kubepods-podUID_.slice:cri-containerd:ID", Some("containerd"), guaranteed);
    }

    #[test]
    fn a_cgroup_inside_a_container_is_not_the_container_s_own() {
        let path = format!("/kubepods/pod{UID}/{ID}/init");
        assert!(!identify(&path).unwrap().whole);
        assert_eq!(identify(&path).unwrap().id, ID);
        let podman = format!("/machine.slice/libpod-{ID}.scope/container");
        assert_eq!(identify(&podman).unwrap().runtime, Some("podman"));
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
}
