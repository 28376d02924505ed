//! What operators do through the API.

use futures_util::StreamExt;
use reqwest::{Method, StatusCode};
use router::{
    api::types::{DeadLetterView, Explanation, List, Purged, Replayed, SilenceView},
    pipeline::DecisionKind,
};
use service::problem::Problem;

use crate::{
    harness::{Site, alert, eventually, id},
    receiver::{Answer, Receiver},
};

const FILE: &str = "
outputs: { log: { file: { path: DIR/alerts.jsonl } } }
routes: [{ group_by: [rule], group_wait: 0s, group_interval: 1s }]
";

#[tokio::test]
async fn a_silence_hides_until_it_is_ended_and_survives_a_crash() {
    let site = Site::new(FILE);
    let router = site.start();
    let new = serde_json::json!({
        "match": "rule = \"Noise\"", "duration": "1h", "author": "ann", "comment": "known",
    });
    let response = router.request(Method::POST, "/api/v1/silences", &new).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let silence: SilenceView = response.json().await.unwrap();
    router.kill();

    let router = site.start();
    router.send(&[alert("Noise", "Notice", "web"), alert("Signal", "Notice", "web")]).await;
    let ledger = router.settled().await;
    assert_eq!((ledger.accepted, ledger.routed), (2, 1));
    let listed: List<SilenceView> = router.get("/api/v1/silences").await;
    assert_eq!((listed.items.len(), listed.items[0].hits), (1, 1));

    let path = format!("/api/v1/silences/{}", silence.silence.id);
    let by = serde_json::json!({ "by": "bob" });
    assert_eq!(router.request(Method::DELETE, &path, &by).await.status(), StatusCode::OK);
    router.send(&[alert("Noise", "Notice", "db")]).await;
    assert_eq!(router.settled().await.routed, 2);
}

#[tokio::test]
async fn a_mistake_is_answered_as_a_problem() {
    let site = Site::new(FILE);
    let router = site.start();
    let silence = |condition: &str, duration: &str| {
        serde_json::json!({
            "match": condition, "duration": duration, "author": "ann", "comment": "c",
        })
    };
    let cases = [
        (Method::GET, "/api/v1/nothing", serde_json::json!({}), 404),
        (Method::GET, "/api/v1/groups?limit=0", serde_json::json!({}), 400),
        (Method::GET, "/api/v1/groups?limit=100000", serde_json::json!({}), 400),
        (Method::GET, "/api/v1/groups?cursor=first", serde_json::json!({}), 400),
        (Method::GET, "/api/v1/findings?priority_min=urgent", serde_json::json!({}), 400),
        (Method::GET, "/api/v1/explain/nonsense", serde_json::json!({}), 400),
        (
            Method::GET,
            "/api/v1/explain/0196f0a0-0000-7000-8000-000000000000",
            serde_json::json!({}),
            404,
        ),
        (Method::GET, "/api/v1/tail?condition=priority%20%3E%3D", serde_json::json!({}), 400),
        (Method::GET, "/api/v1/silences/%FF", serde_json::json!({}), 400),
        (Method::PATCH, "/api/v1/status", serde_json::json!({}), 405),
        (Method::POST, "/api/v1/silences", silence("rule =", "1h"), 400),
        (Method::POST, "/api/v1/silences", silence("rule = a", "1000d"), 422),
        (Method::POST, "/api/v1/silences", serde_json::json!({ "matches": "x" }), 400),
        (Method::DELETE, "/api/v1/silences/none", serde_json::json!({ "by": "ann" }), 404),
        (
            Method::POST,
            "/api/v1/deadletters/00000000000000aa/replay",
            serde_json::json!({ "by": "a" }),
            404,
        ),
        (Method::POST, "/api/v1/deadletters/replay", serde_json::json!({}), 400),
    ];
    for (method, path, body, expected) in cases {
        let response = router.request(method, path, &body).await;
        let status = response.status().as_u16();
        let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
        let text = response.text().await.unwrap();
        assert_eq!((status, &*kind), (expected, "application/problem+json"), "{path}: {text}");
        let problem: Problem = serde_json::from_str(&text).unwrap();
        assert_eq!(problem.status, expected);
        assert!(problem.detail.is_some());
    }
}

