//! Containers of Docker.

use e2e::{Docker, mark};

use crate::watch::{Watch, check, field};

#[test]
fn the_first_program_of_a_container_carries_what_docker_knows_of_it() {
    let docker = Docker::start();
    let watch = Watch::start(&[docker.socket()], &[]);
    let (mark, name) = (mark(), "saker-web");
    let script = format!("true {mark}");
    docker.says(&[
        "run",
        "--rm",
        "--network=none",
        "--name",
        name,
        "--label=app=web",
        "--health-cmd=test -e /ok",
        "--volume=/usr/share:/data:ro",
        "--pid=host",
        Docker::IMAGE,
        "/bin/sh",
        "-c",
        &script,
    ]);
    let event = watch.program_with(&mark);
    let id = docker.says(&["images", "--no-trunc", "--quiet", Docker::IMAGE]);
    check(
        &event,
        &[
            ("container.type", "docker"),
            ("container.name", name),
            ("container.image", Docker::IMAGE),
            ("container.image.repository", "localhost/busybox"),
            ("container.image.tag", "1"),
            ("container.image.id", &id),
            ("container.image.digest", "-"),
            ("container.privileged", "false"),
            ("container.mounts", "/usr/share:/data:ro:false:rprivate"),
            ("container.mount.dest[/usr/*]", "/data"),
            ("container.mount.rdwr[0]", "false"),
            ("container.mount.source[/data]", "/usr/share"),
            ("container.host_pid", "true"),
            ("container.host_network", "false"),
            ("container.healthcheck", "/bin/sh -c test -e /ok"),
            ("container.label[app]", "web"),
            ("k8s.pod.name", "-"),
        ],
    );
    let missing = field(&event, "saker.container.missing").unwrap();
    assert!(missing.contains("k8s.ns.name=not_kubernetes"), "{missing}");
    assert!(missing.contains("container.image.digest=not_found"), "{missing}");
    assert_eq!(field(&event, "container.id").unwrap().len(), 12);
}
