//! What is told of processes before they are ended.

use alert::order::{ContainerReport, ProcessReport};

use crate::{
    container::{TICK_NS, container},
    stage::Stage,
};

#[tokio::test]
async fn a_process_is_told_with_its_relatives_and_without_secrets() {
    let Some(container) = container() else { return };
    let stage = Stage::new().await;
    let script = "export TOKEN=hunter2; exec sh -c 'exec 7</etc/hostname; sleep 600 & echo ready; wait' \
                  \"$(printf 'odd\\033\\377')\"";
    let victim = container.run(script);
    let key = victim.key();
    let path = |start: u64| format!("/v1/processes/{}?start_boot_ns={start}", key.pid);
    let response = stage.get(&path(key.start_boot_ns)).await;
    assert_eq!(response.status(), 200);
    let text = response.text().await.unwrap();
    assert!(!text.contains("hunter2"));
    let report: ProcessReport = serde_json::from_str(&text).unwrap();
    assert_eq!(&*report.hostname, "node-1");
    let process = &report.process;
    assert_eq!((process.key, &*process.name), (key, "sh"));
    assert_eq!(process.container.as_deref(), Some(&*container.id));
    assert_eq!(process.arguments.last().map(|last| &**last), Some("odd\u{1b}\u{fffd}"));
    assert!(process.environment_names.iter().any(|name| &**name == "TOKEN"));
    let open = process.open_files.iter().find(|open| open.descriptor == 7).unwrap();
    assert_eq!(&*open.target, "/etc/hostname");
    assert_eq!(report.ancestors[0].key.pid, std::process::id() as i32);
    assert_eq!(report.ancestors.last().unwrap().key.pid, 1);
    assert_eq!(report.descendants.len(), 1);
    assert_eq!(&*report.descendants[0].name, "sleep");

    assert_eq!(stage.get(&path(key.start_boot_ns + TICK_NS)).await.status(), 404);
    drop(victim);
    assert_eq!(stage.get(&path(key.start_boot_ns)).await.status(), 404);
    assert_eq!((stage.count("process", "done"), stage.count("process", "gone")), (1, 2));
}

#[tokio::test]
async fn the_processes_of_a_container_are_told() {
    let Some(container) = container() else { return };
    let stage = Stage::new().await;
    let (one, two) = (container.sleeper(), container.sleeper());
    let response = stage.get(&format!("/v1/containers/{}/processes", container.id)).await;
    let report: ContainerReport = response.json().await.unwrap();
    let mut told: Vec<i32> = report.processes.iter().map(|process| process.key.pid).collect();
    told.sort_unstable();
    let mut expected = [one.pid(), two.pid()];
    expected.sort_unstable();
    assert_eq!((told, &*report.container), (expected.to_vec(), &*container.id));
    let response = stage.get(&format!("/v1/containers/{}/processes", "f".repeat(64))).await;
    let report: ContainerReport = response.json().await.unwrap();
    assert_eq!(report.processes, []);
}
