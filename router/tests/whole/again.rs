//! Writes that are sent again because their answer was never seen.

use reqwest::{Method, Response, StatusCode};
use router::api::types::{DeadLetterView, List, Replayed, SilenceView};
use serde_json::{Value, json};

use crate::{
    harness::{Router, Site, alert},
    receiver::{Answer, Receiver},
};

async fn send(router: &Router, method: Method, path: &str, key: &str, body: &Value) -> Response {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.request(method, format!("http://{}{path}", router.api));
    request.header("idempotency-key", key).json(body).send().await.unwrap()
}

async fn silences(router: &Router) -> Vec<SilenceView> {
    router.get::<List<SilenceView>>("/api/v1/silences").await.items
}

#[tokio::test]
async fn a_silence_is_added_once_also_across_a_crash() {
    let site = Site::new("");
    let router = site.start();
    let silence = json!({ "match": "rule = a", "duration": "1h", "author": "ann", "comment": "c" });
    let other = json!({ "match": "rule = b", "duration": "1h", "author": "ann", "comment": "c" });
    let add = async |router: &Router, key: &str, body: &Value| {
        let response = send(router, Method::POST, "/api/v1/silences", key, body).await;
        let replayed = response.headers().contains_key("idempotency-replayed");
        (response.status(), replayed, response.text().await.unwrap())
    };
    let (status, replayed, first) = add(&router, "\"one\"", &silence).await;
    assert_eq!((status, replayed), (StatusCode::CREATED, false), "{first}");
    assert_eq!(add(&router, "one", &silence).await, (StatusCode::CREATED, true, first.clone()));
    assert_eq!(add(&router, "one", &other).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(add(&router, "two", &silence).await.0, StatusCode::CREATED);
    assert_eq!(add(&router, "a key", &silence).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(silences(&router).await.len(), 2);
    router.kill();

    let router = site.start();
    assert_eq!(add(&router, "one", &silence).await, (StatusCode::CREATED, false, first));
    assert_eq!(add(&router, "two", &other).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(silences(&router).await.len(), 2);
}

#[tokio::test]
async fn a_replay_that_is_sent_again_is_answered_as_the_first_and_replays_nothing_more() {
    let receiver = Receiver::start(|_, _| Answer::Status(400)).await;
    let site = Site::new(&format!(
        "
outputs: {{ hook: {{ webhook: {{ url: '{}' }} }} }}
routes: [{{ group_by: [rule], group_wait: 0s }}]
",
        receiver.url()
    ));
    let router = site.start();
    router.send(&[alert("first", "Notice", "web")]).await;
    assert_eq!(router.settled().await.outputs["hook"].dead_lettered, 1);
    let (path, by) = ("/api/v1/deadletters/replay", json!({ "by": "ann" }));
    let replay = async || {
        let response = send(&router, Method::POST, path, "once", &by).await;
        response.json::<Replayed>().await.unwrap()
    };
    let first = replay().await;
    assert_eq!(first.notifications.len(), 1);
    assert_eq!(router.settled().await.outputs["hook"].dead_lettered, 1);
    let attempts = receiver.received().len();
    assert_eq!(replay().await, first);
    assert_eq!(router.settled().await.outputs["hook"].dead_lettered, 1);
    assert_eq!(receiver.received().len(), attempts, "nothing was tried again");
    let letters: List<DeadLetterView> = router.get("/api/v1/deadletters").await;
    assert_eq!(letters.items.len(), 1);
}
