//! The laptop's compose file fits what it starts.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/compose")
}

fn read(name: &str) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

#[test]
fn what_the_compose_file_mounts_is_there() {
    let mut mounted = 0;
    for (name, service) in read("compose.yaml")["services"].as_object().unwrap() {
        for volume in service["volumes"].as_array().unwrap() {
            let source = volume.as_str().unwrap().split(':').next().unwrap();
            if source.starts_with('.') {
                assert!(folder().join(source).exists(), "{name}: {source}");
                mounted += 1;
            }
        }
        for port in service["ports"].as_array().into_iter().flatten() {
            let port = port.as_str().unwrap();
            assert!(port.starts_with("127.0.0.1:"), "{name} is open to the network: {port}");
        }
    }
    assert!(mounted > 5, "{mounted}");
}

#[test]
fn the_scrape_jobs_are_those_the_queries_ask_for() {
    let config = read("prometheus.yaml");
    let jobs = config["scrape_configs"].as_array().unwrap().iter();
    let jobs: BTreeSet<_> = jobs.map(|job| job["job_name"].as_str().unwrap()).collect();
    // The responder needs a cluster.
    assert_eq!(jobs, ["saker-agent", "saker-router"].into());
    let services = read("compose.yaml");
    for job in config["scrape_configs"].as_array().unwrap() {
        let target = job["static_configs"][0]["targets"][0].as_str().unwrap();
        let host = target.split(':').next().unwrap();
        assert!(services["services"][host].is_object(), "{target}");
    }
}