/// Returns a receiver that refuses everything for good, and a site whose only output it is.
async fn refusing() -> (Receiver, Site) {
    let receiver = Receiver::start(|_, _| Answer::Status(400)).await;
    let site = Site::new(&format!(
        "
outputs: {{ hook: {{ webhook: {{ url: '{}' }} }} }}
routes: [{{ group_by: [rule], group_wait: 0s }}]
",
        receiver.url()
    ));
    (receiver, site)
}

#[tokio::test]
async fn dead_letters_that_are_given_up_stay_counted_and_never_come_back() {
    let (_receiver, site) = refusing().await;
    let router = site.start();
    let alerts: Vec<_> = (0..4).map(|n| alert(&format!("rule {n}"), "Notice", "web")).collect();
    router.send(&alerts).await;
    assert_eq!(router.settled().await.outputs["hook"].dead_lettered, 4);
    let letters: List<DeadLetterView> = router.get("/api/v1/deadletters").await;
    let path = format!("/api/v1/deadletters/{}", letters.items[0].notification);
    let by = serde_json::json!({ "by": "ann" });
    let purge = async |method, path: &str, body: &serde_json::Value| {
        let response = router.request(method, path, body).await;
        let status = response.status();
        (status, response.json::<Purged>().await.unwrap_or_default().notifications.len())
    };
    assert_eq!(purge(Method::DELETE, &path, &by).await, (StatusCode::OK, 1));
    assert_eq!(purge(Method::DELETE, &path, &by).await, (StatusCode::NOT_FOUND, 0));
    let all = "/api/v1/deadletters/purge";
    let old = serde_json::json!({ "by": "ann", "before": "2001-01-01T00:00:00Z" });
    assert_eq!(purge(Method::POST, all, &old).await, (StatusCode::OK, 0));
    let other = serde_json::json!({ "by": "ann", "output": "other" });
    assert_eq!(purge(Method::POST, all, &other).await, (StatusCode::OK, 0));
    let ours = serde_json::json!({ "by": "ann", "output": "hook" });
    assert_eq!(purge(Method::POST, all, &ours).await, (StatusCode::OK, 3));
    assert_eq!(purge(Method::POST, all, &serde_json::json!({})).await.0, StatusCode::BAD_REQUEST);
    router.kill();

    let router = site.start();
    let letters: List<DeadLetterView> = router.get("/api/v1/deadletters").await;
    assert_eq!(letters.items, []);
    assert_eq!(router.ledger().await.outputs["hook"].dead_lettered, 4);
    let explanation: Explanation = router.get(&format!("/api/v1/explain/{}", id(&alerts[0]))).await;
    let last = &explanation.decisions.last().unwrap().kind;
    assert!(matches!(last, DecisionKind::Purged { by, .. } if by == "ann"), "{last:?}");
    assert!(!explanation.pending);
}

#[tokio::test]
async fn dead_letters_are_listed_and_replayed_after_a_restart() {
    let (receiver, site) = refusing().await;
    let router = site.start();
    let alerts: Vec<_> = (0..3).map(|n| alert(&format!("rule {n}"), "Notice", "web")).collect();
    router.send(&alerts).await;
    let ledger = router.settled().await;
    assert_eq!(ledger.outputs["hook"].dead_lettered, 3);
    router.kill();

    let router = site.start();
    let letters: List<DeadLetterView> = router.get("/api/v1/deadletters").await;
    assert_eq!(letters.items.len(), 3);
    assert!(letters.items[0].reason.contains("400"), "{}", letters.items[0].reason);
    receiver.now(|_, _| Answer::Take);
    let one = letters.items[0].notification;
    let path = format!("/api/v1/deadletters/{one}/replay");
    let by = serde_json::json!({ "by": "ann" });
    let response = router.request(Method::POST, &path, &by).await;
    let replayed: Replayed = response.json().await.unwrap();
    assert_eq!(replayed.notifications, [one]);
    let body = serde_json::json!({ "by": "ann", "output": "hook" });
    let response = router.request(Method::POST, "/api/v1/deadletters/replay", &body).await;
    assert_eq!(response.json::<Replayed>().await.unwrap().notifications.len(), 2);
    let ledger = router.settled().await;
    assert_eq!((ledger.outputs["hook"].delivered, ledger.outputs["hook"].dead_lettered), (3, 0));
    assert!(receiver.taken().iter().any(|taken| taken.id.contains(&one.to_string())));
}

