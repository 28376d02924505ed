//! Containers of Podman, with and without its server.

use alert::EventKind;
use e2e::{Podman, mark};

use crate::watch::{Watch, check, field, turn};

#[test]
fn podman_needs_no_server_for_the_first_program_to_carry_name_and_image() {
    let _turn = turn();
    let podman = Podman::new();
    let watch = Watch::start(&[], &[podman.storage()]);
    let (mark, name) = (mark(), "saker-web");
    let script = format!("true {mark}");
    podman.says(&podman.run(&[
        "--rm",
        "--name",
        name,
        "--volume=/usr/share:/data:ro",
        Podman::IMAGE,
        "/bin/sh",
        "-c",
        &script,
    ]));
    let event = watch.program_with(&mark);
    check(
        &event,
        &[
            ("container.type", "podman"),
            ("container.name", name),
            ("container.image", Podman::IMAGE),
            ("container.image.repository", "localhost/busybox"),
            ("container.image.tag", "1"),
            ("container.privileged", "false"),
            ("container.mount[/usr/share]", "/usr/share:/data:ro:false:rprivate"),
            ("container.host_pid", "false"),
        ],
    );
    let missing = field(&event, "saker.container.missing").unwrap();
    assert!(missing.contains("container.image.digest=no_socket"), "{missing}");
    let notices = watch.notices(&field(&event, "container.id").unwrap());
    let kinds: Vec<_> = notices.iter().map(|notice| notice.kind).collect();
    assert_eq!(kinds, [EventKind::Container, EventKind::ContainerRemoved]);
    check(&notices[0], &[("container.name", name), ("container.image", Podman::IMAGE)]);
}

#[test]
fn a_server_that_comes_later_is_asked_from_then_on() {
    let _turn = turn();
    let mut podman = Podman::new();
    let watch = Watch::start(&[podman.socket()], &[]);
    let [before, after] = [mark(), mark()];
    let script = |mark: &str| format!("true {mark}");
    let run = |podman: &Podman, name: &str, mark: &str| {
        let script = script(mark);
        let arguments = ["--rm", "--name", name, "--label", "app=web", Podman::IMAGE];
        let command = ["/bin/sh", "-c", &script];
        podman.says(&podman.run(&[&arguments[..], &command[..]].concat()));
    };
    run(&podman, "saker-before", &before);
    let event = watch.program_with(&before);
    check(&event, &[("container.type", "podman"), ("container.name", "-")]);
    let missing = field(&event, "saker.container.missing").unwrap();
    assert!(missing.contains("container.name=no_socket"), "{missing}");

    podman.serve();
    run(&podman, "saker-after", &after);
    let event = watch.program_with(&after);
    check(
        &event,
        &[
            ("container.name", "saker-after"),
            ("container.image.tag", "1"),
            ("container.label[app]", "web"),
        ],
    );
    let digest = field(&event, "container.image.digest").unwrap();
    assert!(digest.starts_with("sha256:"), "{digest}");
}
