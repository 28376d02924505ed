//! Our images as they run: as whom, with which rights, and what is not in them.

use crate::{
    pods::{Pod, task_id},
    world::{SAKER, say, world},
};

/// Numbers of capabilities, as the kernel counts them.
const KILL: u64 = 1 << 5;
const DAC_READ_SEARCH: u64 = 1 << 2;
const SYS_PTRACE: u64 = 1 << 19;
const PERFMON: u64 = 1 << 38;
const BPF: u64 = 1 << 39;

#[test]
fn every_image_runs_as_its_user_with_a_read_only_root_and_without_a_shell() {
    let Some(world) = world() else { return };
    let images = world.cluster.ctr(&["--namespace=k8s.io", "images", "list"]);
    let images = String::from_utf8(images.stdout).unwrap();
    for (component, user, capabilities) in [
        ("agent", "0", BPF | PERFMON | SYS_PTRACE | DAC_READ_SEARCH | KILL),
        ("router", "65532", 0),
        ("responder", "65532", 0),
    ] {
        let pod = Pod::of(world.own_pod(component));
        for shell in ["sh", "bash", "/bin/sh", "/bin/busybox"] {
            let output = world.cluster.exec_in(SAKER, &pod.name, component, &[shell, "-c", "true"]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                said.contains("no such file or directory") || said.contains("not found"),
                "{component} {shell}: {said}"
            );
        }
        let process = format!("/proc/{}", task_id(&world, pod.container_id()));
        let status = std::fs::read_to_string(format!("{process}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().to_owned()
        };
        assert_eq!(field("Uid:"), user, "{component}");
        assert_eq!(field("NoNewPrivs:"), "1", "{component}");
        assert_eq!(field("Seccomp:"), "2", "{component}");
        let effective = u64::from_str_radix(&field("CapEff:"), 16).unwrap();
        assert_eq!(effective, capabilities, "{component}: {effective:x}");
        let mounts = std::fs::read_to_string(format!("{process}/mountinfo")).unwrap();
        let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).unwrap();
        assert!(root.split(' ').nth(5).unwrap().split(',').any(|it| it == "ro"), "{root}");

        let image = images.lines().find(|line| line.contains(&format!("saker/{component}:")));
        let size: Vec<&str> = image.unwrap().split_whitespace().collect();
        say(&format!("image of {component}: {} MiB compressed", size[3]));
    }
}
