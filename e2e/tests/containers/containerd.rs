//! Containers of containerd that are no pod's.

use e2e::{Docker, mark};

use crate::watch::{Watch, check, turn};

#[test]
fn a_container_that_a_person_named_is_one_from_its_first_program_on() {
    let _turn = turn();
    let docker = Docker::start();
    let containerd = docker.containerd();
    let watch = Watch::start(&[containerd.socket()], &[]);
    let mark = mark();
    let name = format!("web-{}", std::process::id());
    containerd.says(
        "saker-lab",
        &[
            "run",
            "--detach",
            "--null-io",
            "--rootfs",
            "--label=app=web",
            "--mount=type=bind,src=/usr/share,dst=/data,options=rbind:ro",
            containerd.root().to_str().unwrap(),
            &name,
            "/bin/sh",
            "-c",
            // It lives until it was told of: its runtime must be there to ask.
            &format!("true {mark}; exec sleep 86400"),
        ],
    );
    let event = watch.program_with(&mark);
    check(
        &event,
        &[
            ("container.id", &name),
            ("container.full_id", &name),
            ("container.type", "containerd"),
            ("container.privileged", "false"),
            ("container.mounts", "/usr/share:/data:ro:false:rprivate"),
            ("container.host_network", "false"),
            ("container.label[app]", "web"),
        ],
    );
    containerd.says("saker-lab", &["tasks", "rm", "--force", &name]);
    containerd.says("saker-lab", &["containers", "rm", &name]);
}
