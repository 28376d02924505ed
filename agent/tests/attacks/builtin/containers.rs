//! What is done in containers: here a cgroup that is called like one, and an engine that describes it.
//! Real ones are tested with the engines and in the cluster.

use crate::{
    table::{Row, in_container, row},
    watch::builtin,
};

#[test]
fn deeds_in_a_container() {
    let Some(watch) = builtin() else { return };
    in_container(watch, ROWS);
}

const IMAGE: (&str, &str) = ("container.image.repository", "registry.example/shop/attacked");

pub(super) const ROWS: &[Row] = &[
    row(
        "Service account token read by a tool",
        "at=$D/kubernetes.io/serviceaccount; mkdir -p $at; echo x > $at/token; cat $at/token $0",
        &[("fd.name", "*/kubernetes.io/serviceaccount/token"), IMAGE],
    ),
    row(
        "Host control file written from a container",
        ": > $D/release_agent",
        &[("fd.name", "*/release_agent"), IMAGE],
    ),
    row(
        "Container runtime reached from a container",
        "$A unix $D/docker.sock $0",
        &[("fd.name", "*/docker.sock"), IMAGE],
    ),
    row(
        "Host namespaces entered from a container",
        "nsenter --mount=/proc/$$/ns/mnt true $0",
        &[("evt.type", "setns"), ("proc.exepath", "/usr/bin/nsenter"), IMAGE],
    ),
    row(
        "Host files reached through a process",
        "cat /proc/$$/root/etc/hostname $0",
        &[("fd.name", "/proc/*"), ("fd.name", "*/root/etc/hostname"), IMAGE],
    ),
    row(
        "Host secrets read through a mounted folder",
        "mount --bind /etc /mnt; mkdir -p /etc/etc; echo x > /etc/etc/shadow; cat /mnt/etc/shadow $0
         umount /mnt",
        &[("fd.name", "/mnt/etc/shadow"), IMAGE],
    ),
    row("Host disk opened from a container", "$A run debugfs $0", &[("proc.exepath", "*/debugfs"), IMAGE]),
    row(
        "Disk mounted in a container",
        "mount -t debugfs $0 /mnt; umount /mnt",
        &[("proc.exepath", "/usr/bin/mount"), IMAGE],
    ),
    row(
        "Namespace made in a container",
        "unshare --user true $0",
        &[("evt.type", "unshare"), ("proc.exepath", "/usr/bin/unshare"), IMAGE],
    ),
    row(
        "Added program run in a container",
        "cp /bin/true /usr/bin/$0; /usr/bin/$0",
        &[("proc.exepath", "/usr/bin/saker-a*"), IMAGE],
    ),
    row("Package manager in a container", "$A run apt-get $0", &[("proc.exepath", "*/apt-get"), IMAGE]),
    row("Compiler in a container", "$A run gcc $0", &[("proc.exepath", "*/gcc"), IMAGE]),
    row("Network tool in a container", "$A packet $0", &[("proc.exepath", "*/attacks"), IMAGE]),
    row(
        "Privileged container started",
        "unshare --pid --fork /bin/true $0",
        &[("proc.exepath", "/usr/bin/true"), ("container.name", "attacked"), IMAGE],
    ),
    row(
        "Terminal shell in a container",
        "$A terminal sh -c : $0",
        &[("proc.name", "sh"), ("proc.pname", "attacks"), IMAGE],
    ),
    row(
        "Copying tool for the cloud run in a container",
        "$A run rclone $0",
        &[("proc.exepath", "*/rclone"), IMAGE],
    ),
    row("Remote shell client in a container", "$A run ssh $0", &[("proc.exepath", "*/ssh"), IMAGE]),
    row("Kubernetes client in a container", "$A run kubectl $0", &[("proc.exepath", "*/kubectl"), IMAGE]),
    row(
        "Kubernetes API asked by hand",
        "$A run curl https://kubernetes.default/api/v1/secrets $0",
        &[("proc.exepath", "*/curl"), IMAGE],
    ),
    row(
        "Kubelet contacted from a container",
        "$A network 192.0.2.1 $A connect 192.0.2.1 10250 $0",
        &[("fd.name", "*->192.0.2.1:10250"), IMAGE],
    ),
    row(
        "Cluster store contacted from a container",
        "$A network 192.0.2.1 $A connect 192.0.2.1 2379 $0",
        &[("fd.name", "*->192.0.2.1:2379"), IMAGE],
    ),
    // In place of the shell, whose parent is outside.
    row(
        "Files copied out of a container",
        "exec $A run tar cf - $0",
        &[("proc.exepath", "*/tar"), ("proc.pname", "sh"), IMAGE],
    ),
];
