//! Containers whose runtime tells nothing: they stay containers, and what is missing has a reason.

use std::{os::unix::net::UnixListener, path::PathBuf, time::Duration};

use e2e::{Cluster, Folder, mark};
use serde_json::json;

use crate::{
    pods::Pod,
    watch::{Watch, check, field, options, turn},
};

/// Watches with one socket of a runtime to ask at, which nobody is waited for long.
fn asking(socket: PathBuf) -> Watch {
    let mut options = options(&[socket], &[]);
    options.hold = Duration::from_millis(300);
    Watch::with(options, &[])
}

#[test]
fn a_pod_of_which_no_runtime_tells_is_a_container_and_a_program_of_the_host_is_none() {
    let Some(cluster) = Cluster::shared() else { return };
    let _turn = turn();
    let folder = Folder::new("refused");
    // Whoever connects waits for an answer for ever.
    let silent = folder.join("silent.sock");
    let _listener = UnixListener::bind(&silent).unwrap();
    let watches = [("no_socket", asking(folder.join("none.sock"))), ("timeout", asking(silent))];
    let (first, inside, outside, beside) = (mark(), mark(), mark(), mark());
    let script = format!("true {first}; exec sleep 86400");
    let pod = Pod::run(cluster, "refused", &script, &json!({}), &json!({}));
    pod.exec(&["true", &inside]);
    run("true", &[&outside]);
    // In the pod's namespaces, but not of the pod.
    let tasks = cluster.ctr(&["--namespace=k8s.io", "tasks", "list"]);
    let tasks = String::from_utf8(tasks.stdout).unwrap();
    let task = tasks.lines().find(|line| line.starts_with(pod.container_id())).unwrap();
    let task = task.split_whitespace().nth(1).unwrap();
    run("nsenter", &["--target", task, "--mount", "--uts", "--pid", "true", &beside]);

    for (reason, watch) in &watches {
        for mark in [&first, &inside] {
            let event = watch.program_with(mark);
            check(
                &event,
                &[
                    ("container.full_id", pod.container_id()),
                    ("container.name", "-"),
                    ("container.image", "-"),
                    ("container.privileged", "-"),
                    ("k8s.pod.name", "-"),
                    // The kernel's own word.
                    ("k8s.pod.uid", pod.text("/metadata/uid")),
                ],
            );
            let missing = field(&event, "saker.container.missing").unwrap();
            let missing: Vec<&str> = missing.split(',').collect();
            assert_eq!(missing.len(), 9, "{missing:?}");
            assert!(missing.iter().all(|it| it.ends_with(&format!("={reason}"))), "{missing:?}");
        }
        for mark in [&outside, &beside] {
            let event = watch.host_program_with(mark);
            check(&event, &[("container.id", "host"), ("k8s.pod.name", "-")]);
        }
    }
    pod.delete();
}

fn run(program: &str, arguments: &[&str]) {
    let status = std::process::Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}: {status}");
}
