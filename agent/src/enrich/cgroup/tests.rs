//! Paths as each runtime and driver writes them. `ID`, `OUTER` and `UID` stand for real ones.

use alert::PodQos::{self, BestEffort, Burstable, Guaranteed};

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OUTER: &str = "ffffffff89abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const UID: &str = "2f6b0c1a-7a8e-4c51-9a33-0d4bb1c7e001";
const UNDERSCORED: &str = "2f6b0c1a_7a8e_4c51_9a33_0d4bb1c7e001";
const BUILD: &str = "ij4v7bkcvvuwjg7w7b3j8k6g2";

fn filled(path: &str) -> String {
    let path = path.replace("UID_", UNDERSCORED).replace("UID", UID).replace("BUILD", BUILD);
    path.replace("OUTER", OUTER).replace("ID", ID)
}

/// Checks rows of driver and version, path, and the runtime its name tells.
fn check(pod: Option<PodQos>, rows: &[(&str, &str, Option<&'static str>)]) {
    for (what, path, runtime) in rows {
        let path = filled(path);
        let found = identify(&path).unwrap_or_else(|| panic!("{what}: {path} is no container"));
        let pod = pod.map(|qos| Pod { uid: UID.to_owned(), qos });
        let expected = Identity {
            id: ID,
            runtime: *runtime,
            asked: true,
            outer: None,
            user: None,
            pod,
            whole: true,
        };
        assert_eq!(found, expected, "{what}: {path}");
    }
}

#[test]
fn containers_without_a_pod() {
    check(
        None,
        &[
            ("Docker, cgroupfs, v1 and v2", "/docker/ID", Some("docker")),
            ("Docker, systemd, v1 and v2", "/system.slice/docker-ID.scope", Some("docker")),
            ("Docker, --cgroup-parent, cgroupfs", "/my-group/ID", None),
            ("Docker, --cgroup-parent, systemd", "/my.slice/docker-ID.scope", Some("docker")),
            ("Docker on Amazon ECS", "/ecs/0123456789abcdef0123456789abcdef/ID", None),
            ("Docker Swarm, before 1.12", "/system.slice/docker.service/docker/ID", Some("docker")),
            ("Podman 2 to 4, cgroupfs", "/libpod_parent/libpod-ID", Some("podman")),
            ("Podman, systemd", "/machine.slice/libpod-ID.scope", Some("podman")),
            (
                "Podman, a pod, systemd",
                "/machine.slice/machine-libpod_pod_OUTER.slice/libpod-ID.scope",
                Some("podman"),
            ),
            ("Podman, a pod, cgroupfs", "/libpod_parent/OUTERx/libpod-ID", Some("podman")),
            (
                "Podman of a unit, --cgroups=split",
                "/system.slice/web.service/libpod-payload-ID",
                Some("podman"),
            ),
            ("nerdctl, systemd", "/system.slice/nerdctl-ID.scope", Some("containerd")),
            ("nerdctl and ctr, cgroupfs", "/default/ID", None),
            (
                "containerd 1.0 without systemd support",
                "/system.slice/containerd.service/default:cri-containerd:ID",
                Some("containerd"),
            ),
            ("CRI-O's crictl, cgroupfs", "/crio-ID", Some("cri-o")),
        ],
    );
}

#[test]
fn pods_of_the_cgroupfs_driver() {
    check(
        Some(Burstable),
        &[
            ("containerd, cri-dockerd", "/kubepods/burstable/podUID/ID", None),
            ("CRI-O", "/kubepods/burstable/podUID/crio-ID", Some("cri-o")),
            ("a kubelet with a root of its own", "/kubelab/kubepods/burstable/podUID/ID", None),
        ],
    );
    check(Some(BestEffort), &[("containerd", "/kubepods/besteffort/podUID/ID", None)]);
    check(
        Some(Guaranteed),
        &[
            ("containerd", "/kubepods/podUID/ID", None),
            ("CRI-O", "/kubepods/podUID/crio-ID", Some("cri-o")),
        ],
    );
    // A static pod has no UID but the hash of its manifest.
    let path = format!("/kubepods/besteffort/pod0123456789abcdef0123456789abcdef/{ID}");
    assert_eq!(identify(&path).unwrap().pod.unwrap().uid, "0123456789abcdef0123456789abcdef");
}

#[test]
fn pods_of_the_systemd_driver() {
    check(
        Some(Burstable),
        &[
            (
                "containerd, k3s, RKE2",
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice/cri-containerd-ID.scope",
                Some("containerd"),
            ),
            (
                "CRI-O with crun, which makes a cgroup inside",
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice/crio-ID.scope",
                Some("cri-o"),
            ),
            (
                "kind's node as its kubelet sees it",
                "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-podUID_.slice/cri-containerd-ID.scope",
                Some("containerd"),
            ),
            (
                "containerd that was told nothing of systemd",
                "/system.slice/containerd.service/kubepods-burstable-podUID_.slice:cri-containerd:ID",
                Some("containerd"),
            ),
        ],
    );
    check(
        Some(BestEffort),
        &[(
            "CRI-O",
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podUID_.slice/crio-ID.scope",
            Some("cri-o"),
        )],
    );
    check(
        Some(Guaranteed),
        &[
            ("CRI-O", "/kubepods.slice/kubepods-podUID_.slice/crio-ID.scope", Some("cri-o")),
            (
                "dockershim, cri-dockerd",
                "/kubepods.slice/kubepods-podUID_.slice/docker-ID.scope",
                Some("docker"),
            ),
            ("containerd", "/kubepods-podUID_.slice:cri-containerd:ID", Some("containerd")),
        ],
    );
}

#[test]
fn of_a_container_in_a_container_the_inner_one_counts_and_the_outer_one_is_known() {
    for (what, path, runtime, pod) in [
        ("Docker in Docker, cgroupfs", "/docker/OUTER/docker/ID", Some("docker"), None),
        (
            "Docker in Docker, systemd outside",
            "/system.slice/docker-OUTER.scope/docker/ID",
            Some("docker"),
            None,
        ),
        (
            "kind, cgroupfs",
            "/docker/OUTER/kubelet/kubepods/besteffort/podUID/ID",
            None,
            Some(BestEffort),
        ),
        (
            "kind, systemd",
            "/system.slice/docker-OUTER.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podUID_.slice/cri-containerd-ID.scope",
            Some("containerd"),
            Some(Guaranteed),
        ),
        (
            "k3s in Docker (k3d)",
            "/docker/OUTER/kubepods/burstable/podUID/ID",
            None,
            Some(Burstable),
        ),
        (
            "Docker in a pod",
            "/kubepods/burstable/podUID/OUTER/docker/ID",
            Some("docker"),
            Some(Burstable),
        ),
    ] {
        let path = filled(path);
        let found = identify(&path).unwrap();
        assert_eq!((found.id, found.outer), (ID, Some(OUTER)), "{what}");
        assert_eq!(found.runtime, runtime, "{what}");
        assert_eq!(found.pod.map(|pod| pod.qos), pod, "{what}");
    }
    let docker_in_lxc = filled("/lxc.payload.web/system.slice/docker-ID.scope");
    assert_eq!(identify(&docker_in_lxc).unwrap().outer, Some("web"));
}

#[test]
fn whoever_may_name_cgroups_is_known_as_their_user() {
    for (what, path, runtime, user) in [
        (
            "Podman, rootless, systemd",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope",
            Some("podman"),
            Some(1000),
        ),
        (
            "Podman, rootless, of a user's unit",
            "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service/libpod-payload-ID",
            Some("podman"),
            Some(1000),
        ),
        (
            "Docker, rootless",
            "/user.slice/user-1001.slice/user@1001.service/user.slice/docker-ID.scope",
            Some("docker"),
            Some(1001),
        ),
        (
            "nerdctl, rootless",
            "/user.slice/user-1000.slice/user@1000.service/user.slice/nerdctl-ID.scope",
            Some("containerd"),
            Some(1000),
        ),
        (
            "Podman of root's own manager",
            "/user.slice/user-0.slice/user@0.service/user.slice/libpod-ID.scope",
            Some("podman"),
            None,
        ),
    ] {
        let path = filled(path);
        let found = identify(&path).unwrap();
        assert_eq!((found.id, found.runtime, found.user), (ID, runtime, user), "{what}");
    }
}

#[test]
fn machines_and_builds_are_containers_nobody_is_asked_about() {
    for (what, path, id, runtime) in [
        ("LXC 4, Incus, LXD", "/lxc.payload.web/init.scope", "web", "lxc"),
        ("LXC 3", "/lxc.payload/web", "web", "lxc"),
        ("LXC 2", "/lxc/web", "web", "lxc"),
        (
            "systemd-nspawn as a unit",
            "/machine.slice/systemd-nspawn@web.service/payload/system.slice/cron.service",
            "systemd-nspawn@web.service",
            "systemd-nspawn",
        ),
        (
            "systemd-nspawn by hand",
            "/machine.slice/machine-web.scope/payload",
            "machine-web.scope",
            "systemd-nspawn",
        ),
        ("a build step of Docker", "/docker/buildkit/BUILD", BUILD, "buildkit"),
        (
            "a build step, systemd",
            "/system.slice/docker.service/docker/buildkit/BUILD",
            BUILD,
            "buildkit",
        ),
    ] {
        let path = filled(path);
        let found = identify(&path).unwrap_or_else(|| panic!("{what}"));
        let id = id.trim_start_matches("systemd-nspawn@").trim_start_matches("machine-");
        let id = id.trim_end_matches(".service").trim_end_matches(".scope");
        assert_eq!((found.id, found.runtime, found.asked), (id, Some(runtime), false), "{what}");
    }
}

#[test]
fn a_cgroup_inside_a_container_is_not_the_container_s_own() {
    for (path, whole) in [
        ("/kubepods/podUID/ID/init", false),
        ("/machine.slice/libpod-ID.scope/container", false),
        ("/docker/ID/", true),
        ("/lxc.payload.web/init.scope", false),
        ("/lxc.payload.web", true),
    ] {
        assert_eq!(identify(&filled(path)).unwrap().whole, whole, "{path}");
    }
}

#[test]
fn a_process_of_the_host_stays_one() {
    for path in [
        "/",
        "",
        "//",
        "/user.slice/user-1000.slice/session-3.scope",
        "/system.slice/docker.service",
        "/system.slice/containerd.service",
        "/process_api/d7321b57c752ca8a7933e0008ac4733d",
        "/kubepods/burstable/podUID",
        // Monitors of containers.
        "/machine.slice/libpod-conmon-ID.scope",
        "/kubepods.slice/crio-conmon-ID.scope",
        "/system.slice/web.service/libpod-conmon-ID",
        "/lxc.monitor.web",
        "/machine.slice/systemd-nspawn@web.service/supervisor",
        // A virtual machine's processes are the host's.
        "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope/libvirt/emulator",
        // Not 64 digits, or not digits.
        "/docker/ID0",
        "/docker/0123456789ab",
        "/docker/zID.scope",
        "/docker/buildkit",
        "/docker/buildkit/worker",
        "/lxc",
        "/lxc.payload.",
        "/lxc.payload.web;rm",
        "/a/lxc/web",
    ] {
        assert_eq!(identify(&filled(path)), None, "{path}");
    }
    let nearly = format!("/docker/{}z", &ID[1..]);
    assert_eq!(identify(&nearly), None);
}

#[test]
fn what_a_person_named_may_be_a_container_of_containerd() {
    assert_eq!(candidate("/default/web"), Some(("default", "web")));
    assert_eq!(candidate("/my.team/web-1_a/inside"), Some(("my.team", "web-1_a")));
    for path in [
        "/",
        "/default",
        "/system.slice/cron.service",
        "/init.scope/x",
        "/user.slice/user-1000.slice",
        "/kubepods/burstable",
        "/kubelab/kubepods/burstable",
        "/docker/buildkit",
        "/a b/c",
        "/default/",
        "relative/web",
    ] {
        assert_eq!(candidate(path), None, "{path}");
    }
}