#[tokio::test]
async fn dead_letters_are_delivered_by_another_output_when_a_person_says_so() {
    let receiver = Receiver::start(|_, _| Answer::Status(400)).await;
    let site = Site::new(&format!(
        "
outputs:
  hook: {{ webhook: {{ url: '{}' }} }}
  log: {{ file: {{ path: DIR/alerts.jsonl }} }}
routes: [{{ group_by: [rule], group_wait: 0s, outputs: [hook] }}]
",
        receiver.url()
    ));
    let router = site.start();
    let alerts: Vec<_> = (0..3).map(|n| alert(&format!("rule {n}"), "Notice", "web")).collect();
    router.send(&alerts).await;
    assert_eq!(router.settled().await.outputs["hook"].dead_lettered, 3);
    let letters: List<DeadLetterView> = router.get("/api/v1/deadletters").await;
    let one = letters.items[0].notification;
    let path = format!("/api/v1/deadletters/{one}/replay");
    let to = |output: &str| serde_json::json!({ "by": "ann", "to": output });
    let refused = router.request(Method::POST, &path, &to("nowhere")).await;
    assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let response = router.request(Method::POST, &path, &to("log")).await;
    assert_eq!(response.json::<Replayed>().await.unwrap().notifications, [one]);
    let all = "/api/v1/deadletters/replay";
    let old = serde_json::json!({ "by": "ann", "to": "log", "before": "2001-01-01T00:00:00Z" });
    let response = router.request(Method::POST, all, &old).await;
    assert_eq!(response.json::<Replayed>().await.unwrap().notifications, []);
    let response = router.request(Method::POST, all, &to("log")).await;
    assert_eq!(response.json::<Replayed>().await.unwrap().notifications.len(), 2);
    let ledger = router.settled().await;
    let (hook, log) = (ledger.outputs["hook"], ledger.outputs["log"]);
    assert_eq!((hook.routed, hook.dead_lettered, hook.delivered), (3, 3, 0));
    assert_eq!((log.routed, log.dead_lettered, log.delivered), (3, 0, 3));
    let told: Vec<_> = site.lines("alerts.jsonl");
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(receiver.received().len(), 3, "its own output is not tried again");
    let explanation: Explanation = router.get(&format!("/api/v1/explain/{}", id(&alerts[0]))).await;
    let goes = |kind: &DecisionKind| matches!(kind, DecisionKind::Replayed { to: Some(to), .. } if **to == *"log");
    assert!(explanation.decisions.iter().any(|decision| goes(&decision.kind)));
    assert!(!explanation.pending);
    router.kill();
    assert_eq!(site.start().ledger().await.outputs, ledger.outputs);
}

#[tokio::test]
async fn a_live_tail_shows_what_its_condition_wants() {
    let site = Site::new(FILE);
    let router = site.start();
    let path = "/api/v1/tail?condition=priority%20%3E%3D%20critical";
    let mut tail = router.request(Method::GET, path, &()).await.bytes_stream();
    router.send(&[alert("Quiet", "Notice", "web"), alert("Loud", "Critical", "web")]).await;
    let mut text = String::new();
    eventually("an event comes", async || {
        let bytes = tail.next().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(&bytes).unwrap());
        text.ends_with("\n\n").then_some(())
    })
    .await;
    assert!(text.starts_with("event: alert\ndata: {"), "{text}");
    assert!(text.contains("\"Loud\"") && !text.contains("\"Quiet\""), "{text}");
    assert_eq!(router.stop().await, Some(0), "an open tail does not stop the stop");
}

#[tokio::test]
async fn a_token_is_needed_where_there_are_tokens() {
    let auth = "  auth: { tokens: [{ name: eve, token: secret, role: viewer }] }\n";
    let router = Site::new(auth).start();
    let get = router.request(Method::GET, "/api/v1/ledger", &()).await;
    assert_eq!(get.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(router.request(Method::GET, "/live", &()).await.status(), StatusCode::OK);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("http://{}{path}", router.api);
    let request = http.get(url("/api/v1/ledger")).bearer_auth("secret");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    let request = http.post(url("/api/v1/deadletters/replay")).bearer_auth("secret");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let request = http.put(url("/log-level")).body("debug");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}
