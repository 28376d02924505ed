//! Who may give orders, and what is not even an order.

use serde_json::json;

use crate::stage::{Certificates, Stage, problem};

#[tokio::test]
async fn a_client_without_the_name_is_refused() {
    let stage = Stage::new().await;
    let (url, certificates) = (stage.url("/v1/watch/0"), &stage.certificates);
    assert_eq!(stage.get("/v1/watch/0").await.status(), 404);

    let other = certificates.client(stage.address, Some((certificates, "saker-router")));
    for path in ["/v1/watch/0", "/v1/processes/1?start_boot_ns=0", "/nothing"] {
        let response = other.get(stage.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 403, "{path}");
        assert_eq!(problem(response).await.status, 403);
    }
    let response = other.post(stage.url("/v1/kill")).body("{}").send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(stage.count("none", "forbidden"), 4);

    let nobody = certificates.client(stage.address, None);
    assert!(nobody.get(&url).send().await.is_err());
    let strangers = Certificates::new();
    let stranger = certificates.client(stage.address, Some((&strangers, "saker-responder")));
    assert!(stranger.get(&url).send().await.is_err());
}

#[tokio::test]
async fn certificates_that_changed_are_used() {
    let stage = Stage::new().await;
    // Once it answers, it watches the files.
    assert_eq!(stage.get("/v1/watch/0").await.status(), 404);
    stage.certificates.write_server("renewed");
    let url = format!("https://renewed:{}/v1/watch/0", stage.address.port());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let certificates = &stage.certificates;
        let client = certificates.client(stage.address, Some((certificates, "saker-responder")));
        if client.get(&url).send().await.is_ok_and(|response| response.status() == 404) {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "the old certificate is still used");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_no_order_is_a_problem_and_counted() {
    let stage = Stage::new().await;
    let process = json!({"pid": 1, "start_boot_ns": 0});
    let kill = |id: &str, container: Option<&str>| json!({"id": id, "process": process, "container": container, "scope": "process", "wait_ms": 1});
    let many = vec!["f".repeat(64); 65];
    for (path, body, status) in [
        ("/v1/kill", json!({}), 400),
        ("/v1/kill", kill("", None), 400),
        ("/v1/kill", kill("R\n7", None), 400),
        ("/v1/kill", kill("R-7", Some("web")), 400),
        ("/v1/kill", json!({"id": "R-7", "more": 1}), 400),
        ("/v1/kill", json!({"id": "x".repeat(20_000)}), 413),
        ("/v1/watch", json!({"containers": []}), 400),
        ("/v1/watch", json!({"containers": ["../../etc"]}), 400),
        ("/v1/watch", json!({"containers": many}), 400),
        ("/v1/nothing", json!({}), 404),
        ("/v1/watch/0", json!({}), 405),
    ] {
        let response = stage.post(path, &body).await;
        assert_eq!(response.status(), status, "{path} {body}");
        assert_eq!(problem(response).await.status, status);
    }
    for (path, status) in [
        ("/v1/processes/1", 400),
        ("/v1/processes/one?start_boot_ns=1", 400),
        ("/v1/processes/1?start_boot_ns=-1", 400),
        ("/v1/containers/web/processes", 400),
        ("/v1/watch/0?wait_ms=soon", 400),
    ] {
        let response = stage.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(problem(response).await.status, status);
    }
    assert_eq!(stage.count("none", "invalid"), 6);
    assert_eq!(stage.count("watch", "invalid"), 3);
    assert_eq!(stage.count("process", "invalid"), 3);
    assert_eq!(stage.count("container", "invalid"), 1);
}

#[tokio::test]
async fn the_status_says_where_and_from_whom_orders_are_taken() {
    let stage = Stage::with(true).await;
    let text = stage.actions.status().to_string();
    let expected = format!(
        "on {} from saker-responder, processes of the host included; events for saker-watcher",
        stage.address
    );
    assert_eq!(text, expected);
}
