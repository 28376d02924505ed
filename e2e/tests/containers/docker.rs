//! Containers of Docker.

use agent::sensor::Mute;
use alert::EventKind;
use e2e::{Docker, mark};

use crate::watch::{Watch, check, field, options, turn};

#[test]
fn the_first_program_of_a_container_carries_what_docker_knows_of_it() {
    let _turn = turn();
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
    let id = field(&event, "container.id").unwrap();
    assert_eq!(id.len(), 12);

    let notices = watch.notices(&id);
    let kinds: Vec<_> = notices.iter().map(|notice| notice.kind).collect();
    assert_eq!(kinds, [EventKind::Container, EventKind::ContainerRemoved]);
    let came = &notices[0];
    assert!(watch.place_of(came) < watch.place_of(&event), "it is told of first");
    let json = field(came, "evt.arg.json").unwrap();
    for part in ["\"name\":\"saker-web\"", "\"imagetag\":\"1\"", "\"host_pid\":true"] {
        assert!(json.contains(part), "{json}");
    }
    let nobody = [("proc.pid", "-1"), ("user.name", "<NA>"), ("proc.name", "")];
    check(came, &[&[("container.name", name), ("evt.is_async", "true")], &nobody[..]].concat());
}

#[test]
fn of_muted_containers_nothing_is_told_and_of_others_everything() {
    let _turn = turn();
    let docker = Docker::start();
    let muted = Mute::Container("saker-muted".into());
    let watch = Watch::with(options(&[docker.socket()], &[]), &[muted]);
    let other = mark();
    for (name, script) in
        [("saker-muted", format!("true {}", mark())), ("saker-other", format!("true {other}"))]
    {
        let run = ["run", "--rm", "--network=none", "--name", name, Docker::IMAGE];
        docker.says(&[&run[..], &["/bin/sh", "-c", &script]].concat());
    }
    let id = field(&watch.program_with(&other), "container.id").unwrap();
    assert_eq!(watch.notices(&id).len(), 2);
    let muted: Vec<_> = watch.told().into_iter().map(|told| told.event).collect();
    let muted = muted
        .iter()
        .filter(|event| field(event, "container.name").as_deref() == Some("saker-muted"));
    assert_eq!(muted.count(), 0);
}

#[test]
fn a_check_of_health_is_told_from_what_else_runs() {
    let _turn = turn();
    let docker = Docker::start();
    let watch = Watch::start(&[docker.socket()], &[]);
    let (health, other) = (mark(), mark());
    let id = docker.says(&[
        "run",
        "--rm",
        "--detach",
        "--network=none",
        &format!("--health-cmd=true {health}"),
        "--health-interval=1s",
        Docker::IMAGE,
        "/bin/sleep",
        "30",
    ]);
    let check_of_health = watch.program_with(&health);
    docker.says(&["exec", &id, "/bin/echo", &other]);
    let other = watch.program_with(&other);
    docker.says(&["kill", &id]);
    let is_check = |event| field(event, "proc.is_container_healthcheck").unwrap();
    assert_eq!((is_check(&check_of_health), is_check(&other)), ("true".into(), "false".into()));
}
